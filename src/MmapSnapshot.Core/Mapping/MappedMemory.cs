using System.Buffers;
using System.Collections.Concurrent;

namespace MmapSnapshot.Mapping;

/// <summary>
/// A part of a mapping as memory. It stays mapped until it is disposed: a span may outlive all objects that it was taken from.
/// </summary>
internal sealed unsafe class MappedMemory : MemoryManager<byte>
{
    /// <summary>Keeps mappings from being finalized, and so unmapped, while a span may still show them.</summary>
    private static readonly ConcurrentDictionary<MappedMemory, MappedRegion> _mapped = new();

    private readonly MappedRegion _region;

    private readonly long _offset;

    private readonly int _length;

    private volatile bool _isDisposed;

    /// <param name="region">What is mapped.</param>
    /// <param name="offset">Where the part begins.</param>
    /// <param name="length">How many bytes it has; the caller has checked that they lie within, and brought them into memory.</param>
    internal MappedMemory(MappedRegion region, long offset, int length)
    {
        bool added = false;
        region.DangerousAddRef(ref added); // from here on the region stays mapped until Dispose
        _region = region;
        _offset = offset;
        _length = length;
        _mapped[this] = region;
    }

    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, typeof(SnapshotView));
        // SAFETY: the region is held, and the range was checked against it.
        return new Span<byte>(_region.Address + _offset, _length);
    }

    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, typeof(SnapshotView));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)_length, nameof(elementIndex));
        // Pinned memory stays where it is until it is unpinned, even if the view is disposed before.
        bool added = false;
        _region.DangerousAddRef(ref added);
        return new MemoryHandle(_region.Address + _offset + elementIndex, default, this);
    }

    public override void Unpin() => _region.DangerousRelease();

    protected override void Dispose(bool disposing)
    {
        _isDisposed = true;
        if (_mapped.TryRemove(this, out _)) _region.DangerousRelease();
    }
}

using System.Buffers;
using MmapSnapshot.Mapping;

namespace MmapSnapshot;

/// <summary>
/// The bytes of a snapshot as memory, without a copy. While a view is out its snapshot can be neither closed nor resized.
/// Later writes to the snapshot show in it. It is finalized if forgotten.
/// </summary>
/// <remarks>
/// As with every <see cref="MemoryManager{T}"/>, a span taken from <see cref="Span"/> must not be used after the view was
/// disposed; <see cref="Memory"/> itself checks that and throws.
/// </remarks>
public sealed class SnapshotView : IDisposable
{
    private readonly Snapshot _snapshot;

    private readonly RegionMemory _memory;

    private int _disposed;

    /// <summary>The caller holds the snapshot's lock, has checked the range and populated the pages.</summary>
    internal SnapshotView(Snapshot snapshot, MappedRegion region, long offset, int length)
    {
        _snapshot = snapshot;
        _memory = new RegionMemory(this, region, offset, length);
        Offset = offset;
        Length = length;
    }

    /// <summary>Finalizes a view that was never disposed.</summary>
    ~SnapshotView() => Dispose();

    /// <summary>Where the view begins, in bytes from the start of the snapshot.</summary>
    public long Offset { get; }

    /// <summary>How many bytes the view has.</summary>
    public int Length { get; }

    /// <summary>The bytes, as memory that may be kept and passed on.</summary>
    /// <exception cref="ObjectDisposedException">The view was disposed; also when the memory is used later.</exception>
    public ReadOnlyMemory<byte> Memory => _memory.Memory;

    /// <summary>The bytes, for use right here.</summary>
    /// <exception cref="ObjectDisposedException">The view was disposed.</exception>
    public ReadOnlySpan<byte> Span => _memory.GetSpan();

    /// <summary>Lets go of the memory.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        GC.SuppressFinalize(this);
        ((IDisposable)_memory).Dispose();
        _snapshot.ViewReleased();
    }

    private sealed unsafe class RegionMemory : MemoryManager<byte>
    {
        /// <summary>Memory that was passed on keeps its view, which would else be finalized under it.</summary>
        private readonly SnapshotView _view;

        private readonly MappedRegion _region;

        private readonly long _offset;

        private readonly int _length;

        private volatile bool _released;

        internal RegionMemory(SnapshotView view, MappedRegion region, long offset, int length)
        {
            _view = view;
            bool added = false;
            region.DangerousAddRef(ref added); // from here on the region stays mapped until Dispose
            _region = region;
            _offset = offset;
            _length = length;
        }

        public override Span<byte> GetSpan()
        {
            ObjectDisposedException.ThrowIf(_released, typeof(SnapshotView));
            // Sound: the region is held, and the range was checked against it. For an empty range no address is formed.
            return _length == 0 ? [] : new Span<byte>(_region.Address + _offset, _length);
        }

        public override MemoryHandle Pin(int elementIndex = 0)
        {
            ObjectDisposedException.ThrowIf(_released, typeof(SnapshotView));
            ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)_length, nameof(elementIndex));
            // Pinned memory stays where it is until it is unpinned, even if the view is disposed before.
            _view._snapshot.ViewTaken();
            bool added = false;
            _region.DangerousAddRef(ref added);
            return new MemoryHandle(_length == 0 ? null : _region.Address + _offset + elementIndex, default, this);
        }

        public override void Unpin()
        {
            _region.DangerousRelease();
            _view._snapshot.ViewReleased();
        }

        protected override void Dispose(bool disposing)
        {
            _released = true;
            _region.DangerousRelease();
        }
    }
}

using System.Buffers;

namespace MmapSnapshot;

/// <summary>
/// Bytes of a snapshot as memory: those of the moment in which the view was taken, whatever is written to the snapshot later. They
/// stay as long as anything can reach them, also after the snapshot was closed.
/// </summary>
/// <remarks>
/// Dispose a view of more than 64 MiB when it is no longer used: it is a mapping (man 2 mmap), which the garbage collector does not
/// remove, because a span may still show it. A span must not be used after the view was disposed; <see cref="Memory"/> itself checks
/// that and throws.
/// </remarks>
public sealed class SnapshotView : IDisposable
{
    private readonly ReadOnlyMemory<byte> _memory;

    private readonly IMemoryOwner<byte>? _mapping;

    private volatile bool _isDisposed;

    internal SnapshotView(byte[] bytes, long offset)
    {
        _memory = bytes;
        Offset = offset;
    }

    internal SnapshotView(IMemoryOwner<byte> mapping, long offset)
    {
        _mapping = mapping;
        _memory = mapping.Memory;
        Offset = offset;
    }

    /// <summary>Where the view begins, in bytes from the start of the snapshot.</summary>
    public long Offset { get; }

    /// <summary>How many bytes the view has.</summary>
    public int Length => _memory.Length;

    /// <summary>The bytes, as memory that may be kept and passed on.</summary>
    /// <exception cref="ObjectDisposedException">The view was disposed.</exception>
    public ReadOnlyMemory<byte> Memory
    {
        get
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return _memory;
        }
    }

    /// <summary>The bytes, for use right here.</summary>
    /// <exception cref="ObjectDisposedException">The view was disposed.</exception>
    public ReadOnlySpan<byte> Span => Memory.Span;

    /// <summary>Releases the memory.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        _mapping?.Dispose();
    }
}

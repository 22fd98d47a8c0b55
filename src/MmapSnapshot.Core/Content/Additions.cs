using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Native;

namespace MmapSnapshot.Content;

/// <summary>
/// What was written to a snapshot: bytes that are only ever appended, each under its own offset for good. The last mebibyte or so is in
/// memory; what was appended before is in an unlinked file, as long as there is one to be had.
/// </summary>
/// <remarks>
/// <para>
/// Threads that append wait for each other. Any number may read at the same time what was appended before, and never wait for it:
/// they take the memory of a chunk by one reference, and it stays what it is for as long as they have it.
/// </para>
/// <para>
/// Bytes leave memory only after pwrite and fdatasync have succeeded: an unlinked file whose write-back fails loses them silently
/// (man 2 fsync; the error is reported once). On a full disk they stay in memory, and moving them is tried again later.
/// </para>
/// </remarks>
/// <param name="createFiles">Makes unlinked files, one for each place that may have room, in the order of preference.</param>
/// <param name="path">The path that errors name.</param>
internal sealed class Additions(Func<IEnumerable<PrivateFile>> createFiles, string path) : IDisposable
{
    internal const int ChunkSize = 256 << 10;

    /// <summary>Whole chunks are moved to a file when so many bytes of them are in memory: an fdatasync may take milliseconds.</summary>
    private const int MemoryLimit = 1 << 20, MemoryLimitOfMany = 16 << 20;

    /// <summary>The memory of a chunk begins so small: most snapshots are changed by a few bytes.</summary>
    private const int FirstCapacity = 512;

    private readonly List<PrivateFile> _files = [];

    private readonly object _appending = new();

    /// <summary>Replaced when it is full; its entries never change.</summary>
    private Chunk[] _chunks = [];

    /// <summary>How many chunks, from the first on, are in a file.</summary>
    private int _stored;

    /// <summary>How long the additions are when chunks are moved to a file next.</summary>
    private long _storeAt = MemoryLimit;

    /// <summary>How many bytes were appended.</summary>
    internal long Length { get; private set; }

    /// <summary>How many of them are in memory.</summary>
    internal long BytesInMemory => Length - Math.Min(Length, (long)_stored * ChunkSize);

    /// <summary>Appends bytes.</summary>
    /// <returns>Their piece.</returns>
    internal Piece Append(ReadOnlySpan<byte> bytes)
    {
        lock (_appending)
        {
            var piece = Piece.OfAdditions(Length, bytes.Length);
            while (!bytes.IsEmpty)
            {
                int used = (int)(Length % ChunkSize), count = Math.Min(bytes.Length, ChunkSize - used);
                LastChunk().Write(used, bytes[..count]);
                bytes = bytes[count..];
                Length += count;
                if (Length >= _storeAt) Store();
            }
            return piece;
        }
    }

    /// <summary>Reads bytes that were appended.</summary>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal void Read(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            var chunk = ChunkOf(offset);
            int start = (int)(offset % ChunkSize), count = Math.Min(destination.Length, ChunkSize - start);
            if (chunk.Memory is { } memory) memory.AsSpan(start, count).CopyTo(destination);
            else ReadFile(chunk.File!, offset, destination[..count]);
            offset += count;
            destination = destination[count..];
        }
    }

    /// <summary>Bytes that are in memory, without a copy: those of one chunk, which stay valid for as long as the result is held.</summary>
    /// <param name="offset">Where to begin.</param>
    /// <param name="count">How many bytes are wanted; there may be fewer in the chunk.</param>
    /// <returns>Empty if they are in a file.</returns>
    internal ReadOnlyMemory<byte> TryGetMemory(long offset, long count)
    {
        int start = (int)(offset % ChunkSize);
        return ChunkOf(offset).Memory is { } memory ? memory.AsMemory(start, (int)Math.Min(count, ChunkSize - start)) : default;
    }

    /// <summary>Closes the files. The caller sees to it that no reader is left.</summary>
    public void Dispose()
    {
        foreach (var file in _files) file.Dispose();
    }

    private Chunk ChunkOf(long offset) => Volatile.Read(ref _chunks)[(int)(offset / ChunkSize)];

    private Chunk LastChunk()
    {
        int index = (int)(Length / ChunkSize);
        if (index == _chunks.Length)
        {
            var larger = new Chunk[Math.Max(4, 2 * index)];
            _chunks.CopyTo(larger, 0);
            Volatile.Write(ref _chunks, larger);
        }
        return _chunks[index] ??= new Chunk();
    }

    private void ReadFile(SafeFileHandle file, long offset, Span<byte> destination)
    {
        var errno = Kernel.Read(file, destination, offset, out int done);
        if (errno == 0 && done < destination.Length) errno = Mono.Unix.Native.Errno.EIO; // the file is shorter than it was made
        ErrnoErrors.ThrowIfError(errno, $"read {destination.Length} bytes that were written to the snapshot of '{path}'", path, SnapshotError.ReadFailed);
    }

    /// <summary>Moves the whole chunks that are in memory to a file. If that fails they stay.</summary>
    private void Store()
    {
        int end = (int)(Length / ChunkSize);
        if (_files.Count == 0 || !TryStore(_files[^1].Handle, end))
        {
            // The disk may be full: what was written is of no use, and takes space.
            if (_files.Count > 0) _ = Kernel.FTruncate(_files[^1].Handle, (long)_stored * ChunkSize);
            StoreElsewhere(end);
        }
        // After a failure the memory may double before the next attempt: each attempt writes all of it.
        long limit = _stored == end ? Math.Clamp(Length / 8, MemoryLimit, MemoryLimitOfMany) : Length;
        _storeAt = (Length / ChunkSize * ChunkSize) + limit;
    }

    private void StoreElsewhere(int end)
    {
        foreach (var file in createFiles())
        {
            if (TryStore(file.Handle, end))
            {
                _files.Add(file);
                return;
            }
            file.Dispose();
        }
    }

    /// <summary>Every chunk has its place at its own offset, so that a second attempt writes over what the first one left.</summary>
    private bool TryStore(SafeFileHandle file, int end)
    {
        for (int i = _stored; i < end; i++)
        {
            if (Kernel.Write(file, _chunks[i].Memory, (long)i * ChunkSize, out _) != 0) return false;
        }
        if (Kernel.FDataSync(file) != 0) return false;
        for (; _stored < end; _stored++) _chunks[_stored].MoveTo(file);
        return true;
    }

    /// <summary>Bytes that are in memory or, once they are all there, in a file.</summary>
    private sealed class Chunk
    {
        private byte[]? _memory = new byte[FirstCapacity];

        /// <summary>Null once the bytes are in the file. What was read from here before stays as it is.</summary>
        internal byte[]? Memory => Volatile.Read(ref _memory);

        /// <summary>Where the bytes are when they are no longer in memory.</summary>
        internal SafeFileHandle? File { get; private set; }

        /// <summary>Writes after what was written before, which is all that readers look at.</summary>
        internal void Write(int offset, ReadOnlySpan<byte> bytes)
        {
            byte[] memory = _memory!;
            if (offset + bytes.Length > memory.Length)
            {
                var larger = new byte[Math.Min(ChunkSize, Math.Max(offset + bytes.Length, 2 * memory.Length))];
                memory.AsSpan(0, offset).CopyTo(larger);
                bytes.CopyTo(larger.AsSpan(offset));
                Volatile.Write(ref _memory, larger);
                return;
            }
            bytes.CopyTo(memory.AsSpan(offset));
        }

        internal void MoveTo(SafeFileHandle file)
        {
            File = file;
            Volatile.Write(ref _memory, null);
        }
    }
}

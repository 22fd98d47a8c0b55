using MmapSnapshot.Backing;
using MmapSnapshot.Native;

namespace MmapSnapshot.Editing;

/// <summary>
/// Bytes put aside before they are overwritten, each under its own offset. A few are kept in memory; more go to a sparse
/// private file, where the filesystem shares them instead of copying if it can.
/// </summary>
/// <param name="createFile">Makes the private file, once it is needed.</param>
/// <param name="path">The path that errors name.</param>
internal sealed class KeptBytes(Func<PrivateFile> createFile, string path) : IDisposable
{
    private const int MemoryLimit = 1 << 20;

    private const int PieceLimit = 4096;

    /// <summary>Extents are shared in whole blocks only, and no filesystem has larger ones.</summary>
    private const long Block = 64 << 10;

    /// <summary>Each under the offset of its first byte. They may overlap: the same byte kept twice is the same byte.</summary>
    private readonly SortedList<long, byte[]> _pieces = [];

    private PrivateFile? _file;

    /// <summary>How many bytes were put aside; holes in a file are none.</summary>
    internal long Total { get; private set; }

    /// <summary>Puts the bytes of a range aside. A failure (a full disk) loses nothing that was put aside before.</summary>
    internal void Keep(PrivateFile source, ByteRange range, Progress progress)
    {
        if (range.Length == 0) return;
        if (_file is null && range.Length <= MemoryLimit - Total && _pieces.Count < PieceLimit) KeepInMemory(source, range, progress);
        else KeepInFile(source, range, progress);
    }

    /// <summary>Reads bytes that were put aside; all of them were.</summary>
    internal void Read(long offset, Span<byte> destination)
    {
        if (_file is not null)
        {
            Failure.Check(Kernel.Read(_file.Handle, destination, offset, out int done), $"read the former bytes of '{path}' at offset {offset}", path, SnapshotError.ReadFailed);
            destination[done..].Clear(); // the holes at its end
            _file.ThrowIfWriteBackFailed(path);
            return;
        }
        long end = offset + destination.Length;
        for (int i = 0; i < _pieces.Count && _pieces.Keys[i] < end; i++)
        {
            long start = Math.Max(offset, _pieces.Keys[i]);
            long stop = Math.Min(end, _pieces.Keys[i] + _pieces.Values[i].Length);
            if (start < stop) _pieces.Values[i].AsSpan((int)(start - _pieces.Keys[i]), (int)(stop - start)).CopyTo(destination[(int)(start - offset)..]);
        }
    }

    /// <summary>Writes bytes that were put aside back to where they came from, their holes too.</summary>
    /// <exception cref="SnapshotException">NoSpace, WriteFailed, ReadFailed: part of the range has its former bytes.</exception>
    internal void PutBack(ByteRange range, PrivateFile target, Progress progress)
    {
        if (range.Length == 0) return;
        if (_file is null)
        {
            var bytes = new byte[range.Length]; // at most the memory limit
            Read(range.Offset, bytes);
            Failure.Check(Kernel.Write(target.Handle, bytes, range.Offset, out _), $"take back what was written at offset {range.Offset} of the snapshot of '{path}'", path, SnapshotError.WriteFailed);
            progress.Add(range.Length);
            return;
        }
        // Holes first: that frees the space which putting the data back may take.
        ByteRange[] data = [.. DataCopy.DataRanges(_file.Handle, range, path)];
        long hole = range.Offset;
        foreach (var run in data)
        {
            MakeHole(target, ByteRange.Between(hole, run.Offset));
            progress.Add(run.Offset - hole);
            hole = run.End;
        }
        MakeHole(target, ByteRange.Between(hole, range.End));
        progress.Add(range.End - hole);
        foreach (var run in data) Copy(_file, target, run, progress);
        _file.ThrowIfWriteBackFailed(path);
    }

    /// <summary>Where in a range that was put aside there is data.</summary>
    internal IEnumerable<ByteRange> DataWithin(ByteRange range) => _file is null ? [range] : [.. DataCopy.DataRanges(_file.Handle, range, path)];

    internal void Clear()
    {
        _pieces.Clear();
        _file?.Dispose();
        _file = null;
        Total = 0;
    }

    public void Dispose() => Clear();

    private void KeepInMemory(PrivateFile source, ByteRange range, Progress progress)
    {
        var piece = new byte[range.Length];
        var errno = piece.Length <= Environment.SystemPageSize
            ? Kernel.ReadAlone(source.Handle, piece, range.Offset, out _)
            : Kernel.Read(source.Handle, piece, range.Offset, out _);
        Failure.Check(errno, $"read {range.Length} bytes at offset {range.Offset} of the snapshot of '{path}'", path, SnapshotError.ReadFailed);
        if (!_pieces.TryGetValue(range.Offset, out byte[]? known) || known.Length < piece.Length) _pieces[range.Offset] = piece;
        Total += range.Length;
        progress.Add(range.Length);
    }

    private void KeepInFile(PrivateFile source, ByteRange range, Progress progress)
    {
        if (_file is null)
        {
            var file = createFile();
            try
            {
                foreach (var (offset, piece) in _pieces)
                    Failure.Check(Kernel.Write(file.Handle, piece, offset, out _), $"put aside bytes of the snapshot of '{path}'", path, SnapshotError.WriteFailed);
            }
            catch
            {
                file.Dispose();
                throw;
            }
            _file = file;
            _pieces.Clear();
        }
        long passed = range.Offset;
        foreach (var data in DataCopy.DataRanges(source.Handle, range, path))
        {
            progress.Add(data.Offset - passed);
            Copy(source, _file, data, progress);
            Total += data.Length;
            passed = data.End;
        }
        progress.Add(range.End - passed);
    }

    /// <summary>The whole blocks by themselves, so that they can be shared.</summary>
    private void Copy(PrivateFile from, PrivateFile to, ByteRange range, Progress progress)
    {
        var copy = new DataCopy(from.Handle, to.Handle, path, path, progress);
        long first = Math.Min((range.Offset + Block - 1) / Block * Block, range.End);
        long last = Math.Max(first, range.End / Block * Block);
        foreach (var part in (ByteRange[])[ByteRange.Between(range.Offset, first), ByteRange.Between(first, last), ByteRange.Between(last, range.End)])
        {
            if (copy.CopyRange(part) != part.End) throw new SnapshotException(SnapshotError.ReadFailed, $"The private bytes of '{path}' end at an unexpected place.", path);
        }
    }

    private void MakeHole(PrivateFile target, ByteRange range)
    {
        if (range.Length == 0) return;
        Failure.Check(Kernel.PunchHole(target.Handle, range.Offset, range.Length), $"take back what was written at offset {range.Offset} of the snapshot of '{path}'", path, SnapshotError.WriteFailed);
    }
}

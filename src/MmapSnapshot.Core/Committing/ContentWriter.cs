using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Content;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Writes the bytes of a table to a file: runs of the base as clones or copies, what was written over them, zeros as holes.
/// </summary>
/// <param name="reader">Reads the table.</param>
/// <param name="table">The bytes.</param>
/// <param name="listener">Told of the progress, on this thread. May be null.</param>
/// <param name="cancellation">Ends it.</param>
internal sealed class ContentWriter(
    ContentReader reader, PieceTable table, IProgress<SnapshotProgress>? listener, CancellationToken cancellation)
{
    private const int Window = 1 << 20;

    /// <summary>A file of up to so many bytes is written as a whole: on XFS, to write to a clone and flush it takes longer.</summary>
    private const int Small = 64 << 10;

    /// <summary>The number of bytes.</summary>
    internal long Length => table.Length;

    /// <summary>The base of the snapshot.</summary>
    internal SnapshotContent Base => reader.Base;

    /// <summary>Whether the base is in so many extents that a clone of it takes long.</summary>
    /// <exception cref="SnapshotException">SnapshotLost, ReadFailed.</exception>
    internal bool IsBaseFragmented()
    {
        bool isFragmented = false;
        reader.Base.Use(file => isFragmented = Fragmentation.CloneTime(file, FileStatus.Of(file, "")) is not null);
        return isFragmented;
    }

    /// <summary>Writes a range of the table, zeros as bytes.</summary>
    /// <param name="range">A range of the table.</param>
    /// <param name="target">Open for writing.</param>
    /// <param name="shift">How much further on it goes in the target.</param>
    /// <param name="path">The path that errors name.</param>
    /// <exception cref="SnapshotException">SnapshotLost, NoSpace, ReadFailed, WriteFailed.</exception>
    internal void WriteBytes(ByteRange range, SafeFileHandle target, long shift, string path) =>
        WriteBytes(range, (offset, bytes) => reader.Read(table, offset, bytes), target, shift, path, ProgressOf(path));

    /// <summary>Sees to it that this process holds nothing of the file that the snapshot is of: it is about to be written to.</summary>
    internal void MakeBasePrivate() => reader.Base.MakePrivate(listener, cancellation);

    /// <summary>Reads bytes of the table, all of which lie within it.</summary>
    /// <exception cref="SnapshotException">ReadFailed, SnapshotLost.</exception>
    internal void Read(long offset, Span<byte> destination) => reader.Read(table, offset, destination);

    /// <summary>The runs of a range of the table that are not zeros for certain, in order.</summary>
    /// <exception cref="SnapshotException">ReadFailed, SnapshotLost; when enumerated.</exception>
    internal IEnumerable<ByteRange> DataRanges(ByteRange within) => reader.DataRanges(table, within);

    /// <summary>Prepares a save that writes to ranges of the file that is the base (<see cref="ContentReader.RedirectBase"/>).</summary>
    /// <exception cref="SnapshotException">SnapshotLost, ReadFailed.</exception>
    internal void RedirectBase(IEnumerable<ByteRange> ranges) => reader.RedirectBase(ranges, cancellation);

    /// <summary>Fills an empty file.</summary>
    /// <param name="target">Open for writing.</param>
    /// <param name="path">The path that errors name.</param>
    /// <exception cref="SnapshotException">SnapshotLost, NoSpace, TooLarge, ReadFailed, WriteFailed.</exception>
    internal void Fill(SafeFileHandle target, string path)
    {
        bool isBegun = false;
        reader.Base.Use(source =>
        {
            if (isBegun) SetLength(target, 0, path);
            isBegun = true;
            var progress = ProgressOf(path);
            if (Length <= Small)
            {
                SetLength(target, Length, path);
                foreach (var data in reader.DataRanges(table, new ByteRange(0, Length))) WriteBytes(data, target, path, progress);
                return;
            }
            var kept = KeptRanges();
            var place = new Place(source, target, path);
            bool isClone = TryClone(source, target, kept, path), isRedirected = isClone && reader.IsBaseRedirected;
            // Cut first, so that nothing of the base shows in what is longer. A file that was written to has another length perhaps.
            if (isClone && (Length < reader.Base.Length || isRedirected)) SetLength(target, Math.Min(Length, reader.Base.Length), path);
            if (!isClone || Length > reader.Base.Length) SetLength(target, Length, path);
            foreach (var range in kept)
            {
                if (isRedirected) WriteRedirected(place, range);
                if (isClone) progress.Add(range.Length);
                else CopyBase(place, new PieceRun(range.Offset, Piece.OfBase(range.Offset, range.Length)), isEmpty: true, progress);
            }
            foreach (var run in table.Runs(0, Length))
            {
                if (!IsInPlace(run)) WriteRun(place, run, occupied: Math.Min(reader.Base.Length, Length), zerosAsHoles: true, progress);
            }
        });
    }

    /// <summary>Writes ranges of the table over what a file has there, and gives it the table's length.</summary>
    /// <param name="target">Open for writing.</param>
    /// <param name="ranges">What to write.</param>
    /// <param name="oldLength">The file's length so far.</param>
    /// <param name="path">The path that errors name.</param>
    /// <exception cref="SnapshotException">SnapshotLost, NoSpace, TooLarge, ReadFailed, WriteFailed.</exception>
    internal void WriteOver(SafeFileHandle target, IReadOnlyList<ByteRange> ranges, long oldLength, string path)
    {
        reader.Base.Use(source =>
        {
            var place = new Place(source, target, path);
            var progress = ProgressOf(path);
            foreach (var range in ranges)
            {
                foreach (var run in table.Runs(range.Offset, range.Length))
                    WriteRun(place, run, occupied: oldLength, zerosAsHoles: false, progress);
            }
            SetLength(target, Length, path);
        });
    }

    private static void SetLength(SafeFileHandle target, long length, string path)
    {
        var errno = Kernel.FTruncate(target, length);
        // man 2 ftruncate: EFBIG, or EINVAL from filesystems that check late.
        if (errno == Errno.EINVAL) errno = Errno.EFBIG;
        ErrnoErrors.ThrowIfError(errno, $"set the length of '{path}' to {length}", path, SnapshotError.WriteFailed);
    }

    private Progress ProgressOf(string path) => new($"Saving '{path}'", Length, listener, cancellation);

    private static bool IsInPlace(PieceRun run) => run.Piece.Kind == PieceKind.Base && run.Piece.Offset == run.Offset;

    /// <summary>
    /// Where the table has the base's bytes at their own offsets. What was written in between is in them too, if it is short: copying
    /// it is cheaper than not.
    /// </summary>
    private List<ByteRange> KeptRanges()
    {
        var ranges = new List<ByteRange>();
        foreach (var run in table.Runs(0, Length))
        {
            if (!IsInPlace(run)) continue;
            if (ranges.Count > 0 && run.Offset - ranges[^1].End < Window) ranges[^1] = ByteRange.Between(ranges[^1].Offset, run.End);
            else ranges.Add(new ByteRange(run.Offset, run.Piece.Length));
        }
        return ranges;
    }

    /// <summary>Makes the target a clone of the base, unless hardly anything of the base is where it was.</summary>
    private bool TryClone(SafeFileHandle source, SafeFileHandle target, List<ByteRange> kept, string path)
    {
        if (kept.Count == 0 || kept.Sum(range => range.Length) < reader.Base.Length / 8) return false;
        var errno = Kernel.FiClone(source, target);
        if (errno == 0) return true;
        if (FileClone.IsUnavailable(errno)) return false;
        throw ErrnoErrors.ToException(errno, $"clone the snapshot of '{path}'", path, SnapshotError.WriteFailed);
    }

    /// <param name="place">From where to where.</param>
    /// <param name="run">What to write.</param>
    /// <param name="occupied">The offset from which on the target has nothing but a hole.</param>
    /// <param name="zerosAsHoles">Whether zeros may be holes where the target has something else.</param>
    /// <param name="progress">Told of the progress.</param>
    private void WriteRun(in Place place, PieceRun run, long occupied, bool zerosAsHoles, Progress progress)
    {
        long over = Math.Clamp(occupied - run.Offset, 0, run.Piece.Length);
        if (over > 0 && over < run.Piece.Length)
        {
            WriteRun(place, run with { Piece = run.Piece.Slice(0, over) }, occupied, zerosAsHoles, progress);
            run = new PieceRun(run.Offset + over, run.Piece.Slice(over, run.Piece.Length - over));
        }
        bool isBase = run.Piece.Kind == PieceKind.Base, isZeros = run.Piece is { Kind: PieceKind.Repeat, Value: 0 };
        bool isEmpty = run.Offset >= occupied;
        if (!isEmpty && zerosAsHoles && (isBase || isZeros)) isEmpty = Kernel.PunchHole(place.Target, run.Offset, run.Piece.Length) == 0;
        if (isBase) CopyBase(place, run, isEmpty, progress);
        else if (isZeros && isEmpty) progress.Add(run.Piece.Length);
        else WriteBytes(new ByteRange(run.Offset, run.Piece.Length), place.Target, place.Path, progress);
    }

    /// <param name="place">From where to where.</param>
    /// <param name="run">A run of the base.</param>
    /// <param name="isEmpty">Whether the target has a hole there, so that holes of the base can stay holes.</param>
    /// <param name="progress">Told of the progress.</param>
    private void CopyBase(in Place place, PieceRun run, bool isEmpty, Progress progress)
    {
        long shift = run.Offset - run.Piece.Offset;
        foreach (var part in reader.BasePlaces(run.Piece.Offset, run.Piece.Length))
        {
            var range = new ByteRange(part.Offset, part.Piece.Length);
            if (part.Piece.Kind == PieceKind.Base) CopyFile(place, range, shift, isEmpty, progress);
            else if (isEmpty && part.Piece is { Kind: PieceKind.Repeat, Value: 0 }) progress.Add(range.Length);
            else WriteBytes(range, reader.ReadBase, place.Target, shift, place.Path, progress);
        }
    }

    /// <summary>Writes what a clone of the base does not have, as a save has written to the base.</summary>
    private void WriteRedirected(in Place place, ByteRange range)
    {
        foreach (var part in reader.BasePlaces(range.Offset, range.Length))
        {
            if (part.Piece.Kind == PieceKind.Base) continue;
            WriteBytes(new ByteRange(part.Offset, part.Piece.Length), reader.ReadBase, place.Target, shift: 0, place.Path, default);
        }
    }

    private static void CopyFile(in Place place, ByteRange range, long shift, bool isEmpty, Progress progress)
    {
        var (source, target, path) = place;
        var copy = new DataCopy(source, target, path, path, progress, shift);
        long end = range.Offset;
        foreach (var data in isEmpty ? DataCopy.DataRanges(source, range, path) : [range])
        {
            progress.Add(data.Offset - end);
            end = copy.CopyRange(data);
            if (end == data.End) continue;
            throw new SnapshotException(SnapshotError.ReadFailed, $"The bytes of the snapshot of '{path}' end at an unexpected place.", path);
        }
        progress.Add(range.End - end);
    }

    private void WriteBytes(ByteRange range, SafeFileHandle target, string path, Progress progress) =>
        WriteBytes(range, (offset, bytes) => reader.Read(table, offset, bytes), target, shift: 0, path, progress);

    private static void WriteBytes(ByteRange range, BaseReader read, SafeFileHandle target, long shift, string path, Progress progress)
    {
        var buffer = new byte[Math.Min(Window, range.Length)];
        for (long offset = range.Offset; offset < range.End; offset += buffer.Length)
        {
            progress.Report();
            var bytes = buffer.AsSpan(0, (int)Math.Min(buffer.Length, range.End - offset));
            read(offset, bytes);
            var errno = Kernel.Write(target, bytes, offset + shift, out _);
            ErrnoErrors.ThrowIfError(errno, $"write at offset 0x{offset + shift:X} of '{path}'", path, SnapshotError.WriteFailed);
            progress.Add(bytes.Length);
        }
    }

    /// <param name="Source">The base.</param>
    /// <param name="Target">The file that is written.</param>
    /// <param name="Path">The path that errors name.</param>
    private readonly record struct Place(SafeFileHandle Source, SafeFileHandle Target, string Path);
}

using System.Buffers;
using MmapSnapshot.Backing;
using MmapSnapshot.Mapping;
using MmapSnapshot.Native;
using MmapSnapshot.Searching;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace MmapSnapshot.Content;

/// <summary>
/// Reads the bytes of any table of a snapshot: from its base, and from what was written to it. It never waits for a writer.
/// </summary>
/// <param name="content">The base.</param>
/// <param name="additions">What was written.</param>
/// <param name="path">The path that errors name.</param>
internal sealed class ContentReader(SnapshotContent content, Additions additions, string path) : IDisposable
{
    /// <summary>The base as memory; mapped when it is first needed.</summary>
    private readonly MappedRegion _region = new();

    /// <summary>The base.</summary>
    internal SnapshotContent Base => content;

    /// <summary>What was written.</summary>
    internal Additions Additions => additions;

    /// <summary>Reads bytes, all of which lie within the table. Allocates nothing unless it fails.</summary>
    /// <exception cref="SnapshotException">ReadFailed, SnapshotLost.</exception>
    internal void Read(PieceTable table, long offset, Span<byte> destination)
    {
        foreach (var run in table.Runs(offset, destination.Length))
        {
            var part = destination.Slice((int)(run.Offset - offset), (int)run.Piece.Length);
            if (run.Piece.Kind == PieceKind.Repeat) part.Fill(run.Piece.Value);
            else if (run.Piece.Kind == PieceKind.Additions) additions.Read(run.Piece.Offset, part);
            else ReadBase(run.Piece.Offset, part);
        }
    }

    /// <summary>
    /// The first run of a range of a table that is neither a hole nor repeated zeros; an empty one at its end if there is none.
    /// </summary>
    /// <exception cref="SnapshotException">ReadFailed, SnapshotLost.</exception>
    internal ByteRange NextData(PieceTable table, ByteRange within)
    {
        foreach (var data in DataRanges(table, within)) return data;
        return new ByteRange(within.End, 0);
    }

    /// <summary>All runs of a range of a table that are neither holes nor repeated zeros, in order; those that touch are one.</summary>
    /// <exception cref="SnapshotException">ReadFailed, SnapshotLost.</exception>
    internal IEnumerable<ByteRange> DataRanges(PieceTable table, ByteRange within)
    {
        ByteRange pending = default, inBase = default;
        var runs = table.Runs(within.Offset, within.Length);
        while (runs.MoveNext())
        {
            var (offset, piece) = runs.Current;
            for (long done = 0; done < piece.Length;)
            {
                var data = new ByteRange(offset + done, piece.Length - done);
                if (piece.Kind == PieceKind.Base) data = NextBaseData(piece, done, offset, ref inBase);
                else if (piece is { Kind: PieceKind.Repeat, Value: 0 }) data = new ByteRange(data.End, 0);
                if (data.Length > 0 && pending.Length > 0 && pending.End == data.Offset)
                {
                    pending = ByteRange.Between(pending.Offset, data.End);
                }
                else if (data.Length > 0)
                {
                    if (pending.Length > 0) yield return pending;
                    pending = data;
                }
                done = data.End - offset;
            }
        }
        if (pending.Length > 0) yield return pending;
    }

    /// <summary>
    /// Shows an action a range of a table, all of which lies within it: through the mapping of the base where the range is one run of
    /// a private base, else in a buffer.
    /// </summary>
    /// <exception cref="SnapshotException">ReadFailed, SnapshotLost, TooLarge.</exception>
    internal unsafe void Show(PieceTable table, long offset, int count, ScanAction action)
    {
        // Not the file itself, through whose mapping bytes could vanish; and not where the addresses do not suffice.
        if (content.IsPrivate
            && BaseOffset(table, offset, count) is { } start
            && _region.TryMap(content.EnsureMappable(), content.Length, path))
        {
            BringIn(start, count);
            // SAFETY: the range lies within the base, all of which is mapped until this reader is disposed, after the last use.
            action(new ReadOnlySpan<byte>(_region.Address + start, count));
            return;
        }
        byte[] buffer = ArrayPool<byte>.Shared.Rent(count);
        try
        {
            Read(table, offset, buffer.AsSpan(0, count));
            action(buffer.AsSpan(0, count));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Bytes of the private base as memory, which are to be disposed. All lie within the table.</summary>
    /// <exception cref="SnapshotException">
    /// TooLarge: something was changed among them. ReadFailed, SnapshotLost; NoSpace, WriteFailed: of a copy.
    /// </exception>
    internal MappedMemory Map(PieceTable table, long offset, int count)
    {
        if (BaseOffset(table, offset, count) is not { } start)
        {
            throw new SnapshotException(
                SnapshotError.TooLarge,
                $"A view of {count} bytes of '{path}' cannot be taken, as some of them were changed. "
                + "View 64 MiB at a time, or save the snapshot elsewhere and open that file.",
                path);
        }
        _region.EnsureMapped(content.EnsureMappable(), content.Length, path);
        BringIn(start, count);
        return new MappedMemory(_region, start, count);
    }

    /// <summary>Whether a file has the bytes of a table. Holes that both have are not read.</summary>
    /// <exception cref="SnapshotException">ReadFailed, SnapshotLost.</exception>
    internal bool HasBytes(PieceTable table, SafeFileHandle file)
    {
        if (Source.FileStatus.Of(file, path).Length != table.Length) return false;
        var whole = new ByteRange(0, table.Length);
        var ranges = new RangeSet();
        foreach (var run in DataCopy.DataRanges(file, whole, path)) ranges.Add(run);
        foreach (var run in DataRanges(table, whole)) ranges.Add(run);
        return AreEqual(ranges.ToArray(), (offset, ours, theirs) =>
        {
            Read(table, offset, ours);
            var errno = Kernel.Read(file, theirs, offset, out int done);
            Failure.Check(errno, $"read '{path}' at offset {offset}", path, SnapshotError.ReadFailed);
            return done == theirs.Length;
        });
    }

    /// <summary>
    /// Whether two tables of the same length have the same bytes, if at most so many have to be compared; else the answer is no. Bytes
    /// that cannot be read count as different.
    /// </summary>
    internal bool AreEqual(PieceTable one, PieceTable other, long limit)
    {
        if (one.Length != other.Length) return false;
        var differences = PieceComparison.Between(one, other);
        if (!differences.TrueForAll(part => part.OldLength == part.NewLength && part.OldOffset == part.NewOffset)) return false;
        if (Progress.Sum(differences.Select(part => part.NewLength)) > limit) return false;
        try
        {
            return AreEqual([.. differences.Select(part => new ByteRange(part.NewOffset, part.NewLength))], (offset, ours, theirs) =>
            {
                Read(one, offset, ours);
                Read(other, offset, theirs);
                return true;
            });
        }
        catch (SnapshotException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        _region.Dispose();
        content.Dispose();
        additions.Dispose();
    }

    private delegate bool PairReader(long offset, Span<byte> ours, Span<byte> theirs);

    private static bool AreEqual(ByteRange[] ranges, PairReader read)
    {
        byte[] ours = new byte[256 << 10], theirs = new byte[ours.Length];
        foreach (var range in ranges)
        {
            for (long offset = range.Offset; offset < range.End; offset += ours.Length)
            {
                int count = (int)Math.Min(ours.Length, range.End - offset);
                if (!read(offset, ours.AsSpan(0, count), theirs.AsSpan(0, count))) return false;
                if (!ours.AsSpan(0, count).SequenceEqual(theirs.AsSpan(0, count))) return false;
            }
        }
        return true;
    }

    /// <summary>Where the base has a range of a table, if that is one run of it.</summary>
    private static long? BaseOffset(PieceTable table, long offset, int count)
    {
        var run = table.Find(offset);
        return run.Piece.Kind == PieceKind.Base && run.End - offset >= count ? run.Piece.Offset + (offset - run.Offset) : null;
    }

    /// <summary>Brings a range of the base, which is mapped, into memory.</summary>
    private void BringIn(long offset, int count)
    {
        if (!_region.IsResident(offset, count)) _region.Populate(content.EnsureMappable(), offset, count, path);
    }

    private void ReadBase(long offset, Span<byte> destination)
    {
        var errno = content.Read(destination, offset, out int done);
        if (errno == 0 && done < destination.Length) errno = Errno.EIO; // the private file is shorter than it was made
        if (errno == 0) return;
        string operation = $"read {destination.Length} bytes at offset {offset} of the snapshot of '{path}'";
        throw Failure.From(errno, operation, path, SnapshotError.ReadFailed);
    }

    /// <summary>
    /// The next data of a piece of the base; an empty run at its end if there is none. Pieces mostly lie in the same data.
    /// </summary>
    private ByteRange NextBaseData(Piece piece, long done, long offset, ref ByteRange inBase)
    {
        long start = piece.Offset + done, end = piece.Offset + piece.Length, shift = offset - piece.Offset;
        if (start < inBase.Offset || start >= inBase.End) inBase = content.NextData(ByteRange.Between(start, content.Length));
        long from = Math.Clamp(inBase.Offset, start, end), to = inBase.Length == 0 ? from : Math.Min(inBase.End, end);
        return inBase.Length == 0 || from == end ? new ByteRange(end + shift, 0) : ByteRange.Between(from + shift, to + shift);
    }
}

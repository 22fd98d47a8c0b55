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

    private readonly BaseRedirection _redirection = new(content, additions);

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

    /// <summary>Reads bytes of the base, all of which lie within it, from where they are by now.</summary>
    /// <exception cref="SnapshotException">ReadFailed, SnapshotLost.</exception>
    internal void ReadBase(long offset, Span<byte> destination)
    {
        while (true)
        {
            var places = _redirection.Places;
            try
            {
                foreach (var run in places.Runs(offset, destination.Length))
                {
                    var part = destination.Slice((int)(run.Offset - offset), (int)run.Piece.Length);
                    if (run.Piece.Kind == PieceKind.Repeat) part.Fill(run.Piece.Value);
                    else if (run.Piece.Kind == PieceKind.Additions) additions.Read(run.Piece.Offset, part);
                    else ReadContent(run.Offset, part);
                }
                if (ReferenceEquals(places, _redirection.Places)) return;
            }
            catch (SnapshotException) when (!ReferenceEquals(places, _redirection.Places))
            {
                // A save has written to the base, and cut it perhaps, since it redirected what was read here.
            }
        }
    }

    /// <summary>Whether a save has written to the base, so that some of its bytes are elsewhere.</summary>
    internal bool IsBaseRedirected => _redirection.IsAny;

    /// <summary>Where the bytes of a range of the base are: runs of the base at their own offsets, all else is redirected.</summary>
    internal PieceRuns BasePlaces(long offset, long count) => _redirection.Places.Runs(offset, count);

    /// <summary>
    /// Prepares a save that writes to the file that is the base: keeps the bytes that ranges of it have, so that tables and their readers
    /// have them later too. If the save does nothing then, this does no harm. One save at a time.
    /// </summary>
    /// <param name="ranges">Where the save will write, or cut, in the base.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="SnapshotException">SnapshotLost, ReadFailed.</exception>
    internal void RedirectBase(IEnumerable<ByteRange> ranges, CancellationToken cancellation) =>
        _redirection.Redirect(ranges, ReadContent, cancellation);

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
        ByteRange pending = default;
        foreach (var (range, value) in Stretches(table, within))
        {
            if (value == 0) continue;
            if (pending.Length > 0 && pending.End == range.Offset)
            {
                pending = ByteRange.Between(pending.Offset, range.End);
                continue;
            }
            if (pending.Length > 0) yield return pending;
            pending = range;
        }
        if (pending.Length > 0) yield return pending;
    }

    /// <summary>
    /// A range of a table as stretches in order: holes and repeated bytes, whose value is known, and all others. Two that touch differ in
    /// what is known of them.
    /// </summary>
    /// <exception cref="SnapshotException">ReadFailed, SnapshotLost.</exception>
    internal IEnumerable<Stretch> Stretches(PieceTable table, ByteRange within)
    {
        Stretch pending = default;
        ByteRange inBase = default;
        var runs = table.Runs(within.Offset, within.Length);
        while (runs.MoveNext())
        {
            var (offset, piece) = runs.Current;
            for (long done = 0; done < piece.Length;)
            {
                var rest = new ByteRange(offset + done, piece.Length - done);
                var next = piece.Kind switch
                {
                    PieceKind.Base => NextInBase(piece, done, offset, ref inBase),
                    PieceKind.Repeat => new Stretch(rest, piece.Value),
                    _ => new Stretch(rest, null),
                };
                done = next.Range.End - offset;
                if (pending.Range.Length > 0 && pending.Value == next.Value)
                {
                    pending = new Stretch(ByteRange.Between(pending.Range.Offset, next.Range.End), next.Value);
                    continue;
                }
                if (pending.Range.Length > 0) yield return pending;
                pending = next;
            }
        }
        if (pending.Range.Length > 0) yield return pending;
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
            && MappableOffset(table, offset, count) is { } start
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
        if (MappableOffset(table, offset, count) is null) throw Changed();
        var file = content.EnsureMappable();
        // Once it is private, no save writes to it.
        if (MappableOffset(table, offset, count) is not { } start) throw Changed();
        _region.EnsureMapped(file, content.Length, path);
        BringIn(start, count);
        return new MappedMemory(_region, start, count);

        SnapshotException Changed() => new(
            SnapshotError.TooLarge,
            $"A view of {count} bytes of '{path}' cannot be taken, as some of them were changed.",
            path,
            remedies: [SnapshotRemedy.ReadParts]);
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
            ErrnoErrors.ThrowIfError(errno, $"read '{path}' at offset 0x{offset:X}", path, SnapshotError.ReadFailed);
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
        if (ranges.Length == 0) return true;
        // Mostly a few bytes are compared, and the memory of more costs as much as a save does.
        byte[] ours = new byte[Math.Min(256 << 10, ranges.Max(range => range.Length))], theirs = new byte[ours.Length];
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

    /// <summary>Where the base has a range of a table, if that is one run of it and nothing of it is redirected.</summary>
    private long? MappableOffset(PieceTable table, long offset, int count)
    {
        var run = table.Find(offset);
        if (run.Piece.Kind != PieceKind.Base || run.End - offset < count) return null;
        long start = run.Piece.Offset + (offset - run.Offset);
        return _redirection.IsInBase(start, count) ? start : null;
    }

    /// <summary>Brings a range of the base, which is mapped, into memory.</summary>
    private void BringIn(long offset, int count)
    {
        if (!_region.IsResident(offset, count)) _region.Populate(content.EnsureMappable(), offset, count, path);
    }

    private void ReadContent(long offset, Span<byte> destination)
    {
        var errno = content.Read(destination, offset, out int done);
        if (errno == 0 && done < destination.Length) errno = Errno.EIO; // the private file is shorter than it was made
        if (errno == 0) return;
        string operation = $"read {destination.Length} bytes at offset 0x{offset:X} of the snapshot of '{path}'";
        throw ErrnoErrors.ToException(errno, operation, path, SnapshotError.ReadFailed);
    }

    /// <summary>The next hole, or the next data, of a piece of the base. Pieces mostly lie in the same data.</summary>
    private Stretch NextInBase(Piece piece, long done, long offset, ref ByteRange inBase)
    {
        long start = piece.Offset + done, end = piece.Offset + piece.Length, shift = offset - piece.Offset;
        if (start < inBase.Offset || start >= inBase.End) inBase = NextBaseData(start);
        long data = inBase.Length == 0 ? end : Math.Clamp(inBase.Offset, start, end);
        return data > start
            ? new Stretch(ByteRange.Between(start + shift, data + shift), 0)
            : new Stretch(ByteRange.Between(start + shift, Math.Min(inBase.End, end) + shift), null);
    }

    /// <summary>The first data of the base from an offset on, or the first part of it; an empty run at its end if there is none.</summary>
    private ByteRange NextBaseData(long start)
    {
        while (true)
        {
            var places = _redirection.Places;
            var data = new ByteRange(content.Length, 0);
            foreach (var run in places.Runs(start, content.Length - start))
            {
                if (run.Piece is { Kind: PieceKind.Repeat, Value: 0 }) continue;
                data = ByteRange.Between(run.Offset, run.End);
                if (run.Piece.Kind == PieceKind.Base) data = content.NextData(data);
                if (data.Length > 0) break;
            }
            if (ReferenceEquals(places, _redirection.Places)) return data.Length > 0 ? data : new ByteRange(content.Length, 0);
        }
    }
}

using MmapSnapshot.Backing;

namespace MmapSnapshot.Content;

/// <summary>
/// What a snapshot holds: tables of pieces over a base that never changes, and over what was written. A change makes a new table and
/// publishes it by one assignment, so that it happens as a whole or not at all, and readers never wait for it.
/// </summary>
/// <remarks>
/// Any number of threads may read, each a table that it has taken once. One at a time may change something: the snapshot's lock sees to it.
/// </remarks>
internal sealed class SnapshotBytes : IDisposable
{
    /// <summary>A longer fill is not compared with what is there: it becomes one piece, at the cost of a piece.</summary>
    private const int ComparedFill = 64 << 10;

    /// <summary>How many bytes a save compares at most, to find out that nothing was changed.</summary>
    private const long ComparedAtSave = 64 << 20;

    private readonly string _path;

    private readonly EditHistory _history;

    private readonly TableReader _read;

    private PieceTable _baseline;

    /// <summary>What was last found out about the changes; replaced as one.</summary>
    private ChangedRanges _changed;

    /// <param name="content">The base; disposed with this.</param>
    /// <param name="initial">What there is at first.</param>
    /// <param name="createFiles">Makes unlinked files for what is written, in the order of preference.</param>
    /// <param name="path">The path that errors name.</param>
    internal SnapshotBytes(SnapshotContent content, PieceTable initial, Func<IEnumerable<PrivateFile>> createFiles, string path)
    {
        Reader = new ContentReader(content, new Additions(createFiles, path), path);
        _path = path;
        _history = new EditHistory(initial);
        _baseline = initial;
        _changed = new ChangedRanges(initial, initial, []);
        _read = Reader.Read;
    }

    internal ContentReader Reader { get; }

    /// <summary>The bytes now.</summary>
    internal PieceTable Current => _history.Current;

    /// <summary>The bytes when the snapshot was opened or last saved.</summary>
    internal PieceTable Baseline => Volatile.Read(ref _baseline);

    /// <summary>Whether there may be other bytes now than the baseline's. False: they are the same.</summary>
    internal bool IsModified => !Current.HasSamePieces(Baseline);

    /// <summary>The bytes that are not the baseline's, where they are now: disjoint runs, in order.</summary>
    internal IReadOnlyList<ByteRange> ModifiedRanges
    {
        get
        {
            var known = Volatile.Read(ref _changed);
            PieceTable current = Current, baseline = Baseline;
            if (known.Current == current && known.Baseline == baseline) return known.Ranges;
            ByteRange[] ranges =
            [
                .. from difference in PieceComparison.Between(baseline, current)
                   where difference.NewLength > 0
                   select new ByteRange(difference.NewOffset, difference.NewLength),
            ];
            Volatile.Write(ref _changed, new ChangedRanges(current, baseline, ranges));
            return ranges;
        }
    }

    /// <summary>Writes over bytes, and makes the snapshot longer first if it is too short for them.</summary>
    /// <param name="offset">Where to begin.</param>
    /// <param name="bytes">The new bytes.</param>
    /// <param name="mergeToken">As in <see cref="EditHistory.Push"/>.</param>
    internal void Write(long offset, ReadOnlySpan<byte> bytes, object? mergeToken = null)
    {
        if (bytes.IsEmpty) return;
        var table = Current;
        if (offset + bytes.Length > table.Length)
        {
            // What is after the end has nothing to be compared with.
            int inside = (int)Math.Max(0, table.Length - offset);
            table = Written(table, offset, bytes[..inside]);
            ByteRange.CheckMaxLength(offset + bytes.Length, _path);
            table = Resized(table, offset + inside);
            table = table.Replace(table.Length, 0, [Reader.Additions.Append(bytes[inside..])]);
        }
        else
        {
            table = Written(table, offset, bytes);
        }
        _history.Push(table, mergeToken);
    }

    /// <summary>Makes several changes, which do not overlap, as one step.</summary>
    /// <param name="edits">The changes; their offsets mean the content before all of them.</param>
    /// <param name="length">The length that the snapshot is to have; null: what follows from the changes.</param>
    /// <param name="progress">Counts the bytes.</param>
    internal void Apply(IReadOnlyList<SnapshotEdit> edits, long? length, Progress progress)
    {
        var table = Current;
        Replacement[] replacements = [.. edits.Select(edit => edit.Replacement)];
        CheckMaxLength(table.Length, replacements);
        if (length > table.Length) table = Resized(table, length.Value);
        var replaced = new TableReplacements(table);
        foreach (int index in Replacement.Order(replacements))
        {
            progress.Report();
            var edit = edits[index];
            switch (edit.Kind)
            {
                case SnapshotEditKind.Insert when edit.Count > 0:
                    replaced.Add(edit.Offset, 0, [Added(edit.Bytes)]);
                    break;
                case SnapshotEditKind.Remove:
                    replaced.Add(edit.Offset, edit.Count, []);
                    break;
                case SnapshotEditKind.Write when edit.Bytes.IsRepeat:
                    Fill(replaced, table, edit.Offset, edit.Count, edit.Bytes.Value);
                    break;
                case SnapshotEditKind.Write:
                    Write(replaced, table, edit.Offset, edit.Bytes.Bytes.Span);
                    break;
            }
            progress.Add(edit.Count);
        }
        progress.Cancellation.ThrowIfCancellationRequested();
        table = replaced.ToTable();
        _history.Push(length is { } end ? Resized(table, end) : table);
    }

    /// <summary>Puts bytes between those that are there, as one step; what follows moves.</summary>
    internal void Insert(long offset, ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return;
        ByteRange.CheckMaxLength(Current.Length + bytes.Length, _path);
        _history.Push(Current.Replace(offset, 0, [Reader.Additions.Append(bytes)]));
    }

    /// <summary>As <see cref="Insert(long, ReadOnlySpan{byte})"/>, one byte again and again.</summary>
    internal void Insert(long offset, long count, byte value)
    {
        ByteRange.CheckMaxLength(count > ByteRange.MaxLength ? count : Current.Length + count, _path);
        if (count > 0) _history.Push(Current.Replace(offset, 0, [Piece.OfByte(value, count)]));
    }

    /// <summary>Removes ranges, all of which lie within, as one step; what follows them moves.</summary>
    internal void Remove(IEnumerable<ByteRange> ranges)
    {
        var removed = new RangeSet();
        foreach (var range in ranges) removed.Add(range);
        var replaced = new TableReplacements(Current);
        foreach (var range in removed.ToArray()) replaced.Add(range.Offset, range.Length, []);
        _history.Push(replaced.ToTable());
    }

    /// <summary>Takes the last step back.</summary>
    /// <returns>Whether there was one.</returns>
    internal bool Undo() => _history.Undo();

    /// <summary>Makes the step again that was taken back last.</summary>
    /// <returns>Whether there was one, and no other step since.</returns>
    internal bool Redo() => _history.Redo();

    /// <summary>Gives ranges the bytes that the baseline has at the same offsets, and the snapshot a length, as one step.</summary>
    internal void Revert(IEnumerable<ByteRange> ranges, long length)
    {
        var (table, baseline) = (Resized(Current, length), Baseline);
        foreach (var range in ranges)
        {
            var part = range.Before(Math.Min(length, baseline.Length));
            table = table.Replace(part.Offset, part.Length, baseline.Slice(part.Offset, part.Length));
        }
        _history.Push(table);
    }

    /// <summary>Puts runs of the baseline in the place of runs that are there now, as one step.</summary>
    /// <param name="places">The differences, which do not overlap: old is the baseline.</param>
    internal void Revert(IReadOnlyList<PieceDifference> places)
    {
        var (table, baseline) = (Current, Baseline);
        Replacement[] replacements = [.. places.Select(ToReplacement)];
        CheckMaxLength(table.Length, replacements);
        var replaced = new TableReplacements(table);
        foreach (int index in Replacement.Order(replacements))
        {
            var place = places[index];
            replaced.Add(place.NewOffset, place.NewLength, baseline.Slice(place.OldOffset, place.OldLength));
        }
        _history.Push(replaced.ToTable());
    }

    /// <summary>What takes a difference back: the old bytes in the place of the new ones.</summary>
    internal static Replacement ToReplacement(PieceDifference difference) =>
        new(difference.NewOffset, difference.NewLength, difference.OldLength);

    /// <summary>Makes everything what the baseline is, as one step.</summary>
    internal void RevertAll()
    {
        if (IsModified) _history.Push(Baseline);
    }

    /// <summary>A table was saved: from here on, what it has counts as unmodified.</summary>
    internal void MarkSaved(PieceTable saved) => Volatile.Write(ref _baseline, saved);

    /// <summary>
    /// Whether a table has the baseline's bytes although its pieces are others. It is compared only if few bytes have to be; bytes that
    /// cannot be read count as different.
    /// </summary>
    internal bool HasBaselineBytes(PieceTable table) => table.HasSamePieces(Baseline) || Reader.AreEqual(table, Baseline, ComparedAtSave);

    /// <summary>Why the bytes at an offset are not those expected; null when they are, or nothing is expected.</summary>
    internal SnapshotException? CheckExpected(long offset, ReadOnlySpan<byte> expected)
    {
        if (expected.IsEmpty) return null;
        var actual = new byte[expected.Length];
        Reader.Read(Current, offset, actual);
        int same = actual.AsSpan().CommonPrefixLength(expected);
        return same == expected.Length ? null : ToExpectationFailed(offset, same, actual, expected);
    }

    /// <summary>As the other; what is known of repeated bytes is not read.</summary>
    internal SnapshotException? CheckExpected(long offset, ByteSequence expected)
    {
        if (!expected.IsRepeat) return CheckExpected(offset, expected.Bytes.Span);
        var table = Current;
        byte[] actual = new byte[Math.Min(ComparedFill, expected.Count)], wanted = new byte[actual.Length];
        Array.Fill(wanted, expected.Value);
        foreach (var (range, value) in Reader.Stretches(table, new ByteRange(offset, expected.Count)))
        {
            if (value == expected.Value) continue;
            for (long at = range.Offset; at < range.End; at += actual.Length)
            {
                int count = (int)Math.Min(actual.Length, range.End - at);
                Reader.Read(table, at, actual.AsSpan(0, count));
                int same = actual.AsSpan(0, count).CommonPrefixLength(wanted);
                if (same < count) return ToExpectationFailed(at, same, actual.AsSpan(0, count), wanted.AsSpan(0, count));
            }
        }
        return null;
    }

    /// <summary>
    /// Where a file that has the bytes of one table has to be written to, to have those of another: disjoint runs of the latter, in order.
    /// </summary>
    internal static List<ByteRange> ChangedPlaces(PieceTable before, PieceTable after)
    {
        var places = new List<ByteRange>();
        foreach (var difference in PieceComparison.Between(before, after))
        {
            if (difference.OldLength != difference.NewLength)
            {
                // From here on the bytes are in other places.
                places.Add(ByteRange.Between(difference.NewOffset, after.Length));
                break;
            }
            places.Add(new ByteRange(difference.NewOffset, difference.NewLength));
        }
        return places;
    }

    /// <summary>
    /// As <see cref="ChangedPlaces"/>, if nothing has moved and the length is the same; else null.
    /// </summary>
    internal static List<ByteRange>? OverwrittenPlaces(PieceTable before, PieceTable after)
    {
        if (before.Length != after.Length) return null;
        var places = new List<ByteRange>();
        foreach (var difference in PieceComparison.Between(before, after))
        {
            if (difference.OldLength != difference.NewLength || difference.OldOffset != difference.NewOffset) return null;
            places.Add(new ByteRange(difference.NewOffset, difference.NewLength));
        }
        return places;
    }

    public void Dispose() => Reader.Dispose();

    /// <summary>Names the first bytes that differ, and what is around them.</summary>
    private SnapshotException ToExpectationFailed(long offset, int same, ReadOnlySpan<byte> actual, ReadOnlySpan<byte> expected)
    {
        const int Most = 16;
        int start = same < Most ? 0 : same;
        int count = Math.Min(Most, expected.Length - start);
        string more = start + count < expected.Length ? " ..." : "";
        return new SnapshotException(
            SnapshotError.ExpectationFailed,
            $"'{_path}' was not changed: expected {HexText.Of(expected.Slice(start, count))}{more} at 0x{offset + start:X}, "
            + $"found {HexText.Of(actual.Slice(start, count))}{more}.",
            _path);
    }

    private void CheckMaxLength(long length, Replacement[] replacements)
    {
        long added = Progress.Sum(replacements.Select(one => Math.Max(0, one.Added - one.Removed)));
        long removed = Progress.Sum(replacements.Select(one => Math.Max(0, one.Removed - one.Added)));
        ByteRange.CheckMaxLength(added > ByteRange.MaxLength ? added : length + added - removed, _path);
    }

    private Piece Added(ByteSequence bytes) =>
        bytes.IsRepeat ? Piece.OfByte(bytes.Value, bytes.Count) : Reader.Additions.Append(bytes.Bytes.Span);

    private PieceTable Resized(PieceTable table, long length) =>
        ByteRange.CheckMaxLength(length, _path) > table.Length
            ? table.Replace(table.Length, 0, [Piece.OfByte(0, length - table.Length)])
            : table.Replace(length, table.Length - length, []);

    private PieceTable Written(PieceTable table, long offset, ReadOnlySpan<byte> bytes)
    {
        var replaced = new TableReplacements(table);
        Write(replaced, table, offset, bytes);
        return replaced.ToTable();
    }

    private void Write(TableReplacements replaced, PieceTable table, long offset, ReadOnlySpan<byte> bytes)
    {
        foreach (var part in WritePlan.Of(table, Baseline, offset, bytes, _read))
        {
            ReadOnlySpan<Piece> pieces = part.BaselineOffset is { } place
                ? Baseline.Slice(place, part.Length)
                : [Reader.Additions.Append(bytes.Slice(part.Start, part.Length))];
            replaced.Add(offset + part.Start, part.Length, pieces);
        }
    }

    private void Fill(TableReplacements replaced, PieceTable table, long offset, long count, byte value)
    {
        if (count > ComparedFill)
        {
            replaced.Add(offset, count, [Piece.OfByte(value, count)]);
            return;
        }
        var bytes = new byte[count];
        Array.Fill(bytes, value);
        foreach (var part in WritePlan.Of(table, Baseline, offset, bytes, _read))
        {
            ReadOnlySpan<Piece> pieces = part.BaselineOffset is { } place
                ? Baseline.Slice(place, part.Length)
                : [Piece.OfByte(value, part.Length)];
            replaced.Add(offset + part.Start, part.Length, pieces);
        }
    }

    private sealed record ChangedRanges(PieceTable Current, PieceTable Baseline, ByteRange[] Ranges);
}

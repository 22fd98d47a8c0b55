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

    /// <summary>Makes several writes and gives the snapshot a length, as one step.</summary>
    internal void Apply(IReadOnlyList<SnapshotEdit> edits, long length, Progress progress)
    {
        var table = Current;
        if (length > table.Length) table = Resized(table, length);
        foreach (var edit in edits)
        {
            progress.Report();
            table = edit.IsFill ? Filled(table, edit.Offset, edit.Count, edit.Bytes.Span[0]) : Written(table, edit.Offset, edit.Bytes.Span);
            progress.Add(edit.Count);
        }
        progress.Cancellation.ThrowIfCancellationRequested();
        _history.Push(Resized(table, length));
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
        var table = Current;
        // From the last one on, so that the offsets of those before it stay what they are.
        foreach (var range in removed.ToArray().Reverse()) table = table.Replace(range.Offset, range.Length, []);
        _history.Push(table);
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
        if (same == expected.Length) return null;
        return new SnapshotException(
            SnapshotError.ExpectationFailed,
            $"'{_path}' was not changed at offset {offset}: at offset {offset + same} stands {actual[same]:X2}, not {expected[same]:X2} "
            + $"({Excerpt(actual)} instead of {Excerpt(expected)}).",
            _path);

        static string Excerpt(ReadOnlySpan<byte> bytes) =>
            bytes.Length <= 16 ? Convert.ToHexString(bytes) : Convert.ToHexString(bytes[..16]) + "...";
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

    public void Dispose() => Reader.Dispose();

    private PieceTable Resized(PieceTable table, long length) =>
        ByteRange.CheckMaxLength(length, _path) > table.Length
            ? table.Replace(table.Length, 0, [Piece.OfByte(0, length - table.Length)])
            : table.Replace(length, table.Length - length, []);

    private PieceTable Written(PieceTable table, long offset, ReadOnlySpan<byte> bytes)
    {
        foreach (var part in WritePlan.Of(table, Baseline, offset, bytes, _read))
        {
            Piece[] pieces = part.BaselineOffset is { } place
                ? Baseline.Slice(place, part.Length)
                : [Reader.Additions.Append(bytes.Slice(part.Start, part.Length))];
            table = table.Replace(offset + part.Start, part.Length, pieces);
        }
        return table;
    }

    private PieceTable Filled(PieceTable table, long offset, long count, byte value)
    {
        if (count > ComparedFill) return table.Replace(offset, count, [Piece.OfByte(value, count)]);
        var bytes = new byte[count];
        Array.Fill(bytes, value);
        foreach (var part in WritePlan.Of(table, Baseline, offset, bytes, _read))
        {
            Piece[] pieces = part.BaselineOffset is { } place ? Baseline.Slice(place, part.Length) : [Piece.OfByte(value, part.Length)];
            table = table.Replace(offset + part.Start, part.Length, pieces);
        }
        return table;
    }

    private sealed record ChangedRanges(PieceTable Current, PieceTable Baseline, ByteRange[] Ranges);
}

namespace MmapSnapshot.Content;

/// <summary>Compares the bytes of two moments, window by window, so that the snapshots may be used, and closed, in between.</summary>
internal sealed class Comparison
{
    /// <summary>How many bytes one change has at most, unless all have one value.</summary>
    private const int Window = 64 << 10;

    /// <summary>So few equal bytes between two that differ do not part them.</summary>
    private const int Gap = 8;

    private readonly FrozenBytes _old, _now;

    private readonly byte[] _before = new byte[Window], _after = new byte[Window];

    private Progress _progress;

    private Comparison(FrozenBytes old, FrozenBytes now, Progress progress)
    {
        _old = old;
        _now = now;
        _progress = progress;
    }

    /// <summary>The changes since the baseline, at the cost of what was changed.</summary>
    internal static IEnumerable<SnapshotChange> WithBaseline(Snapshot snapshot, Progress progress)
    {
        FrozenBytes before = snapshot.FreezeBaseline(), after = snapshot.Freeze();
        var comparison = new Comparison(before, after, progress);
        foreach (var change in comparison.Changes(Joined(PieceComparison.Between(before.Table, after.Table)))) yield return change;
    }

    /// <summary>What two snapshots differ by, at the cost of what they hold.</summary>
    internal static IEnumerable<SnapshotChange> Between(Snapshot before, Snapshot after, Progress progress)
    {
        FrozenBytes old = before.Freeze(), now = after.Freeze();
        var comparison = new Comparison(old, now, progress);
        foreach (var change in comparison.Changes([new PieceDifference(0, old.Length, 0, now.Length)])) yield return change;
    }

    /// <summary>Regions, of which writes that are close together are one.</summary>
    private static List<PieceDifference> Joined(List<PieceDifference> regions)
    {
        var joined = new List<PieceDifference>(regions.Count);
        foreach (var region in regions)
        {
            if (joined.Count > 0 && joined[^1] is var last && IsWrite(last) && IsWrite(region)
                && region.OldOffset - (last.OldOffset + last.OldLength) < Gap)
            {
                long length = region.OldOffset + region.OldLength - last.OldOffset;
                joined[^1] = last with { OldLength = length, NewLength = length };
                continue;
            }
            joined.Add(region);
        }
        return joined;

        static bool IsWrite(PieceDifference region) => region.OldLength == region.NewLength;
    }

    /// <summary>The changes in regions of both contents, as rows: those of one value that continue each other are one.</summary>
    private IEnumerable<SnapshotChange> Changes(List<PieceDifference> regions)
    {
        _progress = _progress.Of(_progress.Activity, Progress.Sum(regions.Select(region => Math.Max(region.OldLength, region.NewLength))));
        ChangeRow? pending = null;
        foreach (var row in regions.SelectMany(region => GapAlignment.Split(_old, _now, region, _progress)).SelectMany(Rows))
        {
            if (pending is { } before && before.IsContinuedBy(row))
            {
                pending = before.Join(row);
                continue;
            }
            if (pending is { } ended) yield return ended.ToChange(_now.Path);
            pending = null;
            // Others refer to a buffer, which does not keep their bytes.
            if (row.IsRepeat) pending = row;
            else yield return row.ToChange(_now.Path);
        }
        if (pending is { } last) yield return last.ToChange(_now.Path);
    }

    /// <summary>
    /// The rows of a region that is a write, an insertion or a removal. Those that are not of one value must be used before the next.
    /// </summary>
    private IEnumerable<ChangeRow> Rows(PieceDifference region)
    {
        var kind = region.OldLength == 0 ? SnapshotEditKind.Insert
            : region.NewLength == 0 ? SnapshotEditKind.Remove
            : SnapshotEditKind.Write;
        bool isOld = kind != SnapshotEditKind.Insert, isNew = kind != SnapshotEditKind.Remove;
        long length = Math.Max(region.OldLength, region.NewLength);
        foreach (var pair in PairedStretch.Of(isOld ? _old : null, region.OldOffset, isNew ? _now : null, region.NewOffset, length))
        {
            if (!pair.IsUnknown)
            {
                _progress.Report();
                if (kind != SnapshotEditKind.Write || pair.Old != pair.New)
                    yield return Row(pair.Offset, pair.Length, Repeated(pair.Old), Repeated(pair.New));
                _progress.Add(pair.Length);
                continue;

                ByteSequence Repeated(byte? value) => ByteSequence.Of(value.GetValueOrDefault(), pair.Length);
            }
            for (long offset = pair.Offset; offset < pair.End; offset += Window)
            {
                _progress.Report();
                int count = (int)Math.Min(Window, pair.End - offset);
                if (isOld) _old.Read(region.OldOffset + offset, _before.AsSpan(0, count));
                if (isNew) _now.Read(region.NewOffset + offset, _after.AsSpan(0, count));
                _progress.Add(count);
                if (kind != SnapshotEditKind.Write)
                {
                    yield return Part(offset, new ByteRange(0, count));
                    continue;
                }
                for (int at = 0; NextRun(at, count) is { Length: > 0 } run; at = (int)run.End) yield return Part(offset, run);
            }
        }

        ChangeRow Part(long offset, ByteRange run) =>
            Row(offset + run.Offset, run.Length, Bytes(_before, run), Bytes(_after, run));

        ChangeRow Row(long offset, long count, ByteSequence before, ByteSequence after) => new(
            kind,
            region.OldOffset + (isOld ? offset : 0),
            region.NewOffset + (isNew ? offset : 0),
            count,
            isOld ? before : default,
            isNew ? after : default);

        static ByteSequence Bytes(byte[] window, ByteRange run) => ByteSequence.Shortest(window.AsMemory((int)run.Offset, (int)run.Length));
    }

    /// <summary>The next run of bytes in the window that differ, with short equal stretches inside; empty when there is none.</summary>
    private ByteRange NextRun(int at, int count)
    {
        int start = at + _before.AsSpan(at, count - at).CommonPrefixLength(_after.AsSpan(at, count - at));
        int end = start;
        while (end < count)
        {
            while (end < count && _before[end] != _after[end]) end++;
            int equal = _before.AsSpan(end, count - end).CommonPrefixLength(_after.AsSpan(end, count - end));
            if (equal >= Gap || end + equal == count) break;
            end += equal;
        }
        return ByteRange.Between(start, end);
    }
}

namespace MmapSnapshot.Content;

/// <summary>Compares the bytes of two moments, window by window, so that the snapshots may be used, and closed, in between.</summary>
internal static class Comparison
{
    /// <summary>How many bytes one change has at most.</summary>
    private const int Window = 64 << 10;

    /// <summary>So few equal bytes between two that differ do not part them.</summary>
    private const int Gap = 8;

    /// <summary>The changes since the baseline, at the cost of what was changed.</summary>
    internal static IEnumerable<SnapshotChange> WithBaseline(Snapshot snapshot, Progress progress)
    {
        FrozenBytes before = snapshot.FreezeBaseline(), after = snapshot.Freeze();
        var places = new RangeSet();
        foreach (var place in SnapshotBytes.ChangedPlaces(before.Table, after.Table)) places.Add(place);
        if (after.Length < before.Length) places.Add(ByteRange.Between(after.Length, before.Length));
        foreach (var difference in Differences(before, after, places.ToArray(), progress)) yield return difference;
    }

    /// <summary>What two snapshots differ by, at the cost of what they hold.</summary>
    internal static IEnumerable<SnapshotChange> Between(Snapshot before, Snapshot after, Progress progress)
    {
        FrozenBytes old = before.Freeze(), now = after.Freeze();
        var whole = new ByteRange(0, Math.Max(old.Length, now.Length));
        foreach (var difference in Differences(old, now, [whole], progress)) yield return difference;
    }

    private static IEnumerable<SnapshotChange> Differences(FrozenBytes old, FrozenBytes current, ByteRange[] places, Progress progress)
    {
        var data = new RangeSet();
        foreach (var place in places)
        {
            // Where both have a hole, nothing differs.
            foreach (var range in old.DataRanges(place.Before(old.Length))) data.Add(range);
            foreach (var range in current.DataRanges(place.Before(current.Length))) data.Add(range);
        }
        long shorter = Math.Min(old.Length, current.Length), longer = Math.Max(old.Length, current.Length);
        foreach (var gap in data.Missing(new ByteRange(0, longer)).Where(gap => gap.Length < Gap).ToArray()) data.Add(gap);
        var ranges = data.ToArray();
        string path = current.Path;
        if (old.Length != current.Length)
            yield return new SnapshotChange(path, shorter, longer - shorter, "", "", old.Length, current.Length);
        progress = progress.Of(progress.Activity, Progress.Sum(ranges.Select(range => range.Length)));
        var before = new byte[Window];
        var now = new byte[Window];
        foreach (var range in ranges)
        {
            for (long offset = range.Offset; offset < range.End; offset += Window)
            {
                progress.Report();
                int count = (int)Math.Min(Window, range.End - offset);
                ReadPadded(old, offset, before.AsSpan(0, count));
                ReadPadded(current, offset, now.AsSpan(0, count));
                progress.Add(count);
                for (int at = 0; NextRun(before, now, at, count) is { Length: > 0 } run; at = (int)run.End)
                {
                    yield return new SnapshotChange(
                        path,
                        offset + run.Offset,
                        run.Length,
                        HexText.Of(Present(before, run, old.Length - offset)),
                        HexText.Of(Present(now, run, current.Length - offset)));
                }
            }
        }
    }

    /// <summary>Reads bytes; what is after the end is 0.</summary>
    private static void ReadPadded(FrozenBytes bytes, long offset, Span<byte> destination) =>
        destination[bytes.Read(offset, destination)..].Clear();

    /// <summary>What of a run lies before the file's end.</summary>
    private static ReadOnlySpan<byte> Present(byte[] bytes, ByteRange run, long end)
    {
        var present = run.Before(Math.Max(end, 0));
        return bytes.AsSpan((int)present.Offset, (int)present.Length);
    }

    /// <summary>The next run of bytes that differ, with short equal stretches inside; empty when there is none.</summary>
    private static ByteRange NextRun(byte[] before, byte[] now, int at, int count)
    {
        int start = at + before.AsSpan(at, count - at).CommonPrefixLength(now.AsSpan(at, count - at));
        int end = start;
        while (end < count)
        {
            while (end < count && before[end] != now[end]) end++;
            int equal = before.AsSpan(end, count - end).CommonPrefixLength(now.AsSpan(end, count - end));
            if (equal >= Gap || end + equal == count) break;
            end += equal;
        }
        return ByteRange.Between(start, end);
    }
}

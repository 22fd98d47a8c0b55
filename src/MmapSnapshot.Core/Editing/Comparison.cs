namespace MmapSnapshot.Editing;

/// <summary>Tells what differs, window by window, so that others may use the snapshots meanwhile.</summary>
internal static class Comparison
{
    /// <summary>How many bytes one change has at most.</summary>
    private const int Window = 64 << 10;

    /// <summary>So few equal bytes between two that differ do not part them.</summary>
    private const int Gap = 8;

    /// <summary>
    /// Reads what stands at an offset now, and what stood there before; what is behind an end is 0. False: the baseline has moved
    /// meanwhile, and with it all differences are gone.
    /// </summary>
    private delegate bool Reader(long offset, Span<byte> before, Span<byte> now);

    internal static IEnumerable<SnapshotChange> WithBaseline(Snapshot snapshot, Progress progress)
    {
        var (lengthBefore, length, ranges, generation) = snapshot.Examine(bytes =>
        {
            var changes = bytes.Changes;
            var whole = new ByteRange(0, Math.Max(changes.BaselineLength, bytes.Length));
            var interesting = new ModifiedRanges();
            // What was changed or cut off; but where both have a hole, nothing differs.
            foreach (var range in (ByteRange[])[.. changes.ModifiedRanges, ByteRange.Between(bytes.Length, whole.End)])
            {
                foreach (var data in bytes.Content.DataRanges(range)) AddData(interesting, data);
                foreach (var data in changes.BaselineData(range.Before(changes.BaselineLength))) AddData(interesting, data);
            }
            foreach (var gap in interesting.Missing(whole).Where(gap => gap.Length < Gap).ToArray()) AddData(interesting, gap);
            return (changes.BaselineLength, bytes.Length, interesting.ToArray(), changes.Generation);
        });
        var differences = Differences(snapshot.Path, lengthBefore, length, ranges, progress, (offset, before, now) =>
        {
            int count = snapshot.ReadAvailable(offset, now);
            now[count..].Clear();
            return TryReadBaseline(snapshot, generation, offset, before);
        });
        foreach (var difference in differences) yield return difference;
    }

    internal static IEnumerable<SnapshotChange> Between(Snapshot before, Snapshot after, Progress progress)
    {
        var interesting = new ModifiedRanges();
        foreach (var snapshot in (Snapshot[])[before, after])
        {
            foreach (var range in snapshot.Examine(bytes => bytes.Content.DataRanges(new ByteRange(0, bytes.Length)).ToArray()))
                AddData(interesting, range);
        }
        var differences = Differences(after.Path, before.Length, after.Length, interesting.ToArray(), progress, (offset, then, now) =>
        {
            then[before.ReadAvailable(offset, then)..].Clear();
            now[after.ReadAvailable(offset, now)..].Clear();
            return true;
        });
        foreach (var difference in differences) yield return difference;
    }

    private static void AddData(ModifiedRanges interesting, ByteRange range) => interesting.Add(range.Offset, range.Length);

    private static bool TryReadBaseline(Snapshot snapshot, int generation, long offset, Span<byte> before)
    {
        var buffer = new byte[before.Length];
        bool still = snapshot.Examine(bytes =>
        {
            bytes.Changes.ReadBaseline(bytes.Content, offset, buffer);
            return bytes.Changes.Generation == generation;
        });
        buffer.CopyTo(before);
        return still;
    }

    private static IEnumerable<SnapshotChange> Differences(string path, long lengthBefore, long length, ByteRange[] ranges, Progress progress, Reader read)
    {
        if (lengthBefore != length)
            yield return new SnapshotChange(path, Math.Min(lengthBefore, length), Math.Abs(length - lengthBefore), "", "", lengthBefore, length);
        progress = progress.Of(progress.Activity, Progress.Sum(ranges.Select(range => range.Length)));
        var before = new byte[Window];
        var now = new byte[Window];
        foreach (var range in ranges)
        {
            for (long offset = range.Offset; offset < range.End; offset += Window)
            {
                progress.Report();
                int count = (int)Math.Min(Window, range.End - offset);
                if (!read(offset, before.AsSpan(0, count), now.AsSpan(0, count))) yield break;
                progress.Add(count);
                for (int at = 0; NextRun(before, now, at, count) is { Length: > 0 } run; at = (int)run.End)
                {
                    yield return new SnapshotChange(
                        path,
                        offset + run.Offset,
                        run.Length,
                        HexText.Of(Present(before, run, lengthBefore - offset)),
                        HexText.Of(Present(now, run, length - offset)));
                }
            }
        }
    }

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

namespace MmapSnapshot;

/// <summary>The bytes written since the baseline: disjoint runs, in order, merged where they touch.</summary>
internal sealed class ModifiedRanges
{
    private readonly List<ByteRange> _ranges = [];

    /// <summary>How many bytes all runs have together.</summary>
    internal long TotalBytes { get; private set; }

    internal ByteRange[] ToArray() => [.. _ranges];

    internal void Add(long offset, long length)
    {
        if (length == 0) return;
        long end = offset + length;
        int first = FirstEndingAtOrAfter(offset);
        int after = first;
        while (after < _ranges.Count && _ranges[after].Offset <= end)
        {
            offset = Math.Min(offset, _ranges[after].Offset);
            end = Math.Max(end, _ranges[after].End);
            TotalBytes -= _ranges[after].Length;
            after++;
        }
        var merged = new ByteRange(offset, end - offset);
        TotalBytes += merged.Length;
        if (after == first)
        {
            _ranges.Insert(first, merged);
            return;
        }
        _ranges[first] = merged;
        _ranges.RemoveRange(first + 1, after - first - 1);
    }

    /// <summary>Forgets what lies at or behind <paramref name="length"/>: the file ends there now.</summary>
    internal void TruncateTo(long length)
    {
        int first = FirstEndingAtOrAfter(length);
        if (first < _ranges.Count && _ranges[first].Offset < length)
        {
            var cut = _ranges[first] with { Length = length - _ranges[first].Offset };
            TotalBytes -= _ranges[first].Length - cut.Length;
            _ranges[first] = cut;
            first++;
        }
        for (int i = first; i < _ranges.Count; i++) TotalBytes -= _ranges[i].Length;
        _ranges.RemoveRange(first, _ranges.Count - first);
    }

    /// <summary>Forgets what lies within <paramref name="range"/>.</summary>
    internal void Remove(ByteRange range)
    {
        if (range.Length == 0) return;
        int first = FirstEndingAtOrAfter(range.Offset);
        int after = first;
        var kept = new List<ByteRange>(2);
        while (after < _ranges.Count && _ranges[after].Offset < range.End)
        {
            var run = _ranges[after++];
            TotalBytes -= run.Length;
            if (run.Offset < range.Offset) kept.Add(ByteRange.Between(run.Offset, Math.Min(run.End, range.Offset)));
            if (run.End > range.End) kept.Add(ByteRange.Between(Math.Max(run.Offset, range.End), run.End));
        }
        _ranges.RemoveRange(first, after - first);
        _ranges.InsertRange(first, kept);
        foreach (var run in kept) TotalBytes += run.Length;
    }

    /// <summary>What of <paramref name="range"/> is in the set, in order.</summary>
    internal IEnumerable<ByteRange> Within(ByteRange range)
    {
        for (int i = FirstEndingAtOrAfter(range.Offset); i < _ranges.Count && _ranges[i].Offset < range.End; i++)
        {
            var part = ByteRange.Between(Math.Max(_ranges[i].Offset, range.Offset), Math.Min(_ranges[i].End, range.End));
            if (part.Length > 0) yield return part;
        }
    }

    /// <summary>What of <paramref name="range"/> is not in the set, in order.</summary>
    internal IEnumerable<ByteRange> Missing(ByteRange range)
    {
        long offset = range.Offset;
        foreach (var part in Within(range))
        {
            if (part.Offset > offset) yield return ByteRange.Between(offset, part.Offset);
            offset = part.End;
        }
        if (offset < range.End) yield return ByteRange.Between(offset, range.End);
    }

    internal void Clear()
    {
        _ranges.Clear();
        TotalBytes = 0;
    }

    private int FirstEndingAtOrAfter(long offset)
    {
        int low = 0, high = _ranges.Count;
        while (low < high)
        {
            int middle = low + ((high - low) / 2);
            if (_ranges[middle].End < offset) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}

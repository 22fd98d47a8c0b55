namespace MmapSnapshot.Content;

/// <summary>A set of offsets: disjoint runs, in order, merged where they touch.</summary>
internal sealed class RangeSet
{
    private readonly List<ByteRange> _ranges = [];

    internal ByteRange[] ToArray() => [.. _ranges];

    internal void Add(ByteRange range)
    {
        if (range.Length == 0) return;
        long offset = range.Offset, end = range.End;
        int first = FirstEndingAtOrAfter(offset);
        int after = first;
        while (after < _ranges.Count && _ranges[after].Offset <= end)
        {
            offset = Math.Min(offset, _ranges[after].Offset);
            end = Math.Max(end, _ranges[after].End);
            after++;
        }
        var merged = new ByteRange(offset, end - offset);
        if (after == first)
        {
            _ranges.Insert(first, merged);
            return;
        }
        _ranges[first] = merged;
        _ranges.RemoveRange(first + 1, after - first - 1);
    }

    /// <summary>What of <paramref name="range"/> is in the set, in order.</summary>
    private IEnumerable<ByteRange> Within(ByteRange range)
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

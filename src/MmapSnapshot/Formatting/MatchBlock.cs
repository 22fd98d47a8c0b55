namespace MmapSnapshot.Formatting;

/// <summary>Matches in one file whose surroundings overlap or touch, and which are shown together.</summary>
/// <param name="source">The snapshot or the path.</param>
/// <param name="first">One of the matches.</param>
/// <param name="range">Its surroundings.</param>
/// <param name="found">The bytes of that match.</param>
internal sealed class MatchBlock(object source, SnapshotMatch first, ByteRange range, ByteRange found)
{
    private readonly List<ByteRange> _found = [found];

    internal object Source => source;

    internal SnapshotMatch First => first;

    /// <summary>What is shown.</summary>
    internal ByteRange Range { get; private set; } = range;

    /// <summary>The bytes of the matches.</summary>
    internal IReadOnlyList<ByteRange> Found => _found;

    /// <summary>Adds a match of the same source, unless its surroundings do not touch these.</summary>
    internal bool TryAdd(ByteRange around, ByteRange found)
    {
        if (around.Offset > Range.End || around.End < Range.Offset) return false;
        long start = Math.Min(Range.Offset, around.Offset);
        Range = new ByteRange(start, Math.Max(Range.End, around.End) - start);
        _found.Add(found);
        return true;
    }
}

namespace MmapSnapshot.Content;

/// <summary>
/// Bytes that take the place of others: a write where both counts are the same, an insertion where nothing is removed, a removal where
/// nothing is added.
/// </summary>
/// <param name="Offset">Where, in bytes from the start of the content before all replacements of a set.</param>
/// <param name="Removed">How many bytes are replaced.</param>
/// <param name="Added">How many bytes take their place.</param>
internal readonly record struct Replacement(long Offset, long Removed, long Added)
{
    /// <summary>
    /// The order in which replacements of one set are made, by their indexes: that of their offsets. An insertion comes before what is
    /// replaced at the same offset, and several insertions at one offset are in the order in which they are given. O(n log n).
    /// </summary>
    internal static int[] Order(Replacement[] set)
    {
        int[] order = [.. Enumerable.Range(0, set.Length)];
        // What a search has found is in order.
        for (int next = 1; next < order.Length; next++)
        {
            if (Compare(next - 1, next) <= 0) continue;
            Array.Sort(order, Compare);
            break;
        }
        return order;

        int Compare(int one, int other)
        {
            int byOffset = set[one].Offset.CompareTo(set[other].Offset);
            if (byOffset == 0) byOffset = (set[one].Removed != 0).CompareTo(set[other].Removed != 0);
            return byOffset == 0 ? one.CompareTo(other) : byOffset;
        }
    }

    /// <summary>
    /// The first two replacements of a set, by their indexes, that overlap; an insertion overlaps what is replaced on both sides of it.
    /// </summary>
    /// <param name="set">The replacements; those with a negative number are left out.</param>
    /// <param name="order">Their <see cref="Order"/>.</param>
    internal static (int First, int Second)? FindOverlap(Replacement[] set, int[] order)
    {
        long end = 0;
        int last = -1;
        foreach (int index in order)
        {
            var (offset, removed, added) = set[index];
            if (offset < 0 || removed < 0 || added < 0 || (removed == 0 && added == 0)) continue;
            if (offset < end) return (last, index);
            if (removed == 0) continue;
            end = removed > long.MaxValue - offset ? long.MaxValue : offset + removed;
            last = index;
        }
        return null;
    }
}

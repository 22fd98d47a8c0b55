namespace MmapSnapshot.Content;

/// <summary>The bytes at the same distance from two offsets, one in each content: what is known of them without reading.</summary>
/// <param name="Offset">The distance at which the pair begins.</param>
/// <param name="Length">How many bytes.</param>
/// <param name="Old">The value that all old bytes have; null: they must be read, and the new ones too.</param>
/// <param name="New">The value that all new bytes have.</param>
internal readonly record struct PairedStretch(long Offset, long Length, byte? Old, byte? New)
{
    /// <summary>Fewer bytes are read although they are known: each pair ends a row.</summary>
    private const int LeastKnown = 4096;

    /// <summary>The distance after the last byte.</summary>
    internal long End => Offset + Length;

    /// <summary>Whether the bytes must be read.</summary>
    internal bool IsUnknown => Old is null;

    /// <summary>Pairs what is known of a run of one content with what is known of a run of another, of the same length.</summary>
    /// <param name="old">The old run; null: there is none, and each pair has the new value twice.</param>
    /// <param name="oldOffset">Where it begins.</param>
    /// <param name="now">The new run; null: as for the old one.</param>
    /// <param name="newOffset">Where it begins.</param>
    /// <param name="length">How many bytes both have.</param>
    /// <returns>Pairs in order that cover all; those that must be read are as long as can be.</returns>
    internal static List<PairedStretch> Of(FrozenBytes? old, long oldOffset, FrozenBytes? now, long newOffset, long length)
    {
        Stretch[]? before = old?.Stretches(new ByteRange(oldOffset, length)), after = now?.Stretches(new ByteRange(newOffset, length));
        if (before is null) (before, oldOffset) = (after!, newOffset);
        if (after is null) (after, newOffset) = (before, oldOffset);
        var pairs = new List<PairedStretch>();
        long unknown = 0;
        int oldIndex = 0, newIndex = 0;
        for (long at = 0; at < length;)
        {
            Stretch one = before[oldIndex], other = after[newIndex];
            long oldEnd = one.Range.End - oldOffset, newEnd = other.Range.End - newOffset, end = Math.Min(oldEnd, newEnd);
            if (one.Value is not null && other.Value is not null && end - at >= LeastKnown)
            {
                if (at > unknown) pairs.Add(new PairedStretch(unknown, at - unknown, null, null));
                pairs.Add(new PairedStretch(at, end - at, one.Value, other.Value));
                unknown = end;
            }
            at = end;
            if (oldEnd == end) oldIndex++;
            if (newEnd == end) newIndex++;
        }
        if (length > unknown) pairs.Add(new PairedStretch(unknown, length - unknown, null, null));
        return pairs;
    }
}

namespace MmapSnapshot.Content;

/// <summary>
/// Compares two sequences of pieces that have no run in common by the position of their repeated bytes: counted from the start up to
/// one place, and from the end after it. At that place the longer sequence has its surplus. The place is the one that leaves the
/// fewest bytes different; of several, the last one, so that a table that grew has grown at its end.
/// </summary>
internal sealed class RepeatAlignment(PieceComparison comparison, List<Piece> before, List<Piece> after)
{
    /// <summary>Adds what is the same and what differs to the comparison.</summary>
    internal void Run()
    {
        long oldLength = before.Sum(piece => piece.Length), newLength = after.Sum(piece => piece.Length), shorter = Math.Min(oldLength, newLength);
        if (!before.Exists(IsRepeat) || !after.Exists(IsRepeat))
        {
            comparison.AddDifferent(oldLength, newLength);
            return;
        }
        var fromStart = EqualRanges(0, 0, shorter);
        if (oldLength == newLength)
        {
            Add(fromStart, 0, shorter);
            return;
        }
        var fromEnd = EqualRanges(oldLength - shorter, newLength - shorter, shorter);
        long place = BestPlace(fromStart, fromEnd, shorter);
        Add(fromStart, 0, place);
        comparison.AddDifferent(oldLength - shorter, newLength - shorter);
        Add(fromEnd, place, shorter);
    }

    private static bool IsRepeat(Piece piece) => piece.Kind == PieceKind.Repeat;

    /// <summary>Adds what both have between two places: equal in the ranges, different elsewhere.</summary>
    private void Add(List<ByteRange> equal, long start, long end)
    {
        foreach (var range in equal)
        {
            if (range.End <= start) continue;
            if (range.Offset >= end) break;
            long from = Math.Max(range.Offset, start), to = Math.Min(range.End, end);
            comparison.AddDifferent(from - start, from - start);
            comparison.AddSame(to - from);
            start = to;
        }
        comparison.AddDifferent(end - start, end - start);
    }

    /// <summary>Where both have the same repeated byte, if they are compared position by position from these offsets on.</summary>
    private List<ByteRange> EqualRanges(long oldOffset, long newOffset, long length)
    {
        var equal = new List<ByteRange>();
        int oldIndex = 0, newIndex = 0;
        Skip(before, ref oldIndex, ref oldOffset);
        Skip(after, ref newIndex, ref newOffset);
        for (long offset = 0; offset < length;)
        {
            Piece one = before[oldIndex], other = after[newIndex];
            long count = Math.Min(length - offset, Math.Min(one.Length - oldOffset, other.Length - newOffset));
            if (IsRepeat(one) && one.Address == other.Address) equal.Add(new ByteRange(offset, count));
            offset += count;
            oldOffset += count;
            newOffset += count;
            Skip(before, ref oldIndex, ref oldOffset);
            Skip(after, ref newIndex, ref newOffset);
        }
        return equal;

        static void Skip(List<Piece> pieces, ref int index, ref long offset)
        {
            while (index < pieces.Count && offset >= pieces[index].Length) offset -= pieces[index++].Length;
        }
    }

    /// <summary>Where to change from the ranges that are equal from the start to those that are equal from the end.</summary>
    private static long BestPlace(List<ByteRange> fromStart, List<ByteRange> fromEnd, long length)
    {
        // The number of equal bytes, as the place moves, turns where a range ends or begins.
        long[] places = [.. fromStart.Select(range => range.End).Concat(fromEnd.Select(range => range.Offset)).Append(0).Append(length).Distinct().Order()];
        long best = 0, most = -1, equalBefore = 0, equalAfter = fromEnd.Sum(range => range.Length), previous = 0;
        int startIndex = 0, endIndex = 0;
        foreach (long place in places)
        {
            equalBefore += Covered(fromStart, ref startIndex, previous, place);
            equalAfter -= Covered(fromEnd, ref endIndex, previous, place);
            if (equalBefore + equalAfter >= most) (best, most) = (place, equalBefore + equalAfter);
            previous = place;
        }
        return best;
    }

    /// <summary>How many bytes between two places are in the ranges. The index only goes up.</summary>
    private static long Covered(List<ByteRange> ranges, ref int index, long start, long end)
    {
        long covered = 0;
        for (; index < ranges.Count && ranges[index].Offset < end; index++)
        {
            covered += Math.Max(0, Math.Min(ranges[index].End, end) - Math.Max(ranges[index].Offset, start));
            if (ranges[index].End > end) break;
        }
        return covered;
    }
}

namespace MmapSnapshot.Content;

/// <summary>
/// Compares two runs of different lengths by position: counted from the start up to one place, and from the end after it. At that place
/// the longer run has its surplus: an insertion or a removal. The place is the one that leaves the fewest bytes different; of several, the
/// last one, so that a file that grew has grown at its end.
/// </summary>
/// <remarks>
/// This is the best alignment of two sequences with one gap: at each place, the number of bytes that are equal from the start up to it
/// and from the end after it. What both have in common at the start and at the end is left out of the sum. O(bytes), in four windows of
/// memory.
/// </remarks>
internal sealed class GapAlignment
{
    private const int Window = 64 << 10;

    private readonly FrozenBytes _old, _now;

    private readonly PieceDifference _region;

    private readonly Progress _progress;

    /// <summary>The length of the shorter run.</summary>
    private readonly long _shorter;

    private readonly byte[] _oldFromStart, _newFromStart;

    private GapAlignment(FrozenBytes old, FrozenBytes now, PieceDifference region, Progress progress)
    {
        _old = old;
        _now = now;
        _region = region;
        _progress = progress;
        _shorter = Math.Min(region.OldLength, region.NewLength);
        _oldFromStart = new byte[Math.Min(Window, _shorter)];
        _newFromStart = new byte[_oldFromStart.Length];
    }

    /// <summary>Where both runs are aligned by their ends.</summary>
    private long OldEndStart => _region.OldOffset + _region.OldLength - _shorter;

    private long NewEndStart => _region.NewOffset + _region.NewLength - _shorter;

    /// <summary>The region as parts in order, each of which is a write, an insertion or a removal.</summary>
    /// <param name="old">The old content.</param>
    /// <param name="now">The new content.</param>
    /// <param name="region">A region in which they differ.</param>
    /// <param name="progress">Its token is looked at for each window.</param>
    internal static PieceDifference[] Split(FrozenBytes old, FrozenBytes now, PieceDifference region, Progress progress)
    {
        if (region.OldLength == region.NewLength || region.OldLength == 0 || region.NewLength == 0) return [region];
        var alignment = new GapAlignment(old, now, region, progress);
        long place = alignment.FindPlace(), rest = alignment._shorter - place;
        PieceDifference[] parts =
        [
            new(region.OldOffset, place, region.NewOffset, place),
            new(
                region.OldOffset + place,
                region.OldLength - alignment._shorter,
                region.NewOffset + place,
                region.NewLength - alignment._shorter),
            new(alignment.OldEndStart + place, rest, alignment.NewEndStart + place, rest),
        ];
        return Array.FindAll(parts, part => part.OldLength > 0 || part.NewLength > 0);
    }

    private long FindPlace()
    {
        long start = CommonAtStart();
        long end = _shorter - CommonAtEnd(_shorter - start);
        if (start == end) return start;

        byte[] oldFromEnd = new byte[_oldFromStart.Length], newFromEnd = new byte[_oldFromStart.Length];
        long sum = 0, most = 0, place = start;
        foreach (var (offset, length, fromStart, fromEnd) in Known(start, end))
        {
            if (fromStart is { } isEqual && fromEnd is { } isEqualToo)
            {
                sum += ((isEqual ? 1 : 0) - (isEqualToo ? 1 : 0)) * length;
                if (sum >= most) (most, place) = (sum, offset + length);
                continue;
            }
            for (long at = offset; at < offset + length; at += Window)
            {
                _progress.Report();
                int count = (int)Math.Min(Window, offset + length - at);
                Span<byte> one = _oldFromStart.AsSpan(0, count), two = _newFromStart.AsSpan(0, count);
                Span<byte> three = oldFromEnd.AsSpan(0, count), four = newFromEnd.AsSpan(0, count);
                _old.Read(_region.OldOffset + at, one);
                _now.Read(_region.NewOffset + at, two);
                _old.Read(OldEndStart + at, three);
                _now.Read(NewEndStart + at, four);
                for (int i = 0; i < count; i++)
                {
                    sum += (one[i] == two[i] ? 1 : 0) - (three[i] == four[i] ? 1 : 0);
                    if (sum >= most) (most, place) = (sum, at + i + 1);
                }
            }
        }
        return place;
    }

    /// <summary>How many bytes are equal at the start of both runs.</summary>
    private long CommonAtStart()
    {
        foreach (var pair in PairedStretch.Of(_old, _region.OldOffset, _now, _region.NewOffset, _shorter))
        {
            _progress.Report();
            if (!pair.IsUnknown)
            {
                if (pair.Old != pair.New) return pair.Offset;
                continue;
            }
            for (long at = pair.Offset; at < pair.End; at += Window)
            {
                int count = Read(at, pair.End, _region.OldOffset, _region.NewOffset);
                int same = _oldFromStart.AsSpan(0, count).CommonPrefixLength(_newFromStart.AsSpan(0, count));
                if (same < count) return at + same;
            }
        }
        return _shorter;
    }

    /// <summary>How many bytes are equal at the end of both runs, at most <paramref name="limit"/>.</summary>
    private long CommonAtEnd(long limit)
    {
        long oldStart = _region.OldOffset + _region.OldLength - limit, newStart = _region.NewOffset + _region.NewLength - limit;
        var pairs = PairedStretch.Of(_old, oldStart, _now, newStart, limit);
        pairs.Reverse();
        foreach (var pair in pairs)
        {
            _progress.Report();
            if (!pair.IsUnknown)
            {
                if (pair.Old != pair.New) return limit - pair.End;
                continue;
            }
            for (long end = pair.End; end > pair.Offset;)
            {
                int count = Read(Math.Max(pair.Offset, end - Window), end, oldStart, newStart);
                if (!_oldFromStart.AsSpan(0, count).SequenceEqual(_newFromStart.AsSpan(0, count)))
                {
                    while (_oldFromStart[count - 1] == _newFromStart[count - 1]) (count, end) = (count - 1, end - 1);
                    return limit - end;
                }
                end -= count;
            }
        }
        return limit;
    }

    /// <summary>Reads a window of both runs, counted from two offsets.</summary>
    private int Read(long at, long end, long oldOffset, long newOffset)
    {
        _progress.Report();
        int count = (int)Math.Min(Window, end - at);
        _old.Read(oldOffset + at, _oldFromStart.AsSpan(0, count));
        _now.Read(newOffset + at, _newFromStart.AsSpan(0, count));
        return count;
    }

    /// <summary>
    /// Whether the bytes between two places are equal, counted from the start and from the end; null where they must be read.
    /// </summary>
    private IEnumerable<(long Offset, long Length, bool? FromStart, bool? FromEnd)> Known(long start, long end)
    {
        var fromStart = PairedStretch.Of(_old, _region.OldOffset + start, _now, _region.NewOffset + start, end - start);
        var fromEnd = PairedStretch.Of(_old, OldEndStart + start, _now, NewEndStart + start, end - start);
        int startIndex = 0, endIndex = 0;
        for (long at = 0; at < end - start;)
        {
            PairedStretch one = fromStart[startIndex], other = fromEnd[endIndex];
            long next = Math.Min(one.End, other.End);
            yield return (start + at, next - at, IsEqual(one), IsEqual(other));
            if (one.End == next) startIndex++;
            if (other.End == next) endIndex++;
            at = next;
        }

        static bool? IsEqual(PairedStretch pair) => pair.IsUnknown ? null : pair.Old == pair.New;
    }
}

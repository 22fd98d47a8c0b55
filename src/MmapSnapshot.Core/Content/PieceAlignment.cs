namespace MmapSnapshot.Content;

/// <summary>
/// Finds the runs of the base and of the additions that two sequences of pieces have in common, in the same order in both. Where
/// runs have changed places, or occur twice, the common runs with the most bytes are taken.
/// </summary>
internal sealed class PieceAlignment
{
    private readonly PieceComparison _comparison;

    private readonly PieceRun[] _before, _after;

    internal PieceAlignment(PieceComparison comparison, Piece[] before, Piece[] after)
    {
        _comparison = comparison;
        _before = Place(before);
        _after = Place(after);
    }

    /// <summary>Adds what is the same and what differs to the comparison.</summary>
    internal void Run()
    {
        var common = CommonRuns();
        if (!IsInOrder(common)) common = HeaviestChain(common);
        int oldIndex = 0, newIndex = 0;
        long oldDone = 0, newDone = 0;
        foreach (var run in common)
        {
            AddGap(run.OldOffset, run.NewOffset);
            _comparison.AddSame(run.Length);
            oldDone = run.OldOffset + run.Length;
            newDone = run.NewOffset + run.Length;
        }
        AddGap(End(_before), End(_after));

        void AddGap(long oldEnd, long newEnd)
        {
            var before = Cut(_before, ref oldIndex, oldDone, oldEnd);
            var after = Cut(_after, ref newIndex, newDone, newEnd);
            new RepeatAlignment(_comparison, before, after).Run();
        }
    }

    private static PieceRun[] Place(Piece[] pieces)
    {
        var runs = new PieceRun[pieces.Length];
        long offset = 0;
        for (int i = 0; i < pieces.Length; i++)
        {
            runs[i] = new PieceRun(offset, pieces[i]);
            offset += pieces[i].Length;
        }
        return runs;
    }

    private static long End(PieceRun[] runs) => runs.Length == 0 ? 0 : runs[^1].End;

    /// <summary>The pieces between two offsets, those at the borders cut. The index only goes up.</summary>
    private static List<Piece> Cut(PieceRun[] runs, ref int index, long start, long end)
    {
        var pieces = new List<Piece>();
        while (start < end)
        {
            var run = runs[index];
            if (run.End > start)
            {
                long length = Math.Min(run.End, end) - start;
                pieces.Add(run.Piece.Slice(start - run.Offset, length));
                start += length;
            }
            if (run.End <= start) index++;
        }
        return pieces;
    }

    /// <summary>All runs that both have, in the order of the new ones; no two of them have the same new bytes.</summary>
    private List<CommonRun> CommonRuns()
    {
        var byAddress = Array.FindAll(_before, run => run.Piece.Kind != PieceKind.Repeat);
        long[] addresses = Array.ConvertAll(byAddress, run => run.Piece.Address);
        Array.Sort(addresses, byAddress);
        var common = new List<CommonRun>();
        foreach (var run in _after)
        {
            if (run.Piece.Kind == PieceKind.Repeat) continue;
            long address = run.Piece.Address, end = address + run.Piece.Length;
            int index = Array.BinarySearch(addresses, address);
            if (index < 0) index = Math.Max(0, ~index - 1); // the one before may reach up to here
            for (; index < addresses.Length && addresses[index] < end && address < end; index++)
            {
                long first = Math.Max(address, addresses[index]), last = Math.Min(end, addresses[index] + byAddress[index].Piece.Length);
                if (first >= last) continue;
                common.Add(new CommonRun(byAddress[index].Offset + (first - addresses[index]), run.Offset + (first - run.Piece.Address), last - first));
                address = last;
            }
        }
        return common;
    }

    private static bool IsInOrder(List<CommonRun> runs)
    {
        for (int i = 1; i < runs.Count; i++)
        {
            if (runs[i].OldOffset < runs[i - 1].OldEnd) return false;
        }
        return true;
    }

    /// <summary>Of runs in the order of the new table those that are in order, and do not overlap, in the old one too, and have the most bytes.</summary>
    private static List<CommonRun> HeaviestChain(List<CommonRun> runs)
    {
        long[] ends = [.. runs.Select(run => run.OldEnd).Distinct().Order()];
        // A Fenwick tree: the heaviest chain whose last run ends at or before one of the ends.
        var heaviest = new int[ends.Length + 1];
        Array.Fill(heaviest, -1);
        var weights = new long[runs.Count];
        var previous = new int[runs.Count];
        int best = -1;
        for (int i = 0; i < runs.Count; i++)
        {
            int last = Array.BinarySearch(ends, runs[i].OldOffset);
            previous[i] = -1;
            for (int at = last < 0 ? ~last : last + 1; at > 0; at -= at & -at) previous[i] = Heavier(previous[i], heaviest[at]);
            weights[i] = runs[i].Length + (previous[i] < 0 ? 0 : weights[previous[i]]);
            for (int at = Array.BinarySearch(ends, runs[i].OldEnd) + 1; at < heaviest.Length; at += at & -at) heaviest[at] = Heavier(heaviest[at], i);
            best = Heavier(best, i);
        }
        var chain = new List<CommonRun>();
        for (; best >= 0; best = previous[best]) chain.Add(runs[best]);
        chain.Reverse();
        return chain;

        int Heavier(int one, int other) => one < 0 || (other >= 0 && weights[other] > weights[one]) ? other : one;
    }

    /// <summary>Bytes that both sequences have.</summary>
    private readonly record struct CommonRun(long OldOffset, long NewOffset, long Length)
    {
        internal long OldEnd => OldOffset + Length;
    }
}

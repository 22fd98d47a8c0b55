namespace MmapSnapshot.Content;

/// <summary>
/// Finds the regions in which two tables differ, without reading bytes.
/// </summary>
/// <remarks>
/// <para>
/// Nodes first: a table shares the nodes that a change did not touch with the table before it, in the same order, and a node is in a
/// tree at most once. So nodes of the same height are compared by reference, from the roots down: a shared node is the same bytes in
/// both tables, and what lies between two shared nodes is compared one level further down. The nodes examined are those that only one
/// of the tables has.
/// </para>
/// <para>
/// Between shared nodes, pieces: bytes of the base or the additions are the same where their addresses are
/// (<see cref="PieceAlignment"/>). Repeated bytes have no address: between two runs that are the same they are compared
/// by their place (<see cref="RepeatAlignment"/>).
/// </para>
/// <para>
/// Bytes outside of the regions are equal. Bytes within them may be equal, for example if a run was overwritten with the same bytes.
/// </para>
/// </remarks>
internal sealed class PieceComparison
{
    private readonly List<PieceDifference> _differences = [];

    /// <summary>How far both tables were compared.</summary>
    private long _oldOffset, _newOffset;

    /// <summary>What differs before that, and is not yet known to end there.</summary>
    private long _oldPending, _newPending;

    private PieceComparison()
    {
    }

    /// <summary>
    /// The regions in which two tables differ, in order; between two of them are bytes that both have. O(n log n) in the number of
    /// pieces and nodes that are in one table and not in the other.
    /// </summary>
    internal static List<PieceDifference> Between(PieceTable before, PieceTable after)
    {
        var comparison = new PieceComparison();
        comparison.CompareNodes([before.Root], [after.Root]);
        comparison.Flush();
        return comparison._differences;
    }

    /// <summary>Adds bytes that both tables have next.</summary>
    internal void AddSame(long length)
    {
        if (length == 0) return;
        Flush();
        _oldOffset += length;
        _newOffset += length;
    }

    /// <summary>Adds bytes that only the old, and bytes that only the new table has next.</summary>
    internal void AddDifferent(long oldLength, long newLength)
    {
        _oldPending += oldLength;
        _newPending += newLength;
    }

    private void Flush()
    {
        if (_oldPending == 0 && _newPending == 0) return;
        _differences.Add(new PieceDifference(_oldOffset, _oldPending, _newOffset, _newPending));
        _oldOffset += _oldPending;
        _newOffset += _newPending;
        _oldPending = _newPending = 0;
    }

    /// <summary>Compares runs of nodes, those of each run of the same height.</summary>
    private void CompareNodes(PieceNode[] before, PieceNode[] after)
    {
        while (before[0].Height > after[0].Height) before = Children(before);
        while (after[0].Height > before[0].Height) after = Children(after);
        var indexes = new Dictionary<PieceNode, int>(before.Length, ReferenceEqualityComparer.Instance);
        for (int i = 0; i < before.Length; i++) indexes.Add(before[i], i);
        int oldDone = 0, newDone = 0;
        for (int i = 0; i < after.Length; i++)
        {
            if (!indexes.TryGetValue(after[i], out int index) || index < oldDone) continue;
            CompareGap(before[oldDone..index], after[newDone..i]);
            AddSame(after[i].Length);
            oldDone = index + 1;
            newDone = i + 1;
        }
        CompareGap(before[oldDone..], after[newDone..]);
    }

    /// <summary>Compares runs of nodes of the same height, none of which is in both.</summary>
    private void CompareGap(PieceNode[] before, PieceNode[] after)
    {
        if (before.Length == 0 || after.Length == 0) AddDifferent(before.Sum(node => node.Length), after.Sum(node => node.Length));
        else if (before[0].Height > 0) CompareNodes(Children(before), Children(after));
        else new PieceAlignment(this, Pieces(before), Pieces(after)).Run();
    }

    private static PieceNode[] Children(PieceNode[] nodes) => [.. nodes.SelectMany(node => ((PieceBranch)node).Children)];

    private static Piece[] Pieces(PieceNode[] nodes) => [.. nodes.SelectMany(node => ((PieceLeaf)node).Pieces)];
}

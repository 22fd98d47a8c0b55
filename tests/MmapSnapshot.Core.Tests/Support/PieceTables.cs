using MmapSnapshot.Content;

namespace MmapSnapshot.Tests.Support;

/// <summary>What a piece table holds, byte by byte, and whether it is as it must be.</summary>
internal static class PieceTables
{
    /// <summary>The address of each byte.</summary>
    public static long[] Addresses(PieceTable table, long offset, long count)
    {
        var addresses = new List<long>();
        foreach (var run in table.Runs(offset, count)) addresses.AddRange(Addresses(run.Piece));
        return [.. addresses];
    }

    public static IEnumerable<long> Addresses(Piece piece)
    {
        for (long i = 0; i < piece.Length; i++) yield return piece.Slice(i, 1).Address;
    }

    /// <summary>Pieces that continue each other are joined, no node is thin or too large, and all counts are right.</summary>
    public static void AssertWellFormed(PieceTable table)
    {
        var pieces = new List<Piece>();
        AddPieces(table.Root, isRoot: true, pieces);
        Assert.Equal(table.PieceCount, pieces.Count);
        for (int i = 1; i < pieces.Count; i++) Assert.False(pieces[i - 1].IsContinuedBy(pieces[i]), $"{pieces[i - 1]} and {pieces[i]} are not joined");
        Assert.DoesNotContain(pieces, piece => piece.Length <= 0);
        long offset = 0;
        foreach (var piece in pieces)
        {
            Assert.Equal(new PieceRun(offset, piece), table.Find(offset));
            Assert.Equal(new PieceRun(offset, piece), table.Find(offset + piece.Length - 1));
            offset += piece.Length;
        }
        Assert.Equal(table.Length, offset);
    }

    /// <summary>
    /// Regions in order, with bytes of the same address between them; and with <paramref name="isLeast"/> no region has a byte of the
    /// base or the additions that both tables have.
    /// </summary>
    public static void AssertDifferences(long[] before, long[] after, IReadOnlyList<PieceDifference> differences, bool isLeast)
    {
        long oldDone = 0, newDone = 0;
        var same = new HashSet<long>();
        foreach (var difference in differences.Append(new PieceDifference(before.Length, 0, after.Length, 0)))
        {
            Assert.Equal(difference.OldOffset - oldDone, difference.NewOffset - newDone);
            var between = before.AsSpan((int)oldDone..(int)difference.OldOffset);
            Assert.True(between.SequenceEqual(after.AsSpan((int)newDone..(int)difference.NewOffset)), $"bytes before {difference} are not the same");
            foreach (long address in between) same.Add(address);
            oldDone = difference.OldOffset + difference.OldLength;
            newDone = difference.NewOffset + difference.NewLength;
        }
        Assert.Equal((before.Length, after.Length), (oldDone, newDone));
        for (int i = 0; i < differences.Count; i++)
        {
            Assert.True(differences[i].OldLength > 0 || differences[i].NewLength > 0);
            Assert.True(i == 0 || differences[i].OldOffset > differences[i - 1].OldOffset + differences[i - 1].OldLength, "two regions are one");
        }

        if (isLeast) Assert.DoesNotContain(before.Where(IsRun).Intersect(after.Where(IsRun)), address => !same.Contains(address));
    }

    private static bool IsRun(long address) => address >= 0 || address < Piece.OfByte(0, 1).Address;

    private static void AddPieces(PieceNode node, bool isRoot, List<Piece> pieces)
    {
        Assert.True(isRoot || !node.IsThin, "a node below the root is thin");
        if (node is PieceLeaf leaf)
        {
            Assert.InRange(leaf.Pieces.Length, 0, PieceLeaf.Capacity);
            Assert.Equal(leaf.Pieces.Sum(piece => piece.Length), leaf.Length);
            pieces.AddRange(leaf.Pieces);
            return;
        }
        var branch = (PieceBranch)node;
        Assert.InRange(branch.Children.Length, isRoot ? 2 : 1, PieceBranch.Capacity);
        Assert.Equal(branch.Children.Sum(child => child.Length), branch.Length);
        foreach (var child in branch.Children)
        {
            Assert.Equal(branch.Height - 1, child.Height);
            AddPieces(child, isRoot: false, pieces);
        }
    }
}

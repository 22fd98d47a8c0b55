using MmapSnapshot.Content;

namespace MmapSnapshot.Tests;

public sealed class PieceComparisonTests
{
    private const int Length = 1 << 30;

    /// <summary>A file of one piece, and one that was saved after many changes.</summary>
    public static TheoryData<bool> Baselines => new(false, true);

    [Theory]
    [MemberData(nameof(Baselines))]
    public void Writes_insertions_and_removals_are_told_as_such(bool scattered)
    {
        var before = Baseline(scattered);
        var after = before.Replace(10_000_001, 5, [Piece.OfAdditions(1L << 40, 5)])
            .Replace(20_000_001, 0, [Piece.OfAdditions(1L << 41, 3)])
            .Replace(30_000_001, 7, [])
            .Replace(40_000_001, 2, [Piece.OfByte(0, 2)]);
        Assert.Equal(
            [
                new(10_000_001, 5, 10_000_001, 5),
                new(20_000_001, 0, 20_000_001, 3),
                new(29_999_998, 7, 30_000_001, 0),
                new(40_000_005, 2, 40_000_001, 2),
            ],
            PieceComparison.Between(before, after));
    }

    [Theory]
    [MemberData(nameof(Baselines))]
    public void Growing_and_shrinking_differ_at_the_end(bool scattered)
    {
        var before = Baseline(scattered);
        var grown = before.Replace(Length, 0, [Piece.OfByte(0, 1L << 40)]);
        Assert.Equal([new(Length, 0, Length, 1L << 40)], PieceComparison.Between(before, grown));
        Assert.Equal([new(Length, 1L << 40, Length, 0)], PieceComparison.Between(grown, before));
        var grownMore = grown.Replace(grown.Length, 0, [Piece.OfByte(0, 10)]);
        Assert.Equal([new(grown.Length, 0, grown.Length, 10)], PieceComparison.Between(grown, grownMore));
    }

    [Fact]
    public void Writes_into_repeated_bytes_are_told_at_their_place()
    {
        var before = PieceTable.Of(Piece.OfByte(0, 1L << 40));
        var after = before;
        for (int i = 1; i <= 100; i++) after = after.Replace(i * 1000L, 10, [Piece.OfAdditions(100 * i, 10)]);
        var written = Enumerable.Range(1, 100).Select(i => new PieceDifference(i * 1000L, 10, i * 1000L, 10)).ToList();
        Assert.Equal(written, PieceComparison.Between(before, after));

        var longer = after.Replace(after.Length, 0, [Piece.OfAdditions(100_000, 5)]);
        Assert.Equal([.. written, new(1L << 40, 0, 1L << 40, 5)], PieceComparison.Between(before, longer));
    }

    [Fact]
    public void A_copy_of_a_distant_run_does_not_hide_what_stayed()
    {
        var before = PieceTable.Of(Piece.OfBase(0, 10_000));
        var after = before.Replace(100, 0, [Piece.OfBase(9000, 50)]);
        Assert.Equal([new(100, 0, 100, 50)], PieceComparison.Between(before, after));
    }

    [Fact]
    public void Runs_that_have_changed_places_are_told_once()
    {
        var before = PieceTable.Of(Piece.OfBase(0, 10_000));
        var after = before.Replace(0, 100, []).Replace(9900, 0, [Piece.OfBase(0, 100)]);
        Assert.Equal([new(0, 100, 0, 0), new(10_000, 0, 9900, 100)], PieceComparison.Between(before, after));
    }

    [Fact]
    public void What_many_changes_have_in_common_is_not_looked_at()
    {
        var before = Baseline(scattered: true);
        var after = before.Replace(Length / 2, 1, [Piece.OfByte(1, 1)]);
        Assert.True(before.PieceCount > 100_000);
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        Assert.Single(PieceComparison.Between(before, after));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - allocated, 0, 100_000);
    }

    private static PieceTable Baseline(bool scattered)
    {
        var table = PieceTable.Of(Piece.OfBase(0, Length));
        var random = new Random(1);
        for (int i = 0; scattered && i < 60_000; i++) table = table.Replace(random.Next(Length) & ~0xFF, 1, [Piece.OfAdditions(2 * i, 1)]);
        return table;
    }
}

using MmapSnapshot.Content;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

public sealed class PieceTableTests
{
    public static TheoryData<long> Borders => new(1L << 31, (1L << 31) - 1, 1L << 32, (1L << 32) - 1, (1L << 40) + 1, long.MaxValue - 1);

    [Fact]
    public void A_piece_takes_16_bytes() => Assert.Equal(16, System.Runtime.CompilerServices.Unsafe.SizeOf<Piece>());

    [Theory]
    [InlineData(0, long.MaxValue)]
    [InlineData(long.MaxValue, 0)]
    [InlineData(1L << 62, 1L << 61)]
    public void A_run_of_the_base_has_its_place(long offset, long length)
    {
        var piece = Piece.OfBase(offset, length);
        Assert.Equal((PieceKind.Base, offset, length), (piece.Kind, piece.Offset, piece.Length));
    }

    [Theory]
    [InlineData(0, 1L << 62)]
    [InlineData((1L << 62) - 1, 1)]
    public void A_run_of_the_additions_has_its_place(long offset, long length)
    {
        var piece = Piece.OfAdditions(offset, length);
        Assert.Equal((PieceKind.Additions, offset, length), (piece.Kind, piece.Offset, piece.Length));
    }

    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, -1)]
    [InlineData(1, long.MaxValue)]
    public void A_run_that_ends_past_2_63_is_refused(long offset, long length)
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Piece.OfBase(offset, length));
        Assert.Throws<ArgumentOutOfRangeException>(() => Piece.OfAdditions(offset, length));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(255)]
    public void A_repeated_byte_has_its_value(byte value)
    {
        var piece = Piece.OfByte(value, long.MaxValue);
        Assert.Equal((PieceKind.Repeat, value, long.MaxValue), (piece.Kind, piece.Value, piece.Length));
    }

    [Fact]
    public void Runs_of_different_kinds_or_places_do_not_continue_each_other()
    {
        Assert.True(Piece.OfBase(5, 3).IsContinuedBy(Piece.OfBase(8, 1)));
        Assert.False(Piece.OfBase(5, 3).IsContinuedBy(Piece.OfBase(9, 1)));
        Assert.False(Piece.OfBase(5, 3).IsContinuedBy(Piece.OfAdditions(8, 1)));
        Assert.True(Piece.OfByte(7, 3).IsContinuedBy(Piece.OfByte(7, 1)));
        Assert.False(Piece.OfByte(7, 3).IsContinuedBy(Piece.OfByte(8, 1)));
        Assert.False(Piece.OfAdditions((1L << 62) - 1, 1).IsContinuedBy(Piece.OfByte(0, 1)));
    }

    [Theory]
    [MemberData(nameof(Borders))]
    public void A_byte_written_at_a_border_is_found_there(long border)
    {
        var table = PieceTable.Of(Piece.OfBase(0, long.MaxValue)).Replace(border, 1, [Piece.OfAdditions(0, 1)]);
        Assert.Equal(long.MaxValue, table.Length);
        Assert.Equal(new PieceRun(border, Piece.OfAdditions(0, 1)), table.Find(border));
        Assert.Equal(new PieceRun(0, Piece.OfBase(0, border)), table.Find(border - 1));
        PieceTables.AssertWellFormed(table);
        var difference = Assert.Single(PieceComparison.Between(PieceTable.Of(Piece.OfBase(0, long.MaxValue)), table));
        Assert.Equal(new PieceDifference(border, 1, border, 1), difference);
        // Given back, it is what it was.
        Assert.True(table.Replace(border, 1, [Piece.OfBase(border, 1)]).HasSamePieces(PieceTable.Of(Piece.OfBase(0, long.MaxValue))));
    }

    [Fact]
    public void A_table_grows_up_to_2_63_less_1_and_no_further()
    {
        var table = PieceTable.Of(Piece.OfBase(0, 10)).Replace(10, 0, [Piece.OfByte(0, long.MaxValue - 10)]);
        Assert.Equal(long.MaxValue, table.Length);
        Assert.Throws<OverflowException>(() => table.Replace(5, 0, [Piece.OfByte(1, 1)]));
        Assert.Throws<OverflowException>(() => table.Replace(0, table.Length, [Piece.OfByte(1, long.MaxValue), Piece.OfByte(2, 1)]));
        Assert.Equal(4, table.Replace(5, 1, [Piece.OfByte(1, 1)]).PieceCount);
    }

    [Fact]
    public void A_fill_of_a_tebibyte_is_one_piece()
    {
        var table = PieceTable.Of(Piece.OfBase(0, 1L << 41)).Replace(1L << 39, 1L << 40, [Piece.OfByte(9, 1L << 40)]);
        Assert.Equal(3, table.PieceCount);
        Assert.Equal(4, table.Replace(table.Length, 0, [Piece.OfByte(0, 1L << 40)]).PieceCount);
    }

    [Fact]
    public void Writes_that_continue_each_other_are_one_piece()
    {
        var table = PieceTable.Of(Piece.OfBase(0, 1000));
        for (int i = 0; i < 100; i++) table = table.Replace(100 + i, 1, [Piece.OfAdditions(i, 1)]);
        Assert.Equal([Piece.OfBase(0, 100), Piece.OfAdditions(0, 100), Piece.OfBase(200, 800)], table.Slice(0, 1000));
    }

    [Fact]
    public void Removing_what_was_inserted_joins_its_neighbours()
    {
        var whole = PieceTable.Of(Piece.OfBase(0, 1000));
        var table = whole.Replace(500, 0, [Piece.OfAdditions(0, 3)]).Replace(500, 3, []);
        Assert.Equal(1, table.PieceCount);
        Assert.True(table.HasSamePieces(whole));
    }

    [Fact]
    public void Replacing_a_range_by_what_it_holds_returns_the_same_table()
    {
        var table = PieceTable.Of(Piece.OfBase(0, 1000)).Replace(10, 20, [Piece.OfByte(0, 20)]);
        Assert.Same(table, table.Replace(15, 5, [Piece.OfByte(0, 2), Piece.OfByte(0, 3)]));
        Assert.Same(table, table.Replace(0, 1000, table.Slice(0, 1000)));
        Assert.Same(table, table.Replace(0, 0, []));
    }

    [Theory]
    [InlineData(-1, 0)]
    [InlineData(0, -1)]
    [InlineData(11, 0)]
    [InlineData(5, 6)]
    [InlineData(5, long.MaxValue)]
    public void A_range_outside_of_the_table_is_refused(long offset, long count)
    {
        var table = PieceTable.Of(Piece.OfBase(0, 10));
        Assert.Throws<ArgumentOutOfRangeException>(() => table.Replace(offset, count, []));
        Assert.Throws<ArgumentOutOfRangeException>(() => table.Slice(offset, count));
    }

    [Fact]
    public void An_empty_table_has_no_pieces()
    {
        var table = PieceTable.Of(Piece.OfBase(0, 10)).Replace(0, 10, []);
        Assert.Equal((0, 0), (table.Length, table.PieceCount));
        Assert.Empty(table.Slice(0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => table.Find(0));
        Assert.True(table.HasSamePieces(PieceTable.Empty));
    }

    [Fact]
    public void A_change_of_many_pieces_builds_a_tree_that_is_well_formed_and_so_does_removing_them()
    {
        var pieces = Enumerable.Range(0, 100_000).Select(i => Piece.OfAdditions(2L * i, 1)).ToArray();
        var table = PieceTable.Of(Piece.OfBase(0, 1000)).Replace(500, 0, pieces);
        PieceTables.AssertWellFormed(table);
        Assert.Equal(100_002, table.PieceCount);
        var random = new Random(1);
        while (table.Length > 0)
        {
            long offset = random.NextInt64(table.Length);
            table = table.Replace(offset, Math.Min(table.Length - offset, random.NextInt64(3000)), []);
            PieceTables.AssertWellFormed(table);
        }
    }

    [Fact]
    public void Finding_and_going_through_pieces_allocates_nothing()
    {
        var table = PieceTable.Of(Piece.OfBase(0, 1 << 20));
        for (int i = 0; i < 1000; i++) table = table.Replace(i * 1000, 1, [Piece.OfAdditions(2 * i, 1)]);
        long sum = Sum();
        long before = GC.GetAllocatedBytesForCurrentThread();
        long again = Sum();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(sum, again);

        long Sum()
        {
            long found = 0;
            for (int i = 0; i < 1000; i++) found += table.Find(i * 1001).Offset;
            foreach (var run in table.Runs(1000, 900_000)) found += run.Piece.Length;
            return found;
        }
    }
}

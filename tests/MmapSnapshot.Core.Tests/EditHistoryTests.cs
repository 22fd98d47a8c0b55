using MmapSnapshot.Content;

namespace MmapSnapshot.Tests;

public sealed class EditHistoryTests
{
    [Fact]
    public void Steps_are_undone_and_redone_in_turn()
    {
        var tables = Tables(5);
        var history = new EditHistory(tables[0]);
        Assert.False(history.Undo() || history.Redo());
        foreach (var table in tables.Skip(1)) history.Push(table);
        for (int i = 3; i >= 0; i--)
        {
            Assert.True(history.Undo());
            Assert.Same(tables[i], history.Current);
        }
        Assert.False(history.Undo());
        for (int i = 1; i < 5; i++)
        {
            Assert.True(history.Redo());
            Assert.Same(tables[i], history.Current);
        }
        Assert.False(history.Redo());
    }

    [Fact]
    public void A_new_step_ends_what_can_be_redone()
    {
        var tables = Tables(4);
        var history = new EditHistory(tables[0]);
        history.Push(tables[1]);
        history.Push(tables[2]);
        history.Undo();
        history.Push(tables[3]);
        Assert.Equal((2, 0), (history.UndoCount, history.RedoCount));
        history.Undo();
        Assert.Same(tables[1], history.Current);
    }

    [Fact]
    public void Steps_with_the_same_token_are_one()
    {
        var tables = Tables(7);
        object stream = new();
        var history = new EditHistory(tables[0]);
        history.Push(tables[1], stream);
        history.Push(tables[2], stream);
        history.Push(tables[3], stream);
        Assert.Equal(1, history.UndoCount);
        history.Push(tables[4]);
        history.Push(tables[5], stream);
        Assert.Equal(3, history.UndoCount);
        history.Undo();
        history.Redo();
        history.Push(tables[6], stream);
        Assert.Equal(4, history.UndoCount);
        history.Undo();
        Assert.Same(tables[5], history.Current);
    }

    [Fact]
    public void The_same_table_again_is_no_step()
    {
        var tables = Tables(2);
        var history = new EditHistory(tables[0]);
        history.Push(tables[1]);
        history.Undo();
        history.Push(tables[0]);
        Assert.Equal((0, 1), (history.UndoCount, history.RedoCount));
    }

    [Fact]
    public void The_last_10_000_steps_are_kept()
    {
        var tables = Tables(25_001);
        var history = new EditHistory(tables[0]);
        foreach (var table in tables.Skip(1)) history.Push(table);
        Assert.Equal(10_000, history.UndoCount);
        for (int i = 0; i < 4000; i++) history.Undo();
        Assert.Same(tables[21_000], history.Current);
        for (int i = 0; i < 2000; i++) history.Push(tables[i]);
        Assert.Equal((8000, 0), (history.UndoCount, history.RedoCount));
        while (history.Undo()) { }
        Assert.Same(tables[15_000], history.Current);
        Assert.Equal(8000, history.RedoCount);
    }

    [Fact]
    public void What_was_forgotten_is_not_held()
    {
        var history = new EditHistory(PieceTable.Empty);
        var forgotten = PushOne(history);
        for (int i = 0; i < 10_001; i++) history.Push(PieceTable.Of(Piece.OfBase(0, 1 + (i % 2))));
        var undone = PushOne(history);
        history.Undo();
        history.Push(PieceTable.Of(Piece.OfBase(0, 7)));
        GC.Collect();
        Assert.False(forgotten.IsAlive || undone.IsAlive);
        GC.KeepAlive(history);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static WeakReference PushOne(EditHistory history)
        {
            var table = PieceTable.Of(Piece.OfBase(0, 100));
            history.Push(table);
            return new WeakReference(table);
        }
    }

    [Fact]
    public void Clearing_keeps_the_current_table()
    {
        var tables = Tables(3);
        var history = new EditHistory(tables[0]);
        history.Push(tables[1]);
        history.Push(tables[2]);
        history.Undo();
        history.Clear();
        Assert.Same(tables[1], history.Current);
        Assert.Equal((0, 0), (history.UndoCount, history.RedoCount));
    }

    private static PieceTable[] Tables(int count) => [.. Enumerable.Range(1, count).Select(length => PieceTable.Of(Piece.OfBase(0, length)))];
}

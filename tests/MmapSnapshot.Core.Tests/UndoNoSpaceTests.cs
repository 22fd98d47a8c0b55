using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Changes that a full disk keeps from being made, or from being taken back.</summary>
public sealed class UndoNoSpaceTests
{
    /// <summary>More than what the ballast leaves free.</summary>
    private const int Much = 24 << 20;

    /// <summary>What is free where something shall get stuck half-way.</summary>
    private const int Little = 8 << 20;

    [Theory]
    [MemberData(nameof(FileSystems.Copying), MemberType = typeof(FileSystems))]
    public void Where_there_is_no_room_to_put_aside_what_is_overwritten_nothing_is_changed(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(Much);
        using var snapshot = Snapshot.Open(workspace.Write("file", bytes));
        snapshot.Write(7, "mine"u8);
        "mine"u8.CopyTo(bytes.AsSpan(7));
        int descriptors = Descriptors.Nameless(workspace.Folder).Length;
        Action[] changes =
        [
            () => snapshot.Fill(0, Much, (byte)'n'),
            () => snapshot.Write(0, new byte[Much]),
            () => snapshot.Resize(0),
            () => snapshot.Apply([SnapshotEdit.Write(0, "x"u8.ToArray()), SnapshotEdit.Fill(1, Much - 1, 1)], length: Much + 100),
        ];
        using (Ballast.Fill(workspace))
        {
            foreach (var change in changes)
            {
                Expect.Error(SnapshotError.NoSpace, change);
                Assert.Equal(Much, snapshot.Length);
                Assert.Equal([new ByteRange(7, 4)], snapshot.GetModifiedRanges());
                Assert.True(bytes.AsSpan().SequenceEqual(Bytes.In(snapshot)), "something was changed");
            }
        }
        Assert.InRange(Descriptors.Nameless(workspace.Folder).Length, descriptors, descriptors + 1); // the kept bytes may have a file
        snapshot.Resize(0); // there is room again
        snapshot.UndoLast();
        snapshot.UndoLast();
        Assert.False(snapshot.IsModified);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Several_edits_of_which_one_does_not_fit_are_all_taken_back(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", Much, 5001, Bytes.Random(10_000)));
        snapshot.Write(7000, "mine"u8);
        byte[] bytes = Bytes.In(snapshot);
        using (var ballast = Ballast.Fill(workspace))
        {
            ballast.Release(Little);
            SnapshotEdit[] edits =
            [
                SnapshotEdit.Write(6990, "first edit"u8.ToArray()), SnapshotEdit.Fill(100, Much - 200, (byte)'n'), SnapshotEdit.Write(Much, "last"u8.ToArray()),
            ];
            var error = Expect.Error(SnapshotError.NoSpace, () => snapshot.Apply(edits, length: Much + 10_000));
            Assert.Contains("Nothing was changed", error.Message, StringComparison.Ordinal);
            Assert.Equal(Much, snapshot.Length);
            Assert.Equal([new ByteRange(7000, 4)], snapshot.GetModifiedRanges());
            Assert.True(bytes.AsSpan().SequenceEqual(Bytes.In(snapshot)), "something was changed");
        }
        Assert.True(snapshot.UndoLast()); // the write from before
        Assert.False(snapshot.IsModified);
    }

    public static MatrixTheoryData<string, string> WaysBack => new([FileSystems.Xfs, FileSystems.Btrfs, FileSystems.Ext4, FileSystems.Tmpfs], ["last", "range", "all"]);

    [Theory]
    [MemberData(nameof(WaysBack))]
    public void An_undo_that_does_not_fit_is_honest_and_can_be_repeated_when_there_is_room(string fileSystem, string way)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(Much);
        using var snapshot = Snapshot.Open(workspace.Write("file", bytes));
        snapshot.Write(9, "mine"u8);
        snapshot.Resize(5);
        if (way == "range") snapshot.Resize(Much);
        byte[] changed = Bytes.In(snapshot);
        bool full;
        using (var ballast = Ballast.Fill(workspace))
        {
            if (way != "range") ballast.Release(Little);
            full = Record.Exception(Undo) is { } exception;
            if (full) Expect.Error(SnapshotError.NoSpace, Undo);
            Changes.AssertHonest(bytes, snapshot);
            // Without sharing of blocks, what was cut off takes space when it comes back.
            if (FileSystems.WithoutReflink.Contains(fileSystem)) Assert.True(full, "it fitted");
        }
        if (full) Undo();
        Changes.AssertHonest(bytes, snapshot);
        if (way == "last") "mine"u8.CopyTo(bytes.AsSpan(9));
        Assert.True(bytes.AsSpan().SequenceEqual(Bytes.In(snapshot)), "not all was taken back");
        Assert.Equal(way == "last" ? 4 : 0, snapshot.ModifiedBytes);
        if (way == "last") Assert.True(snapshot.UndoLast());
        Assert.False(snapshot.IsModified);
        if (way == "range")
        {
            while (Bytes.In(snapshot).AsSpan().SequenceEqual(bytes)) Assert.True(snapshot.UndoLast());
            Assert.Equal(changed.Length, snapshot.Length);
        }

        void Undo()
        {
            if (way == "last") snapshot.UndoLast();
            else if (way == "range") snapshot.Undo(0, Much);
            else snapshot.UndoAll();
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_small_undo_on_a_full_disk_is_done_or_leaves_what_it_was(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(900_000);
        using var snapshot = Snapshot.Open(workspace.Write("file", bytes));
        snapshot.Write(100, Bytes.Random(500_000, seed: 2));
        snapshot.Resize(1000);
        using (Ballast.Fill(workspace))
        {
            foreach (var undo in (Action[])[() => snapshot.Undo(0, 500), () => snapshot.UndoLast(), () => snapshot.UndoLast(), () => snapshot.UndoAll()])
            {
                if (Record.Exception(undo) is { } exception) Assert.Equal(SnapshotError.NoSpace, Assert.IsType<SnapshotException>(exception).Error);
                Changes.AssertHonest(bytes, snapshot);
            }
        }
        snapshot.UndoAll();
        Assert.True(bytes.AsSpan().SequenceEqual(Bytes.In(snapshot)), "not all was taken back");
        Assert.False(snapshot.IsModified);
    }
}

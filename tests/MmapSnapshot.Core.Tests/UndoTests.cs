using System.Diagnostics;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Changes that are taken back: the last one, those of a range, all of them.</summary>
public sealed class UndoTests
{
    private const long Tebibyte = 1L << 40;

    /// <summary>Far more than it takes on a busy machine, far less than reading a tebibyte does.</summary>
    private static readonly TimeSpan _noTime = TimeSpan.FromSeconds(2);

    [Fact]
    public void The_last_10000_changes_can_be_taken_back_one_by_one()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", new byte[10_010]));
        for (int change = 0; change < 10_005; change++) snapshot.Write(change, "x"u8);
        for (int change = 0; change < 10_000; change++) Assert.True(snapshot.Undo());
        Assert.False(snapshot.Undo());
        Assert.Equal([new ByteRange(0, 5)], snapshot.GetModifiedRanges());
        snapshot.Revert(0, 2); // what is too old to be taken back alone can be by its range
        Assert.Equal([new ByteRange(2, 3)], snapshot.GetModifiedRanges());
        snapshot.RevertAll();
        Assert.False(snapshot.IsModified);
        Assert.Equal(new byte[10_010], Bytes.In(snapshot));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Holes_that_were_overwritten_do_not_make_older_changes_forgotten(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", "head"));
        snapshot.Write(0, "H"u8);
        snapshot.Resize(1L << 33);
        snapshot.Resize(100); // cuts off 8 GiB of nothing
        Assert.True(snapshot.Undo());
        Assert.True(snapshot.Undo());
        Assert.Equal("Head"u8, Bytes.In(snapshot));
        Assert.True(snapshot.Undo());
        Assert.False(snapshot.IsModified);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Undo_reaches_over_commits(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        snapshot.Resize(20);
        snapshot.Commit();
        snapshot.Revert(0, 20); // to the baseline, which this is
        snapshot.RevertAll();
        Assert.Equal("new text\0\0\0\0\0\0\0\0\0\0\0\0"u8, Bytes.In(snapshot));
        Assert.Empty(snapshot.GetChanges());
        Assert.True(snapshot.Undo());
        Assert.True(snapshot.Undo());
        Assert.False(snapshot.Undo());
        Assert.Equal("old text"u8, Bytes.In(snapshot));
        Assert.True(snapshot.IsModified);
        snapshot.Commit();
        Assert.Equal("old text", File.ReadAllText(path));
        // And what is changed from there on is taken back to there.
        snapshot.Write(0, "NEW"u8);
        snapshot.Resize(2);
        snapshot.RevertAll();
        Assert.Equal("old text"u8, Bytes.In(snapshot));
        Assert.Equal(CommitMethod.None, snapshot.Commit().Method);
        Assert.True(snapshot.Undo());
        Assert.Equal("NE"u8, Bytes.In(snapshot));
    }

    [Fact]
    public void A_commit_that_has_failed_or_went_elsewhere_leaves_the_changes_to_be_taken_back()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write("file", "old text");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("other") });
        File.WriteAllText(path, "theirs");
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        Assert.True(snapshot.Undo());
        Assert.Equal("old text"u8, Bytes.In(snapshot));
        Assert.False(snapshot.IsModified);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Taking_back_an_undo_of_a_range_makes_the_changes_again(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", "The quick brown fox"));
        snapshot.Write(4, "QUICK BROWN"u8);
        snapshot.Revert(6, 4);
        Assert.Equal("The QUick BROWN fox"u8, Bytes.In(snapshot));
        Assert.Equal([new ByteRange(4, 2), new ByteRange(10, 5)], snapshot.GetModifiedRanges());
        Assert.True(snapshot.Undo());
        Assert.Equal("The QUICK BROWN fox"u8, Bytes.In(snapshot));
        Assert.Equal([new ByteRange(4, 11)], snapshot.GetModifiedRanges());
        Assert.True(snapshot.Undo());
        Assert.False(snapshot.IsModified);
    }

    [Fact]
    public void An_undo_where_nothing_was_changed_is_no_change()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "The quick brown fox"));
        snapshot.Revert(0, 19);
        Assert.False(snapshot.Undo());
        snapshot.Write(4, "QUICK"u8);
        snapshot.Revert(9, 10);
        snapshot.Revert(0, 4);
        snapshot.Revert(6, 0);
        Assert.True(snapshot.Undo());
        Assert.False(snapshot.IsModified);
        foreach (var (offset, count) in ((long, long)[])[(-1, 1), (0, -1), (0, 20), (20, 0), (1, long.MaxValue)])
            Expect.Error(SnapshotError.OutOfRange, () => snapshot.Revert(offset, count));
    }

    [Fact]
    public void An_undo_of_a_range_leaves_the_length_and_what_lies_behind_the_former_end()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "abcdef"));
        snapshot.Resize(4);
        snapshot.Resize(8);
        snapshot.Write(6, "XY"u8);
        snapshot.Revert(0, 8);
        Assert.Equal("abcdefXY"u8, Bytes.In(snapshot));
        Assert.Equal([new ByteRange(6, 2)], snapshot.GetModifiedRanges());
        Assert.True(snapshot.IsModified);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Holes_that_were_filled_are_holes_again(string fileSystem)
    {
        const int Length = 8 << 20;
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.WriteSparse("file", Length, 3 << 20, Bytes.Random(100_000));
        byte[] bytes = File.ReadAllBytes(path);
        using var snapshot = Snapshot.Open(path);
        // By each way back, and saved by it: the new file shows what the private one has.
        foreach (var undo in (Action[])[() => snapshot.Undo(), () => snapshot.Revert(0, Length), () => snapshot.RevertAll()])
        {
            snapshot.Fill(0, Length, (byte)'x');
            undo();
            Assert.True(bytes.AsSpan().SequenceEqual(Bytes.In(snapshot)), "other bytes");
            Assert.False(snapshot.IsModified);
            string copy = workspace.PathOf("copy");
            snapshot.Commit(new CommitOptions { Destination = copy, Force = true });
            Assert.InRange(FileStat.Of(copy).AllocatedBytes, 1, 1 << 20);
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void What_was_cut_off_a_sparse_file_comes_back_sparse(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] data = Bytes.Random(10_000);
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", 64 << 20, 5_000_001, data));
        snapshot.Resize(3);
        snapshot.Resize(10_000_000);
        snapshot.RevertAll();
        Assert.Equal(64 << 20, snapshot.Length);
        Assert.Equal(data, snapshot.Read(5_000_001, 10_000));
        string copy = workspace.PathOf("copy");
        snapshot.Commit(new CommitOptions { Destination = copy });
        Assert.InRange(FileStat.Of(copy).AllocatedBytes, 1, 1 << 20);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_sparse_tebibyte_is_resized_taken_back_and_compared_in_no_time_and_no_space(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] data = Bytes.Random(100_000);
        string path = workspace.WriteSparse("file", Tebibyte, Tebibyte / 2, data);
        long free = new DriveInfo(workspace.Folder).AvailableFreeSpace;
        using var snapshot = Snapshot.Open(path);
        var watch = Stopwatch.StartNew();
        snapshot.Resize(10);
        snapshot.Resize(2 * Tebibyte);
        var all = snapshot.GetChanges().ToArray();
        // The data were cut off, and zeros are in their place.
        Assert.Equal(data.Length, all.Where(change => change.Kind == "Write").Sum(change => change.Length), 1000.0);
        Assert.Equal(Tebibyte, all.Sum(change => change.Kind == "Insert" ? change.Length : 0));
        snapshot.Revert(Tebibyte / 4, Tebibyte / 2);
        Assert.Equal(data, snapshot.Read(Tebibyte / 2, data.Length));
        snapshot.Undo();
        Assert.Equal(new byte[data.Length], snapshot.Read(Tebibyte / 2, data.Length));
        snapshot.Undo();
        snapshot.Undo();
        Assert.Equal(Tebibyte, snapshot.Length);
        Assert.False(snapshot.IsModified);
        snapshot.Write(Tebibyte - 5, "tail!"u8);
        snapshot.Resize(0);
        snapshot.RevertAll();
        Assert.Equal(data, snapshot.Read(Tebibyte / 2, data.Length));
        Assert.Equal(new byte[5], snapshot.Read(Tebibyte - 5, 5));
        Assert.False(snapshot.IsModified);
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, _noTime);
        Assert.InRange(free - new DriveInfo(workspace.Folder).AvailableFreeSpace, -(8 << 20), 8 << 20);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Changes_behind_5_GiB_are_told_and_taken_back(string fileSystem)
    {
        const long Offset = 5L << 30;
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", Offset + 100_000, Offset, "old text"u8.ToArray()));
        snapshot.Write(Offset, "new"u8);
        snapshot.Fill(Offset + 50, 30_000, 7);
        Assert.Equal([new ByteRange(Offset, 3), new ByteRange(Offset + 50, 30_000)], snapshot.GetModifiedRanges());
        var first = snapshot.GetChanges().First();
        Assert.Equal((Offset, "6F 6C 64", "6E 65 77"), (first.Offset, first.Before, first.After));
        snapshot.Revert(Offset + 1, 1000);
        Assert.Equal("nld text"u8, snapshot.Read(Offset, 8));
        snapshot.RevertAll();
        Assert.Equal("old text"u8, snapshot.Read(Offset, 8));
        Assert.False(snapshot.IsModified);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_thousand_fills_of_a_grown_part_take_no_descriptor(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Random(1000)));
        int before = Descriptors.Nameless(workspace.Folder).Length;
        snapshot.Resize(1L << 40);
        for (int fill = 0; fill < 1000; fill++) snapshot.Fill(1000, (1L << 40) - 1000, (byte)(1 + (fill % 2)));
        Assert.Equal(before, Descriptors.Nameless(workspace.Folder).Length);
        for (int fill = 0; fill < 1001; fill++) Assert.True(snapshot.Undo());
        Assert.False(snapshot.IsModified);
    }

    [Fact]
    public void Written_bytes_are_in_the_folder_that_the_private_bytes_were_asked_into()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var scratch = Workspace.On(FileSystems.Ext4);
        using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Random(2 << 20)), new SnapshotOptions { ScratchPath = scratch.Folder });
        snapshot.Write(0, Bytes.Random(2 << 20, seed: 2));
        Assert.Empty(Descriptors.Nameless(workspace.Folder));
        Assert.Equal(2, Descriptors.Nameless(scratch.Folder).Length);
    }
}

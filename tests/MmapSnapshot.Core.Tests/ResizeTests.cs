using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Making a snapshot longer and shorter.</summary>
public sealed class ResizeTests
{
    public static MatrixTheoryData<string, int, int> Lengths => new(FileSystems.Names, _lengths, _lengths);

    /// <summary>Nothing, within a page, to its end, just past it, over several.</summary>
    private static readonly int[] _lengths = [0, 100, 4096, 4097, 20_000];

    [Theory]
    [MemberData(nameof(Lengths))]
    public void A_resized_snapshot_is_what_its_file_becomes(string fileSystem, int from, int to)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] old = Bytes.Random(from);
        string path = workspace.Write("file", old);
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(to);
        var expected = new byte[to];
        old.AsSpan(0, Math.Min(from, to)).CopyTo(expected);
        Assert.Equal(to, snapshot.Length);
        Assert.Equal(expected, Bytes.In(snapshot));
        using (var view = snapshot.GetView(0, to)) Assert.True(view.Span.SequenceEqual(expected));
        Assert.Equal(old, File.ReadAllBytes(path));
        Assert.Equal(from != to, snapshot.IsModified);
        snapshot.Commit(new CommitOptions { NoFlush = true });
        Assert.Equal(expected, File.ReadAllBytes(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void What_was_cut_off_does_not_come_back(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(20_000);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(5000);
        snapshot.Resize(20_000);
        byte[] expected = [.. bytes[..5000], .. new byte[15_000]];
        Assert.Equal(expected, Bytes.In(snapshot));
        Assert.True(snapshot.IsModified);
        Assert.Equal([new ByteRange(5000, 15_000)], snapshot.GetModifiedRanges());
        snapshot.Commit();
        Assert.Equal(expected, File.ReadAllBytes(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_snapshot_that_was_emptied_can_be_filled_anew(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Random(10_000));
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(0);
        Assert.Empty(Bytes.In(snapshot));
        Expect.Error(SnapshotError.OutOfRange, () => snapshot.Write(0, "x"u8));
        snapshot.Resize(3);
        snapshot.Write(0, "new"u8);
        snapshot.Commit();
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Fact]
    public void Cutting_off_what_was_written_takes_it_out_of_the_modified_ranges()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        snapshot.Write(2, "ab"u8);
        snapshot.Write(6, "cd"u8);
        snapshot.Resize(7);
        Assert.Equal([new ByteRange(2, 2), new ByteRange(6, 1)], snapshot.GetModifiedRanges());
        Assert.Equal(3, snapshot.ModifiedBytes);
    }

    [Fact]
    public void A_snapshot_that_only_got_shorter_is_modified_though_no_byte_was_written()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        snapshot.Resize(5);
        Assert.True(snapshot.IsModified);
        Assert.Equal(0, snapshot.ModifiedBytes);
    }

    [Fact]
    public void Growing_and_cutting_back_is_no_change()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write("file", "0123456789");
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(5000);
        snapshot.Resize(10);
        Assert.False(snapshot.IsModified);
        Assert.Empty(snapshot.GetModifiedRanges());
        Assert.Equal(CommitMethod.None, snapshot.Commit().Method);
    }

    [Fact]
    public void The_length_it_has_already_changes_nothing()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        using var view = snapshot.GetView(0, 10);
        snapshot.Resize(10);
        Assert.False(snapshot.IsModified);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    public void A_negative_length_is_out_of_range(long length)
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        Expect.Error(SnapshotError.OutOfRange, () => snapshot.Resize(length));
        Assert.Equal(10, snapshot.Length);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_length_that_nothing_can_hold_is_too_large_and_changes_nothing(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "0123456789");
        using var snapshot = Snapshot.Open(path);
        foreach (long length in (long[])[long.MaxValue, 1L << 62])
        {
            Expect.Error(SnapshotError.TooLarge, () => snapshot.Resize(length));
            Assert.Equal(10, snapshot.Length);
            Assert.False(snapshot.IsModified);
            Assert.Equal("0123456789"u8, Bytes.In(snapshot));
        }
        snapshot.Write(0, "x"u8);
        snapshot.Commit();
        Assert.Equal("x123456789", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Growing_by_more_than_the_disk_has_takes_no_space(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "0123456789");
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(1L << 34);
        snapshot.Write((1L << 34) - 3, "end"u8);
        snapshot.Commit();
        var facts = FileStat.Of(path);
        Assert.Equal(1L << 34, facts.Length);
        Assert.InRange(facts.AllocatedBytes, 1, 1 << 20);
    }
}

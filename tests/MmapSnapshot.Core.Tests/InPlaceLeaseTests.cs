using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>
/// A save in place of a file that is itself the base of the snapshot, under a lease: nothing is copied but what is overwritten.
/// </summary>
public sealed class InPlaceLeaseTests
{
    private static readonly CommitOptions _inPlace = new() { Method = CommitMethod.InPlace };

    private static readonly SnapshotOptions _lease = new() { Backing = SnapshotBacking.Lease, MaxWriterDelay = TimeSpan.FromHours(1) };

    public static TheoryData<string> Leasing => new(FileSystems.Xfs, FileSystems.Ext4, FileSystems.Tmpfs, FileSystems.Btrfs);

    [Theory]
    [MemberData(nameof(Leasing))]
    public void Older_states_are_read_on_as_they_were(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] old = Bytes.Random(300_000);
        string path = workspace.Write("file", old);
        using var snapshot = Snapshot.Open(path, _lease);
        var states = new List<byte[]> { old };
        var changes = new Action[]
        {
            () => snapshot.Write(100, "first"u8),
            () => snapshot.Write(90, Bytes.Of('x', 100_000)),
            () => snapshot.Apply([SnapshotEdit.Insert(50, "inserted"u8.ToArray()), SnapshotEdit.Remove(1000, 8)]),
            () => snapshot.Write(299_994, "at end"u8),
            () => snapshot.Fill(0, 200_000, 0),
        };
        foreach (var change in changes)
        {
            change();
            states.Add(Bytes.In(snapshot));
            var result = snapshot.Commit(_inPlace);
            Assert.True(states[^1].AsSpan().SequenceEqual(File.ReadAllBytes(path)), "the file has other bytes");
            Assert.True(result.AtomicForReaders || result.Method == CommitMethod.None);
            Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
            Assert.True(states[^1].AsSpan().SequenceEqual(Bytes.In(snapshot)), "the snapshot has other bytes");
        }
        for (int state = states.Count - 2; state >= 0; state--)
        {
            if (states[state].AsSpan().SequenceEqual(states[state + 1])) continue;
            Assert.True(snapshot.Undo());
            Assert.True(states[state].AsSpan().SequenceEqual(Bytes.In(snapshot)), $"state {state} has other bytes");
        }
        string copy = workspace.PathOf("copy");
        snapshot.Commit(new CommitOptions { Destination = copy });
        Assert.True(old.AsSpan().SequenceEqual(File.ReadAllBytes(copy)), "what is saved elsewhere has other bytes");
        Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
        snapshot.Commit(_inPlace);
        Assert.True(old.AsSpan().SequenceEqual(File.ReadAllBytes(path)), "the old file is not back");
    }

    [Theory]
    [MemberData(nameof(Leasing))]
    public void Copy_for_a_later_writer_has_the_old_bytes(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] old = Bytes.Random(3 << 20);
        string path = workspace.Write("file", old);
        using var snapshot = Snapshot.Open(path, _lease);
        snapshot.Fill(1000, 2 << 20, (byte)'n'); // more than is kept in memory
        snapshot.Commit(_inPlace);
        Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
        using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write)) RandomAccess.Write(file, Bytes.Of('t', 5000), 0);
        Assert.NotEqual(SnapshotBacking.Lease, snapshot.Backing);
        snapshot.Undo();
        Assert.True(old.AsSpan().SequenceEqual(Bytes.In(snapshot)), "the snapshot has other bytes");
    }

    [Fact]
    public void Reader_of_the_snapshot_sees_the_old_bytes_during_the_save()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        byte[] old = Bytes.Random(4 << 20);
        string path = workspace.Write("file", old);
        using var snapshot = Snapshot.Open(path, _lease);
        snapshot.Fill(0, 4 << 20, (byte)'n');
        int reads = 0;
        var baseline = new byte[old.Length];
        var listener = new ProgressRecorder(_ =>
        {
            snapshot.ReadBaseline(0, baseline);
            Assert.True(old.AsSpan().SequenceEqual(baseline), "a reader sees what is being written");
            reads++;
        });
        snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace, Progress = listener });
        Assert.InRange(reads, 2, int.MaxValue);
        Assert.True(Bytes.Of('n', 4 << 20).AsSpan().SequenceEqual(File.ReadAllBytes(path)), "the file has other bytes");
    }

    [Fact]
    public void Sixteen_bytes_of_a_file_that_nobody_can_copy_take_at_most_a_mebibyte()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        const int Length = 64 << 20;
        string path = workspace.Write("file", Bytes.Of('o', Length));
        using var snapshot = Snapshot.Open(path, _lease);
        snapshot.Write(Length / 2, "sixteen new byte"u8);
        using var ballast = DiskFiller.Fill(workspace);
        ballast.Release(16 << 20);
        long before = Available(workspace);
        snapshot.Commit(_inPlace);
        Assert.InRange(before - Available(workspace), long.MinValue, 1 << 20);
        Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
        snapshot.Undo();
        Assert.Equal(Bytes.Of('o', 16), snapshot.Read(Length / 2, 16));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(12)]
    public void File_that_gets_another_length_is_copied_first(long length)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old text");
        using var snapshot = Snapshot.Open(path, _lease);
        snapshot.Resize(length);
        snapshot.Commit(_inPlace);
        Assert.Equal(SnapshotBacking.Copy, snapshot.Backing);
        Assert.Equal(length, new FileInfo(path).Length);
        snapshot.Undo();
        Assert.Equal("old text"u8.ToArray(), Bytes.In(snapshot));
    }

    [Fact]
    public void File_that_is_open_elsewhere_is_copied_first()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old text");
        using var snapshot = Snapshot.Open(path, _lease);
        snapshot.Write(0, "new"u8);
        using var reader = new HelperProcess("exec 3<\"$1\"", path);
        Assert.False(snapshot.Commit(_inPlace).AtomicForReaders);
        Assert.Equal(SnapshotBacking.Copy, snapshot.Backing);
        Assert.Equal("new text", File.ReadAllText(path));
    }

    private static long Available(Workspace workspace) => new DriveInfo(workspace.Folder).AvailableFreeSpace;
}

using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Bytes that are put between others, or taken out, so that what follows moves.</summary>
public sealed class InsertTests
{
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Inserted_and_removed_bytes_are_saved_and_undone(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] old = Bytes.Random(300_000);
        string path = workspace.Write("file", old);
        using var snapshot = Snapshot.Open(path);
        snapshot.Insert(100_000, "inserted"u8);
        snapshot.Insert(0, 5000, (byte)'-');
        snapshot.Remove([new ByteRange(250_000, 10_000), new ByteRange(5000, 10)]);
        snapshot.Insert(snapshot.Length, "end"u8);
        byte[] expected =
        [
            .. Bytes.Of('-', 5000), .. old[10..100_000], .. "inserted"u8, .. old[100_000..244_992], .. old[254_992..], .. "end"u8,
        ];
        Assert.True(expected.AsSpan().SequenceEqual(Bytes.In(snapshot)), "other bytes");
        foreach (var method in (CommitMethod[])[CommitMethod.Auto, CommitMethod.InPlace])
        {
            snapshot.Commit(new CommitOptions { Method = method });
            Assert.True(expected.AsSpan().SequenceEqual(File.ReadAllBytes(path)), "other bytes were saved");
            snapshot.Insert(7, "x"u8);
            expected = [.. expected[..7], (byte)'x', .. expected[7..]];
        }
        for (int step = 0; step < 6; step++) Assert.True(snapshot.Undo());
        Assert.False(snapshot.Undo());
        Assert.True(old.AsSpan().SequenceEqual(Bytes.In(snapshot)), "not all was taken back");
        for (int step = 0; step < 6; step++) Assert.True(snapshot.Redo());
        Assert.False(snapshot.Redo());
        Assert.True(expected.AsSpan().SequenceEqual(Bytes.In(snapshot)), "not all was made again");
    }

    [Fact]
    public void Changes_of_moved_bytes_lead_from_the_baseline_to_the_snapshot()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        byte[] old = Bytes.Random(200_000);
        using var snapshot = Snapshot.Open(workspace.Write("file", old));
        snapshot.Insert(100_000, "inserted"u8);
        snapshot.Remove(50, 100);
        byte[] changed = Changes.Applied(old, snapshot.GetChanges());
        Assert.True(Bytes.In(snapshot).AsSpan().SequenceEqual(changed), "the changes do not lead to the bytes");
        Assert.Equal([new ByteRange(99_900, 8)], snapshot.GetModifiedRanges());
        Assert.True(snapshot.IsModified);
    }

    [Fact]
    public void Redo_is_gone_after_another_change()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "text"));
        Assert.False(snapshot.Redo());
        snapshot.Write(0, "T"u8);
        Assert.True(snapshot.Undo());
        snapshot.Write(1, "E"u8);
        Assert.False(snapshot.Redo());
        Assert.Equal("tExt"u8, Bytes.In(snapshot));
    }

    [Fact]
    public void Borders_are_checked_and_nothing_is_changed()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        string path = workspace.Write("file", "text");
        using var snapshot = Snapshot.Open(path);
        foreach (long offset in (long[])[-1, 5, long.MaxValue])
        {
            Expect.Error(SnapshotError.OutOfRange, () => snapshot.Insert(offset, "x"u8));
            Expect.Error(SnapshotError.OutOfRange, () => snapshot.Insert(offset, 1, 0));
        }
        Expect.Error(SnapshotError.OutOfRange, () => snapshot.Insert(0, -1, 0));
        foreach (long count in (long[])[1L << 60, long.MaxValue]) Expect.Error(SnapshotError.TooLarge, () => snapshot.Insert(0, count, 0));
        foreach (var (offset, count) in ((long, long)[])[(-1, 1), (0, -1), (0, 5), (4, 1), (1, long.MaxValue)])
            Expect.Error(SnapshotError.OutOfRange, () => snapshot.Remove(offset, count));
        Expect.Error(SnapshotError.OutOfRange, () => snapshot.Remove([new ByteRange(0, 1), new ByteRange(4, 1)]));
        snapshot.Insert(2, []);
        snapshot.Insert(2, 0, 1);
        snapshot.Remove(2, 0);
        Assert.False(snapshot.Undo());
        Assert.Equal("text"u8, Bytes.In(snapshot));
        snapshot.Insert(0, (1L << 60) - 4, 1);
        Assert.Equal(1L << 60, snapshot.Length);
        snapshot.Remove(0, (1L << 60) - 4);
        Assert.False(snapshot.IsModified);
        using var readOnly = Snapshot.Open(path, new SnapshotOptions { ReadOnly = true });
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => readOnly.Insert(0, "x"u8));
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => readOnly.Remove(0, 1));
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => readOnly.Redo());
    }
}

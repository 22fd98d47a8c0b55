using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Reading and writing the private bytes, and what counts as modified.</summary>
public sealed class ReadWriteTests
{
    /// <summary>Offsets and counts that do not fit into a snapshot of ten bytes.</summary>
    public static TheoryData<long, long> OutOfRange => new()
    {
        { -1, 1 },
        { 0, -1 },
        { 0, 11 },
        { 10, 1 },
        { 11, 0 },
        { 5, 6 },
        { long.MaxValue, 0 },
        { long.MaxValue, 1 },
        { 1, long.MaxValue },
        { long.MaxValue, long.MaxValue },
        { long.MinValue, long.MinValue },
        { long.MinValue, 1 },
    };

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Bytes_written_are_read_back_and_their_neighbours_stay(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] expected = Bytes.Random(3 * 4096);
        using var snapshot = Snapshot.Open(workspace.Write("file", expected));
        byte[] patch = Bytes.Random(5000, seed: 2);
        snapshot.Write(4000, patch); // over two page boundaries
        patch.CopyTo(expected, 4000);
        Assert.Equal(expected, Bytes.In(snapshot));
        Assert.Equal(expected[3999..4100], snapshot.Read(3999, 101));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void The_file_does_not_see_a_write_until_it_is_committed(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        Assert.Equal("old text", File.ReadAllText(path));
        snapshot.Commit();
        Assert.Equal("new text", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_write_that_is_closed_without_a_commit_is_lost(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        var before = FileStat.Of(path);
        using (var snapshot = Snapshot.Open(path))
        {
            snapshot.Write(0, "new"u8);
            snapshot.Resize(100);
        }
        Assert.Equal("old text", File.ReadAllText(path));
        Assert.Equal(before, FileStat.Of(path));
    }

    [Fact]
    public void Writes_that_overlap_leave_the_last_one_on_top()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        snapshot.Write(2, "aaaa"u8);
        snapshot.Write(4, "bbbb"u8);
        snapshot.Write(3, "c"u8);
        Assert.Equal("01acbbbb89"u8, Bytes.In(snapshot));
    }

    [Fact]
    public void A_span_is_filled_from_the_offset()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        var destination = new byte[4];
        snapshot.Read(6, destination);
        Assert.Equal("6789"u8, destination);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(10)]
    public void Nothing_can_be_read_and_written_anywhere_up_to_the_end(long offset)
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        Assert.Empty(snapshot.Read(offset, 0));
        snapshot.Read(offset, []);
        snapshot.Write(offset, []);
        snapshot.Fill(offset, 0, 1);
        using var view = snapshot.GetView(offset, 0);
        Assert.True(view.Span.IsEmpty);
        Assert.False(snapshot.IsModified);
    }

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public void A_range_that_is_not_within_the_snapshot_cannot_be_read(long offset, long count)
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        Expect.Error(SnapshotError.OutOfRange, () => snapshot.Read(offset, count));
        if (count is >= 0 and < 100) Expect.Error(SnapshotError.OutOfRange, () => snapshot.Read(offset, new byte[count]));
    }

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public void A_range_that_is_not_within_the_snapshot_cannot_be_written(long offset, long count)
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        Expect.Error(SnapshotError.OutOfRange, () => snapshot.Fill(offset, count, 1));
        if (count is >= 0 and < 100) Expect.Error(SnapshotError.OutOfRange, () => snapshot.Write(offset, new byte[count]));
        Assert.Equal("0123456789"u8, Bytes.In(snapshot));
        Assert.False(snapshot.IsModified);
    }

    [Theory]
    [MemberData(nameof(OutOfRange))]
    public void A_range_that_is_not_within_the_snapshot_cannot_be_viewed(long offset, long count)
    {
        if (count is < int.MinValue or > int.MaxValue) count = int.MaxValue;
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        Expect.Error(SnapshotError.OutOfRange, () => snapshot.GetView(offset, (int)count));
        snapshot.Close(); // no view was counted
    }

    [Fact]
    public void A_range_error_names_file_offset_and_length()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write("file", "0123456789");
        using var snapshot = Snapshot.Open(path);
        var error = Expect.Error(SnapshotError.OutOfRange, () => snapshot.Read(7, 5));
        Assert.Equal(path, error.Path);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains("5 bytes from offset 0x7", error.Message, StringComparison.Ordinal);
        Assert.Contains("10 bytes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void More_bytes_than_an_array_holds_are_too_large()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", 3L << 30));
        Expect.Error(SnapshotError.TooLarge, () => snapshot.Read(0, snapshot.Length));
        Assert.Equal(new byte[10], snapshot.Read((3L << 30) - 10, 10));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_read_only_snapshot_refuses_every_change(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", "text"), new SnapshotOptions { ReadOnly = true });
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => snapshot.Write(0, "x"u8));
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => snapshot.Write(0, []));
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => snapshot.Fill(0, 1, 0));
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => snapshot.Resize(1));
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => snapshot.Commit());
        Assert.Equal("text"u8, Bytes.In(snapshot));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_fill_writes_one_value_over_the_whole_range_and_nothing_else(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] expected = Bytes.Random(3 << 20);
        using var snapshot = Snapshot.Open(workspace.Write("file", expected));
        const int Offset = 1001, Count = (2 << 20) + 77; // more than the engine writes at a time
        snapshot.Fill(Offset, Count, 0xEE);
        expected.AsSpan(Offset, Count).Fill(0xEE);
        Assert.Equal(expected, Bytes.In(snapshot));
        Assert.Equal([new ByteRange(Offset, Count)], snapshot.GetModifiedRanges());
    }

    [Fact]
    public void A_write_that_finds_the_expected_bytes_is_done()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        snapshot.Write(2, "ab"u8, expected: "2345"u8);
        snapshot.Fill(6, 2, (byte)'x', expected: "6"u8.ToArray());
        Assert.Equal("01ab45xx89"u8, Bytes.In(snapshot));
    }

    [Fact]
    public void A_write_that_finds_other_bytes_than_expected_changes_nothing()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        var error = Expect.Error(SnapshotError.ExpectationFailed, () => snapshot.Write(2, "ab"u8, expected: "24"u8));
        Assert.Contains("expected 32 34 at 0x2, found 32 33", error.Message, StringComparison.Ordinal);
        Expect.Error(SnapshotError.ExpectationFailed, () => snapshot.Fill(2, 2, 0, expected: "24"u8.ToArray()));
        Assert.Equal("0123456789"u8, Bytes.In(snapshot));
        Assert.False(snapshot.IsModified);
    }

    [Fact]
    public void Bytes_expected_past_the_end_are_out_of_range()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        Expect.Error(SnapshotError.OutOfRange, () => snapshot.Write(8, "ab"u8, expected: "89a"u8));
        Assert.Equal("0123456789"u8, Bytes.In(snapshot));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void What_was_written_is_counted_once_and_until_it_is_committed(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        Assert.Empty(snapshot.GetModifiedRanges());
        snapshot.Write(2, "abc"u8);
        snapshot.Write(3, "de"u8);
        snapshot.Write(8, "f"u8);
        Assert.True(snapshot.IsModified);
        Assert.Equal(4, snapshot.ModifiedBytes);
        Assert.Equal([new ByteRange(2, 3), new ByteRange(8, 1)], snapshot.GetModifiedRanges());

        var result = snapshot.Commit();
        Assert.Equal(4, result.ModifiedBytes);
        Assert.False(snapshot.IsModified);
        Assert.Equal(0, snapshot.ModifiedBytes);
        Assert.Empty(snapshot.GetModifiedRanges());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Random_writes_end_up_in_the_file(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] expected = Bytes.Random(50_000);
        string path = workspace.Write("file", expected);
        using var snapshot = Snapshot.Open(path);
        var random = new Random(7);
        for (int round = 0; round < 300; round++)
        {
            int offset = random.Next(expected.Length);
            byte[] patch = Bytes.Random(random.Next(Math.Min(9000, expected.Length - offset) + 1), seed: round);
            snapshot.Write(offset, patch);
            patch.CopyTo(expected, offset);
            if (round % 100 == 99)
            {
                snapshot.Commit(new CommitOptions { NoFlush = true });
                Assert.Equal(expected, File.ReadAllBytes(path));
            }
        }
        Assert.Equal(expected, Bytes.In(snapshot));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Reading_allocates_nothing(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Random(10_000)));
        snapshot.Write(100, "text"u8);
        var buffer = new byte[200];
        for (int offset = 0; offset < 100; offset++) snapshot.Read(offset, buffer);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int offset = 0; offset < 1000; offset++) snapshot.Read(offset, buffer);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}

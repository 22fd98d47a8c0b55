using System.Diagnostics;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>What has changed, as runs of bytes with what stood there and what stands there.</summary>
public sealed class ChangesTests
{
    private const long Tebibyte = 1L << 40;

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Each_run_of_changed_bytes_is_told_with_what_stood_there(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", new byte[10_000]));
        snapshot.Write(9000, [0x0f, 0x84]);
        snapshot.Write(16, [0x90]);
        Assert.Equal(
            [
                new SnapshotChange(snapshot.Path, "Write", 16, 16, 1, "00", "90"),
                new SnapshotChange(snapshot.Path, "Write", 9000, 9000, 2, "00 00", "0F 84"),
            ], snapshot.GetChanges());
    }

    [Theory]
    [InlineData(7, 1)]
    [InlineData(8, 2)]
    public void Runs_less_than_8_equal_bytes_apart_are_one(int gap, int changes)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        byte[] old = Bytes.Random(200);
        using var snapshot = Snapshot.Open(workspace.Write("file", old));
        using var original = Snapshot.Open(snapshot.Path);
        byte[] bytes = [.. old];
        bytes[50] ^= 1;
        bytes[51 + gap] ^= 1;
        // Written at once with what is equal, or each by itself: it is the bytes that count.
        snapshot.Write(0, bytes);
        var found = snapshot.GetChanges().ToArray();
        Assert.Equal(changes, found.Length);
        Assert.Equal(gap + 2, found[^1].Offset + found[^1].Length - 50);
        Assert.Equal(found, snapshot.GetChangesFrom(original));
        snapshot.RevertAll();
        snapshot.Write(50, [bytes[50]]);
        snapshot.Write(51 + gap, [bytes[51 + gap]]);
        Assert.Equal(found, snapshot.GetChanges());
    }

    [Fact]
    public void Bytes_that_were_rewritten_with_their_own_value_are_no_change()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        byte[] bytes = Bytes.Random(100_000);
        using var snapshot = Snapshot.Open(workspace.Write("file", bytes));
        snapshot.Write(0, bytes);
        snapshot.Resize(50);
        snapshot.Resize(100_000);
        snapshot.Write(50, bytes.AsSpan(50));
        Assert.False(snapshot.IsModified);
        Assert.Empty(snapshot.GetChanges());
    }

    [Fact]
    public void A_long_run_is_listed_in_parts_of_64_KiB_at_most()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        byte[] old = Bytes.Random(300_000);
        using var snapshot = Snapshot.Open(workspace.Write("file", old));
        snapshot.Write(1000, Array.ConvertAll(old[1000..201_000], value => (byte)~value));
        var changes = snapshot.GetChanges().ToArray();
        Assert.Equal([65_536, 65_536, 65_536, 3392], changes.Select(change => change.Length));
        Assert.Equal([1000, 66_536, 132_072, 197_608], changes.Select(change => change.Offset));
        Assert.All(changes, change => Assert.Equal((change.Length * 3) - 1, change.After.Length));
        snapshot.RevertAll();
        snapshot.Insert(1000, Bytes.Random(200_000, seed: 2));
        snapshot.Remove(250_000, 100_000);
        changes = [.. snapshot.GetChanges()];
        Assert.Equal([65_536, 65_536, 65_536, 3392, 65_536, 34_464], changes.Select(change => change.Length));
        Assert.Equal([1000, 1000, 1000, 1000, 50_000, 115_536], changes.Select(change => change.Offset));
        Assert.Equal([1000, 66_536, 132_072, 197_608, 250_000, 250_000], changes.Select(change => change.NewOffset));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_run_of_one_value_is_one_change_of_any_length(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        // Zeros that are data, and zeros that are a hole.
        using var data = Snapshot.Open(workspace.Write("data", new byte[300_000]));
        using var hole = Snapshot.Open(workspace.WriteSparse("hole", Tebibyte));
        foreach (var (snapshot, length) in ((Snapshot, long)[])[(data, 200_000), (hole, Tebibyte - 2000)])
        {
            string path = snapshot.Path;
            snapshot.Fill(1000, length, 0xff);
            var filled = new SnapshotChange(path, "Write", 1000, 1000, length, $"00 * {length}", $"FF * {length}");
            Assert.Equal([filled], snapshot.GetChanges());
            snapshot.RevertAll();
            snapshot.Insert(1000, 2 * Tebibyte, 7);
            Assert.Equal([new SnapshotChange(path, "Insert", 1000, 1000, 2 * Tebibyte, "", $"07 * {2 * Tebibyte}")], snapshot.GetChanges());
            snapshot.RevertAll();
            snapshot.Remove(1000, length);
            var removed = Assert.Single(snapshot.GetChanges());
            // Which of many equal bytes were removed does not matter.
            Assert.Equal(new SnapshotChange(path, "Remove", removed.Offset, removed.Offset, length, $"00 * {length}", ""), removed);
        }
    }

    [Theory]
    [InlineData(16, "07 07 07 07 07 07 07 07 07 07 07 07 07 07 07 07")]
    [InlineData(17, "07 * 17")]
    public void More_than_16_bytes_of_one_value_are_written_as_one_and_their_number(int count, string text)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Random(100)));
        snapshot.Insert(10, Bytes.Of('\a', count));
        Assert.Equal(text, Assert.Single(snapshot.GetChanges()).After);
    }

    [Fact]
    public void Growth_is_an_insertion_at_the_old_end_and_a_cut_a_removal_there()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "abcdef"));
        string path = snapshot.Path;
        snapshot.Write(3, "X"u8);
        snapshot.Resize(4);
        Assert.Equal([new(path, "Write", 3, 3, 1, "64", "58"), new(path, "Remove", 4, 4, 2, "65 66", "")], snapshot.GetChanges());
        snapshot.RevertAll();
        snapshot.Resize(100);
        Assert.Equal([new SnapshotChange(path, "Insert", 6, 6, 94, "", "00 * 94")], snapshot.GetChanges());
        snapshot.Write(98, "Y"u8);
        Assert.Equal([new(path, "Insert", 6, 6, 94, "", $"{string.Concat(Enumerable.Repeat("00 ", 92))}59 00")], snapshot.GetChanges());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Insertions_and_removals_are_listed_as_such(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] old = Bytes.Random(1_000_000);
        using var snapshot = Snapshot.Open(workspace.Write("file", old));
        string path = snapshot.Path;
        snapshot.Insert(900_000, "end"u8);
        snapshot.Remove(500_000, 4);
        snapshot.Write(250_000, [(byte)~old[250_000]]);
        snapshot.Insert(3, "XYZ"u8);
        Assert.Equal(
            [
                new(path, "Insert", 3, 3, 3, "", "58 59 5A"),
                new(path, "Write", 250_000, 250_003, 1, HexText.Of([old[250_000]]), HexText.Of([(byte)~old[250_000]])),
                new(path, "Remove", 500_000, 500_003, 4, HexText.Of(old.AsSpan(500_000, 4)), ""),
                new(path, "Insert", 900_000, 899_999, 3, "", "65 6E 64"),
            ],
            snapshot.GetChanges());
    }

    [Fact]
    public void Bytes_that_were_replaced_by_more_or_fewer_are_a_write_and_an_insertion_or_removal()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "The quick brown fox"));
        string path = snapshot.Path;
        snapshot.Apply([SnapshotEdit.Remove(4, 5), SnapshotEdit.Insert(4, "very slick"u8.ToArray())]);
        // "ick" is equal, counted from the end.
        Assert.Equal(
            [new(path, "Write", 4, 4, 2, "71 75", "76 65"), new(path, "Insert", 6, 6, 5, "", "72 79 20 73 6C")],
            snapshot.GetChanges());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Files_that_differ_by_an_insertion_and_writes_differ_by_these_alone(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] old = Bytes.Random(3_000_000);
        byte[] now = [.. old[..1_000_003], .. "XYZ"u8, .. old[1_000_003..]];
        foreach (int at in (int[])[100, 999_000, 1_000_100, 2_999_999]) now[at] ^= 0xff;
        using var before = Snapshot.Open(workspace.Write("before", old));
        using var after = Snapshot.Open(workspace.Write("after", now));
        var changes = after.GetChangesFrom(before).ToArray();
        Assert.Equal(["Write", "Write", "Insert", "Write", "Write"], changes.Select(change => change.Kind));
        Assert.Equal((1_000_003, "58 59 5A"), (changes[2].Offset, changes[2].After));
        Assert.True(now.AsSpan().SequenceEqual(Changes.Applied(old, changes)), "the changes do not lead to the bytes");
        changes = [.. before.GetChangesFrom(after)];
        Assert.Equal(["Write", "Write", "Remove", "Write", "Write"], changes.Select(change => change.Kind));
        Assert.True(old.AsSpan().SequenceEqual(Changes.Applied(now, changes)), "the changes do not lead back");
    }

    /// <summary>Two contents, and the changes between them by kind, offset and length.</summary>
    public static TheoryData<string, string, string> Aligned => new()
    {
        { "", "", "" },
        { "", "abc", "Insert 0 3" },
        { "abc", "", "Remove 0 3" },
        { "aaaa", "aaaaaa", "Insert 4 2" },
        { "abc", "abcabc", "Insert 3 3" },
        { "abcdefgh", "abXdefgh", "Write 2 1" },
        { "abcdefgh", "XYabcdefgh", "Insert 0 2" },
        { "abcdefgh", "abcdef", "Remove 6 2" },
        { "abcdefgh", "abefgh", "Remove 2 2" },
        { "0123456789abcdefghij", "X1234567890abcdefghiY", "Write 0 1, Insert 10 1, Write 19 1" },
        { "abc", "xyz123", "Write 0 3, Insert 3 3" },
        { "xyz123", "abc", "Write 0 3, Remove 3 3" },
    };

    [Theory]
    [MemberData(nameof(Aligned))]
    public void Files_of_other_lengths_are_aligned_where_the_fewest_bytes_differ(string old, string now, string expected)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var before = Snapshot.Open(workspace.Write("before", old));
        using var after = Snapshot.Open(workspace.Write("after", now));
        var changes = after.GetChangesFrom(before).ToArray();
        Assert.Equal(expected, string.Join(", ", changes.Select(change => $"{change.Kind} {change.Offset} {change.Length}")));
        Assert.Equal(Bytes.In(after), Changes.Applied(Bytes.In(before), changes));
    }

    [Fact]
    public void The_changes_are_those_of_the_moment_in_which_they_are_enumerated()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        var snapshot = Snapshot.Open(workspace.WriteSparse("file", 100_000));
        using var other = Snapshot.Open(snapshot.Path);
        var changes = snapshot.GetChanges();
        var differences = snapshot.GetChangesFrom(other);
        Assert.Empty(changes);
        snapshot.Write(50_000, "x"u8);
        Assert.Equal("78", Assert.Single(changes).After);
        Assert.Equal("78", Assert.Single(differences).After);
        snapshot.Close();
        Expect.Error(SnapshotError.SnapshotClosed, () => _ = changes.ToList());
        Expect.Error(SnapshotError.SnapshotClosed, () => _ = differences.ToList());
        Expect.Error(SnapshotError.SnapshotClosed, () => _ = other.GetChangesFrom(snapshot).ToList());
    }

    [Theory]
    [InlineData("commit")]
    [InlineData("undo all")]
    public void Enumerated_changes_are_those_of_the_moment_in_which_the_enumeration_began(string what)
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Random(300_000)));
        snapshot.Fill(0, 300_000, 1);
        using var changes = snapshot.GetChanges().GetEnumerator();
        Assert.True(changes.MoveNext());
        var other = new Thread(() =>
        {
            if (what == "commit") snapshot.Commit();
            else snapshot.RevertAll();
        });
        other.Start();
        Assert.True(other.Join(TimeSpan.FromSeconds(10)), "the enumeration holds up others");
        for (int more = 0; more < 4; more++) Assert.True(changes.MoveNext());
        Assert.Equal("01", changes.Current.After[..2]);
        Assert.False(changes.MoveNext());
        Assert.Empty(snapshot.GetChanges());
    }

    [Fact]
    public void A_snapshot_that_is_closed_under_an_enumeration_says_so()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Random(300_000)));
        snapshot.Fill(0, 300_000, 1);
        using var changes = snapshot.GetChanges().GetEnumerator();
        Assert.True(changes.MoveNext());
        snapshot.Dispose();
        Expect.Error(SnapshotError.SnapshotClosed, () => changes.MoveNext());
    }

    [Fact]
    public void An_enumeration_is_ended_by_cancelling_it()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", new byte[300_000]));
        using var other = Snapshot.Open(snapshot.Path);
        snapshot.Fill(0, 300_000, 1);
        foreach (bool two in (bool[])[false, true])
        {
            using var source = new CancellationTokenSource();
            var listener = new ProgressRecorder(progress =>
            {
                if (progress.BytesDone > 100_000) source.Cancel();
            });
            var changes = two ? snapshot.GetChangesFrom(other, listener, source.Token) : snapshot.GetChanges(listener, source.Token);
            Assert.ThrowsAny<OperationCanceledException>(() => changes.Count());
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Two_snapshots_of_equal_bytes_do_not_differ(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(300_000);
        bytes.AsSpan(100_000, 100_000).Clear();
        using var one = Snapshot.Open(workspace.Write("one", bytes));
        string sparse = workspace.WriteSparse("two", 300_000, 0, bytes[..100_000]);
        using (var file = File.OpenHandle(sparse, FileMode.Open, FileAccess.Write)) RandomAccess.Write(file, bytes.AsSpan(200_000), 200_000);
        using var two = Snapshot.Open(sparse);
        Assert.Empty(one.GetChangesFrom(two));
        Assert.Empty(two.GetChangesFrom(one));
        Assert.Empty(one.GetChangesFrom(one));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void What_two_snapshots_differ_by_leads_from_the_one_to_the_other_and_back(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] old = Bytes.Random(200_000);
        byte[] bytes = [.. old[..70_000], .. new byte[60_000], .. old[130_000..150_000], .. Bytes.Random(30_000, seed: 2)];
        using var before = Snapshot.Open(workspace.Write("before", old));
        using var after = Snapshot.Open(workspace.Write("after", bytes));
        foreach (var (one, two, from, to) in new[] { (before, after, old, bytes), (after, before, bytes, old) })
        {
            var changes = two.GetChangesFrom(one).ToArray();
            Assert.Equal(two.Path, changes[0].Path);
            Assert.True(to.AsSpan().SequenceEqual(Changes.Applied(from, changes)), "the changes do not lead to the bytes");
            Assert.True(from.AsSpan().SequenceEqual(Changes.Reverted(to, changes)), "the changes do not lead back");
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Sparse_tebibytes_are_compared_by_what_they_hold(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var one = Snapshot.Open(workspace.WriteSparse("one", Tebibyte, Tebibyte / 2, "old text"u8.ToArray()));
        using var two = Snapshot.Open(workspace.WriteSparse("two", Tebibyte + 10, Tebibyte / 3, "more"u8.ToArray()));
        var watch = Stopwatch.StartNew();
        // The insertion where two has "more" leaves fewer bytes different than one at the end.
        Assert.Equal(
            [
                new(two.Path, "Insert", Tebibyte / 3, Tebibyte / 3, 10, "", "6D 6F 72 65 00 00 00 00 00 00"),
                new(two.Path, "Write", Tebibyte / 2, (Tebibyte / 2) + 10, 8, "6F 6C 64 20 74 65 78 74", "00 00 00 00 00 00 00 00"),
            ],
            two.GetChangesFrom(one));
        one.Write(Tebibyte - 1, "x"u8);
        Assert.Equal(Tebibyte - 1, Assert.Single(one.GetChanges()).Offset);
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(2));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("0F", "0F")]
    [InlineData("000F84FFA5", "00 0F 84 FF A5")]
    public void Bytes_as_hex_text_are_two_capital_digits_each_with_a_space_between(string bytes, string text) =>
        Assert.Equal(text, HexText.Of(Convert.FromHexString(bytes)));

    [Fact]
    public void Every_byte_as_hex_text_is_the_number_it_is()
    {
        byte[] all = [.. Enumerable.Range(0, 256).Select(value => (byte)value)];
        Assert.Equal(BitConverter.ToString(all).Replace('-', ' '), HexText.Of(all));
    }
}

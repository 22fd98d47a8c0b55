using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Several edits as one change: all of them or none.</summary>
public sealed class ApplyTests
{
    private const string Text = "The quick brown fox";

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Edits_are_one_change_in_any_order(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", Text));
        snapshot.Apply([Edit(10, "BROW"), Edit(14, "!"), SnapshotEdit.Fill(4, 6, (byte)'-')]);
        Assert.Equal("The ------BROW! fox"u8, Bytes.In(snapshot));
        Assert.Equal([new ByteRange(4, 11)], snapshot.GetModifiedRanges());
        Assert.True(snapshot.Undo());
        Assert.Equal("The quick brown fox"u8, Bytes.In(snapshot));
        Assert.False(snapshot.IsModified);
        Assert.False(snapshot.Undo());
    }

    /// <summary>Edits of which one cannot be made, the length they are made with, and why.</summary>
    public static TheoryData<string> Impossible => new(_impossible.Keys);

    private static readonly Dictionary<string, (SnapshotEdit[] Edits, long? Length, long? ExpectedLength, SnapshotError Error)> _impossible = new()
    {
        ["other bytes than expected, first"] = ([Edit(4, "quiet", "quack"), Edit(0, "A")], null, null, SnapshotError.ExpectationFailed),
        ["other bytes than expected, last"] = ([Edit(0, "A"), Edit(4, "quiet", "quick"), Edit(16, "cat", "dog")], null, null, SnapshotError.ExpectationFailed),
        ["expects what another edit writes"] = ([Edit(0, "A"), Edit(1, "B", "A")], null, null, SnapshotError.ExpectationFailed),
        ["the same bytes twice"] = ([Edit(4, "A"), Edit(0, "B"), Edit(4, "A")], null, null, SnapshotError.OverlappingChanges),
        ["a byte of another edit"] = ([Edit(4, "A"), Edit(0, "BBBBB")], null, null, SnapshotError.OverlappingChanges),
        ["between the bytes of another edit"] = (
            [Edit(0, "AAAA"), SnapshotEdit.Insert(2, "B"u8.ToArray())], null, null, SnapshotError.OverlappingChanges),
        ["between bytes that are removed"] = (
            [SnapshotEdit.Insert(2, 1, 0), SnapshotEdit.Remove(1, 2)], null, null, SnapshotError.OverlappingChanges),
        ["bytes that are removed"] = ([SnapshotEdit.Remove(1, 2), Edit(2, "A")], null, null, SnapshotError.OverlappingChanges),
        ["an insertion past the end"] = ([Edit(0, "A"), SnapshotEdit.Insert(20, "B"u8.ToArray())], null, null, SnapshotError.OutOfRange),
        ["an insertion of a negative count"] = ([Edit(0, "A"), SnapshotEdit.Insert(2, -1, 0)], null, null, SnapshotError.OutOfRange),
        ["a removal past the end"] = ([Edit(0, "A"), SnapshotEdit.Remove(18, 2)], null, null, SnapshotError.OutOfRange),
        ["a removal of a negative count"] = ([Edit(0, "A"), SnapshotEdit.Remove(18, -1)], null, null, SnapshotError.OutOfRange),
        ["a removal of other bytes than expected"] = (
            [Edit(0, "A"), SnapshotEdit.Remove(4, 2, "qi"u8.ToArray())], null, null, SnapshotError.ExpectationFailed),
        ["a removal of another repeated byte"] = (
            [Edit(0, "A"), Row("Remove", 2, "65 * 2", "")], null, null, SnapshotError.ExpectationFailed),
        ["another length than expected"] = ([Edit(0, "A")], null, 18, SnapshotError.ExpectationFailed),
        ["another length than expected, no edits"] = ([], 5, 18, SnapshotError.ExpectationFailed),
        ["past the end"] = ([Edit(0, "A"), Edit(17, "oxen")], null, null, SnapshotError.OutOfRange),
        ["far past the end"] = ([Edit(0, "A"), SnapshotEdit.Fill(long.MaxValue, 1, 0)], null, null, SnapshotError.OutOfRange),
        ["a range that overflows"] = ([Edit(0, "A"), SnapshotEdit.Fill(10, long.MaxValue, 0)], null, null, SnapshotError.OutOfRange),
        ["a negative offset"] = ([Edit(0, "A"), Edit(-1, "A")], null, null, SnapshotError.OutOfRange),
        ["a negative count"] = ([Edit(0, "A"), SnapshotEdit.Fill(0, -1, 0)], null, null, SnapshotError.OutOfRange),
        ["a negative length"] = ([Edit(0, "A")], -1, null, SnapshotError.OutOfRange),
        ["past the new end of a shorter snapshot"] = ([Edit(0, "A"), Edit(9, "AB")], 10, null, SnapshotError.OutOfRange),
        ["past the new end of a longer snapshot"] = ([Edit(0, "A"), Edit(29, "AB")], 30, null, SnapshotError.OutOfRange),
        ["expects something behind the present end"] = ([Edit(0, "A"), Edit(18, "y", "xyz")], 30, null, SnapshotError.OutOfRange),
        ["nothing, past the end"] = ([Edit(0, "A"), Edit(20, "")], null, null, SnapshotError.OutOfRange),
    };

    [Theory]
    [MemberData(nameof(Impossible))]
    public void One_edit_that_cannot_be_made_keeps_all_from_being_made(string what)
    {
        var (edits, length, expectedLength, error) = _impossible[what];
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", Text));
        Expect.Error(error, () => snapshot.Apply(edits, length, expectedLength));
        Assert.Equal(Text, System.Text.Encoding.ASCII.GetString(Bytes.In(snapshot)));
        Assert.False(snapshot.IsModified);
        Assert.False(snapshot.Undo());
        Assert.Equal(error, Assert.Single(snapshot.Verify(edits, length, expectedLength)).Error);
    }

    /// <summary>How far apart edits are: beside each other, near each other, and with many pieces between them.</summary>
    [Theory]
    [InlineData(4)]
    [InlineData(100)]
    [InlineData(3000)]
    public void Thousands_of_edits_of_all_kinds_among_many_pieces_are_one_change(int distance)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Random(1 << 20)));
        var random = new Random(distance);
        for (int i = 0; i < 20_000; i++) snapshot.Write(random.Next(1 << 20), [(byte)i]);
        byte[] before = Bytes.In(snapshot);
        var edits = new List<SnapshotEdit>();
        var expected = new List<byte>();
        int copied = 0;
        for (int offset = 0; offset + 4 < before.Length && edits.Count < 5000; offset += 4 + random.Next(distance))
        {
            expected.AddRange(before[copied..offset]);
            byte[] bytes = [(byte)edits.Count, (byte)random.Next(256), 7];
            edits.Add(random.Next(4) switch
            {
                0 => SnapshotEdit.Insert(offset, bytes),
                1 => SnapshotEdit.Remove(offset, bytes.Length),
                2 => SnapshotEdit.Fill(offset, bytes.Length, 0xEE),
                _ => SnapshotEdit.Write(offset, bytes),
            });
            if (edits[^1].Kind != SnapshotEditKind.Remove) expected.AddRange(edits[^1].Bytes.IsRepeat ? [0xEE, 0xEE, 0xEE] : bytes);
            copied = edits[^1].Kind == SnapshotEditKind.Insert ? offset : offset + bytes.Length;
        }
        expected.AddRange(before[copied..]);
        snapshot.Apply([.. edits.OrderBy(edit => edit.Count * edit.Offset % 1009)]);
        Assert.True(Bytes.In(snapshot).AsSpan().SequenceEqual(expected.ToArray()), "other bytes than those of the edits");
        Assert.True(snapshot.Undo());
        Assert.True(Bytes.In(snapshot).AsSpan().SequenceEqual(before), "undo did not take all of it back");
    }

    [Fact]
    public void Ranges_may_hold_more_than_2_to_the_63_bytes_in_total()
    {
        const long Length = 1L << 60;
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Create(workspace.PathOf("new"), Length);
        snapshot.Apply([SnapshotEdit.Fill(0, Length, 16)]);
        Assert.Equal(16, snapshot[Length - 1]);
        snapshot.Revert([.. Enumerable.Repeat(new ByteRange(0, Length), 16)]);
        Assert.Equal(0, snapshot[Length - 1]);
        snapshot.Remove([.. Enumerable.Repeat(new ByteRange(0, Length), 16)]);
        Assert.Equal(0, snapshot.Length);
    }

    [Fact]
    public void Verify_tells_of_each_edit_that_cannot_be_made_and_changes_nothing()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", Text));
        SnapshotEdit[] edits = [Edit(0, "a", "T"), Edit(4, "slow", "fast"), Edit(18, "xx"), Edit(1, "H", "h"), Edit(16, "cat", "dog"), Edit(-1, "x")];
        var refused = snapshot.Verify(edits, expectedLength: 5);
        Assert.Equal(
            [
                SnapshotError.ExpectationFailed, SnapshotError.ExpectationFailed, SnapshotError.OutOfRange, SnapshotError.ExpectationFailed,
                SnapshotError.OutOfRange, SnapshotError.OverlappingChanges,
            ],
            refused.Select(one => one.Error));
        Assert.All(refused, one => Assert.Equal(snapshot.Path, one.Path));
        Assert.False(snapshot.IsModified);
        Assert.Empty(snapshot.Verify([Edit(0, "a", "T")]));
    }

    [Fact]
    public void A_read_only_or_closed_snapshot_refuses_to_verify_and_to_apply()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        string path = workspace.Write("file", Text);
        using var readOnly = Snapshot.Open(path, new SnapshotOptions { ReadOnly = true });
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => readOnly.Verify([]));
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => readOnly.Apply([]));
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => readOnly.Undo());
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => readOnly.Revert(0, 1));
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => readOnly.RevertAll());
        var closed = Snapshot.Open(path);
        closed.Close();
        Expect.Error(SnapshotError.SnapshotClosed, () => closed.Verify([]));
        Expect.Error(SnapshotError.SnapshotClosed, () => closed.Apply([]));
        Expect.Error(SnapshotError.SnapshotClosed, () => closed.Undo());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Edits_may_lie_behind_the_end_that_the_snapshot_had(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", "abc"));
        snapshot.Apply([Edit(2, "CD", "c"), Edit(10, "end"), SnapshotEdit.Fill(6, 2, (byte)'-')], length: 14, expectedLength: 3);
        Assert.Equal("abCD\0\0--\0\0end\0"u8, Bytes.In(snapshot));
        snapshot.Undo();
        Assert.Equal("abc"u8, Bytes.In(snapshot));
        Assert.False(snapshot.IsModified);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Edits_of_a_snapshot_that_becomes_shorter_can_expect_what_is_cut_off(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", Text));
        // The first expects more than it writes, the second only expects: so a patch tells that it cuts something off.
        snapshot.Apply([Edit(2, "a", "e quick"), Edit(10, "", "brown")], length: 3);
        Assert.Equal("Tha"u8, Bytes.In(snapshot));
        snapshot.Undo();
        Assert.Equal("The quick brown fox"u8, Bytes.In(snapshot));
        Expect.Error(SnapshotError.ExpectationFailed, () => snapshot.Apply([Edit(2, "a"), Edit(10, "", "green")], length: 3));
        Assert.False(snapshot.IsModified);
    }

    [Fact]
    public void Edits_that_change_nothing_are_no_change()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", Text));
        snapshot.Apply([]);
        snapshot.Apply([Edit(0, "", "The"), Edit(19, "")], length: Text.Length);
        Assert.False(snapshot.IsModified);
        Assert.False(snapshot.Undo());
    }

    [Theory]
    [InlineData(FileSystems.Xfs)]
    [InlineData(FileSystems.Btrfs)]
    [InlineData(FileSystems.Ext4)]
    [InlineData(FileSystems.Tmpfs)]
    public void Cancelled_edits_change_nothing(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(6 << 20);
        using var snapshot = Snapshot.Open(workspace.Write("file", bytes));
        snapshot.Write(5, "mine"u8);
        var modified = snapshot.GetModifiedRanges();
        "mine"u8.CopyTo(bytes.AsSpan(5));
        foreach (int reports in (int[])[1, 2])
        {
            using var source = new CancellationTokenSource();
            int told = 0;
            var listener = new ProgressRecorder(_ =>
            {
                if (++told == reports) source.Cancel();
            });
            SnapshotEdit[] edits = [Edit(0, "ABCDEFGH"), SnapshotEdit.Fill(100, 5 << 20, 1)];
            Assert.ThrowsAny<OperationCanceledException>(() => snapshot.Apply(edits, length: 7 << 20, progress: listener, cancellation: source.Token));
            Assert.Equal(6 << 20, snapshot.Length);
            Assert.True(bytes.AsSpan().SequenceEqual(Bytes.In(snapshot)), "something was changed");
            Assert.Equal(modified, snapshot.GetModifiedRanges());
        }
        Assert.True(snapshot.Undo());
        Assert.False(snapshot.IsModified);
    }

    [Fact]
    public void A_fill_that_is_cancelled_before_it_has_filled_anything_is_no_change()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", Text));
        Assert.ThrowsAny<OperationCanceledException>(() => snapshot.Fill(0, 5, 1, cancellation: new CancellationToken(canceled: true)));
        Assert.False(snapshot.IsModified);
        Assert.False(snapshot.Undo());
    }

    [Fact]
    public void Cancelled_edits_with_a_new_length_change_nothing()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", Text));
        using var source = new CancellationTokenSource();
        var listener = new ProgressRecorder(progress =>
        {
            if (progress.BytesDone > 0) source.Cancel();
        });
        SnapshotEdit[] edits = [SnapshotEdit.Fill(0, 5 << 20, 1), SnapshotEdit.Fill(5 << 20, 1, 2)];
        Assert.ThrowsAny<OperationCanceledException>(() => snapshot.Apply(edits, length: 6 << 20, progress: listener, cancellation: source.Token));
        Assert.Equal("The quick brown fox"u8, Bytes.In(snapshot));
        Assert.False(snapshot.IsModified);
    }

    [Theory]
    [InlineData(FileSystems.Btrfs)]
    [InlineData(FileSystems.Tmpfs)]
    public void Apply_continues_when_listener_throws(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(4 << 20);
        using var snapshot = Snapshot.Open(workspace.Write("file", bytes));
        int descriptors = Descriptors.Nameless(workspace.Folder).Length;
        var listener = new ProgressRecorder(progress => _ = progress.BytesDone < 2 << 20 ? 0 : throw new InvalidOperationException("stopped"));
        SnapshotEdit[] edits = [SnapshotEdit.Fill(0, 3 << 20, 1), SnapshotEdit.Fill(3 << 20, 1 << 20, 1)];
        snapshot.Apply(edits, progress: listener);
        Changes.AssertHonest(bytes, snapshot);
        Assert.Equal(-1, Bytes.In(snapshot).AsSpan().IndexOfAnyExcept((byte)1));
        Assert.True(snapshot.Undo());
        Assert.True(bytes.AsSpan().SequenceEqual(Bytes.In(snapshot)), "something was changed");
        Assert.False(snapshot.IsModified);
        Assert.Equal(descriptors, Descriptors.Nameless(workspace.Folder).Length);
    }

    [Fact]
    public void The_indexer_reads_and_writes_one_byte()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "abc"));
        Assert.Equal((byte)'b', snapshot[1]);
        snapshot[1] = (byte)'B';
        Assert.Equal("aBc"u8, Bytes.In(snapshot));
        Assert.Equal([new ByteRange(1, 1)], snapshot.GetModifiedRanges());
        Expect.Error(SnapshotError.OutOfRange, () => _ = snapshot[3]);
        Expect.Error(SnapshotError.OutOfRange, () => snapshot[-1] = 0);
        snapshot.Undo();
        Assert.Equal((byte)'b', snapshot[1]);
    }

    [Fact]
    public void StateChanged_tells_when_the_snapshot_becomes_modified_unmodified_and_closed()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        var snapshot = Snapshot.Open(workspace.Write("file", "abc"));
        var states = new List<string>();
        snapshot.StateChanged += (sender, _) => states.Add(Assert.IsType<Snapshot>(sender).IsClosed ? "closed" : snapshot.IsModified ? "modified" : "unmodified");
        snapshot.Write(0, "x"u8);
        snapshot.Write(1, "y"u8);
        snapshot.Undo();
        snapshot.Undo();
        snapshot.Resize(5);
        snapshot.RevertAll();
        snapshot.Write(0, "z"u8);
        snapshot.Commit(new CommitOptions { NoFlush = true });
        snapshot.Close();
        snapshot.Dispose();
        Assert.Equal(["modified", "unmodified", "modified", "unmodified", "modified", "unmodified", "closed"], states);
    }

    [Fact]
    public void The_changes_of_one_snapshot_are_a_patch_for_another()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        byte[] old = Bytes.Random(300_000);
        using var patched = Snapshot.Open(workspace.Write("patched", old));
        using var other = Snapshot.Open(workspace.Write("other", old));
        foreach (int length in (int[])[300_000, 200_000, 400_000])
        {
            patched.RevertAll();
            patched.Write(10, Bytes.Random(100, seed: 2));
            patched.Fill(50_000, 100_000, 0);
            patched.Resize(length);
            if (length > old.Length) patched.Write(350_000, "tail"u8);
            SnapshotChange[] changes = [.. patched.GetChanges()];
            SnapshotEdit[] edits = [.. changes.Select(SnapshotEdit.Of)];
            other.Apply(edits, expectedLength: old.Length);
            Assert.True(Bytes.In(patched).AsSpan().SequenceEqual(Bytes.In(other)), "the patch makes other bytes");
            Assert.All(changes, change => Assert.Equal(patched.Path, change.Path));
            // Expecting what is no longer there, it cannot be made again.
            Expect.Error(SnapshotError.ExpectationFailed, () => other.Apply(edits, expectedLength: length));
            other.RevertAll();
        }
    }

    [Fact]
    public void Offsets_mean_the_content_before_all_edits()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", Text));
        snapshot.Apply(
        [
            SnapshotEdit.Insert(19, "."u8.ToArray()),
            SnapshotEdit.Write(16, "F"u8.ToArray(), "f"u8.ToArray()),
            SnapshotEdit.Remove(4, 6, "quick "u8.ToArray()),
            SnapshotEdit.Insert(16, 2, (byte)'<'),
            SnapshotEdit.Insert(4, "very "u8.ToArray()),
            SnapshotEdit.Insert(16, "* "u8.ToArray()),
            SnapshotEdit.Insert(10, "big "u8.ToArray()),
        ]);
        Assert.Equal("The very big brown <<* Fox."u8, Bytes.In(snapshot));
        Assert.True(snapshot.Undo());
        Assert.Equal("The quick brown fox"u8, Bytes.In(snapshot));
        Assert.False(snapshot.IsModified);
        Assert.False(snapshot.Undo());
    }

    [Fact]
    public void Insertions_and_removals_of_tebibytes_are_checked_and_made_without_reading_them()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", 1L << 40, 0, "abc"u8.ToArray()));
        snapshot.Apply([Row("Insert", 3, "", "FF * 1099511627776"), Row("Remove", 3, "00 * 1099511627773", "")]);
        Assert.Equal((1L << 40) + 3, snapshot.Length);
        Assert.Equal((byte)0xff, snapshot[1L << 40]);
        snapshot.Undo();
        Expect.Error(SnapshotError.ExpectationFailed, () => snapshot.Apply([Row("Remove", 2, "00 * 1099511627774", "")]));
        Expect.Error(SnapshotError.TooLarge, () => snapshot.Apply([SnapshotEdit.Insert(0, 1L << 60, 0)]));
        SnapshotEdit[] huge = [SnapshotEdit.Insert(0, long.MaxValue, 0), SnapshotEdit.Insert(1, long.MaxValue, 0)];
        Expect.Error(SnapshotError.TooLarge, () => snapshot.Apply(huge));
        snapshot.Apply([SnapshotEdit.Insert(0, (1L << 60) - 4, 0), SnapshotEdit.Remove(3, (1L << 40) - 3)]);
        Assert.Equal((1L << 60) - 1, snapshot.Length);
    }

    [Fact]
    public void A_length_beside_insertions_or_removals_is_no_argument()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", Text));
        Assert.Throws<ArgumentException>(() => snapshot.Apply([SnapshotEdit.Insert(0, 1, 0)], length: 20));
        Assert.Throws<ArgumentException>(() => snapshot.Verify([SnapshotEdit.Remove(0, 1)], length: 18));
        Assert.False(snapshot.IsModified);
    }

    [Fact]
    public void An_overlap_names_both_changes()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", Text));
        var overlap = Assert.Single(snapshot.Verify([SnapshotEdit.Insert(0x11, 3, 0), Edit(0x10, "cat")]));
        Assert.Equal(
            $"'{snapshot.Path}' was not changed: the change of 3 bytes at 0x10 and that of 3 bytes inserted at 0x11 overlap.",
            overlap.Message);
    }

    /// <summary>Rows that contradict themselves: kind, before, after, length.</summary>
    public static TheoryData<string, string, string, long?> Damaged => new()
    {
        { "Writes", "00", "01", 1 },
        { "1", "00", "01", 1 },
        { "", "00", "01", 1 },
        { "Write", "00", "", 1 },
        { "Write", "00 01", "02", null },
        { "Write", "00 * 3", "02 03", null },
        { "Write", "00", "02", 2 },
        { "Write", "", "02", 2 },
        { "Write", "0", "02", 1 },
        { "Write", "00 * 20", "02 * 2", 20 },
        { "Write", "00 * 20", "02 *", 20 },
        { "Write", "00 * 20", "02", 20 },
        { "Insert", "00", "02", 1 },
        { "Insert", "", "", 0 },
        { "Insert", "", "02 03", 3 },
        { "Insert", "", "02 03 * 5", 10 },
        { "Insert", "", "02 * -5", null },
        { "Insert", "", "02 * 0", 0 },
        { "Insert", "", "02 * 99999999999999999999", null },
        { "Insert", "", "02 * 0x10", 16 },
        { "Remove", "00", "02", 1 },
        { "Remove", "", "", 5 },
        { "Remove", "00 01", "", 3 },
    };

    [Theory]
    [MemberData(nameof(Damaged))]
    public void A_row_that_contradicts_itself_is_no_edit(string kind, string before, string after, long? length)
    {
        Assert.False(SnapshotEdit.TryParse(kind, 0, before, after, length, out var edit, out string? damage));
        Assert.Null(edit);
        Assert.NotEmpty(damage);
        if (length is not { } count) return;
        Expect.Error(SnapshotError.InvalidPatch, () => SnapshotEdit.Of(new SnapshotChange("", kind, 0, 0, count, before, after)));
    }

    [Fact]
    public void A_row_says_what_is_written_inserted_or_removed()
    {
        Assert.Equal((SnapshotEditKind.Write, 5, 2, 2), Numbers(Row("write", 5, "0001", "02,03", 2)));
        Assert.Equal((SnapshotEditKind.Write, 5, 2, 0), Numbers(Row("Write", 5, "", "02 03")));
        Assert.Equal((SnapshotEditKind.Write, 5, 70_000, 70_000), Numbers(Row("Write", 5, "00 * 70000", "FF*70000", 70_000)));
        Assert.Equal((SnapshotEditKind.Insert, 5, 17, 0), Numbers(Row("INSERT", 5, "", "0x41 * 17", 17)));
        Assert.Equal((SnapshotEditKind.Remove, 5, 3, 3), Numbers(Row("Remove", 5, "00 01 02", "")));

        static (SnapshotEditKind Kind, long Offset, long Count, long Expected) Numbers(SnapshotEdit edit) =>
            (edit.Kind, edit.Offset, edit.Count, edit.ExpectedCount);
    }

    private static SnapshotEdit Row(string kind, long offset, string before, string after, long? length = null) =>
        SnapshotEdit.TryParse(kind, offset, before, after, length, out var edit, out string? damage)
            ? edit
            : throw new FormatException(damage);

    private static SnapshotEdit Edit(long offset, string text, string expected = "") =>
        SnapshotEdit.Write(offset, System.Text.Encoding.ASCII.GetBytes(text), System.Text.Encoding.ASCII.GetBytes(expected));
}

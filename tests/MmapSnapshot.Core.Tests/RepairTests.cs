using MmapSnapshot.Tests.Support;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests;

/// <summary>What is done about a save in place whose process died.</summary>
public sealed class RepairTests
{
    private const int Length = 300_000;

    /// <summary>The new length, and what of the save is in the file.</summary>
    public static MatrixTheoryData<string, int, string> Interrupted => new(
        FileSystems.Names, [Length, Length - 50_001, Length + 50_001], ["nothing", "first", "last", "all", "length"]);

    [Theory]
    [MemberData(nameof(Interrupted))]
    public void Repair_completes_an_interrupted_save_and_drops_one_that_changed_nothing(string fileSystem, int newLength, string written)
    {
        using var save = new InterruptedSave(fileSystem, newLength);
        byte[] mixed = [.. save.Old];
        switch (written)
        {
            case "first":
                save.New.AsSpan(0, 100).CopyTo(mixed);
                break;
            case "last":
                if (newLength > Length) Array.Resize(ref mixed, newLength - 1000);
                save.New.AsSpan(150_000, Math.Min(mixed.Length, newLength) - 150_000).CopyTo(mixed.AsSpan(150_000));
                break;
            case "all":
                mixed = save.New;
                break;
            case "length" when newLength > Length: // zeros after the old end are no byte of the save
                Array.Resize(ref mixed, newLength - 1000);
                break;
        }
        save.Leave(mixed);
        var before = FileStat.Of(save.Path);
        var action = written is "nothing" or "length" ? RepairAction.RollBack : RepairAction.RollForward;
        var record = Assert.Single(SnapshotRepair.Repair(save.Path));
        Assert.Equal((save.Path, action, save.Journal), (record.Path, record.Action, record.Journal));
        save.AssertFile(action == RepairAction.RollForward ? save.New : save.Old);
        var after = FileStat.Of(save.Path);
        Assert.Equal((before.Inode, before.Links, before.Permissions), (after.Inode, after.Links, after.Permissions));
        Assert.Empty(SnapshotRepair.Repair(save.Path));
        Assert.Equal(["file"], save.Workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Writable_open_repairs_and_a_read_only_open_reports(string fileSystem)
    {
        using var save = new InterruptedSave(fileSystem, Length);
        byte[] mixed = save.Mixed();
        save.Leave(mixed);
        var warnings = new List<SnapshotWarning>();
        using (var reader = Snapshot.Open(save.Path, new SnapshotOptions { ReadOnly = true, Warnings = new Warnings(warnings) }))
        {
            Assert.Equal([SnapshotRemedy.Repair], Assert.Single(warnings).Remedies);
            Assert.Equal(mixed, Bytes.In(reader));
        }
        save.AssertFile(mixed);
        Assert.True(File.Exists(save.Journal));
        using var snapshot = Snapshot.Open(save.Path, new SnapshotOptions { Warnings = new Warnings(warnings) });
        Assert.Equal(2, warnings.Count);
        Assert.Contains("was completed", warnings[1].Message, StringComparison.Ordinal);
        Assert.Equal(save.New, Bytes.In(snapshot));
        Assert.Equal(["file"], save.Workspace.Names());
    }

    [Theory]
    [InlineData(CommitMethod.Replace)]
    [InlineData(CommitMethod.InPlace)]
    public void Save_repairs_first_and_then_the_file_has_changed_for_a_snapshot_of_before(CommitMethod method)
    {
        using var save = new InterruptedSave(FileSystems.Ext4, Length);
        using var snapshot = Snapshot.Open(save.Path);
        snapshot.Write(5, "mine"u8);
        save.Leave(save.Mixed());
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Method = method }));
        save.AssertFile(save.New);
        Assert.Equal(["file"], save.Workspace.Names());
    }

    [Theory]
    [InlineData(100)] // in a range of the save
    [InlineData(200_000)] // in the tail that it cuts off
    public void File_that_another_program_has_written_to_since_is_not_touched(int at)
    {
        using var save = new InterruptedSave(FileSystems.Ext4, 180_000);
        byte[] theirs = save.Mixed();
        theirs[at] = (byte)(save.Old[at] ^ 0x55);
        if (at < save.New.Length && theirs[at] == save.New[at]) theirs[at] ^= 1;
        save.Leave(theirs);
        var warnings = new List<SnapshotWarning>();
        Snapshot.Open(save.Path, new SnapshotOptions { ReadOnly = true, Warnings = new Warnings(warnings) }).Dispose();
        Assert.Contains("since", Assert.Single(warnings).Message, StringComparison.Ordinal);
        var refused = Expect.Error(SnapshotError.JournalConflict, () => Snapshot.Open(save.Path));
        Assert.Equal([SnapshotRemedy.RemoveJournal], refused.Remedies);
        Assert.Equal(RepairAction.None, Assert.Single(SnapshotRepair.Repair(save.Path)).Action);
        Assert.True(File.Exists(save.Journal));
        Assert.Equal(RepairAction.Remove, Assert.Single(SnapshotRepair.Repair(save.Path, new RepairOptions { Force = true })).Action);
        save.AssertFile(theirs);
        Assert.Equal(["file"], save.Workspace.Names());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(30)]
    [InlineData(90)]
    [InlineData(600)]
    [InlineData(100_000)]
    public void Damaged_journal_is_JournalInvalid_and_only_Force_removes_it(int at)
    {
        using var save = new InterruptedSave(FileSystems.Ext4, Length);
        byte[] mixed = save.Mixed();
        save.Leave(mixed, journal => journal[at] ^= 1);
        Expect.Error(SnapshotError.JournalInvalid, () => Snapshot.Open(save.Path));
        Assert.Equal(RepairAction.None, Assert.Single(SnapshotRepair.Repair(save.Path)).Action);
        save.AssertFile(mixed);
        Assert.Equal(RepairAction.Remove, Assert.Single(SnapshotRepair.Repair(save.Path, new RepairOptions { Force = true })).Action);
        save.AssertFile(mixed);
        Assert.Equal(["file"], save.Workspace.Names());
    }

    [Fact]
    public void Journal_that_is_done_is_removed_and_nothing_is_written()
    {
        using var save = new InterruptedSave(FileSystems.Ext4, Length);
        byte[] mixed = save.Mixed(); // a later program has restored a part
        save.Leave(mixed);
        PendingJournal.ChangeHeader(save.Path, header => header with { IsDone = true });
        Assert.Equal(RepairAction.Remove, Assert.Single(SnapshotRepair.Repair(save.Path)).Action);
        save.AssertFile(mixed);
        Assert.Equal(["file"], save.Workspace.Names());
    }

    [Fact]
    public void Journal_that_was_moved_aside_and_back_after_the_file_was_written_to_is_asked_for()
    {
        using var save = new InterruptedSave(FileSystems.Ext4, Length);
        byte[] mixed = save.Mixed();
        save.Leave(mixed);
        Thread.Sleep(15);
        FileStat.Rename(save.Journal, save.Workspace.PathOf("aside"));
        FileStat.Rename(save.Workspace.PathOf("aside"), save.Journal);
        Expect.Error(SnapshotError.JournalConflict, () => Snapshot.Open(save.Path));
        Assert.Contains("moved", Assert.Single(SnapshotRepair.Repair(save.Path)).Reason, StringComparison.Ordinal);
        save.AssertFile(mixed);
        Assert.Equal(RepairAction.RollForward, Assert.Single(SnapshotRepair.Repair(save.Path, new RepairOptions { Force = true })).Action);
        save.AssertFile(save.New);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Journal_of_another_boot_is_asked_for_if_the_file_was_changed_since(bool isChanged)
    {
        using var save = new InterruptedSave(FileSystems.Ext4, Length);
        byte[] mixed = save.Mixed();
        save.Leave(mixed);
        Assert.Equal(0, Syscall.stat(save.Path, out var now));
        PendingJournal.ChangeHeader(
            save.Path,
            header => isChanged
                ? header with { Boot = Guid.NewGuid() }
                : header with { Boot = Guid.NewGuid(), Modified = now.st_mtim, Changed = now.st_ctim });
        var record = Assert.Single(SnapshotRepair.Repair(save.Path));
        Assert.Equal(isChanged ? RepairAction.None : RepairAction.RollForward, record.Action);
        if (isChanged) Assert.Contains("the machine was started", record.Reason, StringComparison.Ordinal);
        save.AssertFile(isChanged ? mixed : save.New);
        if (!isChanged) return;
        Assert.Equal(RepairAction.RollForward, Assert.Single(SnapshotRepair.Repair(save.Path, new RepairOptions { Force = true })).Action);
        save.AssertFile(save.New);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void File_that_is_open_elsewhere_is_asked_for(string fileSystem)
    {
        using var save = new InterruptedSave(fileSystem, Length);
        byte[] mixed = save.Mixed();
        save.Leave(mixed);
        using (var reader = new HelperProcess("exec 3<\"$1\"", save.Path))
        {
            Assert.Contains("open", Assert.Single(SnapshotRepair.Repair(save.Path)).Reason, StringComparison.Ordinal);
            Expect.Error(SnapshotError.JournalConflict, () => Snapshot.Open(save.Path));
            save.AssertFile(mixed);
            Assert.Equal(
                RepairAction.RollForward,
                Assert.Single(SnapshotRepair.Repair(save.Path, new RepairOptions { Force = true })).Action);
        }
        save.AssertFile(save.New);
    }

    [Fact]
    public void Journal_of_a_file_that_was_replaced_is_no_obstacle_and_Force_removes_it()
    {
        using var save = new InterruptedSave(FileSystems.Ext4, Length);
        save.Leave(save.Mixed());
        File.Delete(save.Path);
        save.Workspace.Write("file", "restored");
        using (var snapshot = Snapshot.Open(save.Path))
        {
            snapshot.Write(0, "RE"u8);
            snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace });
        }
        Assert.Equal("REstored", File.ReadAllText(save.Path));
        Assert.Equal(RepairAction.None, Assert.Single(SnapshotRepair.Repair(save.Path)).Action);
        Assert.Equal(RepairAction.Remove, Assert.Single(SnapshotRepair.Repair(save.Path, new RepairOptions { Force = true })).Action);
        Assert.Equal("REstored", File.ReadAllText(save.Path));
        Assert.Equal(["file"], save.Workspace.Names());
    }

    [Fact]
    public void Repair_of_a_directory_finds_the_journals_below_it_with_Recurse_only()
    {
        using var save = new InterruptedSave(FileSystems.Ext4, Length, directory: "deep");
        string second = save.Workspace.PathOf("second");
        FileStat.HardLink(save.Path, second);
        byte[] mixed = save.Mixed();
        save.Leave(mixed);
        Snapshot.Open(second).Dispose(); // does not find the journal
        save.AssertFile(mixed);
        Assert.Empty(SnapshotRepair.Repair(save.Workspace.Folder));
        var record = Assert.Single(SnapshotRepair.Repair(save.Workspace.Folder, new RepairOptions { Recurse = true }));
        Assert.Equal(RepairAction.RollForward, record.Action);
        Assert.Equal(save.New, File.ReadAllBytes(second));
    }

    [Fact]
    public void Repair_asks_before_it_writes()
    {
        using var save = new InterruptedSave(FileSystems.Ext4, Length);
        byte[] mixed = save.Mixed();
        save.Leave(mixed);
        RepairRecord? asked = null;
        var options = new RepairOptions
        {
            Confirm = planned =>
            {
                asked = planned;
                return false;
            },
        };
        Assert.Equal(RepairAction.None, Assert.Single(SnapshotRepair.Repair(save.Journal, options)).Action);
        Assert.Equal(RepairAction.RollForward, asked?.Action);
        save.AssertFile(mixed);
        Assert.True(File.Exists(save.Journal));
    }

    [Fact]
    public void Repair_of_nothing_is_FileNotFound()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        Expect.Error(SnapshotError.FileNotFound, () => _ = SnapshotRepair.Repair(workspace.PathOf("file")).ToList());
        Assert.Empty(SnapshotRepair.Repair(workspace.Folder));
    }

    /// <summary>The journal of a file's owner counts for that file, for root too; that of a third user for none.</summary>
    [Theory]
    [InlineData(UnprivilegedUser.Id, RepairAction.RollForward)]
    [InlineData(1000, RepairAction.None)]
    public void Journal_of_another_user_is_trusted_for_files_of_that_user_only(int owner, RepairAction expected)
    {
        Tools.RequireRoot();
        using var save = new InterruptedSave(FileSystems.Ext4, Length);
        FileStat.Chown(save.Path, UnprivilegedUser.Id, UnprivilegedUser.Id);
        byte[] mixed = save.Mixed();
        save.Leave(mixed);
        FileStat.Chown(save.Journal, owner, owner);
        PendingJournal.WriteInto(save.Path, mixed);
        Assert.Equal(expected, Assert.Single(SnapshotRepair.Repair(save.Path, new RepairOptions { Force = true })).Action);
        save.AssertFile(expected == RepairAction.None ? mixed : save.New);
    }

    [Fact]
    public void Journal_with_a_further_name_is_not_trusted()
    {
        using var save = new InterruptedSave(FileSystems.Ext4, Length);
        byte[] mixed = save.Mixed();
        save.Leave(mixed);
        FileStat.HardLink(save.Journal, save.Workspace.PathOf("second"));
        PendingJournal.WriteInto(save.Path, mixed);
        Assert.Equal(RepairAction.None, Assert.Single(SnapshotRepair.Repair(save.Path, new RepairOptions { Force = true })).Action);
        save.AssertFile(mixed);
    }

    /// <summary>A file of which two parts, and the length, were being changed.</summary>
    private sealed class InterruptedSave : IDisposable
    {
        private readonly byte[] _journal;

        public InterruptedSave(string fileSystem, int newLength, string? directory = null)
        {
            Workspace = Workspace.On(fileSystem);
            if (directory is not null) Workspace.MakeFolder(directory);
            Path = Workspace.Write(directory is null ? "file" : System.IO.Path.Join(directory, "file"), Old);
            using (var snapshot = Snapshot.Open(Path))
            {
                snapshot.Resize(newLength);
                snapshot.Write(0, Bytes.Random(1000, seed: 2));
                snapshot.Write(150_000, Bytes.Random(newLength - 160_000, seed: 3));
                New = Bytes.In(snapshot);
                _journal = PendingJournal.Capture(snapshot);
            }
            AssertFile(New);
            PendingJournal.WriteInto(Path, Old);
        }

        public Workspace Workspace { get; }

        public string Path { get; }

        public string Journal => PendingJournal.PathOf(Path);

        public byte[] Old { get; } = Bytes.Random(Length);

        public byte[] New { get; }

        /// <summary>The old bytes with the first of the new ones.</summary>
        public byte[] Mixed()
        {
            byte[] mixed = [.. Old];
            New.AsSpan(0, 77).CopyTo(mixed);
            return mixed;
        }

        public void Leave(byte[] bytes, Action<byte[]>? damage = null)
        {
            byte[] journal = [.. _journal];
            damage?.Invoke(journal);
            PendingJournal.Leave(Path, journal, bytes);
        }

        public void AssertFile(byte[] bytes) =>
            Assert.True(bytes.AsSpan().SequenceEqual(File.ReadAllBytes(Path)), "the file has other bytes");

        public void Dispose()
        {
            File.Delete(Journal);
            Workspace.Dispose();
        }
    }
}

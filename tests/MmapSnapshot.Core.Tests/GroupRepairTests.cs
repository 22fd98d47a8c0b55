using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using MmapSnapshot.Committing;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>What is done about a save of several files as one whose process died.</summary>
public sealed class GroupRepairTests
{
    /// <summary>
    /// A state, and the files that were published: none before all are complete, and all or none before anything is removed.
    /// </summary>
    public static MatrixTheoryData<string, string> Interrupted => new(
        FileSystems.Names,
        [
            "Prepared",
            "Committing", "Committing 0", "Committing 0 1", "Committing 0 2", "Committing 1 3", "Committing 0 1 2 3",
            "Reverting", "Reverting 0", "Reverting 0 1", "Reverting 0 2", "Reverting 1 3", "Reverting 0 1 2 3",
            "Done", "Done 0 1 2 3",
        ]);

    [Theory]
    [MemberData(nameof(Interrupted))]
    public void Repair_makes_all_files_new_or_all_old(string fileSystem, string left)
    {
        string state = left.Split(' ')[0];
        int[] members = Members(left[state.Length..]);
        using var group = new InterruptedGroup(fileSystem);
        group.Leave(Enum.Parse<GroupState>(state), members);
        bool isNew = state switch
        {
            "Committing" => true,
            "Done" => members.Length > 0,
            _ => false,
        };
        var records = SnapshotRepair.Repair(group.Workspace.Folder, new RepairOptions { Recurse = true }).ToList();
        Assert.Equal(group.Paths, records.Select(record => record.Path));
        var action = state switch
        {
            "Committing" => RepairAction.RollForward,
            "Done" => RepairAction.Remove,
            _ => RepairAction.RollBack,
        };
        Assert.All(records, record => Assert.Equal((action, group.Journal), (record.Action, record.Journal)));
        group.AssertAll(isNew);
        Assert.Empty(SnapshotRepair.Repair(group.Workspace.Folder, new RepairOptions { Recurse = true }));
    }

    /// <summary>By any of its files, by the other directory, by an opening, and by a save.</summary>
    [Theory]
    [InlineData("file")]
    [InlineData("other file")]
    [InlineData("directory")]
    [InlineData("other directory")]
    [InlineData("open")]
    [InlineData("save")]
    [InlineData("group")]
    public void Every_way_to_a_file_of_it_repairs_all(string way)
    {
        using var group = new InterruptedGroup(FileSystems.Ext4);
        using var before = Snapshot.Open(group.Paths[0]);
        before.Write(0, "NEW"u8);
        group.Leave(GroupState.Committing, [1]);
        var warnings = new List<SnapshotWarning>();
        switch (way)
        {
            case "file":
            case "other file":
                Assert.Equal(InterruptedGroup.Count, SnapshotRepair.Repair(group.Paths[way == "file" ? 0 : 2]).Count());
                break;
            case "directory":
            case "other directory":
                Assert.Equal(InterruptedGroup.Count, SnapshotRepair.Repair(group.Folders[way == "directory" ? 0 : 1]).Count());
                break;
            case "open":
                using (var snapshot = Snapshot.Open(group.Paths[2], new SnapshotOptions { Warnings = new Warnings(warnings) }))
                    Assert.Equal("new c.txt"u8, Bytes.In(snapshot));
                Assert.Contains("A save of 4 files as one", Assert.Single(warnings).Message, StringComparison.Ordinal);
                break;
            case "save":
                Expect.Error(SnapshotError.SnapshotConflict, () => before.Commit());
                break;
            case "group":
                Expect.Error(SnapshotError.SnapshotConflict, () => Snapshot.CommitAll([before]));
                break;
        }
        group.AssertAll(isNew: true);
    }

    [Fact]
    public void Read_only_open_reports_it_and_touches_nothing()
    {
        using var group = new InterruptedGroup(FileSystems.Ext4);
        group.Leave(GroupState.Committing, [1]);
        var warnings = new List<SnapshotWarning>();
        using (var snapshot = Snapshot.Open(group.Paths[0], new SnapshotOptions { ReadOnly = true, Warnings = new Warnings(warnings) }))
            Assert.Equal("old a.txt"u8, Bytes.In(snapshot));
        Assert.Equal([SnapshotRemedy.Repair], Assert.Single(warnings).Remedies);
        Assert.Equal("new b.txt", File.ReadAllText(group.Paths[1]));
        _ = SnapshotRepair.Repair(group.Paths[0]).ToList();
        group.AssertAll(isNew: true);
    }

    [Fact]
    public void Planned_repair_is_told_and_not_done()
    {
        using var group = new InterruptedGroup(FileSystems.Ext4);
        group.Leave(GroupState.Committing, [1]);
        RepairRecord? planned = null;
        var options = new RepairOptions
        {
            Confirm = record =>
            {
                planned = record;
                return false;
            },
        };
        Assert.Equal(RepairAction.None, Assert.Single(SnapshotRepair.Repair(group.Folders[0], options)).Action);
        Assert.Equal(RepairAction.RollForward, planned!.Action);
        Assert.True(File.Exists(group.Journal));
        _ = SnapshotRepair.Repair(group.Folders[0]).ToList();
        group.AssertAll(isNew: true);
    }

    /// <summary>A file that was not published yet and is another program's now stays; the others are old again.</summary>
    [Theory]
    [InlineData("written")]
    [InlineData("replaced")]
    [InlineData("deleted")]
    public void File_that_another_program_changed_before_it_was_published_stays_as_it_is(string change)
    {
        using var group = new InterruptedGroup(FileSystems.Xfs);
        group.Leave(GroupState.Committing, [0, 2]);
        Change(group.Paths[1], change);
        var records = SnapshotRepair.Repair(group.Paths[0]).ToList();
        Assert.All(records, record => Assert.Equal(RepairAction.RollBack, record.Action));
        if (change == "deleted") Assert.False(File.Exists(group.Paths[1]));
        else Assert.Contains("theirs", File.ReadAllText(group.Paths[1]), StringComparison.Ordinal);
        File.WriteAllText(group.Paths[1], "old b.txt");
        group.AssertAll(isNew: false);
    }

    /// <summary>
    /// To make the others old would lose what the other program did; to make them new as well, if one of them is changed too.
    /// </summary>
    [Theory]
    [InlineData("written")]
    [InlineData("replaced")]
    public void Where_neither_is_possible_nothing_is_touched_until_it_is_forced(string change)
    {
        using var group = new InterruptedGroup(FileSystems.Xfs);
        group.Leave(GroupState.Committing, [0, 2]);
        Change(group.Paths[0], change);
        string[] Texts() => [.. group.Paths[..3].Select(File.ReadAllText)];
        string[] before = Texts();
        for (int round = 0; round < 2; round++)
        {
            var record = SnapshotRepair.Repair(group.Folders[1]).First();
            Assert.Equal(RepairAction.None, record.Action);
            Assert.Contains($"'{group.Paths[0]}' was changed by another program", record.Reason, StringComparison.Ordinal);
            Assert.Equal(before, Texts());
            var error = Expect.Error(SnapshotError.JournalConflict, () => Snapshot.Open(group.Paths[1]));
            Assert.Equal([SnapshotRemedy.RemoveJournal], error.Remedies);
        }
        var forced = SnapshotRepair.Repair(group.Folders[0], new RepairOptions { Force = true }).ToList();
        Assert.All(forced, record => Assert.Equal(RepairAction.Remove, record.Action));
        Assert.Equal(before, Texts());
        Assert.Equal(["a.txt", "b.txt"], group.NamesIn(0));
        Assert.Equal(["c.txt"], group.NamesIn(1));
    }

    [Fact]
    public void Old_file_that_another_program_wrote_to_while_it_had_no_name_is_kept()
    {
        using var group = new InterruptedGroup(FileSystems.Ext4);
        group.Leave(GroupState.Committing, [0, 1, 2, 3]);
        Thread.Sleep(15);
        File.AppendAllText(group.NumberOf(1), " theirs");
        Assert.All(SnapshotRepair.Repair(group.Folders[0]), record => Assert.Equal(RepairAction.RollForward, record.Action));
        string kept = Assert.Single(group.NamesIn(0), name => name.StartsWith("b.txt.recovered-", StringComparison.Ordinal));
        Assert.Equal("old b.txt theirs", File.ReadAllText(Path.Join(group.Folders[0], kept)));
        File.Delete(Path.Join(group.Folders[0], kept));
        group.AssertAll(isNew: true);
    }

    [Theory]
    [InlineData("no record")]
    [InlineData("empty")]
    [InlineData("no journal")]
    [InlineData("new files only")]
    public void Group_that_was_killed_before_it_recorded_anything_is_removed(string left)
    {
        using var group = new InterruptedGroup(FileSystems.Ext4);
        group.Leave(GroupState.Prepared, [], withRecord: false);
        string second = Path.Join(group.Folders[1], group.Staging, "journal");
        if (left == "empty")
        {
            foreach (string journal in (string[])[group.Journal, second]) File.WriteAllText(journal, "");
        }
        else if (left is "no journal" or "new files only")
        {
            for (int i = 0; i < InterruptedGroup.Count; i++)
            {
                if (left == "no journal") File.Delete(group.NumberOf(i));
                File.Delete(Path.Join(Path.GetDirectoryName(group.Paths[i]), $".{Path.GetFileName(group.Paths[i])}.mmap-snapshot"));
            }
            File.Delete(group.Journal);
            File.Delete(second);
        }
        foreach (string folder in group.Folders) _ = SnapshotRepair.Repair(folder).ToList();
        group.AssertAll(isNew: false);
    }

    [Fact]
    public void Damaged_journal_is_not_believed()
    {
        using var group = new InterruptedGroup(FileSystems.Ext4);
        group.Leave(GroupState.Committing, [0]);
        byte[] bytes = File.ReadAllBytes(group.Journal);
        bytes[^2] ^= 1;
        File.WriteAllBytes(group.Journal, bytes);
        var record = Assert.Single(SnapshotRepair.Repair(group.Folders[0]));
        Assert.Equal(RepairAction.None, record.Action);
        Assert.Contains("damaged", record.Reason, StringComparison.Ordinal);
        Expect.Error(SnapshotError.JournalInvalid, () => Snapshot.Open(group.Paths[0]));
        Assert.Equal("new a.txt", File.ReadAllText(group.Paths[0]));
        File.WriteAllText(group.Paths[0], "old a.txt");
        foreach (string folder in group.Folders) _ = SnapshotRepair.Repair(folder, new RepairOptions { Force = true }).ToList();
        group.AssertAll(isNew: false);
    }

    /// <summary>A length that no group has is not memory that is asked for, whatever its checksum says.</summary>
    [Theory]
    [InlineData(200L << 20)]
    [InlineData(16L << 30)]
    public void Journal_with_a_wrong_length_is_damaged(long length)
    {
        using var group = new InterruptedGroup(FileSystems.Ext4);
        group.Leave(GroupState.Committing, [0]);
        byte[] bytes = File.ReadAllBytes(group.Journal);
        string[] lines = Encoding.ASCII.GetString(bytes, 0, 512).TrimEnd('\0').Split('\n');
        lines[3] = length.ToString(CultureInfo.InvariantCulture);
        byte[] text = Encoding.ASCII.GetBytes(string.Join('\n', lines[..5]) + "\n");
        string digest = Convert.ToHexString(SHA256.HashData(text));
        string header = $"{Encoding.ASCII.GetString(text)}{digest}\n";
        Encoding.ASCII.GetBytes(header.PadRight(512, '\0')).CopyTo(bytes, 0);
        File.WriteAllBytes(group.Journal, bytes);
        long allocated = GC.GetTotalAllocatedBytes(precise: true);
        Assert.Contains("damaged", Assert.Single(SnapshotRepair.Repair(group.Folders[0])).Reason, StringComparison.Ordinal);
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - allocated, 0, 50 << 20);
        Expect.Error(SnapshotError.JournalInvalid, () => Snapshot.Open(group.Paths[0]));
        Assert.Equal(("new a.txt", "old b.txt"), (File.ReadAllText(group.Paths[0]), File.ReadAllText(group.Paths[1])));
    }

    [Fact]
    public void Journal_of_another_directory_is_passed_by()
    {
        using var group = new InterruptedGroup(FileSystems.Ext4);
        group.Leave(GroupState.Committing, [0]);
        string other = Path.Join(group.Folders[0], SaveNames.Staging(SaveNames.Token()));
        _ = Directory.CreateDirectory(other, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        FileStat.HardLink(group.Journal, Path.Join(other, GroupDirectory.JournalName));
        var records = SnapshotRepair.Repair(group.Folders[0]).ToList();
        Assert.Contains(records, record => record.Reason == "its journal was made elsewhere");
        Assert.True(File.Exists(Path.Join(other, GroupDirectory.JournalName)));
        Directory.Delete(other, recursive: true);
        _ = SnapshotRepair.Repair(group.Folders[0]).ToList();
        group.AssertAll(isNew: true);
    }

    /// <summary>Another user cannot enter the directory of root's group; its lock tells whether it lives.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Group_of_root_keeps_another_user_out_while_it_lives(bool isAlive)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old bytes");
        FileStat.Chown(path, UnprivilegedUser.Id, UnprivilegedUser.Id);
        Assert.Equal(default, MmapSnapshot.Source.ParentDirectory.Open(workspace.Folder, out var parent));
        using (parent)
        {
            string staging = SaveNames.Staging(SaveNames.Token());
            var directory = GroupDirectory.Create(parent, staging);
            directory.Journal.Write(staging, record: null);
            File.SetUnixFileMode(directory.JournalPath, (UnixFileMode)0b_110_100_100);
            FileStat.HardLink(directory.JournalPath, workspace.PathOf(".file.mmap-snapshot"));
            if (!isAlive) directory.Journal.Dispose();
            UnprivilegedUser.Run(() =>
            {
                using var snapshot = Snapshot.Open(path);
                snapshot.Write(0, "NEW"u8);
                var warnings = new List<SnapshotWarning>();
                var options = new CommitOptions { Warnings = new Warnings(warnings) };
                if (isAlive)
                {
                    Expect.Error(SnapshotError.SaveInProgress, () => snapshot.Commit(options));
                    return;
                }
                snapshot.Commit(options);
                Assert.Contains("not excluded", Assert.Single(warnings).Message, StringComparison.Ordinal);
            });
            Assert.Equal(isAlive ? "old bytes" : "NEW bytes", File.ReadAllText(path));
            directory.Dispose();
            Directory.Delete(Path.Join(workspace.Folder, staging), recursive: true);
            File.Delete(workspace.PathOf(".file.mmap-snapshot"));
        }
    }

    [Fact]
    public void Directory_that_is_not_there_blocks_the_repair_until_it_is_back()
    {
        using var group = new InterruptedGroup(FileSystems.Ext4);
        group.Leave(GroupState.Committing, [0, 2]);
        FileStat.Rename(group.Folders[1], group.Folders[1] + "-moved");
        var record = SnapshotRepair.Repair(group.Folders[0]).First();
        Assert.Equal(RepairAction.None, record.Action);
        Assert.Contains($"'{group.Folders[1]}'", record.Reason, StringComparison.Ordinal);
        Assert.Equal("old b.txt", File.ReadAllText(group.Paths[1]));
        FileStat.Rename(group.Folders[1] + "-moved", group.Folders[1]);
        _ = SnapshotRepair.Repair(group.Folders[0]).ToList();
        group.AssertAll(isNew: true);
    }

    [Fact]
    public void Part_whose_journal_is_gone_had_ended()
    {
        using var group = new InterruptedGroup(FileSystems.Ext4);
        group.Leave(GroupState.Done, [0, 1, 2, 3]);
        Directory.Delete(Path.Join(group.Folders[0], group.Staging), recursive: true);
        foreach (string name in group.NamesIn(0).Where(name => name.StartsWith('.'))) File.Delete(Path.Join(group.Folders[0], name));
        _ = SnapshotRepair.Repair(group.Folders[1]).ToList();
        group.AssertAll(isNew: true);
    }

    [Fact]
    public void Marker_that_leads_nowhere_is_removed_by_the_next_save()
    {
        using var group = new InterruptedGroup(FileSystems.Ext4);
        group.Leave(GroupState.Done, []);
        foreach (string folder in group.Folders) Directory.Delete(Path.Join(folder, group.Staging), recursive: true);
        using (var snapshot = Snapshot.Open(group.Paths[0]))
        {
            snapshot.Write(0, "NEW"u8);
            snapshot.Commit();
        }
        Assert.Equal([".b.txt.mmap-snapshot", "a.txt", "b.txt"], group.NamesIn(0));
        _ = Snapshot.CommitAll([.. group.Paths[1..3].Select(path =>
        {
            var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "NEW"u8);
            return snapshot;
        })], new CommitOptions { Close = true });
        Assert.Equal(["a.txt", "b.txt"], group.NamesIn(0));
        File.Delete(Path.Join(group.Folders[1], ".d.txt.mmap-snapshot"));
    }

    /// <summary>Root does not exchange files for a user that the user could not exchange.</summary>
    [Fact]
    public void Planted_journal_makes_root_touch_no_file_of_others()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string victim = workspace.Write("victim", "victim's");
        string? planted = null;
        UnprivilegedUser.Run(() =>
        {
            Assert.Equal(default, MmapSnapshot.Source.ParentDirectory.Open(workspace.Folder, out var parent));
            using (parent)
            {
                string staging = SaveNames.Staging(SaveNames.Token());
                using var directory = GroupDirectory.Create(parent, staging);
                planted = directory.Staging.Path;
                File.WriteAllText(Path.Join(planted, "0"), "attacker's");
                using var staged = TargetFile.Find(directory.Staging, "0")!;
                using var target = TargetFile.Find(parent, "victim")!;
                directory.Journal.Write(
                    staging, new GroupRecord(Primary: null, [], [new GroupMemberRecord("0", "victim", GroupFile.Of(staged),
                        GroupFile.Of(target))]));
                directory.Journal.Write(GroupState.Committing);
                FileStat.HardLink(directory.JournalPath, workspace.PathOf(".victim.mmap-snapshot"));
            }
        });
        var record = Assert.Single(SnapshotRepair.Repair(workspace.Folder));
        Assert.Equal(RepairAction.None, record.Action);
        using (var snapshot = Snapshot.Open(victim))
        {
            snapshot.Write(0, "VICTIM"u8);
            var warnings = new List<SnapshotWarning>();
            snapshot.Commit(new CommitOptions { Warnings = new Warnings(warnings) });
            Assert.Contains("not excluded", Assert.Single(warnings).Message, StringComparison.Ordinal);
        }
        Assert.Equal("VICTIM's", File.ReadAllText(victim));
        Directory.Delete(planted!, recursive: true);
        File.Delete(workspace.PathOf(".victim.mmap-snapshot"));
    }

    private static int[] Members(string list) =>
        [.. list.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => int.Parse(text, CultureInfo.InvariantCulture))];

    private static void Change(string path, string change)
    {
        Thread.Sleep(15);
        switch (change)
        {
            case "written":
                File.AppendAllText(path, " theirs");
                break;
            case "replaced":
                File.WriteAllText(path + ".tmp", "theirs");
                FileStat.Rename(path + ".tmp", path);
                break;
            case "deleted":
                File.Delete(path);
                break;
        }
    }
}

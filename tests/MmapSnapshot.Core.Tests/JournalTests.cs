using MmapSnapshot.Native;
using MmapSnapshot.Tests.Support;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests;

/// <summary>The journal of a save in place, while the save lives.</summary>
public sealed class JournalTests
{
    private static readonly CommitOptions _inPlace = new() { Method = CommitMethod.InPlace };

    /// <summary>A script that makes something of the name $1, as another user.</summary>
    public static MatrixTheoryData<string, string> Planted => new(
        FileSystems.Names,
        [
            "echo planted > \"$1\"",
            "ln -s /etc/hostname \"$1\"",
            "mkfifo \"$1\"",
            "mkdir \"$1\"",
            "exec 3<>/dev/null; touch \"$1\"; chmod 0 \"$1\"",
        ]);

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Journal_is_there_during_a_save_in_place_and_gone_after_it(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text"), journal = PendingJournal.PathOf(path);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        string? facts = null;
        var result = snapshot.Commit(new CommitOptions
        {
            Method = CommitMethod.InPlace,
            Progress = new ProgressRecorder(_ => facts ??= $"{FileStat.Of(journal).Permissions} {FileStat.Of(journal).Links}"),
        });
        Assert.Equal("600 1", facts);
        Assert.Equal((true, true), (result.Recoverable, result.AtomicForReaders));
        Assert.Equal("new text", File.ReadAllText(path));
        Assert.Equal(["file"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Result_says_that_a_reader_could_see_a_mix_when_the_file_is_open(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        using var reader = new HelperProcess("exec 3<\"$1\"", path);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        var result = snapshot.Commit(_inPlace);
        Assert.Equal((true, false), (result.Recoverable, result.AtomicForReaders));
    }

    [Theory]
    [InlineData(true, false, false)]
    [InlineData(false, true, false)]
    [InlineData(false, false, true)]
    public void Result_is_recoverable_with_a_flushed_journal_only(bool noJournal, bool noFlush, bool recoverable)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old text");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        var options = new CommitOptions { Method = CommitMethod.InPlace, NoJournal = noJournal, NoFlush = noFlush };
        Assert.Equal(recoverable, snapshot.Commit(options).Recoverable);
        Assert.Equal("new text", File.ReadAllText(path));
        Assert.Equal(["file"], workspace.Names());
    }

    [Fact]
    public void Process_that_opens_the_file_during_a_save_waits_and_reads_the_new_bytes()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", Bytes.Of('o', 1 << 20));
        using var snapshot = Snapshot.Open(path);
        snapshot.Fill(0, 1 << 20, (byte)'n');
        System.Diagnostics.Process? reader = null;
        var listener = new ProgressRecorder(progress =>
        {
            if (!progress.Activity.StartsWith("Saving", StringComparison.Ordinal)) return; // the copy of a base under a lease
            reader ??= Shell.Start("head -c 1 \"$1\"; tail -c 1 \"$1\"", path);
            Thread.Sleep(20);
        });
        var result = snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace, Progress = listener });
        Assert.Equal("nn", reader!.StandardOutput.ReadToEnd());
        Assert.True(result.AtomicForReaders);
        reader.WaitForExit();
        reader.Dispose();
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Cancelled_save_gives_the_file_its_old_bytes_again(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] old = Bytes.Random(1 << 20);
        string path = workspace.Write("file", old);
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(2 << 20);
        snapshot.Fill(1, (2 << 20) - 1, (byte)'n');
        byte[] changed = Bytes.In(snapshot);
        using var source = new CancellationTokenSource();
        var listener = new ProgressRecorder(progress =>
        {
            if (progress.BytesDone > 100_000) source.Cancel();
        });
        var options = new CommitOptions { Method = CommitMethod.InPlace, Progress = listener };
        Assert.ThrowsAny<OperationCanceledException>(() => snapshot.Commit(options, source.Token));
        Assert.True(old.AsSpan().SequenceEqual(File.ReadAllBytes(path)), "the file was changed");
        Assert.Equal(["file"], workspace.Names());
        Assert.True(snapshot.IsModified);
        Assert.Null(snapshot.Commit(_inPlace).Override);
        Assert.True(changed.AsSpan().SequenceEqual(File.ReadAllBytes(path)), "the file is not whole");
    }

    [Theory]
    [InlineData(FileSystems.Ext4)]
    [InlineData(FileSystems.Tmpfs)]
    [InlineData(FileSystems.Btrfs)]
    public void Save_without_space_for_the_new_bytes_leaves_the_file_as_it_was(string fileSystem)
    {
        const int Much = 24 << 20;
        using var workspace = Workspace.On(fileSystem);
        byte[] old = Bytes.Of('o', 1 << 20);
        string path = workspace.Write("file", old);
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(Much);
        snapshot.Fill(0, Much, (byte)'n');
        using (var ballast = DiskFiller.Fill(workspace))
        {
            ballast.Release(8 << 20);
            Expect.Error(SnapshotError.NoSpace, () => snapshot.Commit(_inPlace));
            Assert.True(old.AsSpan().SequenceEqual(File.ReadAllBytes(path)), "the file was changed");
            Assert.True(snapshot.IsModified);
            Assert.Equal([DiskFiller.Name, "file"], workspace.Names());
        }
        Assert.Null(snapshot.Commit(_inPlace).Override);
        Assert.True(Bytes.Of('n', Much).AsSpan().SequenceEqual(File.ReadAllBytes(path)), "the file is not whole");
    }

    [Theory]
    [MemberData(nameof(Planted))]
    public void Name_planted_by_another_user_is_passed_by_with_a_warning_and_stays(string fileSystem, string plant)
    {
        using var workspace = Workspace.On(fileSystem);
        FileStat.Chmod(workspace.Folder, "1777"); // as /tmp
        string path = workspace.Write("file", "old"), planted = PendingJournal.PathOf(path);
        UnprivilegedUser.Run(() => Shell.Run(plant, planted));
        string before = Shell.Run("stat -c '%i %F %s %Y' \"$1\"", planted);
        var warnings = new List<SnapshotWarning>();
        var heard = new Warnings(warnings);
        using (var snapshot = Snapshot.Open(path, new SnapshotOptions { Warnings = heard }))
        {
            Assert.Contains(planted, Assert.Single(warnings).Message, StringComparison.Ordinal);
            snapshot.Write(0, "new"u8);
            Assert.True(snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace, Warnings = heard }).Recoverable);
        }
        Assert.Equal(2, warnings.Count);
        Assert.Contains(planted, warnings[1].Message, StringComparison.Ordinal);
        Assert.Equal([SnapshotRemedy.RepairIfInterrupted], warnings[1].Remedies);
        Assert.Equal("new", File.ReadAllText(path));
        Assert.Equal([PendingJournal.NameOf("file"), "file"], workspace.Names());
        Assert.Equal(before, Shell.Run("stat -c '%i %F %s %Y' \"$1\"", planted));
        Shell.Run("rm -r \"$1\"", planted);
    }

    [Theory]
    [InlineData(CommitMethod.InPlace)]
    [InlineData(CommitMethod.Replace)]
    public void Save_beside_a_living_save_in_place_is_SaveInProgress(CommitMethod method)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        byte[] journal;
        using (var other = Snapshot.Open(workspace.Write("other", "old")))
        {
            other.Write(0, "new"u8);
            journal = PendingJournal.Capture(other);
        }
        string name = workspace.Write(PendingJournal.NameOf("file"), journal);
        using (var held = File.OpenHandle(name, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete))
        {
            Assert.Equal((Errno)0, Kernel.SetOfdWriteLock(held));
            var refused = Expect.Error(
                SnapshotError.SaveInProgress,
                () => snapshot.Commit(new CommitOptions { Method = method, Force = true }));
            Assert.Contains(name, refused.Message, StringComparison.Ordinal);
            Expect.Error(SnapshotError.SaveInProgress, () => Snapshot.Open(path));
            var warnings = new List<SnapshotWarning>();
            Snapshot.Open(path, new SnapshotOptions { ReadOnly = true, Warnings = new Warnings(warnings) }).Dispose();
            Assert.Contains("Another process is saving", Assert.Single(warnings).Message, StringComparison.Ordinal);
            Assert.Equal(RepairAction.None, Assert.Single(SnapshotRepair.Repair(path, new RepairOptions { Force = true })).Action);
            Assert.Equal("old", File.ReadAllText(path));
            File.Delete(name);
        }
        snapshot.Commit(new CommitOptions { Method = method });
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Fact]
    public void Directory_without_write_permission_needs_NoJournal()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old");
        FileStat.Chmod(path, "666");
        FileStat.Chmod(workspace.Folder, "755");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            var refused = Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit(_inPlace));
            Assert.Equal([SnapshotRemedy.SkipJournal], refused.Remedies);
            Assert.Equal("old", File.ReadAllText(path));
            Assert.False(snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace, NoJournal = true }).Recoverable);
        });
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Theory]
    [InlineData(CommitMethod.Auto)]
    [InlineData(CommitMethod.Replace)]
    public void AllowInPlace_saves_in_place_what_cannot_be_replaced(CommitMethod method)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string linked = workspace.Write("linked", "old"), second = workspace.PathOf("second"), plain = workspace.Write("plain", "old");
        string real = workspace.Write("real", "old"), mountPoint = workspace.Write("mounted", "below");
        FileStat.HardLink(linked, second);
        using var mount = Mounts.Bind(real, mountPoint);
        Assert.Equal(CommitMethod.InPlace, Save(linked, method));
        Assert.Equal("new", File.ReadAllText(second));
        Assert.Equal(CommitMethod.InPlace, Save(mountPoint, method));
        Assert.Equal("new", File.ReadAllText(real));
        Assert.Equal(CommitMethod.Replace, Save(plain, method));
        Assert.Equal(CommitMethod.Replace, Save(linked, method, breakHardLink: true, text: "two"));
        Assert.Equal("new", File.ReadAllText(second));
    }

    private static CommitMethod Save(string path, CommitMethod method, bool breakHardLink = false, string text = "new")
    {
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, System.Text.Encoding.ASCII.GetBytes(text));
        return snapshot.Commit(new CommitOptions { Method = method, AllowInPlace = true, BreakHardLink = breakHardLink }).Method;
    }
}

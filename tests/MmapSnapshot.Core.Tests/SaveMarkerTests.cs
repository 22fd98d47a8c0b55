using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Committing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using MmapSnapshot.Tests.Support;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests;

/// <summary>The marker that excludes savers of one name, what a dead saver leaves, and what other users put in its place.</summary>
public sealed partial class SaveMarkerTests
{
    private const string Marker = ".file.mmap-snapshot", Temporary = ".file.00000000000000aa.mmap-snapshot";

    public static MatrixTheoryData<string, string> Planted => new(
        FileSystems.Names, ["printf hello >\"$1\"", "mkfifo \"$1\"", "ln -s file \"$1\"", "ln -s nowhere \"$1\"", "mkdir \"$1\"", ": >\"$1\""]);

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Save_removes_what_a_saver_left_that_was_killed_before_the_exchange(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        string staged = workspace.Write(Temporary, "never published");
        WriteMarker(workspace, staged, path);
        Save(path);
        Assert.Equal(["file"], workspace.Names());
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Save_removes_the_old_file_of_a_saver_that_was_killed_after_the_exchange(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string old = workspace.Write(Temporary, "old");
        string path = workspace.Write("file", "published");
        WriteMarker(workspace, path, old);
        Save(path);
        Assert.Equal(["file"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Save_keeps_a_file_of_another_program_under_the_temporary_name_and_warns(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "published");
        string gone = workspace.Write("gone", "the expected file, replaced by another program before the exchange");
        WriteMarker(workspace, path, gone);
        File.Delete(gone);
        workspace.Write(Temporary, "another program's");
        string warning = Assert.Single(Save(path)).Message;
        string recovered = Assert.Single(workspace.Names(), name => name.StartsWith("file.recovered-", StringComparison.Ordinal));
        Assert.Contains(recovered, warning, StringComparison.Ordinal);
        Assert.Equal("another program's", File.ReadAllText(workspace.PathOf(recovered)));
        Assert.Equal(["file", recovered], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Save_keeps_the_expected_file_under_the_temporary_name_unless_the_staged_one_has_replaced_it(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string old = workspace.Write(Temporary, "given the name again by another program");
        string staged = workspace.Write("staged", "gone by now");
        WriteMarker(workspace, staged, old);
        File.Delete(staged);
        string path = workspace.Write("file", "theirs");
        Assert.Single(Save(path));
        string recovered = Assert.Single(workspace.Names(), name => name.StartsWith("file.recovered-", StringComparison.Ordinal));
        Assert.Equal("given the name again by another program", File.ReadAllText(workspace.PathOf(recovered)));
        Assert.Equal(["file", recovered], workspace.Names());
    }

    [Fact]
    public void Save_removes_a_marker_that_lost_its_bytes_in_a_crash_and_keeps_the_file_under_its_temporary_name()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old");
        string marker = workspace.Write(Marker, "");
        ulong inode = ulong.Parse(Shell.Run("stat -c %i \"$1\"", marker), System.Globalization.CultureInfo.InvariantCulture);
        workspace.Write($".file.{inode:x16}.mmap-snapshot", "perhaps the old file");
        Assert.Single(Save(path));
        string recovered = Assert.Single(workspace.Names(), name => name.StartsWith("file.recovered-", StringComparison.Ordinal));
        Assert.Equal("perhaps the old file", File.ReadAllText(workspace.PathOf(recovered)));
        Assert.Equal(["file", recovered], workspace.Names());
    }

    [Theory]
    [InlineData(CommitMethod.Replace, FileSystems.Ext4)]
    [InlineData(CommitMethod.InPlace, FileSystems.Ext4)]
    [InlineData(CommitMethod.Exchange, FileSystems.XfsExchange)]
    public void Save_beside_a_living_saver_of_the_same_file_is_SaveInProgress(CommitMethod method, string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old"), other = workspace.Write("other", "old");
        using (var held = HoldMarker(workspace))
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            var clock = Stopwatch.StartNew();
            var refused = Expect.Error(SnapshotError.SaveInProgress, () => snapshot.Commit(new CommitOptions { Method = method, Force = true }));
            Assert.Contains(Marker, refused.Message, StringComparison.Ordinal);
            Assert.InRange(clock.ElapsedMilliseconds, 150, 5000);
            Assert.Equal("old", File.ReadAllText(path));
            Save(other); // another name in the same directory is not concerned
            Assert.Equal("new", File.ReadAllText(other));
            Assert.Equal([Marker, "file", "other"], workspace.Names());
            File.Delete(workspace.PathOf(Marker));
        }
        Save(path);
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Fact]
    public async Task Save_continues_when_the_other_saver_has_finished()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old");
        var held = HoldMarker(workspace);
        var release = Task.Run(async () =>
        {
            await Task.Delay(50);
            File.Delete(workspace.PathOf(Marker));
            held.Dispose();
        });
        Assert.Empty(Save(path));
        await release;
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Fact]
    public void Wait_for_another_saver_can_be_cancelled()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        using (HoldMarker(workspace))
        {
            using var source = new CancellationTokenSource(TimeSpan.FromMilliseconds(30));
            Assert.ThrowsAny<OperationCanceledException>(() => snapshot.Commit(cancellation: source.Token));
            File.Delete(workspace.PathOf(Marker));
        }
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal(["file"], workspace.Names());
        snapshot.Commit();
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(Planted))]
    public void Name_planted_by_another_user_is_passed_by_with_a_warning_and_stays(string fileSystem, string plant)
    {
        using var workspace = Workspace.On(fileSystem);
        FileStat.Chmod(workspace.Folder, "1777"); // as /tmp
        string path = workspace.Write("file", "old");
        string planted = workspace.PathOf(Marker);
        UnprivilegedUser.Run(() => Shell.Run(plant, planted));
        string before = Shell.Run("stat -c '%i %F %s %Y' \"$1\"", planted);
        string warning = Assert.Single(Save(path)).Message;
        Assert.Contains(Marker, warning, StringComparison.Ordinal);
        Assert.Equal("new", File.ReadAllText(path));
        Assert.Equal([Marker, "file"], workspace.Names());
        Assert.Equal(before, Shell.Run("stat -c '%i %F %s %Y' \"$1\"", planted));
        Shell.Run("rm -r \"$1\"", planted);
    }

    /// <summary>
    /// man 5 proc_sys_fs, protected_hardlinks: any user may link a file that they may write to. A file of root's under the marker's name
    /// is then no marker of root's, and a lock on it, which that user can take, prevents no save.
    /// </summary>
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Hard_link_of_a_file_of_root_that_another_user_has_locked_does_not_prevent_a_save(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string shared = workspace.Write("shared", "root's"), path = workspace.Write("file", "old"), planted = workspace.PathOf(Marker);
        FileStat.Chmod(shared, "666");
        UnprivilegedUser.Run(() => FileStat.HardLink(shared, planted));
        using (var locked = File.OpenHandle(shared, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete))
        {
            Assert.Equal((Errno)0, Kernel.SetOfdWriteLock(locked));
            Assert.Single(Save(path));
        }
        Assert.Equal("new", File.ReadAllText(path));
        Assert.Equal("root's", File.ReadAllText(planted));
        File.Delete(planted);
    }

    /// <summary>An empty file counts as a marker that a crash has emptied, but one with a second name is no marker.</summary>
    [Fact]
    public void Hard_link_of_an_empty_file_of_root_is_passed_by_and_stays()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string empty = workspace.Write("empty", ""), path = workspace.Write("file", "old"), planted = workspace.PathOf(Marker);
        FileStat.HardLink(empty, planted);
        string temporary = workspace.PathOf(SaveNames.Temporary("file", FileStat.InodeOf(empty)));
        File.WriteAllText(temporary, "another program's");
        Assert.Single(Save(path));
        Assert.Equal("another program's", File.ReadAllText(temporary));
        Assert.True(File.Exists(planted));
        File.Delete(planted);
        File.Delete(temporary);
    }

    /// <summary>The target's owner can make a marker that root trusts. What root removes then is no more than that user could.</summary>
    [Fact]
    public void Marker_forged_by_the_targets_owner_removes_no_file_of_a_third_user()
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(FileSystems.Ext4);
        FileStat.Chmod(workspace.Folder, "1777"); // as /tmp
        string path = workspace.Write("file", "old"), third = workspace.Write(Temporary, "third user's");
        FileStat.Chown(path, UnprivilegedUser.Id, UnprivilegedUser.Id);
        FileStat.Chown(third, 1000, 1000);
        WriteMarker(workspace, staged: third, expected: path);
        FileStat.Chown(workspace.PathOf(Marker), UnprivilegedUser.Id, UnprivilegedUser.Id);
        Assert.Single(Save(path));
        Assert.Equal("new", File.ReadAllText(path));
        Assert.Equal("third user's", File.ReadAllText(third));
        File.Delete(third);
        File.Delete(workspace.PathOf(Marker));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Marker_of_root_that_may_not_be_opened_does_not_prevent_a_save(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        FileStat.Chmod(workspace.Folder, "1777");
        string marker = workspace.Write(Marker, "root's");
        FileStat.Chmod(marker, "600");
        UnprivilegedUser.Run(() =>
        {
            string path = workspace.Write("file", "old");
            Assert.Single(Save(path));
            Assert.Equal("new", File.ReadAllText(path));
        });
        Assert.Equal("root's", File.ReadAllText(marker));
        File.Delete(marker);
    }

    [Theory]
    [MemberData(nameof(FileSystems.Replacing), MemberType = typeof(FileSystems))]
    public void Lock_of_another_process_on_the_directory_or_the_file_is_not_waited_for(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        using var directory = HelperProcess.WithLock(workspace.Folder);
        using var file = HelperProcess.WithLock(path);
        foreach (var method in (CommitMethod[])[CommitMethod.Replace, CommitMethod.InPlace, CommitMethod.Auto])
        {
            var clock = Stopwatch.StartNew();
            Assert.Empty(Save(path, method));
            Assert.InRange(clock.ElapsedMilliseconds, 0, 2000); // it was ten seconds
        }
    }

    [Fact]
    public void Files_with_similar_names_stay()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write("file", "old");
        string[] similar = [".file.0123456789abcdef.mmap-snapshot", ".file.0123456789abcdeg.mmap-snapshot", ".file.mmap-snapshot.bak", "file.mmap-snapshot"];
        foreach (string name in similar) workspace.Write(name, "another program's");
        Assert.Empty(Save(path));
        Assert.All(similar, name => Assert.Equal("another program's", File.ReadAllText(workspace.PathOf(name))));
        foreach (string name in similar) File.Delete(workspace.PathOf(name));
    }

    [Fact]
    public void File_planted_under_the_temporary_name_is_neither_used_nor_removed()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        workspace.Write("file", "old");
        Assert.Equal((Errno)0, ParentDirectory.Open(workspace.Folder, out var directory));
        using (directory)
        {
            var target = new CommitTarget(directory, "file", Expected: null);
            using var found = target.Look()!;
            using var staged = StagedFile.Create(target, found, Kernel.PrivateMode);
            var record = new SaveRecord(0, FileIdentity.Of(staged.Handle, FileStatus.Of(staged.Handle, target.Path)), Expected: null);
            using var marker = SaveMarker.Take(target, Syscall.geteuid(), record, new CommitOptions(), default);
            string planted = workspace.Write(SaveNames.Temporary("file", marker.Token), "planted");
            staged.LinkTemporary(marker);
            Assert.NotEqual(planted, workspace.PathOf(staged.TemporaryName));
            Assert.Contains($"{marker.Token:x16}", File.ReadAllText(workspace.PathOf(Marker)), StringComparison.Ordinal);
            staged.RemoveTemporaryName();
            Assert.Equal("planted", File.ReadAllText(planted));
            File.Delete(planted);
        }
        Assert.Equal(["file"], workspace.Names());
    }

    [Fact]
    public void Own_file_under_the_markers_name_that_is_no_marker_is_passed_by_and_stays()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old"), own = workspace.Write(Marker, "a document");
        Assert.Single(Save(path));
        Assert.Equal("a document", File.ReadAllText(own));
        File.Delete(own);
    }

    [Fact]
    public void Marker_of_root_excludes_the_owner_of_the_file_who_can_read_it_but_not_lock_it()
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old");
        FileStat.Chown(path, UnprivilegedUser.Id, UnprivilegedUser.Id);
        _ = ParentDirectory.Open(workspace.Folder, out var directory);
        using (directory)
        {
            var target = new CommitTarget(directory, "file", Expected: null);
            using (SaveMarker.Take(target, UnprivilegedUser.Id, default, new CommitOptions(), default))
            {
                Assert.Equal("0 644", Shell.Run("stat -c '%u %a' \"$1\"", workspace.PathOf(Marker)));
                UnprivilegedUser.Run(() =>
                {
                    using var snapshot = Snapshot.Open(path);
                    snapshot.Write(0, "new"u8);
                    Expect.Error(SnapshotError.SaveInProgress, () => snapshot.Commit());
                });
            }
        }
        Assert.Equal(["file"], workspace.Names());
    }

    [Fact]
    public void Read_lock_of_another_user_on_a_dead_marker_of_root_does_not_prevent_a_save()
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old");
        FileStat.Chown(path, UnprivilegedUser.Id, UnprivilegedUser.Id);
        string staged = workspace.Write(Temporary, "never published");
        WriteMarker(workspace, staged, path);
        using var reader = File.OpenHandle(workspace.PathOf(Marker), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        SetOfdReadLock(reader);
        Assert.Single(Save(path));
        Assert.Equal("new", File.ReadAllText(path));
        reader.Dispose();
        File.WriteAllText(path, "old"); // what is saved already is not saved again
        Assert.Empty(Save(path));
        Assert.Equal(["file"], workspace.Names());
    }

    /// <summary>The marker of a saver that lives: in this process, which is as good, as the lock belongs to the open file.</summary>
    private static SafeFileHandle HoldMarker(Workspace workspace)
    {
        var file = File.OpenHandle(workspace.PathOf(Marker), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        Assert.Equal((Errno)0, Kernel.SetOfdWriteLock(file));
        return file;
    }

    /// <summary>The marker of a saver that was killed.</summary>
    private static void WriteMarker(Workspace workspace, string staged, string expected) =>
        File.WriteAllBytes(workspace.PathOf(Marker), new SaveRecord(0xaa, Identify(staged), Identify(expected)).ToBytes());

    private static void SetOfdReadLock(SafeFileHandle file)
    {
        const int SetLock = 37; // F_OFD_SETLK
        var range = new byte[32]; // struct flock: F_RDLCK is 0
        Assert.Equal(0, Fcntl(file, SetLock, range));
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Fcntl(SafeFileHandle file, int command, [In] byte[] range);

    private static FileIdentity Identify(string path)
    {
        using var file = File.OpenHandle(path);
        return FileIdentity.Of(file, FileStatus.Of(file, path));
    }

    private static List<SnapshotWarning> Save(string path, CommitMethod method = CommitMethod.Auto)
    {
        var warnings = new List<SnapshotWarning>();
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, Encoding.ASCII.GetBytes("new"));
        snapshot.Commit(new CommitOptions { Method = method, Warnings = new Warnings(warnings) });
        return warnings;
    }
}

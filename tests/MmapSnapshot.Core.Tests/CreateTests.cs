using System.Globalization;
using MmapSnapshot.Tests.Support;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests;

/// <summary>The snapshot of a file that does not exist yet.</summary>
public sealed class CreateTests
{
    private static readonly CommitOptions _force = new() { Force = true };

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void The_file_appears_whole_at_the_commit_and_not_before(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("new");
        using var snapshot = Snapshot.Create(path, 10);
        Assert.Equal(path, snapshot.Path);
        Assert.True(snapshot.IsModified);
        Assert.Equal(0, snapshot.ModifiedBytes);
        Assert.Equal(new byte[10], Bytes.In(snapshot));
        snapshot.Write(3, "text"u8);
        Assert.Empty(workspace.Names());
        var result = snapshot.Commit();
        Assert.Equal(new CommitResult(path, CommitMethod.Replace, result.Reason, 10, 4, true, result.Elapsed, null), result);
        Assert.Equal("\0\0\0text\0\0\0"u8, File.ReadAllBytes(path));
        Assert.Equal(["new"], workspace.Names());
        Assert.False(snapshot.IsModified);
        Assert.Equal(CommitMethod.None, snapshot.Commit().Method);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void It_gets_the_rights_that_any_new_file_gets_in_its_folder(string fileSystem)
    {
        Tools.Require("setfacl");
        using var workspace = Workspace.On(fileSystem);
        foreach (string acl in (string[])["", "d:u:daemon:rwx,d:g::r,d:o::-"])
        {
            string folder = workspace.MakeFolder($"folder{acl.Length}"), path = Path.Join(folder, "new");
            if (acl.Length > 0) Shell.Run("setfacl -m \"$2\" \"$1\"", folder, acl);
            Shell.Run("touch \"$1\"", path);
            string expected = Metadata.Of(path);
            File.Delete(path);
            using var snapshot = Snapshot.Create(path);
            snapshot.Commit();
            Assert.Equal(expected, Metadata.Of(path));
        }
        int umask = Convert.ToInt32(File.ReadLines("/proc/self/status").First(line => line.StartsWith("Umask:", StringComparison.Ordinal))[6..].Trim(), 8);
        Assert.Equal(Convert.ToString(0x1B6 & ~umask, 8), FileStat.Of(workspace.PathOf("folder0/new")).Permissions);
    }

    [Fact]
    public void It_belongs_to_whoever_saves_it()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.PathOf("new");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Create(path, 3);
            snapshot.Commit();
            snapshot.Write(0, "abc"u8);
            snapshot.Commit();
        });
        var facts = FileStat.Of(path);
        Assert.Equal(((uint)UnprivilegedUser.Id, (uint)UnprivilegedUser.Id), (facts.User, facts.Group));
        Assert.Equal("abc", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_of_no_bytes_is_made_too(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("new");
        using (var snapshot = Snapshot.Create(path))
        {
            Assert.Equal(0, snapshot.Length);
            Assert.True(snapshot.IsModified);
            snapshot.Commit(new CommitOptions { Close = true });
            Assert.True(snapshot.IsClosed);
        }
        Assert.Empty(File.ReadAllBytes(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void What_it_begins_with_takes_no_space(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("new");
        using var snapshot = Snapshot.Create(path, 1L << 40);
        snapshot.Write((1L << 40) - 3, "end"u8);
        snapshot.Commit();
        var facts = FileStat.Of(path);
        Assert.Equal(1L << 40, facts.Length);
        Assert.InRange(facts.AllocatedBytes, 1, 1 << 20);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Closed_without_a_commit_it_leaves_nothing(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using (var snapshot = Snapshot.Create(workspace.PathOf("new"), 10)) snapshot.Write(0, "text"u8);
        Assert.Empty(workspace.Names());
        Assert.Empty(Descriptors.In(workspace.Folder));
        Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void After_its_first_commit_it_is_a_snapshot_like_any_other(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("new");
        using var snapshot = Snapshot.Create(path);
        using (var stream = snapshot.AsStream()) stream.Write("first text"u8);
        snapshot.Commit();
        for (int round = 0; round < 3; round++)
        {
            snapshot.Write(0, [(byte)('0' + round)]);
            Assert.StartsWith(round == 0 ? "f" : $"{round - 1}", File.ReadAllText(path), StringComparison.Ordinal);
            var result = snapshot.Commit();
            Assert.Equal(fileSystem == FileSystems.XfsExchange ? CommitMethod.Exchange : CommitMethod.Replace, result.Method);
            Assert.Equal(string.Create(CultureInfo.InvariantCulture, $"{round}irst text"), File.ReadAllText(path));
        }
        snapshot.Write(0, "in "u8);
        Assert.Equal(CommitMethod.InPlace, snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace }).Method);
        Assert.Equal("in st text", File.ReadAllText(path));
        File.WriteAllText(path, "their text");
        snapshot.Write(0, "m"u8);
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        Assert.NotNull(snapshot.Commit(_force).Override);
        Assert.Equal("mn st text", File.ReadAllText(path));
        File.Delete(path);
        snapshot.Write(0, "n"u8);
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Somebody_elses_file_is_not_overwritten_without_Force(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("new");
        using var snapshot = Snapshot.Create(path, 3);
        snapshot.Write(0, "abc"u8);
        File.WriteAllText(path, "theirs");
        FileStat.Chmod(path, "4751");
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        Assert.Equal("theirs", File.ReadAllText(path));
        Assert.True(snapshot.IsModified);
        var result = snapshot.Commit(_force);
        Assert.NotNull(result.Override);
        Assert.Equal("abc", File.ReadAllText(path));
        Assert.Equal("751", FileStat.Of(path).Permissions); // as when any file is replaced
        Assert.Equal(["new"], workspace.Names());
        snapshot.Write(0, "A"u8);
        Assert.Null(snapshot.Commit().Override);
        Assert.Equal("Abc", File.ReadAllText(path));
    }

    [Fact]
    public void A_file_that_came_and_went_meanwhile_is_no_conflict()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.PathOf("new");
        using var snapshot = Snapshot.Create(path, 3);
        File.WriteAllText(path, "theirs");
        File.Delete(path);
        Assert.Null(snapshot.Commit(_force).Override);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Exactly_one_of_two_who_make_the_same_file_wins_each_round(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var start = new Barrier(2);
        for (int round = 0; round < 200; round++)
        {
            string path = workspace.PathOf("new");
            bool forced = round % 10 == 0;
            var errors = new SnapshotError?[2];
            Snapshot[] snapshots = [Snapshot.Create(path, 1), Snapshot.Create(path, 1)];
            var savers = Enumerable.Range(0, 2).Select(who => new Thread(() =>
            {
                snapshots[who].Write(0, [(byte)('0' + who)]);
                start.SignalAndWait();
                errors[who] = Save(snapshots[who], forced);
            })).ToArray();
            foreach (var saver in savers) saver.Start();
            foreach (var saver in savers) saver.Join();
            foreach (var snapshot in snapshots) snapshot.Dispose();
            SnapshotError?[] expected = forced ? [null, null] : [null, SnapshotError.SnapshotConflict];
            Assert.Equal(expected, errors.OrderBy(error => error is not null));
            if (!forced) Assert.Equal(errors[0] is null ? "0" : "1", File.ReadAllText(path));
            Assert.Equal(["new"], workspace.Names());
            File.Delete(path);
        }

        static SnapshotError? Save(Snapshot snapshot, bool forced)
        {
            try
            {
                snapshot.Commit(new CommitOptions { NoFlush = true, Force = forced });
                return null;
            }
            catch (SnapshotException refused)
            {
                return refused.Error;
            }
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void What_cannot_become_a_new_file_is_refused_and_leaves_nothing(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string file = workspace.Write("file", "text"), link = workspace.PathOf("link"), dangling = workspace.PathOf("dangling");
        File.CreateSymbolicLink(link, "file");
        File.CreateSymbolicLink(dangling, "nowhere");
        workspace.MakeFolder("folder");
        Expect.Error(SnapshotError.DestinationExists, () => Snapshot.Create(file));
        Expect.Error(SnapshotError.DestinationExists, () => Snapshot.Create(link));
        Expect.Error(SnapshotError.FileNotFound, () => Snapshot.Create(dangling));
        Expect.Error(SnapshotError.FileNotFound, () => Snapshot.Create(workspace.PathOf("missing/new")));
        Expect.Error(SnapshotError.FileNotFound, () => Snapshot.Create(workspace.PathOf("file/new")));
        Expect.Error(SnapshotError.FileNotFound, () => Snapshot.Create(""));
        Expect.Error(SnapshotError.NotARegularFile, () => Snapshot.Create(workspace.PathOf("folder")));
        Expect.Error(SnapshotError.NotARegularFile, () => Snapshot.Create(workspace.PathOf("new/")));
        Expect.Error(SnapshotError.OutOfRange, () => Snapshot.Create(workspace.PathOf("new"), -1));
        Expect.Error(SnapshotError.TooLarge, () => Snapshot.Create(workspace.PathOf("new"), long.MaxValue));
        Assert.Empty(Descriptors.In(workspace.Folder));
        Assert.Equal(["dangling", "file", "folder", "link"], workspace.Names());
    }

    public static MatrixTheoryData<string, string> Modes => new(FileSystems.Names, ["600", "0", "444", "777", "2750", "4711"]);

    [Theory]
    [MemberData(nameof(Modes))]
    public void New_file_has_the_mode_that_was_asked_for_whatever_the_umask(string fileSystem, string mode)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("new"), other = workspace.PathOf("other");
        using var snapshot = Snapshot.Create(path, 3, (UnixFileMode)Convert.ToInt32(mode, 8));
        var umask = Syscall.umask((FilePermissions)0x3F); // 077
        try
        {
            snapshot.Commit();
            snapshot.Commit(new CommitOptions { Destination = other });
        }
        finally
        {
            Syscall.umask(umask);
        }
        Assert.Equal(mode, FileStat.Of(path).Permissions);
        Assert.Equal(mode, FileStat.Of(other).Permissions);
        snapshot.Write(0, "abc"u8);
        snapshot.Commit();
        Assert.Equal(mode, FileStat.Of(path).Permissions);
    }

    [Fact]
    public void Default_ACL_of_the_directory_gives_nobody_more_than_the_mode_that_was_asked_for()
    {
        Tools.Require("setfacl", "getfacl");
        using var workspace = Workspace.On(FileSystems.Ext4);
        Shell.Run("setfacl -d -m u:1000:rwx,o::rw \"$1\"", workspace.Folder);
        string path = workspace.PathOf("new");
        using var snapshot = Snapshot.Create(path, 3, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        snapshot.Commit();
        Assert.Equal("600", FileStat.Of(path).Permissions);
        Assert.Contains("mask::---", Metadata.Of(path), StringComparison.Ordinal);
    }

    /// <summary>Another user tries to open the file all the time: a mode that is set after the file has its name comes too late.</summary>
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void New_private_file_is_at_no_moment_readable_for_another_user(string fileSystem)
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("new");
        bool ended = false, wasRead = false;
        var reader = new Thread(() => UnprivilegedUser.Run(() =>
        {
            while (!Volatile.Read(ref ended))
            {
                int file = Syscall.open(path, OpenFlags.O_RDONLY);
                if (file < 0) continue;
                wasRead = true;
                _ = Syscall.close(file);
            }
        }));
        reader.Start();
        for (int round = 0; round < 200; round++)
        {
            using (var snapshot = Snapshot.Create(path, 6, UnixFileMode.UserRead | UnixFileMode.UserWrite))
                snapshot.Commit(new CommitOptions { NoFlush = true });
            File.Delete(path);
        }
        Volatile.Write(ref ended, true);
        reader.Join();
        Assert.False(wasRead);
    }

    [Fact]
    public void Mode_beyond_the_permission_bits_is_refused()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        Expect.Error(SnapshotError.OutOfRange, () => Snapshot.Create(workspace.PathOf("new"), 0, (UnixFileMode)0x1000));
        Expect.Error(SnapshotError.OutOfRange, () => Snapshot.Create(workspace.PathOf("new"), 0, (UnixFileMode)(-1)));
    }

    [Fact]
    public void File_that_another_process_has_made_gets_the_mode_that_was_asked_for_when_it_is_overwritten_with_Force()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.PathOf("new");
        using var snapshot = Snapshot.Create(path, 3, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        workspace.Write("new", "theirs");
        FileStat.Chmod(path, "666");
        snapshot.Commit(_force);
        Assert.Equal("600", FileStat.Of(path).Permissions);
    }

    [Fact]
    public void A_symbolic_link_that_was_made_meanwhile_is_neither_followed_nor_replaced()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.PathOf("new");
        using var snapshot = Snapshot.Create(path, 3);
        File.CreateSymbolicLink(path, "nowhere");
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        Assert.Throws<SnapshotException>(() => snapshot.Commit(_force));
        workspace.Write("nowhere", "text");
        Assert.Throws<SnapshotException>(() => snapshot.Commit(_force));
        Assert.Equal("nowhere", new FileInfo(path).LinkTarget);
        Assert.Equal("text", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Directory_without_write_permission_is_refused_at_once(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = Path.Join(workspace.MakeFolder("folder"), "new");
        UnprivilegedUser.Run(() => AssertRefused(path, "EACCES"));
        Snapshot.Create(path).Dispose(); // as root, who needs no permission
        AssertElsewhereWorks(workspace);
    }

    [Fact]
    public void Directory_that_an_ACL_opens_to_the_user_is_not_refused()
    {
        Tools.Require("setfacl");
        using var workspace = Workspace.On(FileSystems.Ext4);
        string folder = workspace.MakeFolder("folder");
        Shell.Run("setfacl -m \"u:$2:rwx\" \"$1\"", folder, $"{UnprivilegedUser.Id}");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Create(Path.Join(folder, "new"), 3);
            snapshot.Commit();
        });
        Assert.Equal(new byte[3], File.ReadAllBytes(Path.Join(folder, "new")));
    }

    [Fact]
    public void Directory_on_a_read_only_mount_is_refused_at_once()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string folder = workspace.MakeFolder("folder");
        using (Mounts.ReadOnly(folder)) AssertRefused(Path.Join(folder, "new"), "EROFS");
        AssertElsewhereWorks(workspace);
    }

    [Fact]
    public void Immutable_directory_is_refused_at_once()
    {
        Tools.Require("chattr");
        using var workspace = Workspace.On(FileSystems.Ext4);
        string folder = workspace.MakeFolder("folder");
        Shell.Run("chattr +i \"$1\"", folder);
        try
        {
            AssertRefused(Path.Join(folder, "new"), "EPERM");
        }
        finally
        {
            Shell.Run("chattr -i \"$1\"", folder);
        }
        AssertElsewhereWorks(workspace);
    }

    [Fact]
    public void Deleted_directory_is_refused_at_once()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string folder = workspace.MakeFolder("folder");
        using var holder = Shell.Start("cd \"$1\"; echo there; read _", folder);
        Assert.Equal("there", holder.StandardOutput.ReadLine());
        Directory.Delete(folder);
        var error = Expect.Error(SnapshotError.FileNotFound, () => Snapshot.Create($"/proc/{holder.Id}/cwd/new"));
        Assert.Contains("its directory was deleted", error.Message, StringComparison.Ordinal);
        holder.StandardInput.Close();
        holder.WaitForExit();
        AssertElsewhereWorks(workspace);
    }

    private static void AssertRefused(string path, string errno)
    {
        var error = Expect.Error(SnapshotError.AccessDenied, () => Snapshot.Create(path));
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(errno, error.Message, StringComparison.Ordinal);
        Assert.Equal([SnapshotRemedy.UseOtherDirectory], error.Remedies);
        Assert.Empty(Directory.GetFileSystemEntries(Path.GetDirectoryName(path)!));
    }

    /// <summary>What the message advises.</summary>
    private static void AssertElsewhereWorks(Workspace workspace)
    {
        using var snapshot = Snapshot.Create(workspace.PathOf("elsewhere"), 3);
        snapshot.Commit();
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_folder_that_is_reached_by_a_symbolic_link_is_the_folder_it_leads_to(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string folder = workspace.MakeFolder("folder"), link = workspace.PathOf("link");
        File.CreateSymbolicLink(link, "folder");
        using var snapshot = Snapshot.Create(Path.Join(link, "new"), 3);
        Assert.Equal(Path.Join(folder, "new"), snapshot.Path);
        Assert.Null(snapshot.Commit().Override);
        snapshot.Write(0, "abc"u8);
        Assert.Null(snapshot.Commit().Override);
        Assert.Equal("abc", File.ReadAllText(Path.Join(folder, "new")));
        Assert.Equal(Path.Join(folder, "other"), snapshot.Commit(new CommitOptions { Destination = Path.Join(link, "other") }).Path);
    }

    [Fact]
    public void A_folder_that_was_moved_is_a_conflict_and_with_Force_the_file_appears_where_it_is_now()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string folder = workspace.MakeFolder("folder"), moved = workspace.PathOf("moved");
        using var snapshot = Snapshot.Create(Path.Join(folder, "new"), 3);
        Directory.Move(folder, moved);
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        var result = snapshot.Commit(_force);
        Assert.NotNull(result.Override);
        Assert.Equal(Path.Join(moved, "new"), result.Path);
        Assert.Equal(new byte[3], File.ReadAllBytes(result.Path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Committed_elsewhere_first_it_is_still_to_be_made(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("new"), other = workspace.PathOf("other");
        using var snapshot = Snapshot.Create(path, 3);
        Assert.Equal(other, snapshot.Commit(new CommitOptions { Destination = other }).Path);
        Assert.Equal(["other"], workspace.Names());
        Assert.True(snapshot.IsModified);
        Assert.Null(snapshot.Commit().Override);
        Assert.Equal(["new", "other"], workspace.Names());
    }

    [Fact]
    public void Its_own_path_as_a_destination_makes_it()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.PathOf("new");
        using var snapshot = Snapshot.Create(path, 3);
        snapshot.Commit(new CommitOptions { Destination = path });
        Assert.False(snapshot.IsModified);
        snapshot.Write(0, "abc"u8);
        Assert.Null(snapshot.Commit().Override);
        Assert.Equal("abc", File.ReadAllText(path));
    }

    [Theory]
    [InlineData(CommitMethod.InPlace)]
    [InlineData(CommitMethod.Exchange)]
    public void A_method_that_keeps_the_file_is_refused_where_there_is_none(CommitMethod method)
    {
        using var workspace = Workspace.On(FileSystems.XfsExchange);
        using var snapshot = Snapshot.Create(workspace.PathOf("new"), 3);
        Expect.Error(SnapshotError.NotSupported, () => snapshot.Commit(new CommitOptions { Method = method }));
        Assert.Empty(workspace.Names());
        snapshot.Commit(new CommitOptions { Method = CommitMethod.Replace });
        Assert.Equal(["new"], workspace.Names());
    }

    [Fact]
    public void What_was_written_to_it_can_be_taken_back()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Create(workspace.PathOf("new"), 5);
        Assert.False(snapshot.Undo());
        Assert.Empty(snapshot.GetChanges());
        snapshot.Write(1, "abc"u8);
        snapshot.Resize(100);
        Assert.True(snapshot.Undo());
        Assert.True(snapshot.Undo());
        Assert.Equal(new byte[5], Bytes.In(snapshot));
        snapshot.Write(1, "abc"u8);
        snapshot.RevertAll();
        Assert.Equal(new byte[5], Bytes.In(snapshot));
        Assert.True(snapshot.IsModified); // it is not there yet
        snapshot.Commit();
        Assert.True(snapshot.Undo());
        Assert.True(snapshot.Undo());
        Assert.False(snapshot.Undo());
    }

    [Fact]
    public void Another_owners_folder_with_a_setgid_bit_gives_it_its_group()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string folder = workspace.MakeFolder("folder");
        FileStat.Chown(folder, 0, UnprivilegedUser.Id);
        FileStat.Chmod(folder, "2777");
        using var snapshot = Snapshot.Create(Path.Join(folder, "new"));
        snapshot.Commit();
        Assert.Equal((uint)UnprivilegedUser.Id, FileStat.Of(snapshot.Path).Group);
    }
}

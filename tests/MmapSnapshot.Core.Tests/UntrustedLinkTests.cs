using System.Diagnostics;
using MmapSnapshot.Tests.Support;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests;

/// <summary>Symbolic links that another user made: which are followed, and which are not.</summary>
public sealed class UntrustedLinkTests
{
    public static MatrixTheoryData<string, string> RefusedFiles => new(FileSystems.Names, ["1777", "777", "755 other", "700 other"]);

    /// <param name="fileSystem">Where.</param>
    /// <param name="directory">The mode of the directory that holds the link, and whether it is the other user's.</param>
    [Theory]
    [MemberData(nameof(RefusedFiles))]
    public void Link_of_another_user_to_a_file_of_root_is_refused(string fileSystem, string directory)
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(fileSystem);
        string victim = workspace.Write("victim", "root's"), link = MakeLink(workspace, directory, "../victim");
        using var snapshot = Snapshot.Open(workspace.Write("file", "other"));
        var options = new CommitOptions { Destination = link, Force = true };
        var refused = Expect.Error(SnapshotError.UntrustedLink, () => snapshot.Commit(options));
        Assert.Contains($"'{link}'", refused.Message, StringComparison.Ordinal);
        Assert.Contains($"'{victim}'", refused.Message, StringComparison.Ordinal);
        Expect.Error(SnapshotError.UntrustedLink, () => Snapshot.Open(link));
        Expect.Error(SnapshotError.UntrustedLink, () => Snapshot.Create(link));
        Assert.Equal("root's", File.ReadAllText(victim));
        using var named = Snapshot.Open(victim); // the way that the message names
    }

    [Theory]
    [InlineData("1777")]
    [InlineData("755 other")]
    public void Link_of_another_user_to_a_directory_of_root_is_refused(string directory)
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(FileSystems.Ext4);
        workspace.MakeFolder("etc");
        workspace.Write("etc/file", "root's");
        string link = MakeLink(workspace, directory, "../etc");
        using var snapshot = Snapshot.Open(workspace.Write("file", "other"));
        foreach (string name in (string[])["file", "new"])
        {
            string path = Path.Join(link, name);
            Expect.Error(SnapshotError.UntrustedLink, () => snapshot.Commit(new CommitOptions { Destination = path, Force = true }));
            Expect.Error(SnapshotError.UntrustedLink, () => Snapshot.Create(path));
        }
        Expect.Error(SnapshotError.UntrustedLink, () => Snapshot.Open(Path.Join(link, "file")));
        Assert.Equal("root's", File.ReadAllText(workspace.PathOf("etc/file")));
        Assert.False(File.Exists(workspace.PathOf("etc/new")));
    }

    [Fact]
    public void Dangling_link_of_another_user_makes_no_file()
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(FileSystems.Ext4);
        string link = MakeLink(workspace, "755 other", "../nothing");
        using var snapshot = Snapshot.Open(workspace.Write("file", "other"));
        Expect.Error(SnapshotError.FileNotFound, () => snapshot.Commit(new CommitOptions { Destination = link, Force = true }));
        Expect.Error(SnapshotError.FileNotFound, () => Snapshot.Create(link));
        Assert.False(File.Exists(workspace.PathOf("nothing")));
    }

    [Fact]
    public void Read_only_snapshot_is_opened_through_any_link()
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(FileSystems.Ext4);
        workspace.Write("victim", "root's");
        string link = MakeLink(workspace, "1777", "../victim");
        using var snapshot = Snapshot.Open(link, new SnapshotOptions { ReadOnly = true });
        Assert.Equal("root's"u8, Bytes.In(snapshot));
    }

    /// <summary>Links as on every system: none of them is refused.</summary>
    /// <param name="directory">The mode of the directory that holds the link, and whether it is the other user's.</param>
    /// <param name="link">Whose link it is.</param>
    /// <param name="target">Whose file it leads to.</param>
    [Theory]
    [InlineData("755", "root", "root")] // /etc/alternatives
    [InlineData("1777", "root", "other")]
    [InlineData("755 other", "root", "root")]
    [InlineData("1777", "other", "other")] // their own file
    [InlineData("755 other", "other", "other")] // their home
    [InlineData("775", "other", "root")] // a project's directory, to which a group may write
    public void Link_that_can_be_trusted_is_followed(string directory, string link, string target)
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(FileSystems.Ext4);
        string file = workspace.Write("target", "old");
        string path = MakeLink(workspace, directory, "../target", link == "root" ? 0 : UnprivilegedUser.Id);
        if (target == "other") FileStat.Chown(file, UnprivilegedUser.Id, UnprivilegedUser.Id);
        using (var snapshot = Snapshot.Open(path))
        {
            Assert.Equal(file, snapshot.Path);
            snapshot.Write(0, "new"u8);
            snapshot.Commit();
            snapshot.Commit(new CommitOptions { Destination = path, Force = true });
        }
        Assert.Equal("new", File.ReadAllText(file));
        Assert.NotNull(new FileInfo(path).LinkTarget);
    }

    [Fact]
    public void User_follows_own_links_and_those_of_root_but_not_those_of_a_third_user_in_a_shared_directory()
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(FileSystems.Ext4);
        string own = workspace.Write("own", "text");
        FileStat.Chown(own, UnprivilegedUser.Id, UnprivilegedUser.Id);
        string bin = workspace.MakeFolder("bin");
        foreach (var (name, user) in ((string, int)[])[("mine", UnprivilegedUser.Id), ("roots", 0), ("third", 1000)])
        {
            File.CreateSymbolicLink(Path.Join(bin, name), "../own");
            FileStat.Chown(Path.Join(bin, name), user, user);
        }
        FileStat.Chmod(bin, "1777");
        UnprivilegedUser.Run(() =>
        {
            foreach (string name in (string[])["mine", "roots"])
            {
                using var snapshot = Snapshot.Open(Path.Join(bin, name));
                Assert.Equal(own, snapshot.Path);
            }
            Expect.Error(SnapshotError.UntrustedLink, () => Snapshot.Open(Path.Join(bin, "third")));
        });
    }

    [Fact]
    public void Path_with_links_dots_and_repeated_slashes_leads_where_the_kernel_says()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        workspace.MakeFolder("a");
        workspace.MakeFolder("a/b");
        string file = workspace.Write("a/b/file", "text");
        File.CreateSymbolicLink(workspace.PathOf("up"), "a//b/./../b");
        File.CreateSymbolicLink(workspace.PathOf("absolute"), Path.Join(workspace.Folder, "up", "..", "b", "file"));
        foreach (string path in (string[])["up/file", "absolute", "a/../up//file", "up/../../absolute", "a/b/../../up/file"])
        {
            using var snapshot = Snapshot.Open(workspace.Folder + "/" + path);
            Assert.Equal(file, snapshot.Path);
        }
        File.CreateSymbolicLink(workspace.PathOf("loop"), "loop");
        Expect.Error(SnapshotError.FileNotFound, () => Snapshot.Open(workspace.PathOf("loop")));
        Expect.Error(SnapshotError.FileNotFound, () => Snapshot.Open(workspace.PathOf("absolute/")));
        Expect.Error(SnapshotError.FileNotFound, () => Snapshot.Open(workspace.PathOf("absolute/x")));
        Expect.Error(SnapshotError.FileNotFound, () => Snapshot.Open(workspace.PathOf("up/missing/x")));
    }

    [Fact]
    public void Relative_path_through_a_link_starts_from_the_current_directory()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string file = workspace.Write("file", "text"), before = Environment.CurrentDirectory;
        File.CreateSymbolicLink(workspace.PathOf("link"), "file");
        try
        {
            Environment.CurrentDirectory = workspace.Folder;
            using var snapshot = Snapshot.Open("link");
            Assert.Equal(file, snapshot.Path);
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
    }

    [Fact]
    public void Links_of_proc_are_followed_by_the_kernel()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "text");
        using var file = File.OpenHandle(path);
        using var snapshot = Snapshot.Open($"/proc/self/fd/{file.DangerousGetHandle()}");
        Assert.Equal(path, snapshot.Path);
    }

    /// <summary>The other user changes what a path of his leads to, as fast as he can: not one save may reach root's file.</summary>
    [Theory]
    [InlineData(FileSystems.Ext4)]
    [InlineData(FileSystems.Xfs)]
    [InlineData(FileSystems.Tmpfs)]
    public void Link_that_is_exchanged_all_the_time_never_leads_to_a_file_of_root(string fileSystem)
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(fileSystem);
        string secret = workspace.MakeFolder("etc"), victim = workspace.Write("etc/file", "root's");
        string home = workspace.MakeFolder("home"), link = Path.Join(home, "link"), other = Path.Join(home, "other");
        Directory.CreateDirectory(Path.Join(home, "own"));
        File.WriteAllText(Path.Join(home, "own/file"), "theirs");
        Shell.Run("chown -R \"$2\" \"$1\"", home, $"{UnprivilegedUser.Id}:{UnprivilegedUser.Id}");
        using var snapshot = Snapshot.Open(workspace.Write("file", "changed"));
        int saved = 0, refused = 0;
        Attack(
            () =>
            {
                _ = Syscall.symlink("own", other);
                _ = Syscall.rename(other, link);
                Thread.SpinWait(2000);
                _ = Syscall.symlink("../etc", other);
                _ = Syscall.rename(other, link);
            },
            () =>
            {
                // Both outcomes, as long as the race gives them.
                for (var clock = Stopwatch.StartNew(); (saved < 50 || refused < 50) && clock.Elapsed < TimeSpan.FromSeconds(3);)
                {
                    try
                    {
                        snapshot.Commit(new CommitOptions { Destination = Path.Join(link, "file"), Force = true, NoFlush = true });
                        saved++;
                    }
                    catch (SnapshotException exception) when (exception.Error is SnapshotError.UntrustedLink or SnapshotError.FileNotFound)
                    {
                        refused++;
                    }
                }
            });
        Assert.Equal("root's", File.ReadAllText(victim));
        Assert.Equal([victim], Directory.GetFileSystemEntries(secret));
        Assert.True(saved + refused > 50, $"{saved} saved, {refused} refused");
    }

    /// <summary>
    /// The other user lets a new file of root's be a link to a program with setuid, or nothing, or a file of his, as fast as he can:
    /// what the program has never comes upon root's bytes.
    /// </summary>
    [Theory]
    [InlineData(FileSystems.Ext4)]
    [InlineData(FileSystems.Xfs)]
    [InlineData(FileSystems.Tmpfs)]
    public void New_file_saved_with_force_never_gets_the_setuid_bit_of_a_file_that_a_link_leads_to(string fileSystem)
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(fileSystem);
        string victim = workspace.Write("victim", "root's");
        FileStat.Chmod(victim, "4755");
        string home = workspace.MakeFolder("home"), path = Path.Join(home, "new");
        FileStat.Chown(home, UnprivilegedUser.Id, UnprivilegedUser.Id);
        var snapshots = Enumerable.Range(0, 200).Select(_ => Snapshot.Create(path, 3)).ToList();
        Attack(
            () =>
            {
                if (Syscall.symlink("../victim", path) == 0) _ = Syscall.unlink(path); // not root's file
            },
            () =>
            {
                foreach (var snapshot in snapshots)
                {
                    try
                    {
                        snapshot.Commit(new CommitOptions { Force = true, NoFlush = true, Close = true });
                    }
                    catch (SnapshotException)
                    {
                        // A link was there, which is not followed.
                    }
                    if (Syscall.lstat(path, out var stat) != 0) continue;
                    if ((stat.st_mode & FilePermissions.S_IFMT) != FilePermissions.S_IFREG) continue;
                    Assert.Equal((FilePermissions)0, stat.st_mode & FilePermissions.S_ISUID);
                    _ = Syscall.unlink(path);
                }
            });
        foreach (var snapshot in snapshots) snapshot.Dispose();
        Assert.Equal("root's", File.ReadAllText(victim));
    }

    /// <summary>Does something as another user, again and again, while <paramref name="defend"/> runs.</summary>
    private static void Attack(Action attack, Action defend)
    {
        bool ended = false;
        var attacker = new Thread(() => UnprivilegedUser.Run(() =>
        {
            while (!Volatile.Read(ref ended)) attack();
        }));
        attacker.Start();
        try
        {
            defend();
        }
        finally
        {
            Volatile.Write(ref ended, true);
            attacker.Join();
        }
    }

    private static string MakeLink(Workspace workspace, string directory, string target, int user = UnprivilegedUser.Id)
    {
        string folder = workspace.MakeFolder("bin"), link = Path.Join(folder, "link");
        File.CreateSymbolicLink(link, target);
        FileStat.Chown(link, user, user);
        FileStat.Chmod(folder, directory.Split(' ')[0]);
        if (directory.EndsWith("other", StringComparison.Ordinal)) FileStat.Chown(folder, UnprivilegedUser.Id, UnprivilegedUser.Id);
        return link;
    }
}

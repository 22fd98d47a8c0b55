using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>What a commit leaves as it was: all but the bytes, the times, and (with a new file) the inode.</summary>
public sealed class MetadataTests
{
    /// <summary>How each is given to the file $1; the numbers stand for users and groups that need not exist.</summary>
    private static readonly Dictionary<string, string> _features = new()
    {
        ["another owner"] = "chown 1000:1000 \"$1\"",
        ["another group and setgid"] = "chown 0:1000 \"$1\"; chmod 2750 \"$1\"",
        ["setuid and another owner"] = "chown 1000:1000 \"$1\"; chmod 4755 \"$1\"",
        ["setuid, setgid and sticky"] = "chmod 7777 \"$1\"",
        ["no rights for anybody"] = "chmod 0 \"$1\"",
        ["user attributes"] = "setfattr -n user.text -v some \"$1\"; setfattr -n user.binary -v 0x00ff00 \"$1\"",
        ["an attribute without a value"] = "setfattr -n user.empty \"$1\"",
        ["a long user attribute"] = "setfattr -n user.long -v \"0x$(printf '%05000d' 0)\" \"$1\"",
        ["a trusted attribute"] = "setfattr -n trusted.mark -v some \"$1\"",
        ["an ACL"] = "setfacl -m u:1000:rw,g:1000:r \"$1\"",
        ["an ACL with a narrow mask"] = "setfacl -m u:1000:rwx,m::r \"$1\"",
        ["an ACL, another owner and setgid"] = "chown 1000:1000 \"$1\"; setfacl -m u:1001:rwx \"$1\"; chmod g+s \"$1\"",
        ["capabilities"] = "chmod 755 \"$1\"; setcap cap_net_raw+ep \"$1\"",
        ["capabilities and another owner"] = "chown 1000:1000 \"$1\"; chmod 750 \"$1\"; setcap cap_net_bind_service=+eip \"$1\"",
        ["a bit of everything"] = "chown 1000:1001 \"$1\"; chmod 6751 \"$1\"; setfattr -n user.text -v some \"$1\"; setfacl -m u:7:r \"$1\"; "
            + "setcap cap_net_raw+ep \"$1\"",
    };

    private static readonly string[] _tools = ["setfattr", "setfacl", "setcap", "chattr"];

    /// <summary>Whether and how the commit is asked for, by the words in a test's name.</summary>
    private static readonly Dictionary<string, CommitOptions> _commits = new()
    {
        ["replaced"] = new(),
        ["replaced and closed"] = new() { Close = true },
        ["written in place"] = new() { Method = CommitMethod.InPlace },
    };

    /// <summary>A commit in place has only to look after what writing takes off a file.</summary>
    public static TheoryData<string, string, string> Features
    {
        get
        {
            var data = new TheoryData<string, string, string>();
            foreach (string fileSystem in FileSystems.Names)
            {
                foreach (var (feature, script) in _features)
                {
                    bool writingTakesIt = script.Contains("setcap", StringComparison.Ordinal) || feature.Contains("set", StringComparison.Ordinal);
                    foreach (var (committed, options) in _commits)
                    {
                        if (options.Method != CommitMethod.InPlace || writingTakesIt) data.Add(fileSystem, feature, committed);
                    }
                }
            }
            return data;
        }
    }

    /// <summary>The flags of chattr that each filesystem keeps.</summary>
    public static TheoryData<string, char> Flags
    {
        get
        {
            var data = new TheoryData<string, char>();
            foreach (var (fileSystem, flags) in ((string, string)[])[
                (FileSystems.Xfs, "AdSx"),
                (FileSystems.Btrfs, "AdScmC"),
                (FileSystems.Ext4, "AdScsux"),
                (FileSystems.Tmpfs, "Ad"),
                (FileSystems.OverlayExt4, "AdScsux"),
                (FileSystems.OverlayXfs, "AdSx"),
            ])
            {
                foreach (char flag in flags) data.Add(fileSystem, flag);
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Features))]
    public void A_file_keeps_what_it_has_when_it_is(string fileSystem, string feature, string committed)
    {
        Tools.RequireRoot();
        Tools.Require(_tools);
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        Shell.Run(_features[feature], path);
        string before = Metadata.Of(path);
        Save(path, committed);
        Assert.Equal("new!", File.ReadAllText(path));
        Assert.Equal(before, Metadata.Of(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Each_of_these_features_shows_in_what_is_compared(string fileSystem)
    {
        Tools.RequireRoot();
        Tools.Require(_tools);
        using var workspace = Workspace.On(fileSystem);
        string plain = Metadata.Of(workspace.Write("plain", "old"));
        foreach (var (feature, script) in _features)
        {
            string path = workspace.Write(feature.Replace(' ', '-'), "old");
            Shell.Run(script, path);
            Assert.NotEqual(plain, Metadata.Of(path).Replace(Path.GetFileName(path), "plain", StringComparison.Ordinal));
        }
    }

    [Theory]
    [MemberData(nameof(Flags))]
    public void A_file_keeps_its_flag(string fileSystem, char flag)
    {
        Tools.Require(_tools);
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "");
        using (var attempt = Shell.Start("chattr \"+$2\" \"$1\"; lsattr \"$1\" | cut -d ' ' -f 1 | grep -q \"$2\"", path, flag.ToString()))
        {
            attempt.WaitForExit();
            Assert.SkipUnless(attempt.ExitCode == 0, $"This kernel's {fileSystem} has no flag {flag}.");
        }
        File.WriteAllText(path, "old");
        string before = Metadata.Of(path);
        foreach (string committed in _commits.Keys)
        {
            Save(path, committed);
            Assert.Equal("new!", File.ReadAllText(path));
            Assert.Equal(before, Metadata.Of(path));
            Shell.Run("printf old > \"$1\"", path);
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_without_an_ACL_does_not_get_its_folders_default_one(string fileSystem)
    {
        Tools.Require(_tools);
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        FileStat.Chmod(path, "640");
        string before = Metadata.Of(path);
        Shell.Run("setfacl -d -m u:1000:rwx,g:1000:rwx \"$1\"; touch \"$1/new\"; getfacl -n \"$1/new\" | grep -q user:1000", workspace.Folder);
        Save(path, "replaced");
        Assert.Equal(before, Metadata.Of(path));
        Save(path, "replaced and closed");
        Assert.Equal(before, Metadata.Of(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_does_not_get_the_group_of_its_setgid_folder(string fileSystem)
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        Shell.Run("chown 0:1000 \"$1\"; chmod 2777 \"$1\"", workspace.Folder);
        Save(path, "replaced");
        Assert.Equal(0u, FileStat.Of(path).Group);
    }

    [Theory]
    [InlineData(FileSystems.Btrfs, 'C')]
    [InlineData(FileSystems.Btrfs, 'c')]
    [InlineData(FileSystems.Btrfs, 'm')]
    [InlineData(FileSystems.Btrfs, 'A')]
    [InlineData(FileSystems.Ext4, 'A')]
    [InlineData(FileSystems.Ext4, 'd')]
    [InlineData(FileSystems.OverlayExt4, 'A')]
    [InlineData(FileSystems.Xfs, 'A')]
    [InlineData(FileSystems.Tmpfs, 'd')]
    public void A_file_does_not_get_a_flag_that_new_files_get_from_its_folder(string fileSystem, char flag)
    {
        Tools.Require(_tools);
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        string before = Metadata.Of(path);
        Shell.Run("chattr \"+$2\" \"$1\"", workspace.Folder, flag.ToString());
        foreach (string committed in _commits.Keys)
        {
            Save(path, committed);
            Assert.Equal(before, Metadata.Of(path));
        }
    }

    [Fact]
    public void A_btrfs_file_older_than_the_no_copy_on_write_flag_of_its_folder_is_cloned_all_the_same()
    {
        Tools.Require(_tools);
        using var workspace = Workspace.On(FileSystems.Btrfs);
        string path = workspace.Write("file", Bytes.Random(100_000));
        Shell.Run("chattr +C \"$1\"", workspace.Folder);
        using var snapshot = Snapshot.Open(path);
        Assert.Equal(SnapshotBacking.Reflink, snapshot.Backing);
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void A_btrfs_file_without_copy_on_write_keeps_the_flag_when_its_bytes_were_copied(bool elsewhere, bool close)
    {
        Tools.Require(_tools);
        using var workspace = Workspace.On(FileSystems.Btrfs);
        using var scratch = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write("file", "");
        Shell.Run("chattr +C \"$1\"", path);
        byte[] bytes = Bytes.Random(100_000);
        File.WriteAllBytes(path, bytes);
        string before = Metadata.Of(path);
        var options = new SnapshotOptions { Backing = SnapshotBacking.Copy, ScratchPath = elsewhere ? scratch.Folder : null };
        using var snapshot = Snapshot.Open(path, options);
        snapshot.Write(0, [bytes[0] ^= 1]);
        snapshot.Commit(new CommitOptions { Close = close });
        Assert.Equal(bytes, File.ReadAllBytes(path));
        Assert.Equal(before, Metadata.Of(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void The_modification_time_becomes_that_of_the_commit(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        File.SetLastWriteTimeUtc(path, new DateTime(2001, 2, 3, 4, 5, 6, DateTimeKind.Utc));
        var before = DateTime.UtcNow - TimeSpan.FromSeconds(1);
        foreach (string committed in _commits.Keys)
        {
            Save(path, committed);
            Assert.InRange(File.GetLastWriteTimeUtc(path), before, DateTime.UtcNow + TimeSpan.FromSeconds(1));
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void The_umask_takes_nothing_from_the_mode(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        FileStat.Chmod(path, "666");
        Save(path, "replaced");
        Assert.Equal("666", FileStat.Of(path).Permissions);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Capabilities_that_may_not_be_given_to_a_new_file_are_refused_with_the_file_as_it_was(string fileSystem)
    {
        Tools.Require(_tools);
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        FileStat.Chown(path, UnprivilegedUser.Id, UnprivilegedUser.Id);
        Shell.Run("setcap cap_net_raw+ep \"$1\"", path);
        string before = Metadata.Of(path);
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            Expect.Error(SnapshotError.AttributesNotPreservable, () => snapshot.Commit());
        });
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal(before, Metadata.Of(path));
        Assert.Equal(["file"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_setgid_bit_that_may_not_be_given_to_a_new_file_is_refused_with_the_file_as_it_was(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        // The group is given by the folder, so only the bit is in the way (man 2 chmod: not for a group one is not in).
        Shell.Run("chown 0:1000 \"$1\"; chmod 2777 \"$1\"", workspace.Folder);
        FileStat.Chown(path, UnprivilegedUser.Id, 1000);
        FileStat.Chmod(path, "2755");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            Expect.Error(SnapshotError.AttributesNotPreservable, () => snapshot.Commit());
        });
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal("2755", FileStat.Of(path).Permissions);
    }

    private static void Save(string path, string committed)
    {
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(4);
        snapshot.Write(0, "new!"u8);
        snapshot.Commit(_commits[committed]);
    }

    /// <summary>man 7 xattr: the names of more than 64 KiB cannot be listed (E2BIG).</summary>
    [Theory]
    [InlineData(FileSystems.Xfs)]
    [InlineData(FileSystems.XfsExchange)]
    [InlineData(FileSystems.Btrfs)]
    public void File_with_too_many_attributes_to_list_is_opened_and_saved_where_it_keeps_its_inode(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        for (int i = 0; i < 300; i++)
        {
            string name = $"user.{i.ToString("D245", System.Globalization.CultureInfo.InvariantCulture)}";
            Assert.Equal(0, Mono.Unix.Native.Syscall.setxattr(path, name, [1]));
        }
        using var snapshot = Snapshot.Open(path);
        Assert.Equal("old text"u8, Bytes.In(snapshot));
        snapshot.Write(0, "new"u8);
        var error = Expect.Error(SnapshotError.AttributesNotPreservable, () => snapshot.Commit(new CommitOptions { Method = CommitMethod.Replace }));
        Assert.Contains("E2BIG", error.Message, StringComparison.Ordinal);
        Assert.Equal("old text", File.ReadAllText(path));
        snapshot.Commit(new CommitOptions { Method = fileSystem == FileSystems.XfsExchange ? CommitMethod.Auto : CommitMethod.InPlace });
        Assert.Equal("new text", File.ReadAllText(path));
        snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("elsewhere") });
    }
}

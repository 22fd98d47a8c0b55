using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Commits that would silently lose something are refused, and the way out that the message names is one.</summary>
public sealed class RefusalTests
{
    private const string Old = "old text", New = "new text";

    private static readonly CommitOptions _inPlace = new() { Method = CommitMethod.InPlace };

    [Theory]
    [MemberData(nameof(FileSystems.Replacing), MemberType = typeof(FileSystems))]
    public void A_file_with_several_names_is_not_replaced(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        FileStat.HardLink(path, workspace.PathOf("second"));
        using var snapshot = OpenChanged(path);
        var error = Expect.Error(SnapshotError.HardLinked, () => snapshot.Commit());
        Assert.Equal([SnapshotRemedy.BreakHardLink, SnapshotRemedy.UseInPlace], error.Remedies);
        Assert.Equal(Old, File.ReadAllText(path));
        Assert.Equal(["file", "second"], workspace.Names());
        Expect.Error(SnapshotError.HardLinked, () => snapshot.Commit(new CommitOptions { Force = true }));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Replacing), MemberType = typeof(FileSystems))]
    public void With_BreakHardLink_the_other_names_keep_the_old_bytes(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old), second = workspace.PathOf("second");
        FileStat.HardLink(path, second);
        using var snapshot = OpenChanged(path);
        snapshot.Commit(new CommitOptions { BreakHardLink = true });
        Assert.Equal(New, File.ReadAllText(path));
        Assert.Equal(Old, File.ReadAllText(second));
        Assert.Equal(1u, FileStat.Of(path).Links);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void In_place_all_names_get_the_new_bytes(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old), second = workspace.PathOf("second");
        FileStat.HardLink(path, second);
        using var snapshot = OpenChanged(path);
        snapshot.Commit(_inPlace);
        Assert.Equal(New, File.ReadAllText(second));
        Assert.Equal(2u, FileStat.Of(path).Links);
    }

    [Theory]
    [MemberData(nameof(FileSystems.Replacing), MemberType = typeof(FileSystems))]
    public void A_file_whose_owner_may_not_be_given_to_a_new_one_is_not_replaced(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        FileStat.Chmod(path, "666"); // root's, but anybody may write to it, and to its folder
        var before = FileStat.Of(path);
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = OpenChanged(path);
            var error = Expect.Error(SnapshotError.OwnerNotPreservable, () => snapshot.Commit());
            Assert.Equal([SnapshotRemedy.UseInPlace, SnapshotRemedy.SaveElsewhere], error.Remedies);
            Expect.Error(SnapshotError.OwnerNotPreservable, () => snapshot.Commit(new CommitOptions { Close = true, Force = true }));
            Assert.Equal(before, FileStat.Of(path));
            Assert.Equal(["file"], workspace.Names());
            snapshot.Commit(_inPlace);
        });
        Assert.Equal(New, File.ReadAllText(path));
        Assert.Equal(before, FileStat.Of(path) with { AllocatedBytes = before.AllocatedBytes });
    }

    [Theory]
    [MemberData(nameof(FileSystems.Replacing), MemberType = typeof(FileSystems))]
    public void A_file_whose_group_may_not_be_given_to_a_new_one_is_not_replaced(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        FileStat.Chown(path, UnprivilegedUser.Id, 0);
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = OpenChanged(path);
            Expect.Error(SnapshotError.OwnerNotPreservable, () => snapshot.Commit());
        });
        Assert.Equal(Old, File.ReadAllText(path));
        Assert.Equal(["file"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void In_a_folder_that_may_not_be_written_to_only_InPlace_is_possible(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        FileStat.Chown(path, UnprivilegedUser.Id, UnprivilegedUser.Id);
        FileStat.Chmod(workspace.Folder, "755");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = OpenChanged(path);
            var error = Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit());
            Assert.Equal(Old, File.ReadAllText(path));
            Assert.Equal([SnapshotRemedy.UseInPlaceWithoutJournal, SnapshotRemedy.SaveElsewhere], error.Remedies);
            snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace, NoJournal = true });
        });
        Assert.Equal(New, File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_that_may_not_be_written_to_cannot_be_written_in_place(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        FileStat.Chmod(path, "644");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = OpenChanged(path);
            Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit(_inPlace));
        });
        Assert.Equal(Old, File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Replacing), MemberType = typeof(FileSystems))]
    public void A_file_of_others_in_a_sticky_folder_is_not_replaced(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        FileStat.Chmod(workspace.Folder, "1777");
        FileStat.Chmod(path, "666");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = OpenChanged(path);
            // The owner is what stands in the way first.
            Expect.Error(SnapshotError.OwnerNotPreservable, () => snapshot.Commit());
            snapshot.Commit(_inPlace);
        });
        Assert.Equal(New, File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_that_is_a_mount_point_is_not_replaced(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string real = workspace.Write("real", Old), path = workspace.Write("file", "below");
        using var mount = Mounts.Bind(real, path);
        using var snapshot = OpenChanged(path);
        Assert.Equal(path, snapshot.Path);
        var error = Expect.Error(SnapshotError.NotSupported, () => snapshot.Commit());
        Assert.Contains("EBUSY", error.Message, StringComparison.Ordinal);
        Assert.Equal([SnapshotRemedy.UseInPlace, SnapshotRemedy.SaveElsewhere], error.Remedies);
        Assert.Equal(Old, File.ReadAllText(path));
        Assert.Equal(["file", "real"], workspace.Names());
        Assert.Equal(CommitMethod.InPlace, snapshot.Commit(_inPlace).Method);
        Assert.Equal(New, File.ReadAllText(real));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_mount_point_from_another_filesystem_is_opened_and_written_in_place(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var elsewhere = Workspace.On(fileSystem == FileSystems.Ext4 ? FileSystems.Xfs : FileSystems.Ext4);
        byte[] bytes = Bytes.Random(50_000);
        string real = elsewhere.Write("real", bytes), path = workspace.Write("file", "below");
        using var mount = Mounts.Bind(real, path);
        using var snapshot = Snapshot.Open(path);
        Assert.Equal(bytes, Bytes.In(snapshot));
        snapshot.Resize(20_000);
        snapshot.Write(5, "new"u8);
        "new"u8.CopyTo(bytes.AsSpan(5));
        Expect.Error(SnapshotError.NotSupported, () => snapshot.Commit());
        snapshot.Commit(_inPlace);
        Assert.Equal(bytes[..20_000], File.ReadAllBytes(real));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void On_a_read_only_mount_a_file_is_opened_but_not_saved(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string folder = workspace.MakeFolder("folder"), path = workspace.Write("folder/file", Old);
        using var mount = Mounts.ReadOnly(folder);
        using var snapshot = OpenChanged(path);
        Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit());
        Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit(_inPlace));
        string elsewhere = workspace.PathOf("elsewhere");
        snapshot.Commit(new CommitOptions { Destination = elsewhere });
        Assert.Equal(New, File.ReadAllText(elsewhere));
        Assert.Equal(Old, File.ReadAllText(path));
    }

    [Theory]
    [InlineData(FileSystems.Xfs, 'i')]
    [InlineData(FileSystems.Btrfs, 'i')]
    [InlineData(FileSystems.Ext4, 'i')]
    [InlineData(FileSystems.Tmpfs, 'i')]
    [InlineData(FileSystems.OverlayExt4, 'i')]
    [InlineData(FileSystems.OverlayXfs, 'i')]
    [InlineData(FileSystems.Xfs, 'a')]
    [InlineData(FileSystems.Ext4, 'a')]
    public void An_immutable_or_append_only_file_is_denied_and_no_name_stays(string fileSystem, char flag)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        Tools.Require("chattr");
        Shell.Run("chattr \"+$2\" \"$1\"", path, flag.ToString());
        try
        {
            using var snapshot = OpenChanged(path);
            var error = Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit());
            Assert.Contains("lsattr", error.Message, StringComparison.Ordinal);
            Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit(new CommitOptions { Close = true }));
            Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit(_inPlace));
            Assert.Equal(Old, File.ReadAllText(path));
            Assert.Equal(["file"], workspace.Names());

            // What has failed once can be done when the way is clear.
            Shell.Run("chattr \"-$2\" \"$1\"", path, flag.ToString());
            snapshot.Commit(new CommitOptions { Close = true, Force = true });
            Assert.Equal(New, File.ReadAllText(path));
            Assert.Equal(["file"], workspace.Names());
        }
        finally
        {
            Shell.Run("chattr \"-$2\" \"$1\"", path, flag.ToString());
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void In_an_immutable_folder_a_file_is_opened_but_not_replaced(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string folder = workspace.MakeFolder("folder"), path = workspace.Write("folder/file", Old);
        Tools.Require("chattr");
        Shell.Run("chattr +i \"$1\"", folder);
        try
        {
            using var snapshot = OpenChanged(path);
            Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit());
            snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace, NoJournal = true });
            Assert.Equal(New, File.ReadAllText(path));
        }
        finally
        {
            Shell.Run("chattr -i \"$1\"", folder);
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_folder_in_the_place_of_the_file_is_never_replaced(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var snapshot = OpenChanged(path);
        File.Delete(path);
        workspace.MakeFolder("file");
        foreach (var method in (CommitMethod[])[CommitMethod.Replace, CommitMethod.InPlace])
        {
            var error = Assert.Throws<SnapshotException>(() => snapshot.Commit(new CommitOptions { Method = method }));
            Assert.True(error.Error is SnapshotError.SnapshotConflict or SnapshotError.NotARegularFile, error.Message);
            Expect.Error(SnapshotError.NotARegularFile, () => snapshot.Commit(new CommitOptions { Method = method, Force = true }));
        }
        Assert.True(Directory.Exists(path));
        Assert.Equal(["file"], workspace.Names());
    }

    [Fact]
    public void A_FIFO_in_the_place_of_the_file_is_never_written_to()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write("file", Old);
        using var snapshot = OpenChanged(path);
        File.Delete(path);
        Shell.Run("mkfifo \"$1\"", path);
        using var writer = HelperProcess.WaitingToWriteTo(path);
        foreach (var method in (CommitMethod[])[CommitMethod.Replace, CommitMethod.InPlace])
        {
            Assert.Throws<SnapshotException>(() => snapshot.Commit(new CommitOptions { Method = method }));
            Expect.Error(SnapshotError.NotARegularFile, () => snapshot.Commit(new CommitOptions { Method = method, Force = true }));
        }
        Assert.False(writer.WaitForExit(100)); // it still waits for a reader
        using (File.OpenRead(path)) Assert.True(writer.WaitForExit(10_000));
    }

    private static Snapshot OpenChanged(string path)
    {
        var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        return snapshot;
    }
}

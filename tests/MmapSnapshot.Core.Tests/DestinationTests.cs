using MmapSnapshot.Tests.Support;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests;

/// <summary>Committing to another path.</summary>
public sealed class DestinationTests
{
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_new_file_is_the_callers_own_with_the_mode_of_the_first_less_the_umask(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text"), other = workspace.PathOf("other");
        FileStat.Chown(path, 1000, 1000);
        FileStat.Chmod(path, "6777");
        using var snapshot = OpenChanged(path);
        var umask = Syscall.umask((FilePermissions)0x1A); // 032
        CommitResult result;
        try
        {
            result = snapshot.Commit(new CommitOptions { Destination = other });
        }
        finally
        {
            Syscall.umask(umask);
        }
        Assert.Equal(new CommitResult(other, CommitMethod.Replace, result.Reason, 8, 3, Flushed: true, result.Elapsed, Override: null), result);
        Assert.Equal("new text", File.ReadAllText(other));
        var facts = FileStat.Of(other);
        Assert.Equal(("745", 0u, 0u), (facts.Permissions, facts.User, facts.Group));
        Assert.Equal("old text", File.ReadAllText(path));
        Assert.Equal(["file", "other"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void The_snapshot_goes_on_belonging_to_its_own_file(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        using var snapshot = OpenChanged(path);
        snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("other") });
        Assert.Equal(path, snapshot.Path);
        Assert.True(snapshot.IsModified);
        snapshot.Write(3, "-"u8);
        Assert.Equal("new text", File.ReadAllText(workspace.PathOf("other")));
        snapshot.Commit();
        Assert.Equal("new-text", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void An_unmodified_snapshot_is_written_there_too(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(100_000);
        using var snapshot = Snapshot.Open(workspace.Write("file", bytes));
        snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("other"), Close = true });
        Assert.True(snapshot.IsClosed);
        Assert.Equal(bytes, File.ReadAllBytes(workspace.PathOf("other")));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_read_only_snapshot_can_be_written_there(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", "text"), new SnapshotOptions { ReadOnly = true });
        snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("other") });
        Assert.Equal("text", File.ReadAllText(workspace.PathOf("other")));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_that_exists_stays(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = OpenChanged(workspace.Write("file", "old text"));
        string other = workspace.Write("other", "theirs");
        Expect.Error(SnapshotError.DestinationExists, () => snapshot.Commit(new CommitOptions { Destination = other }));
        Assert.Equal("theirs", File.ReadAllText(other));
        Assert.Equal(["file", "other"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_that_appears_while_the_copy_is_made_stays(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var source = Workspace.On(fileSystem is FileSystems.Xfs or FileSystems.OverlayXfs ? FileSystems.Btrfs : FileSystems.Xfs);
        using var snapshot = Snapshot.Open(source.Write("file", "text"));
        string other = workspace.PathOf("other");
        var options = new CommitOptions { Destination = other, Progress = new ProgressRecorder(_ => File.WriteAllText(other, "theirs")) };
        Expect.Error(SnapshotError.DestinationExists, () => snapshot.Commit(options));
        Assert.Equal("theirs", File.ReadAllText(other));
        Assert.Equal(["other"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void With_Force_a_file_that_exists_gets_the_bytes_and_keeps_its_metadata_except_privileges(string fileSystem)
    {
        Tools.Require("setfattr", "setfacl", "setcap", "getfacl");
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = OpenChanged(workspace.Write("file", "old text"));
        string other = workspace.Write("other", "theirs, and longer");
        Shell.Run("chown 1000:1001 \"$1\"; chmod 750 \"$1\"; setfattr -n user.mark -v some \"$1\"; setfacl -m u:7:r \"$1\"", other);
        string before = Metadata.Of(other);
        Shell.Run("chmod 6750 \"$1\"; setcap cap_net_raw+ep \"$1\"", other);
        var result = snapshot.Commit(new CommitOptions { Destination = other, Force = true });
        Assert.NotNull(result.Override);
        Assert.Equal("new text", File.ReadAllText(other));
        Assert.Equal(before, Metadata.Of(other));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Another_filesystem_gets_a_copy_with_its_holes(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var elsewhere = Workspace.On(fileSystem == FileSystems.Ext4 ? FileSystems.Xfs : FileSystems.Ext4);
        byte[] bytes = Bytes.Random(50_000);
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", 1L << 30, 1 << 29, bytes));
        string other = elsewhere.PathOf("other");
        snapshot.Commit(new CommitOptions { Destination = other });
        Assert.Equal(snapshot.Read(1 << 29, 50_000), bytes);
        var facts = FileStat.Of(other);
        Assert.Equal(1L << 30, facts.Length);
        Assert.InRange(facts.AllocatedBytes, 1, 1 << 20);
        using var file = File.OpenHandle(other);
        var copied = new byte[50_000];
        RandomAccess.Read(file, copied, 1 << 29);
        Assert.Equal(bytes, copied);
        Assert.Equal(["other"], elsewhere.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_symbolic_link_stays_and_its_target_gets_the_bytes(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = OpenChanged(workspace.Write("file", "old text"));
        string target = workspace.Write("target", "theirs"), link = workspace.PathOf("link");
        File.CreateSymbolicLink(link, "target");
        Expect.Error(SnapshotError.DestinationExists, () => snapshot.Commit(new CommitOptions { Destination = link }));
        var result = snapshot.Commit(new CommitOptions { Destination = link, Force = true });
        Assert.Equal(target, result.Path);
        Assert.Equal("target", new FileInfo(link).LinkTarget);
        Assert.Equal("new text", File.ReadAllText(target));
    }

    [Fact]
    public void A_dangling_symbolic_link_is_not_found_and_stays()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = OpenChanged(workspace.Write("file", "old text"));
        string link = workspace.PathOf("link");
        File.CreateSymbolicLink(link, "nothing");
        foreach (bool force in (bool[])[false, true])
            Expect.Error(SnapshotError.FileNotFound, () => snapshot.Commit(new CommitOptions { Destination = link, Force = force }));
        Assert.Equal(["file", "link"], workspace.Names());
    }

    [Fact]
    public void A_folder_is_not_a_regular_file()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = OpenChanged(workspace.Write("file", "old text"));
        foreach (string destination in (string[])[workspace.Folder, workspace.Folder + "/", "/", workspace.PathOf("new") + "/"])
            Expect.Error(SnapshotError.NotARegularFile, () => snapshot.Commit(new CommitOptions { Destination = destination, Force = true }));
        Assert.Equal(["file"], workspace.Names());
    }

    [Theory]
    [InlineData("missing/other")]
    [InlineData("file/other")]
    public void A_folder_that_is_none_is_not_found(string name)
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = OpenChanged(workspace.Write("file", "old text"));
        Expect.Error(SnapshotError.FileNotFound, () => snapshot.Commit(new CommitOptions { Destination = workspace.PathOf(name) }));
    }

    [Theory]
    [InlineData("")]
    [InlineData("oth\0er")]
    public void What_cannot_be_a_path_is_not_found(string destination)
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = OpenChanged(workspace.Write("file", "old text"));
        Expect.Error(SnapshotError.FileNotFound, () => snapshot.Commit(new CommitOptions { Destination = destination }));
        Assert.Equal(["file"], workspace.Names());
    }

    [Fact]
    public void A_relative_path_starts_from_the_current_folder()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = OpenChanged(workspace.Write("file", "old text"));
        string before = Environment.CurrentDirectory;
        try
        {
            Environment.CurrentDirectory = workspace.Folder;
            Assert.Equal(workspace.PathOf("other"), snapshot.Commit(new CommitOptions { Destination = "other" }).Path);
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
        Assert.Equal("new text", File.ReadAllText(workspace.PathOf("other")));
    }

    [Fact]
    public void A_device_is_not_a_regular_file()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = OpenChanged(workspace.Write("file", "old text"));
        Expect.Error(SnapshotError.NotARegularFile, () => snapshot.Commit(new CommitOptions { Destination = "/dev/null", Force = true }));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Its_own_path_takes_Force_and_is_a_save_like_any_other(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        using var snapshot = OpenChanged(path);
        Expect.Error(SnapshotError.DestinationExists, () => snapshot.Commit(new CommitOptions { Destination = path }));
        Assert.Equal("old text", File.ReadAllText(path));
        snapshot.Commit(new CommitOptions { Destination = path, Force = true });
        Assert.Equal("new text", File.ReadAllText(path));
        Assert.False(snapshot.IsModified);
        snapshot.Write(0, "NEW"u8);
        Assert.Null(snapshot.Commit().Override);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_destination_with_several_names_is_not_replaced(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = OpenChanged(workspace.Write("file", "old text"));
        string other = workspace.Write("other", "theirs");
        FileStat.HardLink(other, workspace.PathOf("second"));
        var error = Expect.Error(SnapshotError.HardLinked, () => snapshot.Commit(new CommitOptions { Destination = other, Force = true }));
        // The way out that is named must be one: in place goes without a destination.
        Assert.DoesNotContain("InPlace", error.Message, StringComparison.Ordinal);
        Assert.Equal("theirs", File.ReadAllText(other));
        snapshot.Commit(new CommitOptions { Destination = other, Force = true, BreakHardLink = true });
        Assert.Equal("new text", File.ReadAllText(other));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_folder_that_may_not_be_written_to_is_denied(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        FileStat.Chmod(workspace.MakeFolder("closed"), "755");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("closed/other") }));
        });
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_new_file_in_a_folder_with_a_default_ACL_has_that(string fileSystem)
    {
        Tools.Require("setfacl", "getfacl");
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = OpenChanged(workspace.Write("file", "old text"));
        Shell.Run("setfacl -d -m u:1000:rw \"$1\"", workspace.Folder);
        snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("other") });
        Assert.Contains("user:1000:rw-", Metadata.Of(workspace.PathOf("other")), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Even_when_its_own_file_is_gone_the_bytes_can_be_saved_elsewhere(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        using var snapshot = OpenChanged(path);
        File.Delete(path);
        snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("other") });
        Assert.Equal("new text", File.ReadAllText(workspace.PathOf("other")));
        snapshot.Commit(new CommitOptions { Destination = path });
        Assert.Equal("new text", File.ReadAllText(path));
    }

    private static Snapshot OpenChanged(string path)
    {
        var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        return snapshot;
    }
}

using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>What a place can do, found out by trying, which must leave no trace.</summary>
public sealed class ReflinkSupportTests
{
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_folder_and_the_files_in_it_are_described_truly(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        bool reflink = FileSystems.WithReflink.Contains(fileSystem);
        foreach (string path in (string[])[workspace.Folder, workspace.Write("file", Bytes.Random(10_000)), workspace.Write("empty", "")])
        {
            var support = ReflinkSupport.Probe(path);
            Assert.Equal(path, support.Path);
            Assert.Equal(fileSystem.Split('-')[0], support.FileSystem);
            Assert.Equal(FileSystems.Require(fileSystem), support.MountPoint);
            Assert.Equal(reflink, support.Reflink);
            Assert.True(support.TmpFile);
            Assert.True(support.Lease);
            Assert.Equal(reflink ? "O(extents)" : "O(1)", support.OpenCost);
            Assert.Equal(reflink ? "O(extents)" : "O(data)", support.CommitCost);
            Assert.Equal(reflink, support.Reason is null);
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Asking_leaves_no_trace(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Random(3 << 20));
        string times = Shell.Run("stat -c '%y %z' \"$1\" \"$2\"", path, workspace.Folder);
        _ = ReflinkSupport.Probe(path);
        _ = ReflinkSupport.Probe(workspace.Folder);
        Assert.Equal(times, Shell.Run("stat -c '%y %z' \"$1\" \"$2\"", path, workspace.Folder));
        Assert.Equal(["file"], workspace.Names());
        Assert.Empty(Descriptors.In(workspace.Folder));
        using (File.OpenHandle(path, FileMode.Open, FileAccess.Write)) { } // no lease stays, for which this would wait
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_symbolic_link_is_followed(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var links = Workspace.On(fileSystem == FileSystems.Tmpfs ? FileSystems.Xfs : FileSystems.Tmpfs);
        string path = workspace.Write("file", "text");
        File.CreateSymbolicLink(links.PathOf("file"), path);
        Directory.CreateSymbolicLink(links.PathOf("folder"), workspace.Folder);
        Assert.Equal(path, ReflinkSupport.Probe(links.PathOf("file")).Path);
        Assert.Equal(workspace.Folder, ReflinkSupport.Probe(links.PathOf("folder")).Path);
        Assert.Equal(FileSystems.Require(fileSystem), ReflinkSupport.Probe(links.PathOf("folder")).MountPoint);
    }

    [Fact]
    public void A_relative_path_starts_from_the_current_folder()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write("file", "text"), before = Environment.CurrentDirectory;
        try
        {
            Environment.CurrentDirectory = workspace.Folder;
            Assert.Equal(path, ReflinkSupport.Probe("file").Path);
            Assert.Equal(workspace.Folder, ReflinkSupport.Probe(".").Path);
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
    }

    [Fact]
    public void A_mount_point_with_a_space_in_its_name_is_named_as_it_is()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string at = workspace.MakeFolder("a b\tc\\d é");
        using var mount = Mounts.Of("tmpfs", at);
        var support = ReflinkSupport.Probe(at);
        Assert.Equal(at, support.MountPoint);
        Assert.Equal("tmpfs", support.FileSystem);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Where_one_may_not_write_the_reason_says_so(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        FileStat.Chmod(workspace.Folder, "755");
        UnprivilegedUser.Run(() =>
        {
            foreach (string asked in (string[])[path, workspace.Folder])
            {
                var support = ReflinkSupport.Probe(asked);
                Assert.False(support.Reflink);
                Assert.False(support.TmpFile);
                Assert.False(support.Lease); // neither theirs nor privileged
                Assert.Equal("O(data)", support.OpenCost);
                Assert.Contains(workspace.Folder, support.Reason, StringComparison.Ordinal);
                Assert.Contains("EACCES", support.Reason, StringComparison.Ordinal);
            }
        });
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void On_a_read_only_mount_the_reason_says_so(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string folder = workspace.MakeFolder("folder"), path = workspace.Write("folder/file", "text");
        using var mount = Mounts.ReadOnly(folder);
        foreach (string asked in (string[])[path, folder])
        {
            var support = ReflinkSupport.Probe(asked);
            Assert.False(support.Reflink);
            Assert.Contains("EROFS", support.Reason, StringComparison.Ordinal);
            Assert.Equal(folder, support.MountPoint);
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_that_somebody_writes_to_just_now_can_have_a_lease_on_another_day(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        using var writer = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        Assert.True(ReflinkSupport.Probe(path).Lease);
    }

    [Theory]
    [MemberData(nameof(FileSystems.Copying), MemberType = typeof(FileSystems))]
    public void A_file_that_is_copied_when_it_is_opened_has_a_reason_for_that(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        using (File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            var support = ReflinkSupport.Probe(path);
            Assert.Equal("O(data)", support.OpenCost);
            Assert.Contains("open for writing", support.Reason, StringComparison.Ordinal);
        }
        Assert.Equal("O(1)", ReflinkSupport.Probe(path).OpenCost);
        Assert.Equal(0, Leases.On(path));
    }

    [Theory]
    [InlineData(FileImage.Erofs)]
    [InlineData(FileImage.Squashfs)]
    public void Where_nobody_can_write_opening_costs_the_same_for_every_file(string type)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var image = new FileImage(workspace, type, Bytes.Random(10_000));
        foreach (string path in (string[])[image.Path, Path.GetDirectoryName(image.Path)!])
        {
            var support = ReflinkSupport.Probe(path);
            Assert.Equal("O(1)", support.OpenCost);
            Assert.Contains("EROFS", support.Reason, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_btrfs_file_without_copy_on_write_can_be_cloned()
    {
        Tools.Require("chattr");
        using var workspace = Workspace.On(FileSystems.Btrfs);
        string path = workspace.Write("file", "");
        Shell.Run("chattr +C \"$1\"", path);
        File.WriteAllBytes(path, Bytes.Random(3 << 20));
        Assert.True(ReflinkSupport.Probe(path).Reflink);
    }

    [Fact]
    public void A_folder_of_proc_is_described_without_a_failure()
    {
        var support = ReflinkSupport.Probe("/proc");
        Assert.Equal("proc", support.FileSystem);
        Assert.False(support.Reflink);
        Assert.NotNull(support.Reason);
    }

    [Fact]
    public void What_is_neither_file_nor_folder_is_refused()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        Shell.Run("mkfifo \"$1\"", workspace.PathOf("fifo"));
        Assert.Throws<ArgumentNullException>(() => ReflinkSupport.Probe(null!));
        Expect.Error(SnapshotError.FileNotFound, () => ReflinkSupport.Probe(workspace.PathOf("missing")));
        Expect.Error(SnapshotError.FileNotFound, () => ReflinkSupport.Probe(""));
        Expect.Error(SnapshotError.NotARegularFile, () => ReflinkSupport.Probe(workspace.PathOf("fifo")));
        Expect.Error(SnapshotError.NotARegularFile, () => ReflinkSupport.Probe("/dev/null"));
    }

    [Fact]
    public void A_file_or_folder_that_may_not_be_read_is_denied()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write("file", "text"), closed = workspace.MakeFolder("closed");
        workspace.Write("closed/file", "text");
        FileStat.Chmod(path, "600");
        FileStat.Chmod(closed, "700");
        UnprivilegedUser.Run(() =>
        {
            Expect.Error(SnapshotError.AccessDenied, () => ReflinkSupport.Probe(path));
            Expect.Error(SnapshotError.AccessDenied, () => ReflinkSupport.Probe(workspace.PathOf("closed/file")));
        });
    }

    public static MatrixTheoryData<string, bool> FilesAndUsers => new(FileSystems.Names, [true, false]);

    [Theory]
    [MemberData(nameof(FilesAndUsers))]
    public void Support_of_a_file_is_what_opening_it_does(string fileSystem, bool own)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Random(10_000)), large = workspace.WriteSparse("large", 1 << 30);
        using (var file = File.OpenHandle(large, FileMode.Open, FileAccess.Write))
        {
            for (long offset = 0; offset < 16 << 20; offset += 8192) RandomAccess.Write(file, [1], offset); // in many extents
        }
        if (own) AssertAgree();
        else UnprivilegedUser.Run(AssertAgree);
        using (File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) AssertAgree();
        FileStat.Chmod(workspace.Folder, "755");
        if (!own) UnprivilegedUser.Run(AssertAgree);
        using (Mounts.ReadOnly(workspace.Folder))
        {
            if (own) AssertAgree();
            else UnprivilegedUser.Run(AssertAgree);
        }

        void AssertAgree()
        {
            AssertAgrees(path);
            AssertAgrees(large);
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Support_of_a_folder_is_what_opening_a_file_in_it_does(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Random(10_000));
        AssertAgrees(workspace.Folder, path);
        using (Mounts.ReadOnly(workspace.Folder)) AssertAgrees(workspace.Folder, path);
    }

    [Fact]
    public void Support_in_user_space_is_what_opening_does_and_tells_no_lease()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string shown = workspace.MakeFolder("shown"), path = Path.Join(shown, "file");
        using var mount = Mounts.InUserSpace(workspace.MakeFolder("lower"), shown);
        File.WriteAllText(path, "text");
        AssertAgrees(path);
        AssertAgrees(shown, path);
        Assert.False(ReflinkSupport.Probe(path).Lease);
        Assert.False(ReflinkSupport.Probe(shown).Lease);
        using (File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) Assert.False(ReflinkSupport.Probe(path).Lease);
    }

    [Theory]
    [InlineData(FileImage.Erofs)]
    [InlineData(FileImage.Squashfs)]
    [InlineData(FileImage.Verity)]
    public void Support_of_an_immutable_file_is_what_opening_it_does(string type)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var image = new FileImage(workspace, type, Bytes.Random(10_000));
        AssertAgrees(image.Path);
        if (type != FileImage.Verity) AssertAgrees(Path.GetDirectoryName(image.Path)!, image.Path);
    }

    /// <summary>As overlayfs before Linux 6.3, which has no O_TMPFILE.</summary>
    [Theory]
    [InlineData(FileSystems.OverlayExt4)]
    [InlineData(FileSystems.OverlayXfs)]
    [InlineData(FileSystems.Xfs)]
    public void Support_without_O_TMPFILE_is_what_opening_does(string fileSystem)
    {
        Tools.Require("strace");
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        Assert.Equal("Lease", Ask($"open Auto {path}"));
        Assert.Equal("O(1) True", Ask($"probe {path}"));
        Assert.Equal("O(1) True", Ask($"probe {workspace.Folder}"));

        // The first open of the directory is that of the directory, the others are for files in it.
        string Ask(string request) => Shell.Run(
            "echo \"$1\" | strace -f -o /dev/null -P \"$2\" -e trace=openat -e inject=openat:error=EOPNOTSUPP:when=2+ \"$3\" \"$4\"",
            request,
            workspace.Folder,
            Environment.ProcessPath!,
            SnapshotHolder.Role);
    }

    private static void AssertAgrees(string asked, string? opened = null)
    {
        var support = ReflinkSupport.Probe(asked);
        using var snapshot = Snapshot.Open(opened ?? asked);
        string cost = snapshot.Backing switch
        {
            SnapshotBacking.Reflink => "O(extents)",
            SnapshotBacking.Copy => "O(data)",
            _ => "O(1)",
        };
        Assert.True(cost == support.OpenCost, $"{asked}: {support.OpenCost}, but opened as {snapshot.Backing} because {snapshot.BackingReason}");
        if (snapshot.Backing == SnapshotBacking.Lease) Assert.True(support.Lease);
    }
}

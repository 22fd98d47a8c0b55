using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>What a user without privileges can do with files of their own, and where the bytes lie when the folder is not theirs.</summary>
public sealed class NonRootTests
{
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_of_ones_own_is_patched_and_saved(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        UnprivilegedUser.Run(() =>
        {
            string path = workspace.Write("file", "old text");
            FileStat.Chmod(path, "2640");
            foreach (var options in (CommitOptions[])[new(), new() { Method = CommitMethod.InPlace }, new() { Close = true }])
            {
                File.WriteAllText(path, "old text");
                FileStat.Chmod(path, "2640"); // writing took the setgid bit
                string before = Metadata.Of(path);
                using var snapshot = Snapshot.Open(path);
                Assert.Equal(FileSystems.WithReflink.Contains(fileSystem) ? SnapshotBacking.Reflink : SnapshotBacking.Copy, snapshot.Backing);
                Assert.Equal(workspace.Folder, snapshot.BackingLocation);
                snapshot.Write(0, "new"u8);
                snapshot.Commit(options);
                Assert.Equal("new text", File.ReadAllText(path));
                Assert.Equal(before, Metadata.Of(path));
            }
        });
        Assert.Equal((uint)UnprivilegedUser.Id, FileStat.Of(workspace.PathOf("file")).User);
        Assert.Equal(["file"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Attributes_and_an_ACL_of_ones_own_file_are_carried_over(string fileSystem)
    {
        Tools.Require("setfattr", "setfacl");
        using var workspace = Workspace.On(fileSystem);
        UnprivilegedUser.Run(() =>
        {
            string path = workspace.Write("file", "old text");
            Shell.Run("setfattr -n user.mark -v some \"$1\"; setfacl -m u:1000:rw,m::r \"$1\"", path);
            string before = Metadata.Of(path);
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            snapshot.Commit();
            Assert.Equal(before, Metadata.Of(path));
        });
    }

    /// <summary>man 7 xattr: user attributes take the permission to write, which the final mode may not give.</summary>
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Attributes_of_ones_own_write_protected_file_are_carried_over(string fileSystem)
    {
        Tools.Require("setfattr", "setfacl");
        using var workspace = Workspace.On(fileSystem);
        UnprivilegedUser.Run(() =>
        {
            string path = workspace.Write("file", "old text");
            Shell.Run("setfattr -n user.mark -v some \"$1\"; setfacl -m u:1000:rx \"$1\"; chmod 0444 \"$1\"", path);
            string before = Metadata.Of(path);
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            snapshot.Commit(new CommitOptions { Force = true });
            Assert.Equal(before, Metadata.Of(path));
        });
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void In_a_folder_that_may_not_be_written_to_the_bytes_lie_elsewhere(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        FileStat.Chmod(workspace.Folder, "755");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path, new SnapshotOptions { ReadOnly = true });
            Assert.Equal(SnapshotBacking.Copy, snapshot.Backing);
            Assert.NotEqual(workspace.Folder, snapshot.BackingLocation);
            Assert.True(snapshot.BackingLocation == "memory" || Directory.Exists(snapshot.BackingLocation));
            Assert.Equal("old text"u8, Bytes.In(snapshot));
        });
    }

    [Fact]
    public void Elsewhere_is_TMPDIR_if_it_is_set_and_can_be_written_to()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var temporary = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write("file", "old text");
        FileStat.Chmod(workspace.Folder, "755");
        string? before = Environment.GetEnvironmentVariable("TMPDIR");
        try
        {
            foreach (var (folder, usable) in ((string, bool)[])[(temporary.Folder, true), (temporary.PathOf("missing"), false), (workspace.Folder, false)])
            {
                Environment.SetEnvironmentVariable("TMPDIR", folder);
                UnprivilegedUser.Run(() =>
                {
                    using var snapshot = Snapshot.Open(path);
                    Assert.Equal("old text"u8, Bytes.In(snapshot));
                    Assert.Equal(usable, snapshot.BackingLocation == folder);
                });
            }
        }
        finally
        {
            Environment.SetEnvironmentVariable("TMPDIR", before);
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Where_no_folder_can_be_written_to_the_bytes_lie_in_memory(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(100_000);
        string path = workspace.Write("file", bytes);
        string? before = Environment.GetEnvironmentVariable("TMPDIR");
        try
        {
            Environment.SetEnvironmentVariable("TMPDIR", null);
            PrivateMounts.Run(() =>
            {
                // Recursively: what is mounted below /tmp, as the filesystems may be, stays in view.
                Shell.Run("for folder in /tmp \"$1\"; do mount --rbind \"$folder\" \"$folder\"; mount -o remount,bind,ro \"$folder\"; done", workspace.Folder);
                using var snapshot = Snapshot.Open(path, new SnapshotOptions { MaxWriterDelay = TimeSpan.Zero });
                Assert.Equal(bytes, Bytes.In(snapshot));
                snapshot.Write(0, "x"u8);
                Assert.Equal("memory", snapshot.BackingLocation);
                Assert.False(Descriptors.IsInherited(Assert.Single(Descriptors.In("/memfd:mmap-snapshot"))));
                snapshot.Resize(200_000);
                Assert.Equal((byte)'x', snapshot.Read(0, 1)[0]);
                Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit());
            });
        }
        finally
        {
            Environment.SetEnvironmentVariable("TMPDIR", before);
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_folder_that_may_be_written_to_but_not_listed_will_do(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string folder = workspace.MakeFolder("box"), path = workspace.Write("box/file", "old text");
        FileStat.Chown(path, UnprivilegedUser.Id, UnprivilegedUser.Id);
        FileStat.Chmod(folder, "733");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            Assert.True(snapshot.Commit().Flushed);
        });
        Assert.Equal("new text", File.ReadAllText(path));
        Assert.Equal(["file"], Directory.GetFileSystemEntries(folder).Select(entry => Path.GetFileName(entry)));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void The_bytes_of_a_file_that_others_may_only_read_are_exported(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text"), other = workspace.PathOf("other");
        FileStat.Chmod(path, "4755");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            snapshot.Commit(new CommitOptions { Destination = other });
        });
        var facts = FileStat.Of(other);
        Assert.Equal((uint)UnprivilegedUser.Id, facts.User);
        Assert.Equal("755", facts.Permissions);
        Assert.Equal("new text", File.ReadAllText(other));
    }
}

using MmapSnapshot.Source;
using MmapSnapshot.Tests.Support;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests;

/// <summary>Which filesystems count as local, so that a lease keeps every writer out: decided by the mount's type.</summary>
public sealed class FileSystemTests
{
    [Theory]
    [InlineData("nfs")]
    [InlineData("nfs4")]
    [InlineData("cifs")]
    [InlineData("smb3")]
    [InlineData("9p")]
    [InlineData("virtiofs")]
    [InlineData("fuse")]
    [InlineData("fuseblk")]
    [InlineData("fuse.sshfs")]
    [InlineData("ceph")]
    [InlineData("gfs2")]
    [InlineData("ocfs2")]
    [InlineData("proc")]
    [InlineData("a type of next year")]
    [InlineData(null)]
    public void Type_with_other_writers_or_unknown_is_not_local(string? type) => Assert.False(FileSystem.OfType(type).IsLocal);

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Local_filesystem_is_recognized_by_its_mount(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var file = File.OpenHandle(workspace.Write("file", "text"));
        var found = FileSystem.Of(file);
        Assert.Equal(fileSystem.Split('-')[0], found.Type);
        Assert.True(found.IsLocal);
        Assert.Equal(found, FileSystem.Of(file));
    }

    [Fact]
    public void Filesystem_mounted_at_the_place_of_another_is_not_confused_with_it()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string place = workspace.MakeFolder("place"), path = Path.Join(place, "file");
        for (int round = 0; round < 3; round++)
        {
            using (Mounts.Of("tmpfs", place)) AssertLocal(true);
            using (Mounts.InUserSpace(workspace.MakeFolder("lower"), place)) AssertLocal(false);
        }

        void AssertLocal(bool local)
        {
            File.WriteAllText(path, "text");
            using var file = File.OpenHandle(path);
            Assert.Equal(local, FileSystem.Of(file).IsLocal);
        }
    }

    [Fact]
    public void Overlay_with_a_layer_that_is_not_local_is_not_local()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string image = workspace.MakeFolder("image");
        using var lower = Mounts.InUserSpace(workspace.MakeFolder("lower"), image);
        string merged = workspace.MakeFolder("merged");
        using var overlay = Mounts.Of("overlay", merged, $"lowerdir={image},upperdir={workspace.MakeFolder("upper")},workdir={workspace.MakeFolder("work")}");
        File.WriteAllText(Path.Join(merged, "file"), "text");
        using var file = File.OpenHandle(Path.Join(merged, "file"));
        Assert.Equal("overlay", FileSystem.Of(file).Type);
        Assert.False(FileSystem.Of(file).IsLocal);
    }

    [Fact]
    public void Overlay_of_tmpfs_hides_mapped_stores_and_overlay_of_unfindable_layers_may()
    {
        var ext4 = FileSystem.OfType(FileSystem.Ext4);
        Assert.False(FileSystem.OfLayers([ext4, ext4]).HidesMappedStores);
        Assert.True(FileSystem.OfLayers([ext4, FileSystem.OfType(FileSystem.Tmpfs)]).HidesMappedStores);
        Assert.True(FileSystem.OfLayers([ext4, null]).HidesMappedStores);
        Assert.True(FileSystem.OfLayers([ext4, null]).IsLocal);
        Assert.False(FileSystem.OfLayers([ext4, null]).HasMultigrainTimestamps);
    }

    /// <summary>As 9p did on Linux 6.1: fstatfs gives the magic number of the server's filesystem.</summary>
    [Fact]
    public void No_lease_is_taken_where_the_magic_number_is_of_the_servers_filesystem()
    {
        Tools.Require("strace");
        using var workspace = Workspace.On(FileSystems.Ext4);
        string shown = workspace.MakeFolder("shown");
        using var mount = Mounts.InUserSpace(workspace.MakeFolder("lower"), shown);
        string path = Path.Join(shown, "file");
        File.WriteAllText(path, "text");
        string backing = Shell.Run(
            "echo \"open Auto $1\" | strace -f -o /dev/null -e trace=fstatfs -e inject=fstatfs:poke_exit=@arg2=53ef000000000000 \"$2\" \"$3\"",
            path,
            Environment.ProcessPath!,
            SnapshotHolder.Role);
        Assert.Equal(nameof(SnapshotBacking.Copy), backing);
    }

    [Fact]
    public void Refused_lease_on_a_filesystem_that_is_not_local_is_not_read_as_a_writer()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string shown = workspace.MakeFolder("shown");
        using var mount = Mounts.InUserSpace(workspace.MakeFolder("lower"), shown);
        string path = Path.Join(shown, "file");
        File.WriteAllText(path, "text");
        using var writer = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        Assert.Null(ReadLease.TryTake(file, out var errno));
        Assert.Equal(Errno.EOPNOTSUPP, errno);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "T"u8);
        snapshot.Commit();
        Assert.Equal("Text", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Opening_asks_for_the_filesystem_once(string fileSystem)
    {
        Tools.Require("strace");
        using var workspace = Workspace.On(fileSystem);
        string first = workspace.Write("first", "text"), second = workspace.Write("second", "text");
        Thread.Sleep(20); // the timestamps are settled
        const string Open =
            "printf 'open Auto %s\nclose\nopen Auto %s\n' \"$1\" \"$2\" | strace -f -o \"$3\" -e trace=openat,?openat2,statx,fstatfs,statfs \"$4\" \"$5\" >&2; cat \"$3\"";
        string[] calls = Shell.Run(Open, first, second, workspace.PathOf("calls"), Environment.ProcessPath!, SnapshotHolder.Role).Split('\n');
        calls = [.. calls.SkipWhile(call => !call.Contains(second, StringComparison.Ordinal))];
        Assert.Single(calls, call => call.Contains("STATX_MNT_ID", StringComparison.Ordinal));
        Assert.DoesNotContain(calls, call => call.Contains("statfs", StringComparison.Ordinal));
    }
}

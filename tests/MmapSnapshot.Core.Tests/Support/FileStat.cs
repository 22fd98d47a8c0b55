using Mono.Unix.Native;

namespace MmapSnapshot.Tests.Support;

/// <summary>What stat says of a file; permissions in octal, as "4755".</summary>
internal sealed record FileStat(
    ulong Device, ulong Inode, ulong Links, long Length, long AllocatedBytes, string Permissions, uint User, uint Group)
{
    /// <summary>Of what the path leads to; symbolic links are followed.</summary>
    public static FileStat Of(string path)
    {
        Assert.True(Syscall.stat(path, out var stat) == 0, $"stat {path}: {Stdlib.GetLastError()}");
        return new FileStat(
            stat.st_dev,
            stat.st_ino,
            stat.st_nlink,
            stat.st_size,
            stat.st_blocks * 512,
            Convert.ToString((int)(stat.st_mode & FilePermissions.ALLPERMS), 8),
            stat.st_uid,
            stat.st_gid);
    }

    public static ulong InodeOf(string path) => Of(path).Inode;

    public static void Chmod(string path, string permissions) =>
        Assert.True(Syscall.chmod(path, (FilePermissions)Convert.ToInt32(permissions, 8)) == 0, $"chmod {path}: {Stdlib.GetLastError()}");

    public static void Chown(string path, int user, int group) =>
        Assert.True(Syscall.lchown(path, (uint)user, (uint)group) == 0, $"chown {path}: {Stdlib.GetLastError()}");

    public static void HardLink(string path, string name) =>
        Assert.True(Syscall.link(path, name) == 0, $"link {name}: {Stdlib.GetLastError()}");

    public static void Rename(string path, string name) =>
        Assert.True(Syscall.rename(path, name) == 0, $"rename {path}: {Stdlib.GetLastError()}");
}

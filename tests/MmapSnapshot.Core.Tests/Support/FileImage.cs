using System.Runtime.InteropServices;

namespace MmapSnapshot.Tests.Support;

/// <summary>A filesystem that is written once, as an image, with one file on it; mounted until disposed.</summary>
internal sealed unsafe partial class FileImage : IDisposable
{
    public const string Erofs = "erofs", Squashfs = "squashfs", Verity = "fs-verity";

    private readonly Mounts _mount;

    public FileImage(Workspace workspace, string type, byte[] bytes)
    {
        Tools.RequireRoot();
        string content = workspace.MakeFolder("content");
        string image = workspace.PathOf("image");
        string at = workspace.MakeFolder("image-mounted");
        Path = System.IO.Path.Join(at, "file");
        if (type == Verity)
        {
            Assert.SkipUnless(File.Exists("/sys/fs/ext4/features/verity"), "This kernel has no fs-verity.");
            workspace.WriteSparse("image", 64 << 20);
            Shell.Run("mkfs.ext4 -q -O verity \"$1\"", image);
            _mount = Mounts.Image(image, at);
            File.WriteAllBytes(Path, bytes);
            EnableVerity();
            return;
        }
        File.WriteAllBytes(System.IO.Path.Join(content, "file"), bytes);
        bool erofs = type == Erofs;
        Tools.Require(erofs ? "mkfs.erofs" : "mksquashfs");
        Assert.SkipUnless(File.ReadAllText("/proc/filesystems").Contains(type, StringComparison.Ordinal), $"This kernel has no {type}.");
        Shell.Run(erofs ? "mkfs.erofs \"$2\" \"$1\"" : "mksquashfs \"$1\" \"$2\" -no-progress", content, image);
        _mount = Mounts.Image(image, at);
    }

    /// <summary>All kinds of files that nobody can write to.</summary>
    public static TheoryData<string> Types => new(Erofs, Squashfs, Verity);

    public string Path { get; }

    public void Dispose() => _mount.Dispose();

    /// <summary>FS_IOC_ENABLE_VERITY (linux/fsverity.h), with SHA-256 over blocks of 4096 bytes.</summary>
    private void EnableVerity()
    {
        var argument = stackalloc uint[32];
        new Span<uint>(argument, 32).Clear();
        (argument[0], argument[1], argument[2]) = (1, 1, 4096);
        using var file = File.OpenHandle(Path);
        Assert.True(Ioctl(file, 0x40806685, argument) == 0, $"FS_IOC_ENABLE_VERITY: errno {Marshal.GetLastPInvokeError()}");
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(Microsoft.Win32.SafeHandles.SafeFileHandle file, nuint request, void* argument);
}

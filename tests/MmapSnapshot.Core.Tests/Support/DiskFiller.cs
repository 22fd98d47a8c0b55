using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests.Support;

/// <summary>A file that takes all the space a filesystem has left, until it is disposed of.</summary>
internal sealed partial class DiskFiller : IDisposable
{
    public const string Name = "ballast";

    private readonly SafeFileHandle _file;

    private readonly string _path;

    private DiskFiller(string path)
    {
        _path = path;
        _file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite);
    }

    public static DiskFiller Fill(Workspace workspace)
    {
        var ballast = new DiskFiller(workspace.PathOf(Name));
        ballast.Settle(); // what is to be written yet takes its space now
        int descriptor = (int)ballast._file.DangerousGetHandle();
        ulong offset = 0;
        for (ulong size = 256 << 20; size >= 4 << 10; size /= 2)
        {
            while (Syscall.posix_fallocate(descriptor, (long)offset, size) == 0) offset += size;
        }
        return ballast;
    }

    /// <summary>Gives back some space, of which the filesystem may need a part for itself.</summary>
    public void Release(long bytes)
    {
        RandomAccess.SetLength(_file, RandomAccess.GetLength(_file) - bytes);
        Settle();
    }

    public void Dispose()
    {
        File.Delete(_path);
        RandomAccess.SetLength(_file, 0);
        Settle(); // btrfs gives space back with its next transaction
        _file.Dispose();
    }

    private void Settle() => Assert.Equal(0, SyncFileSystem(_file));

    [LibraryImport("libc", EntryPoint = "syncfs", SetLastError = true)]
    private static partial int SyncFileSystem(SafeFileHandle file);
}

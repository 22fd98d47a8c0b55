using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace MmapSnapshot.Native;

/// <content>What is in a directory.</content>
internal static unsafe partial class Kernel
{
    /// <summary>
    /// man 3 readdir: the names in a directory except "." and "..", in the filesystem's order. An error in the middle looks like the end.
    /// </summary>
    /// <param name="directory">A descriptor of it, of any kind.</param>
    /// <param name="names">The names.</param>
    internal static Errno ListNames(SafeFileHandle directory, out List<string> names)
    {
        names = [];
        using var fd = new HandleReference(directory);
        nint stream = Syscall.opendir(ProcPath(fd.Number));
        if (stream == 0) return Stdlib.GetLastError();
        try
        {
            while (Syscall.readdir(stream) is { } entry)
            {
                if (entry.d_name is not ("." or "..")) names.Add(entry.d_name);
            }
            return 0;
        }
        finally
        {
            _ = Syscall.closedir(stream);
        }
    }

    /// <summary>man 2 mkdirat: a directory that only this user may enter.</summary>
    internal static Errno MakeDirectoryAt(SafeFileHandle directory, string name)
    {
        using var fd = new HandleReference(directory);
        return Syscall.mkdirat(fd.Number, name, FilePermissions.S_IRWXU) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>man 2 unlinkat, AT_REMOVEDIR: ENOTEMPTY when there is a file in it.</summary>
    internal static Errno RemoveDirectoryAt(SafeFileHandle directory, string name)
    {
        using var fd = new HandleReference(directory);
        return Syscall.unlinkat(fd.Number, name, AtFlags.AT_REMOVEDIR) == 0 ? 0 : Stdlib.GetLastError();
    }
}

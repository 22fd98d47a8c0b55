using Microsoft.Win32.SafeHandles;
using Mono.Unix;
using Mono.Unix.Native;

namespace MmapSnapshot.Native;

/// <content>Paths without symbolic links, and what this process may do.</content>
internal static unsafe partial class Kernel
{
    /// <summary>man 2 openat2, RESOLVE_NO_SYMLINKS, since Linux 5.6: ELOOP when there is a symbolic link anywhere in the path.</summary>
    internal static Errno OpenAtWithoutLinks(string path, int flags, out SafeFileHandle file)
    {
        var how = stackalloc ulong[3]; // struct open_how: u64 flags, mode, resolve
        (how[0], how[1], how[2]) = ((ulong)(flags | OpenMode.CloseOnExec), 0, Constants.RESOLVE_NO_SYMLINKS);
        fixed (byte* native = ToNative(path))
        {
            nint descriptor = LibC.SystemCall(Constants.SYS_openat2, Constants.AT_FDCWD, native, how, 3 * sizeof(ulong));
            var errno = descriptor < 0 ? LastPInvokeErrno() : 0;
            file = new SafeFileHandle(descriptor, ownsHandle: true);
            return errno;
        }
    }

    /// <summary>man 2 readlinkat: where a symbolic link leads, that was opened itself (O_PATH, O_NOFOLLOW).</summary>
    internal static Errno ReadLink(SafeFileHandle link, out string target)
    {
        var buffer = new byte[4096]; // PATH_MAX
        byte empty = 0;
        fixed (byte* native = buffer)
        {
            nint length = LibC.ReadLinkAt(link, &empty, native, (nuint)buffer.Length);
            target = length < 0 ? "" : UnixEncoding.Instance.GetString(buffer, 0, (int)length);
            return length < 0 ? LastPInvokeErrno() : 0;
        }
    }

    /// <summary>
    /// man 2 faccessat, W_OK with AT_EACCESS: whether this user may write to a file, by its mode and ACL. Nothing is opened, so that no
    /// lease of another process is broken.
    /// </summary>
    /// <returns>0; EACCES: the user may not; EROFS or EPERM: no user may, as the filesystem is read-only or the file immutable.</returns>
    internal static Errno CheckWritable(SafeFileHandle file)
    {
        using var fd = new HandleReference(file);
        fixed (byte* native = ToNative(ProcPath(fd.Number)))
            return LibC.FAccessAt(Constants.AT_FDCWD, native, Constants.W_OK, Constants.AT_EACCESS) == 0 ? 0 : LastPInvokeErrno();
    }

    /// <summary>
    /// man 2 open, O_NOATIME: whether this process is the owner of a file, or has CAP_FOWNER over it, which takes an owner that is mapped
    /// in its user namespace.
    /// </summary>
    internal static bool IsOwnerOrCapable(SafeFileHandle file)
    {
        var errno = Reopen(file, OpenMode.ReadOnly | OpenMode.NonBlocking | Constants.O_NOATIME, out var reopened);
        reopened.Dispose();
        return errno != Errno.EPERM;
    }

    /// <summary>man 7 capabilities: whether a write by this thread leaves setuid and setgid as they are, as far as it can tell.</summary>
    internal static bool HasFSetId()
    {
        var header = stackalloc uint[2]; // struct __user_cap_header_struct: u32 version; int pid, 0: this thread
        var data = stackalloc uint[6]; // struct __user_cap_data_struct, twice: u32 effective, permitted, inheritable
        header[0] = Constants.LINUX_CAPABILITY_VERSION_3;
        return LibC.CapGet(header, data) == 0 && (data[0] & (1u << Constants.CAP_FSETID)) != 0;
    }
}

using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Backing;

/// <summary>Sharing extents between files (man 2 ioctl_ficlone): no data is copied, and neither file sees the other's later writes.</summary>
internal static class FileClone
{
    /// <summary>
    /// Makes the empty <paramref name="target"/> a clone of <paramref name="source"/>, at one instant. The answer is the errno;
    /// see <see cref="IsUnavailable"/>.
    /// </summary>
    internal static Errno TryClone(SafeFileHandle source, SafeFileHandle target)
    {
        var errno = Kernel.Clone(source, target);
        // btrfs clones a NOCOW file only into a NOCOW file, and only an empty file takes that flag.
        if (errno == Errno.EINVAL
            && Kernel.GetInodeFlags(source, out var flags) == 0
            && flags.HasFlag(InodeFlags.NoCopyOnWrite)
            && Kernel.GetInodeFlags(target, out var targetFlags) == 0
            && Kernel.SetInodeFlags(target, targetFlags | InodeFlags.NoCopyOnWrite) == 0)
        {
            return Kernel.Clone(source, target);
        }
        return errno;
    }

    /// <summary>Whether the errno says that these two files cannot share extents (rather than that something broke).</summary>
    internal static bool IsUnavailable(Errno errno) => errno is
        Errno.EOPNOTSUPP or Errno.ENOTTY or Errno.ENOSYS // the filesystem cannot
        or Errno.EXDEV // two filesystems
        or Errno.EINVAL or Errno.ETXTBSY; // not this file (a swap file, other flags)
}

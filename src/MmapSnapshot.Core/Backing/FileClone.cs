using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Backing;

/// <summary>Sharing extents between files (man 2 ioctl_ficlone): no data is copied, and neither file sees the other's later writes.</summary>
internal static class FileClone
{
    /// <summary>A block of any size.</summary>
    private const ulong ProbeLength = 64 << 10;

    /// <summary>
    /// Makes the empty <paramref name="target"/> a clone of <paramref name="source"/>, at one instant. The answer is the errno;
    /// see <see cref="IsUnavailable"/>.
    /// </summary>
    internal static Errno TryClone(SafeFileHandle source, SafeFileHandle target)
    {
        var errno = Kernel.FiClone(source, target);
        // btrfs clones a file only into one that is NOCOW as it is, or as it is not; and only an empty file changes that.
        return errno == Errno.EINVAL
            && Kernel.GetInodeFlags(source, out var flags) == 0
            && TrySetNoCopyOnWrite(target, flags.HasFlag(InodeFlags.NoCopyOnWrite))
            ? Kernel.FiClone(source, target)
            : errno;
    }

    /// <summary>
    /// Whether a file can be cloned, found out with a part of it that is in few extents. The answer is no for a btrfs NOCOW file.
    /// </summary>
    internal static bool CanClone(SafeFileHandle source, SafeFileHandle target) => Kernel.FiCloneRange(source, target, ProbeLength) == 0;

    /// <summary>Gives an empty file the flag, or takes it; false when it was so already, or cannot be.</summary>
    internal static bool TrySetNoCopyOnWrite(SafeFileHandle file, bool wanted)
    {
        if (Kernel.GetInodeFlags(file, out var now) != 0 || now.HasFlag(InodeFlags.NoCopyOnWrite) == wanted) return false;
        return Kernel.SetInodeFlags(file, now ^ InodeFlags.NoCopyOnWrite) == 0;
    }

    /// <summary>Whether the errno says that these two files cannot share extents (rather than that something broke).</summary>
    internal static bool IsUnavailable(Errno errno) => errno is
        Errno.EOPNOTSUPP or Errno.ENOTTY or Errno.ENOSYS // the filesystem cannot
        or Errno.EXDEV // two filesystems
        or Errno.EINVAL or Errno.ETXTBSY; // not this file (a swap file, other flags)
}

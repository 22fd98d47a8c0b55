using Microsoft.Win32.SafeHandles;

namespace MmapSnapshot.Native;

/// <content>Which mount a file is on.</content>
internal static unsafe partial class Kernel
{
    /// <summary>
    /// man 2 statx, STATX_MNT_ID_UNIQUE: the id of the mount that a file was opened through, which the kernel never gives again.
    /// Null before Linux 6.8. Nothing is asked of a server.
    /// </summary>
    internal static ulong? UniqueMountId(SafeFileHandle file)
    {
        // struct statx, 256 bytes: u32 stx_mask first, u64 stx_mnt_id at byte 144.
        var status = stackalloc ulong[32];
        byte empty = 0;
        if (LibC.StatX(file, &empty, Constants.AtEmptyPath | Constants.AtDoNotSync, Constants.StatXUniqueMountId, status) != 0) return null;
        return ((uint)status[0] & Constants.StatXUniqueMountId) != 0 ? status[18] : null;
    }
}

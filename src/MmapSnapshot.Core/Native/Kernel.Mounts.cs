using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace MmapSnapshot.Native;

/// <content>Which mount a file is on.</content>
internal static unsafe partial class Kernel
{
    /// <summary>
    /// man 2 statx, STATX_MNT_ID: the id of the mount that a file was opened through, without a question to any server. Before
    /// Linux 5.8, man 5 proc_pid_fdinfo. Null where neither tells.
    /// </summary>
    internal static ulong? MountId(SafeFileHandle file)
    {
        // struct statx, 256 bytes: u32 stx_mask first, u64 stx_mnt_id at byte 144.
        var status = stackalloc ulong[32];
        byte empty = 0;
        return LibC.StatX(file, &empty, Constants.AT_EMPTY_PATH | Constants.AT_STATX_DONT_SYNC, Constants.STATX_MNT_ID, status) == 0
            && ((uint)status[0] & Constants.STATX_MNT_ID) != 0
            ? status[18]
            : MountIdOfFdInfo(file);
    }

    /// <summary>man 2 poll, POLLPRI, without waiting: whether the mounts changed since mountinfo was opened or last polled.</summary>
    internal static bool HasExceptionalCondition(SafeFileHandle file)
    {
        using var fd = new HandleReference(file);
        Pollfd[] request = [new Pollfd { fd = fd.Number, events = PollEvents.POLLPRI }];
        return Syscall.poll(request, 0) != 0;
    }

    private static ulong? MountIdOfFdInfo(SafeFileHandle file)
    {
        const string Field = "mnt_id:";
        using var fd = new HandleReference(file);
        try
        {
            string? line = System.IO.File.ReadLines($"/proc/self/fdinfo/{fd.Number}").FirstOrDefault(line => line.StartsWith(Field, StringComparison.Ordinal));
            return line is null ? null : ulong.Parse(line[Field.Length..], CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null; // no /proc
        }
    }
}

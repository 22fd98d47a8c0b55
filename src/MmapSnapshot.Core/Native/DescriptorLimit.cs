using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace MmapSnapshot.Native;

/// <summary>
/// RLIMIT_NOFILE (man 2 getrlimit). A .NET process ends with "Out of memory" if no descriptor is left when the runtime starts a thread,
/// and unsaved changes with it: so snapshots leave the last descriptors to the runtime.
/// </summary>
internal static class DescriptorLimit
{
    private const int Reserve = 32;

    /// <summary>Of a low limit, only a part is left.</summary>
    private const int ReservedPart = 8;

    private static readonly long _limit = Read();

    /// <summary>Whether few descriptors are left, so that those that are not needed at once are to be closed.</summary>
    /// <param name="handle">One that was opened just now.</param>
    internal static bool IsNear(SafeHandle handle) => _limit - handle.DangerousGetHandle() <= 3 * Reserve;

    /// <summary>Throws if a descriptor is among the last ones. The kernel gives the lowest number that is free.</summary>
    /// <param name="handle">One that was opened just now.</param>
    /// <param name="path">What it was opened for.</param>
    /// <exception cref="SnapshotException">TooManyOpenFiles.</exception>
    internal static void Check(SafeFileHandle handle, string path)
    {
        long left = _limit - handle.DangerousGetHandle();
        if (left > Math.Min(Reserve, _limit / ReservedPart)) return;
        throw new SnapshotException(
            SnapshotError.TooManyOpenFiles,
            $"Cannot open '{path}': {ErrnoErrors.Describe(Errno.EMFILE)} (the process may have {_limit}, and the last {left} are left to the "
            + "runtime).",
            path,
            NativeConvert.FromErrno(Errno.EMFILE),
            [SnapshotRemedy.CloseSnapshots]);
    }

    /// <summary>The soft limit, from "Max open files  1024  4096  files" (man 5 proc_pid_limits).</summary>
    private static long Read()
    {
        try
        {
            const string Name = "Max open files";
            string? line = File.ReadLines("/proc/self/limits").FirstOrDefault(line => line.StartsWith(Name, StringComparison.Ordinal));
            string? soft = line?[Name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
            return long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out long limit) ? limit : long.MaxValue;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return long.MaxValue;
        }
    }
}

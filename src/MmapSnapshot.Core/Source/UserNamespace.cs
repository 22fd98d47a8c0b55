using System.Globalization;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;

namespace MmapSnapshot.Source;

/// <summary>
/// The users and groups that this process can give files to (man 7 user_namespaces). All others show as one, the overflow user, so that
/// two who are shown as the same may not be the same.
/// </summary>
internal static class UserNamespace
{
    /// <summary>As many ids as there are: in the first namespace all are mapped.</summary>
    private const long AllIds = uint.MaxValue;

    private static readonly uint
        _overflowUser = ReadOverflowId("/proc/sys/kernel/overflowuid"),
        _overflowGroup = ReadOverflowId("/proc/sys/kernel/overflowgid");

    /// <summary>Whether a file's owner and group are who they are shown as.</summary>
    /// <param name="file">Open for reading.</param>
    /// <param name="status">The status of <paramref name="file"/>.</param>
    internal static bool ShowsOwner(SafeFileHandle file, in FileStatus status)
    {
        if (status.Group == _overflowGroup && !IsMapped(_overflowGroup, "/proc/self/gid_map", out _)) return false;
        if (status.User != _overflowUser) return true;
        if (!IsMapped(_overflowUser, "/proc/self/uid_map", out bool isComplete)) return false;
        return isComplete || Kernel.IsOwnerOrCapable(file);
    }

    private static bool IsMapped(uint id, string path, out bool isComplete)
    {
        bool isMapped = false;
        long ids = 0;
        // "inside outside count"
        foreach (string[] fields in ReadLines(path).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
        {
            long first = long.Parse(fields[0], CultureInfo.InvariantCulture), count = long.Parse(fields[2], CultureInfo.InvariantCulture);
            isMapped |= id >= first && id < first + count;
            ids += count;
        }
        isComplete = ids >= AllIds;
        return isMapped;
    }

    /// <summary>65534 unless the administrator has set another.</summary>
    private static uint ReadOverflowId(string path) =>
        ReadLines(path) is [var line, ..] && uint.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out uint id) ? id : 65534;

    /// <summary>None where there is no /proc: the owner is then one of those that cannot be known.</summary>
    private static string[] ReadLines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}

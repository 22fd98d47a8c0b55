using System.Globalization;

namespace MmapSnapshot.Tests.Support;

/// <summary>The leases that the kernel has in its books (man 5 proc_locks).</summary>
internal static class Leases
{
    /// <summary>How many there are on a file, of whatever process.</summary>
    public static int On(string path)
    {
        // "1: LEASE  ACTIVE    READ 1234 08:01:5678 0 EOF"; the device is not that of stat on btrfs and overlayfs.
        string inode = Shell.Run("stat -c %i -- \"$1\"", path);
        return File.ReadLines("/proc/locks").Count(line =>
            line.Contains("LEASE", StringComparison.Ordinal) && line.Contains($":{inode} ", StringComparison.Ordinal));
    }

    /// <summary>Shortens the time after which the kernel takes leases by force, for all of the machine, until disposed.</summary>
    public static IDisposable BreakAfter(int seconds) => new ShortBreakTime(seconds);

    private sealed class ShortBreakTime : IDisposable
    {
        private const string Setting = "/proc/sys/fs/lease-break-time";

        private readonly string _before = File.ReadAllText(Setting);

        public ShortBreakTime(int seconds)
        {
            Tools.RequireRoot();
            File.WriteAllText(Setting, seconds.ToString(CultureInfo.InvariantCulture));
        }

        public void Dispose() => File.WriteAllText(Setting, _before);
    }
}

using System.Globalization;

namespace MmapSnapshot.Tests.Support;

/// <summary>The leases that the kernel has in its books (man 5 proc_locks).</summary>
internal static class Leases
{
    /// <summary>How many there are on a file, of all processes.</summary>
    public static int On(string path)
    {
        // "1: LEASE  ACTIVE    READ 1234 08:01:5678 0 EOF": device in hexadecimal, and inode.
        string file = $" {DeviceOf(path)}:{FileStat.InodeOf(path)} ";
        return File.ReadLines("/proc/locks").Count(line =>
            line.Contains("LEASE", StringComparison.Ordinal) && line.Contains(file, StringComparison.Ordinal));
    }

    /// <summary>
    /// The device as the kernel lists leases by it: that of the mount. On btrfs and overlayfs stat has another one.
    /// </summary>
    private static string DeviceOf(string path)
    {
        // man 5 proc_pid_mountinfo: "36 35 98:0 /root /mount-point ...". The last of the longest mount point is the one on top.
        string[] mount = File.ReadLines("/proc/thread-self/mountinfo").Select(line => line.Split(' '))
            .Where(fields => fields[4] == "/" || path == fields[4] || path.StartsWith(fields[4] + '/', StringComparison.Ordinal))
            .Aggregate((best, fields) => fields[4].Length >= best[4].Length ? fields : best);
        int[] numbers = [.. mount[2].Split(':').Select(number => int.Parse(number, CultureInfo.InvariantCulture))];
        return $"{numbers[0]:x2}:{numbers[1]:x2}";
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

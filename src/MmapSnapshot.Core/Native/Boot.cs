using System.Globalization;

namespace MmapSnapshot.Native;

/// <summary>The running system, as distinguished from the one before the last restart of the machine.</summary>
internal static class Boot
{
    private static readonly Lazy<Guid> _id = new(ReadId);

    /// <summary>man 5 proc_sys_kernel, random/boot_id; all zeros where there is no /proc.</summary>
    internal static Guid Id => _id.Value;

    /// <summary>
    /// man 5 proc_stat, btime: when the system started, in seconds since 1970 by the clock as it is set now; null where there is no /proc.
    /// </summary>
    internal static long? StartTime()
    {
        const string Field = "btime ";
        try
        {
            string? line = System.IO.File.ReadLines("/proc/stat").FirstOrDefault(line => line.StartsWith(Field, StringComparison.Ordinal));
            return line is not null
                && long.TryParse(line[Field.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out long seconds)
                ? seconds
                : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static Guid ReadId()
    {
        try
        {
            return Guid.TryParse(System.IO.File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim(), out var id) ? id : Guid.Empty;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return Guid.Empty;
        }
    }
}

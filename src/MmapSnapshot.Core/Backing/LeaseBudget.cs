using System.Buffers.Text;
using System.Globalization;
using MmapSnapshot.Native;
using MmapSnapshot.Source;

namespace MmapSnapshot.Backing;

/// <summary>
/// The time that one lease may keep a writer waiting, out of what there is: for one file what the caller allows, for all leases
/// together a part of lease-break-time. So even if writers come to all files at once the last copy is made before the kernel
/// takes its lease by force. Disposed, or finalized if forgotten, it can be had again.
/// </summary>
internal sealed class LeaseBudget : IDisposable
{
    /// <summary>The part of lease-break-time (man 5 proc_sys_fs) that all copies together are expected to fit into.</summary>
    private const int BreakTimeDivisor = 3;

    /// <summary>How a reason ends that <see cref="SnapshotOptions.MaxWriterDelay"/> can change.</summary>
    internal const string LimitedByOption = " are allowed";

    private static readonly object _lock = new();

    private static readonly Dictionary<(ulong Device, ulong Inode), TimeSpan> _byFile = [];

    private static TimeSpan _total;

    private readonly (ulong Device, ulong Inode) _file;

    private readonly TimeSpan _delay;

    private bool _returned;

    private LeaseBudget((ulong Device, ulong Inode) file, TimeSpan delay)
    {
        _file = file;
        _delay = delay;
    }

    /// <summary>Gives back what a forgotten snapshot had.</summary>
    ~LeaseBudget() => Return();

    /// <param name="status">The file.</param>
    /// <param name="delay">How long copying it is expected to take.</param>
    /// <param name="limit">How long a writer to it may be kept waiting.</param>
    /// <param name="reason">Why there is none left, in words.</param>
    internal static LeaseBudget? TryReserve(in FileStatus status, TimeSpan delay, TimeSpan limit, out string? reason)
    {
        var forAll = BreakTime() / BreakTimeDivisor;
        lock (_lock)
        {
            var file = (status.Device, status.Inode);
            // Each snapshot of a file makes a copy of its own, and the writer waits for them all.
            var forFile = _byFile.GetValueOrDefault(file) + delay;
            reason = forFile > limit
                ? $"copying it would keep a writer waiting for about {Seconds(forFile)}, and {Seconds(limit)}{LimitedByOption}"
                : _total + delay > forAll
                ? $"copying all leased files would take about {Seconds(_total + delay)}, too near to the system's lease-break-time"
                : null;
            if (reason is not null) return null;
            _byFile[file] = forFile;
            _total += delay;
            return new LeaseBudget(file, delay);
        }
    }

    public void Dispose()
    {
        GC.SuppressFinalize(this);
        Return();
    }

    private void Return()
    {
        lock (_lock)
        {
            if (_returned) return;
            _returned = true;
            _total -= _delay;
            var left = _byFile[_file] - _delay;
            if (left > TimeSpan.Zero) _byFile[_file] = left;
            else _byFile.Remove(_file);
        }
    }

    /// <summary>How long the kernel waits for a lease to be released before it takes it.</summary>
    private static TimeSpan BreakTime()
    {
        Span<byte> text = stackalloc byte[16];
        var errno = Kernel.OpenAt(null, "/proc/sys/fs/lease-break-time", OpenMode.ReadOnly, out var setting);
        using (setting)
        {
            if (errno != 0 || Kernel.Read(setting, text, 0, out int length) != 0 || !Utf8Parser.TryParse(text[..length], out int seconds, out _))
                return TimeSpan.FromSeconds(45); // the kernel's own choice
            return seconds == 0 ? TimeSpan.MaxValue : TimeSpan.FromSeconds(seconds); // 0: for ever
        }
    }

    private static string Seconds(TimeSpan time) => $"{time.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture)} s";
}

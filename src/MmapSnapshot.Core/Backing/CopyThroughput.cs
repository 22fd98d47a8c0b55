using System.Collections.Concurrent;
using MmapSnapshot.Source;

namespace MmapSnapshot.Backing;

/// <summary>How quickly files are copied: what a filesystem was seen to do, and before anything was seen, an assumption.</summary>
internal static class CopyThroughput
{
    /// <summary>Bytes a second before anything was seen: what an old SATA disk reads and writes, and what memory does.</summary>
    private const double OnDisk = 200e6, InMemory = 1e9;

    /// <summary>What each copy takes besides, for making the file.</summary>
    private static readonly TimeSpan _perFile = TimeSpan.FromMilliseconds(1);

    /// <summary>A smaller copy tells about the time a file takes to be made, not about bytes.</summary>
    private const long MinSampleBytes = 4 << 20;

    /// <summary>Filesystems remembered at most.</summary>
    private const int Capacity = 256;

    private static readonly ConcurrentDictionary<ulong, double> _bytesPerSecondByDevice = new();

    /// <summary>How long copying a file is expected to take.</summary>
    internal static TimeSpan Estimate(FileSystem fileSystem, in FileStatus status)
    {
        if (!_bytesPerSecondByDevice.TryGetValue(status.Device, out double speed))
            speed = fileSystem.Type == FileSystem.Tmpfs ? InMemory : OnDisk;
        return _perFile + TimeSpan.FromSeconds(status.DataLength / speed);
    }

    /// <summary>Remembers a copy that was made.</summary>
    internal static void Record(in FileStatus status, TimeSpan elapsed)
    {
        if (status.DataLength < MinSampleBytes || elapsed <= TimeSpan.Zero) return;
        if (_bytesPerSecondByDevice.Count >= Capacity) _bytesPerSecondByDevice.Clear();
        double speed = status.DataLength / elapsed.TotalSeconds;
        // One copy may have found the file in memory and the next one not: what is new counts half.
        _bytesPerSecondByDevice.AddOrUpdate(status.Device, speed, (_, known) => (known + speed) / 2);
    }
}

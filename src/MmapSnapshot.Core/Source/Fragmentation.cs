using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;

namespace MmapSnapshot.Source;

/// <summary>
/// Finds files whose clone takes long, as cloning costs by the extent. It looks at a bounded number of extents, so it costs the
/// same for every file.
/// </summary>
internal static class Fragmentation
{
    /// <summary>With more extents than these a file counts as fragmented.</summary>
    private const int Threshold = 512;

    private const int ProbeExtents = 16;

    /// <summary>No filesystem that clones has smaller blocks.</summary>
    private const long SmallestExtent = 4096;

    /// <summary>What cloning an extent was measured to take on XFS; on btrfs it is half of that.</summary>
    private static readonly TimeSpan _perExtent = TimeSpan.FromMicroseconds(20);

    /// <summary>How long cloning a fragmented file is expected to take; null for one that is not, or where extents cannot be asked for.</summary>
    internal static TimeSpan? CloneTime(SafeFileHandle file, in FileStatus status)
    {
        if (status.DataLength / SmallestExtent < Threshold) return null;
        // Most files have few, and that is told by asking for few.
        if (Kernel.FieMap(file, 0, sync: false, new Extent[ProbeExtents], out _, out bool all) != 0 || all) return null;
        var extents = new Extent[Threshold];
        if (Kernel.FieMap(file, 0, sync: false, extents, out int count, out _) != 0 || count < Threshold) return null;
        double mapped = extents.Sum(extent => (double)extent.Length);
        // The rest is taken to be as fragmented as the beginning.
        return _perExtent * (count * (status.DataLength / mapped));
    }
}

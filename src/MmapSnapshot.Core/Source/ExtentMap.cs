using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;

namespace MmapSnapshot.Source;

/// <summary>Where on the disk the bytes of a file lie (ioctl FS_IOC_FIEMAP, linux/Documentation/filesystems/fiemap.rst).</summary>
internal static class ExtentMap
{
    /// <summary>How many extents are asked for at a time.</summary>
    private const int Batch = 512;

    /// <summary>
    /// Whether both files share every block, and so have the same bytes. What was written to either and not yet to the disk is
    /// written there first, to blocks of its own. False when the filesystem does not tell.
    /// </summary>
    internal static bool AreSame(SafeFileHandle one, SafeFileHandle other)
    {
        using var left = Extents(one).GetEnumerator();
        using var right = Extents(other).GetEnumerator();
        while (true)
        {
            bool more = left.MoveNext();
            if (more != right.MoveNext()) return false;
            if (!more) return true;
            if (left.Current is not { } first || first != right.Current) return false;
        }
    }

    /// <summary>The extents of a file, in order, those that lie side by side as one; a null at the end when the filesystem does not tell.</summary>
    private static IEnumerable<Extent?> Extents(SafeFileHandle file)
    {
        var buffer = new Extent[Batch];
        Extent? pending = null;
        ulong start = 0;
        while (true)
        {
            if (Kernel.MapExtents(file, start, sync: true, buffer, out int count, out bool last) != 0)
            {
                yield return null;
                yield break;
            }
            for (int i = 0; i < count; i++)
            {
                var next = buffer[i];
                start = next.Logical + next.Length;
                if (pending is { } before && before.Logical + before.Length == next.Logical && before.Physical + before.Length == next.Physical)
                {
                    pending = before with { Length = before.Length + next.Length };
                    continue;
                }
                if (pending is not null) yield return pending;
                pending = next;
            }
            if (!last && count > 0) continue;
            if (pending is not null) yield return pending;
            yield break;
        }
    }
}

/// <summary>A run of bytes on the disk, in bytes.</summary>
internal readonly record struct Extent(ulong Logical, ulong Physical, ulong Length);

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

    /// <summary>
    /// The ranges of a file that the disk has written blocks of, in order, those that touch as one; null when the filesystem does not tell.
    /// </summary>
    internal static List<ByteRange>? WrittenRanges(SafeFileHandle file)
    {
        var ranges = new List<ByteRange>();
        foreach (var each in Extents(file))
        {
            if (each is not { } extent) return null;
            if (!extent.IsWritten) continue;
            var range = new ByteRange((long)extent.Logical, (long)extent.Length);
            if (ranges.Count > 0 && ranges[^1].End == range.Offset) ranges[^1] = ByteRange.Between(ranges[^1].Offset, range.End);
            else ranges.Add(range);
        }
        return ranges;
    }

    /// <summary>The extents of a file, in order, those that lie side by side as one; a null at the end when the filesystem does not tell.</summary>
    private static IEnumerable<Extent?> Extents(SafeFileHandle file)
    {
        var buffer = new Extent[Batch];
        Extent? pending = null;
        ulong start = 0;
        while (true)
        {
            if (Kernel.FieMap(file, start, sync: true, buffer, out int count, out bool last) != 0)
            {
                yield return null;
                yield break;
            }
            for (int i = 0; i < count; i++)
            {
                var next = buffer[i];
                start = next.Logical + next.Length;
                if (pending is { } before && before.IsContinuedBy(next))
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
/// <param name="Logical">Where it begins in the file.</param>
/// <param name="Physical">Where it begins on the disk.</param>
/// <param name="Length">How many bytes it has.</param>
/// <param name="IsWritten">Whether the disk has the bytes; else they are zeros, or yet to be written.</param>
internal readonly record struct Extent(ulong Logical, ulong Physical, ulong Length, bool IsWritten)
{
    /// <summary>Whether <paramref name="next"/> is the next run of the file and of the disk.</summary>
    internal bool IsContinuedBy(Extent next) =>
        Logical + Length == next.Logical && Physical + Length == next.Physical && IsWritten == next.IsWritten;
}

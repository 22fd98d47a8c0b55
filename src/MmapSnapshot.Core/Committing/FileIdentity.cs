using System.Globalization;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;

namespace MmapSnapshot.Committing;

/// <summary>
/// Identifies a file on its filesystem to a later process. A device number does not: it changes with the order of mounts.
/// </summary>
/// <param name="Inode">The inode number, which the filesystem uses again after the file is deleted.</param>
/// <param name="Generation">Tells such files apart (FS_IOC_GETVERSION); 0 where the filesystem does not report it.</param>
/// <param name="Length">The size in bytes.</param>
internal readonly record struct FileIdentity(ulong Inode, uint Generation, long Length)
{
    /// <param name="file">Open for reading.</param>
    /// <param name="status">The status of <paramref name="file"/>.</param>
    internal static FileIdentity Of(SafeFileHandle file, in FileStatus status) =>
        new(status.Inode, Kernel.GetInodeGeneration(file, out uint generation) == 0 ? generation : 0, status.Length);

    /// <summary>As <see cref="TryParse"/> reads it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Inode} {Generation} {Length}");

    internal static bool TryParse(string text, out FileIdentity identity)
    {
        identity = default;
        if (text.Split(' ') is not [var inode, var generation, var length]) return false;
        if (!ulong.TryParse(inode, NumberStyles.None, CultureInfo.InvariantCulture, out ulong number)) return false;
        if (!uint.TryParse(generation, NumberStyles.None, CultureInfo.InvariantCulture, out uint version)) return false;
        if (!long.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out long size)) return false;
        identity = new FileIdentity(number, version, size);
        return true;
    }
}

using System.Collections.Concurrent;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Removes the temporary names that killed processes left in a folder: at most one for each save they were in. A living saver
/// holds a lock (man 2 flock) on its file, a dead one no longer does.
/// </summary>
internal static class Leftovers
{
    /// <summary>Folders remembered at most; past that all are forgotten, which costs one more look each.</summary>
    private const int Capacity = 1024;

    /// <summary>
    /// The modification time at which each folder was known to hold no leftover, as looking costs a pass over its names.
    /// A saver killed in the very moment of one of our own saves escapes until the folder changes again.
    /// </summary>
    private static readonly ConcurrentDictionary<(ulong Device, ulong Inode), Timespec> _clean = new();

    /// <summary>Removes them. What cannot be listed or removed is left as it is: the save goes on.</summary>
    /// <returns>Whether there was none, so that after the save the folder need not be looked through again.</returns>
    internal static bool Remove(ParentFolder folder)
    {
        if (Kernel.Stat(folder.Handle, out var status) != 0) return false;
        if (_clean.TryGetValue((status.st_dev, status.st_ino), out var seen) && seen.Equals(status.st_mtim)) return true;

        bool none = true;
        foreach (string name in folder.Names().Where(TemporaryName.Matches))
        {
            none = false;
            TryRemove(folder, name);
        }
        return none;
    }

    /// <summary>Notes that there was none, and that the last change of the folder was our own.</summary>
    internal static void RememberNone(ParentFolder folder)
    {
        if (Kernel.Stat(folder.Handle, out var now) != 0) return;
        if (_clean.Count >= Capacity) _clean.Clear();
        _clean[(now.st_dev, now.st_ino)] = now.st_mtim;
    }

    private static void TryRemove(ParentFolder folder, string name)
    {
        var errno = Kernel.OpenAt(folder.Handle, name, OpenMode.ReadOnly | OpenMode.NoFollow | OpenMode.NonBlocking, out var file);
        using (file)
        {
            if (errno == 0 && Kernel.Lock(file) == 0) _ = Kernel.UnlinkAt(folder.Handle, name);
        }
    }
}

using System.Globalization;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix;

namespace MmapSnapshot.Source;

/// <summary>
/// The mounts that this process sees, by id. They are read once, and again after a mount or unmount (man 5 proc_pid_mountinfo: the
/// file can be polled for that). As an id is used again only after its mount is gone, what is here is right while nothing changed.
/// </summary>
internal static class MountTable
{
    private static readonly object _lock = new();

    /// <summary>Kept open, as the kernel tells each open file of the changes since it was opened or last asked.</summary>
    private static SafeFileHandle? _mountInfo;

    private static string _table = "";

    /// <summary>The lines of the table that were asked for.</summary>
    private static readonly Dictionary<ulong, Mount> _found = [];

    /// <summary>O(1) while nothing is mounted or unmounted; else all mounts are read.</summary>
    /// <returns>The mount; null where it is not shown to this process.</returns>
    internal static Mount? Find(ulong id)
    {
        lock (_lock)
        {
            if (_mountInfo is null)
            {
                if (Kernel.OpenAt(null, "/proc/self/mountinfo", OpenMode.ReadOnly, out var file) != 0) return null;
                _mountInfo = file;
                Read();
            }
            else if (Kernel.HasExceptionalCondition(_mountInfo))
            {
                Read();
            }
            if (_found.TryGetValue(id, out var mount)) return mount;
            if (FindIn(_table, id) is { } found)
            {
                _found[id] = found;
                return found;
            }
        }
        // This thread may have a mount namespace of its own (man 7 mount_namespaces).
        return FindIn(ReadAll("/proc/thread-self/mountinfo"), id);
    }

    private static void Read()
    {
        _found.Clear();
        _table = ReadAll(_mountInfo!);
    }

    private static Mount? FindIn(string table, ulong id)
    {
        string start = $"\n{id.ToString(CultureInfo.InvariantCulture)} ";
        int at = table.IndexOf(start, StringComparison.Ordinal);
        return at < 0 ? null : Mount.TryParse(table[(at + 1)..table.IndexOf('\n', at + 1)]);
    }

    private static string ReadAll(string path)
    {
        if (Kernel.OpenAt(null, path, OpenMode.ReadOnly, out var file) != 0) return "";
        using (file) return ReadAll(file);
    }

    /// <summary>All lines, each between two line feeds.</summary>
    private static string ReadAll(SafeFileHandle file)
    {
        var text = new MemoryStream();
        var buffer = new byte[16 << 10];
        while (Kernel.Read(file, buffer, text.Length, out int count) == 0 && count > 0) text.Write(buffer, 0, count);
        return $"\n{UnixEncoding.Instance.GetString(text.GetBuffer(), 0, (int)text.Length)}\n";
    }
}

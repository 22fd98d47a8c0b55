using System.Text;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;

namespace MmapSnapshot.Source;

/// <summary>A line of /proc/self/mountinfo (man 5 proc_pid_mountinfo).</summary>
/// <param name="Type">The filesystem's type: xfs, btrfs, ext4, tmpfs, overlay, ...</param>
/// <param name="MountPoint">Where it is mounted.</param>
/// <param name="Options">The options of the filesystem itself, as the kernel writes them.</param>
internal sealed record Mount(string Type, string MountPoint, string Options)
{
    private FileSystem? _fileSystem;

    /// <summary>What is known of the filesystem; found out once.</summary>
    internal FileSystem FileSystem => _fileSystem ??= FileSystem.OfMount(this);

    /// <summary>The mount that an open file was reached through; null where it is not shown to this process.</summary>
    internal static Mount? Of(SafeFileHandle file) => Kernel.MountId(file) is { } id ? MountTable.Find(id) : null;

    /// <summary>"36 35 98:0 /root /mount/point options optional... - type source options"; null for what is no such line.</summary>
    internal static Mount? TryParse(string line)
    {
        string[] fields = line.Split(' ');
        int separator = Array.IndexOf(fields, "-", Math.Min(6, fields.Length));
        return separator >= 0 && separator + 3 < fields.Length ? new Mount(fields[separator + 1], Unescape(fields[4]), Unescape(fields[separator + 3])) : null;
    }

    /// <summary>Space, tab, line feed, backslash and # are three octal digits after a backslash.</summary>
    private static string Unescape(string field)
    {
        if (!field.Contains('\\')) return field;
        var text = new StringBuilder(field.Length);
        for (int i = 0; i < field.Length; i++)
        {
            if (field[i] == '\\' && i + 3 < field.Length && field.AsSpan(i + 1, 3).IndexOfAnyExceptInRange('0', '7') < 0)
            {
                text.Append((char)(((field[i + 1] - '0') << 6) | ((field[i + 2] - '0') << 3) | (field[i + 3] - '0')));
                i += 3;
            }
            else
            {
                text.Append(field[i]);
            }
        }
        return text.ToString();
    }
}

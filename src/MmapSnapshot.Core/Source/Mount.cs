using System.Text.RegularExpressions;
using Microsoft.Win32.SafeHandles;

namespace MmapSnapshot.Source;

/// <summary>A line of mountinfo (man 5 proc_pid_mountinfo), of this thread's mount namespace.</summary>
/// <param name="FileSystem">Its type: xfs, btrfs, ext4, tmpfs, overlay, ...</param>
/// <param name="MountPoint">Where it is mounted.</param>
/// <param name="Options">The options of the filesystem itself, as the kernel writes them.</param>
internal sealed partial record Mount(string FileSystem, string MountPoint, string Options)
{
    /// <summary>The mount that an open file was reached through; null where /proc does not tell.</summary>
    internal static Mount? Of(SafeFileHandle file)
    {
        const string Field = "mnt_id:";
        string? id = ReadLines($"/proc/self/fdinfo/{file.DangerousGetHandle()}").FirstOrDefault(line => line.StartsWith(Field, StringComparison.Ordinal));
        if (id is null) return null;

        string start = id[Field.Length..].Trim() + " ";
        string? line = ReadLines("/proc/thread-self/mountinfo").FirstOrDefault(line => line.StartsWith(start, StringComparison.Ordinal));
        if (line is null) return null;

        // "36 35 98:0 /root /mount/point options optional... - type source options"
        string[] fields = line.Split(' ');
        int separator = Array.IndexOf(fields, "-", 6);
        return separator < 0 ? null : new Mount(fields[separator + 1], Unescape(fields[4]), Unescape(fields[separator + 3]));
    }

    private static string[] ReadLines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return []; // no /proc
        }
    }

    private static string Unescape(string field) =>
        OctalEscape().Replace(field, match => ((char)Convert.ToInt32(match.Groups[1].Value, 8)).ToString());

    [GeneratedRegex(@"\\([0-7]{3})")]
    private static partial Regex OctalEscape();
}

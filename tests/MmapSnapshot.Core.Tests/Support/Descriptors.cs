using System.Globalization;

namespace MmapSnapshot.Tests.Support;

/// <summary>What this process holds, as /proc tells it.</summary>
internal static class Descriptors
{
    private const int CloseOnExec = 0x80000;

    /// <summary>The numbers of the descriptors that lead to something in a folder, named or not.</summary>
    public static int[] In(string folder) => [.. Find(folder, nameless: null)];

    /// <summary>The numbers of those that lead to a file without a name: what a snapshot keeps its bytes in.</summary>
    public static int[] Nameless(string folder) => [.. Find(folder, nameless: true)];

    /// <summary>How many descriptors this process has in all.</summary>
    public static int Count() => Directory.GetFileSystemEntries("/proc/self/fd").Length;

    /// <summary>How many mappings there are of something in a folder.</summary>
    public static int Mappings(string folder) => File.ReadLines("/proc/self/maps").Count(line => line.Contains(folder, StringComparison.Ordinal));

    public static string PathOf(int descriptor) => $"/proc/self/fd/{descriptor}";

    public static bool IsInherited(int descriptor)
    {
        const string Flags = "flags:";
        string line = File.ReadLines($"/proc/self/fdinfo/{descriptor}").First(line => line.StartsWith(Flags, StringComparison.Ordinal));
        return (Convert.ToInt32(line[Flags.Length..].Trim(), 8) & CloseOnExec) == 0;
    }

    private static IEnumerable<int> Find(string folder, bool? nameless)
    {
        foreach (string entry in Directory.GetFileSystemEntries("/proc/self/fd"))
        {
            string? target = new FileInfo(entry).LinkTarget;
            if (target is null || !target.StartsWith(folder, StringComparison.Ordinal)) continue;
            if (nameless is { } wanted && wanted != target.EndsWith(" (deleted)", StringComparison.Ordinal)) continue;
            yield return int.Parse(Path.GetFileName(entry), CultureInfo.InvariantCulture);
        }
    }
}

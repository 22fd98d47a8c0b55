using System.Diagnostics;

namespace MmapSnapshot.Benchmarks.Search;

/// <summary>What people use today. It prints non-overlapping matches, and starting it is part of its time.</summary>
internal static class Grep
{
    internal static bool IsThere { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Join(folder, "grep")));

    internal static long Count(string pattern, string path)
    {
        var start = new ProcessStartInfo("grep", ["-obUaP", "--", pattern, path]) { RedirectStandardOutput = true };
        // Bytes, not characters.
        start.Environment["LC_ALL"] = "C";
        using var grep = Process.Start(start)!;
        long lines = 0;
        Span<byte> buffer = new byte[1 << 16];
        for (int read; (read = grep.StandardOutput.BaseStream.Read(buffer)) > 0;) lines += buffer[..read].Count((byte)'\n');
        grep.WaitForExit();
        return lines;
    }
}

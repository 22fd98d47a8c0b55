using System.Diagnostics;

namespace MmapSnapshot.Faults;

/// <summary>The mounted filesystems, and the system's own tools.</summary>
internal static class Rig
{
    internal static IEnumerable<string> Mounts(string rig) =>
        Directory.EnumerateDirectories(rig).Where(folder => Path.GetFileName(folder) != "images").Order(StringComparer.Ordinal);

    internal static string NameOf(string mount) => Path.GetFileName(mount);

    /// <summary>Whether a program is on PATH.</summary>
    internal static bool HasProgram(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Join(folder, name)));

    /// <summary>The methods of saving that a filesystem has; there Auto is Exchange.</summary>
    internal static CommitMethod[] Methods(string mount) =>
        NameOf(mount) == "xfs-exchange" ? [CommitMethod.Replace, CommitMethod.InPlace, CommitMethod.Auto] : [CommitMethod.Replace, CommitMethod.InPlace];

    /// <summary>The command that runs this program with such arguments.</summary>
    internal static string[] OwnCommand(params string[] arguments) =>
        Path.GetFileName(Environment.ProcessPath) == "dotnet" ? [Environment.ProcessPath!, typeof(Rig).Assembly.Location, .. arguments] : [Environment.ProcessPath!, .. arguments];

    /// <summary>tests/filesystems/rig.sh.</summary>
    internal static string Script { get; } = FindScript();

    /// <summary>Runs a bash script with $1, $2, ... and returns what it printed.</summary>
    internal static string Shell(string script, params string[] arguments)
    {
        var start = new ProcessStartInfo("bash") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in (string[])["-c", "set -e -o pipefail; " + script, "bash", .. arguments]) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output.TrimEnd() : throw new InvalidOperationException($"{script}: exit code {process.ExitCode}: {errors.Result}");
    }

    private static string FindScript()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string script = Path.Join(folder.FullName, "tests/filesystems/rig.sh");
            if (File.Exists(script)) return script;
        }
        throw new FileNotFoundException("tests/filesystems/rig.sh");
    }
}

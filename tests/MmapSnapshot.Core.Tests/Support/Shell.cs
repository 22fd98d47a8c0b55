using System.Diagnostics;

namespace MmapSnapshot.Tests.Support;

/// <summary>Runs the system's own tools, as the other party or the judge of a test.</summary>
internal static class Shell
{
    /// <summary>Runs a bash script with $1, $2, ... and returns what it printed; a failure fails the test.</summary>
    public static string Run(string script, params string[] arguments)
    {
        using var process = Start(script, arguments);
        string output = process.StandardOutput.ReadToEnd();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{script}: exit code {process.ExitCode}: {errors}");
        return output.TrimEnd('\n');
    }

    /// <summary>Starts a bash script that goes on beside the test.</summary>
    public static Process Start(string script, params string[] arguments)
    {
        var start = new ProcessStartInfo("bash") { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (string argument in (string[])["-c", "set -e -o pipefail; " + script, "bash", .. arguments]) start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }
}

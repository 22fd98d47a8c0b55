using System.Diagnostics;
using System.Text.RegularExpressions;

namespace MmapSnapshot.Tests.Support;

/// <summary>Runs the system's own tools, as the other party or the judge of a test.</summary>
internal static partial class Shell
{
    /// <summary>bash calls this function for a program that is missing; SkipIfMissing looks for what it prints.</summary>
    private const string Prelude = "command_not_found_handle() { echo \"missing program: $1\" >&2; return 127; }; set -e -o pipefail; ";

    /// <summary>
    /// Runs a bash script with $1, $2, ... and returns what it printed. A failure fails the test, and a program that is not on
    /// this machine skips it.
    /// </summary>
    public static string Run(string script, params string[] arguments)
    {
        using var process = Start(script, arguments);
        string output = process.StandardOutput.ReadToEnd();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        SkipIfMissing(errors);
        Assert.True(process.ExitCode == 0, $"{script}: exit code {process.ExitCode}: {errors}");
        return output.TrimEnd('\n');
    }

    /// <summary>Starts a bash script that runs at the same time as the test.</summary>
    public static Process Start(string script, params string[] arguments)
    {
        var start = new ProcessStartInfo("bash") { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (string argument in (string[])["-c", Prelude + script, "bash", .. arguments]) start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    /// <summary>Skips the test if a script has printed among its errors that a program is missing.</summary>
    public static void SkipIfMissing(string errors) => Tools.SkipWithout(MissingProgram().Matches(errors).Select(match => match.Groups[1].Value));

    [GeneratedRegex("^missing program: (.+)$", RegexOptions.Multiline)]
    private static partial Regex MissingProgram();
}

using System.Diagnostics;

namespace MmapSnapshot.Faults;

/// <summary>A second process that saves, reads, renames or locks files on command; as another user if asked, slowed by strace if asked.</summary>
internal sealed class ActorProcess : IDisposable
{
    /// <summary>A user that owns nothing (nobody).</summary>
    internal const int UnprivilegedUser = 65534;

    private readonly Process _process;

    internal ActorProcess(int user = 0, params string[] straceOptions)
    {
        List<string> command = [];
        if (straceOptions.Length > 0) command.AddRange(["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", .. straceOptions]);
        if (user != 0) command.AddRange(["setpriv", $"--reuid={user}", $"--regid={user}", "--clear-groups"]);
        command.AddRange(Rig.OwnCommand("actor"));
        var start = new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardInput = true, RedirectStandardOutput = true, WorkingDirectory = "/" };
        start.Environment["DOTNET_EnableDiagnostics"] = "0";
        start.Environment["HOME"] = "/";
        // strace remarks that the process was killed in a pause.
        start.RedirectStandardError = straceOptions.Length > 0;
        _process = Process.Start(start)!;
        if (start.RedirectStandardError) _process.BeginErrorReadLine();
        if (Ask("hello") != "hello") throw new InvalidOperationException($"The process did not start: {string.Join(' ', command)}");
    }

    internal void Send(string line)
    {
        _process.StandardInput.WriteLine(line);
        _process.StandardInput.Flush();
    }

    /// <summary>The answer; null when the process died or did not answer in time.</summary>
    internal string? Receive(TimeSpan? timeout = null)
    {
        var answer = _process.StandardOutput.ReadLineAsync();
        return answer.Wait(timeout ?? TimeSpan.FromSeconds(60)) ? answer.Result : null;
    }

    internal string? Ask(string line, TimeSpan? timeout = null)
    {
        Send(line);
        return Receive(timeout);
    }

    /// <summary>Whether it has a file open that has no name and is not on this mount, as one that has room.</summary>
    internal bool HasUnlinkedFileOutside(string mount) =>
        new DirectoryInfo($"/proc/{_process.Id}/fd").EnumerateFiles().Any(descriptor =>
            descriptor.LinkTarget is { } target
            && target.StartsWith('/')
            && target.EndsWith(" (deleted)", StringComparison.Ordinal)
            && !target.StartsWith(mount + "/", StringComparison.Ordinal)
            && !target.StartsWith("/memfd:doublemapper", StringComparison.Ordinal)
            && !target.StartsWith("/dev/", StringComparison.Ordinal));

    /// <summary>Ends it at once, whatever it waits for.</summary>
    internal void Kill() => _process.Kill(entireProcessTree: true);

    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(1000)) Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    /// <summary>Whether <see cref="UnprivilegedUser"/> can run this program.</summary>
    internal static bool CanBeOtherUser { get; } = TryOtherUser();

    private static bool TryOtherUser()
    {
        try
        {
            using var actor = new ActorProcess(UnprivilegedUser);
            return true;
        }
        catch (Exception exception) when (exception is InvalidOperationException or IOException)
        {
            Console.WriteLine($"Not tried as another user: user {UnprivilegedUser} cannot run {string.Join(' ', Rig.OwnCommand())}.");
            return false;
        }
    }
}

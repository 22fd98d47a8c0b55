using System.Diagnostics;

namespace MmapSnapshot.Faults;

/// <summary>A victim, and strace at its throat.</summary>
internal sealed class VictimProcess : IDisposable
{
    private readonly Process _process;

    private readonly string _threadId;

    internal VictimProcess(string mount)
    {
        string[] command = Rig.OwnCommand("victim", Path.Join(mount, "warm-up-" + Guid.NewGuid().ToString("N")));
        var start = new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardInput = true, RedirectStandardOutput = true };
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0"; // or the runtime maps memory of its own in between
        _process = Process.Start(start)!;
        // One case without a fault: what is loaded late, is loaded then, and will not be in a trace.
        foreach (var variant in Specimen.VariantsOn(Rig.NameOf(mount)))
        {
            var practice = new Specimen(mount, "practice", variant);
            Send(practice.Command);
            _ = Receive();
            Directory.Delete(practice.Folder, recursive: true);
        }
        var inPlace = new Specimen(mount, "practice");
        foreach (string act in (string[])["in-place", "repair"])
        {
            Send($"{act} {inPlace.Path}");
            _ = Receive();
        }
        Directory.Delete(inPlace.Folder, recursive: true);
        var group = new GroupSpecimen(Path.Join(mount, "practice-group"));
        foreach (string act in (string[])["group", "repair"])
        {
            Send($"{act} {group.Folder}");
            _ = Receive();
        }
        Directory.Delete(group.Folder, recursive: true);
        Send("hello");
        _threadId = Receive() ?? throw new InvalidOperationException("The victim did not start.");
    }

    internal bool HasExited => _process.WaitForExit(0);

    internal void Send(string line)
    {
        _process.StandardInput.WriteLine(line);
        _process.StandardInput.Flush();
    }

    /// <summary>The victim's answer; null when it died.</summary>
    internal string? Receive() => _process.StandardOutput.ReadLine();

    internal Task<string?> ReceiveAsync() => _process.StandardOutput.ReadLineAsync();

    /// <summary>Sends a line with strace attached to the victim's thread, and returns the answer and what strace wrote.</summary>
    internal (string? Answer, string[] Trace) SendTraced(string line, params string[] straceOptions)
    {
        string log = Path.GetTempFileName();
        try
        {
            var start = new ProcessStartInfo("strace") { RedirectStandardError = true };
            foreach (string argument in (string[])["-p", _threadId, "-o", log, .. straceOptions]) start.ArgumentList.Add(argument);
            using var strace = Process.Start(start)!;
            string? attached = strace.StandardError.ReadLine();
            if (attached is null || !attached.Contains("attached", StringComparison.Ordinal)) throw new InvalidOperationException($"strace: {attached}");
            Send(line);
            string? answer = Receive();
            if (answer is not null) Mono.Unix.Native.Syscall.kill(strace.Id, Mono.Unix.Native.Signum.SIGINT);
            strace.WaitForExit();
            return (answer, File.ReadAllLines(log));
        }
        finally
        {
            File.Delete(log);
        }
    }

    public void Dispose()
    {
        if (!HasExited) _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}

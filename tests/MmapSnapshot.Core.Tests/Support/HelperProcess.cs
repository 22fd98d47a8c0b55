using System.Diagnostics;

namespace MmapSnapshot.Tests.Support;

/// <summary>Another process that has something in its hands until it is disposed of.</summary>
internal sealed class HelperProcess : IDisposable
{
    private readonly Process _process;

    /// <summary>Runs a bash script up to where it has prepared all, then leaves it waiting.</summary>
    public HelperProcess(string script, params string[] arguments)
    {
        _process = Shell.Start(script + "; echo ready; read -r _", arguments);
        if (_process.StandardOutput.ReadLine() == "ready") return;
        string errors = _process.StandardError.ReadToEnd();
        Shell.SkipIfMissing(errors);
        Assert.Fail($"{script}: {errors}");
    }

    public static HelperProcess WithOpenForWriting(string path) => new("exec 3<>\"$1\"", path);

    public static HelperProcess WithLock(string path)
    {
        Tools.Require("flock");
        return new("exec 3<\"$1\"; flock --exclusive --nonblock 3", path);
    }

    /// <summary>A process that waits for a reader to open a FIFO, and ends when one has.</summary>
    public static Process WaitingToWriteTo(string fifo)
    {
        var writer = Shell.Start("exec 3>\"$1\"", fifo);
        bool waits = SpinWait.SpinUntil(
            () => File.ReadAllText($"/proc/{writer.Id}/wchan").Contains("wait_for_partner", StringComparison.Ordinal), TimeSpan.FromSeconds(10));
        Assert.True(waits, "the writer does not wait");
        return writer;
    }

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
    }
}

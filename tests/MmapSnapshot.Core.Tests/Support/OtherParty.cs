using System.Diagnostics;

namespace MmapSnapshot.Tests.Support;

/// <summary>Another process that has something in its hands until it is disposed of.</summary>
internal sealed class OtherParty : IDisposable
{
    private readonly Process _process;

    /// <summary>Runs a bash script up to where it has prepared all, then leaves it waiting.</summary>
    public OtherParty(string script, params string[] arguments)
    {
        _process = Shell.Start(script + "; echo ready; read -r _", arguments);
        if (_process.StandardOutput.ReadLine() != "ready") Assert.Fail($"{script}: {_process.StandardError.ReadToEnd()}");
    }

    public int Id => _process.Id;

    public bool HasEnded => _process.HasExited;

    public static OtherParty WithOpenForWriting(string path) => new("exec 3<>\"$1\"", path);

    public static OtherParty WithLock(string path)
    {
        Tools.Require("flock");
        return new("exec 3<\"$1\"; flock --exclusive --nonblock 3", path);
    }

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
    }
}

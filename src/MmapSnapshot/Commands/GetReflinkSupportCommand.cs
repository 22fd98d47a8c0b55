using System.Management.Automation;

namespace MmapSnapshot;

/// <summary>Tells what a path's filesystem can do for snapshots, by trying it.</summary>
[Cmdlet(VerbsCommon.Get, "ReflinkSupport", DefaultParameterSetName = "Path")]
[OutputType(typeof(ReflinkSupport))]
public sealed class GetReflinkSupportCommand : SnapshotCmdlet
{
    /// <summary>The files or folders; wildcards are resolved. Without it, the current folder.</summary>
    [Parameter(Position = 0, ParameterSetName = "Path", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = ["."];

    /// <summary>The files or folders, taken as they are written.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "LiteralPath", ValueFromPipelineByPropertyName = true)]
    [Alias("PSPath", "LP")]
    [ValidateNotNullOrEmpty]
    public string[]? LiteralPath { get; set; }

    /// <summary>Probes each path.</summary>
    protected override void ProcessRecord()
    {
        foreach (string path in ResolvePaths(LiteralPath is null ? Path : null, LiteralPath))
            TryDo(path, () => WriteObject(ReflinkSupport.Probe(path, CancellationToken)));
    }
}

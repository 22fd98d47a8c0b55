using System.Management.Automation;

namespace MmapSnapshot;

/// <summary>Repairs files whose save in place was interrupted, by the journals that are beside them.</summary>
[Cmdlet(VerbsDiagnostic.Repair, "MmapSnapshot", DefaultParameterSetName = "Path", SupportsShouldProcess = true)]
[OutputType(typeof(RepairRecord))]
public sealed class RepairMmapSnapshotCommand : SnapshotCmdlet
{
    /// <summary>The files or directories; wildcards are resolved.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = "Path", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[]? Path { get; set; }

    /// <summary>The files or directories, taken as they are written.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "LiteralPath", ValueFromPipelineByPropertyName = true)]
    [Alias("PSPath", "LP")]
    [ValidateNotNullOrEmpty]
    public string[]? LiteralPath { get; set; }

    /// <summary>Also look in all directories below.</summary>
    [Parameter]
    public SwitchParameter Recurse { get; set; }

    /// <summary>Repair where it is doubtful, and remove journals that are of no use.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>Repairs what each path leads to.</summary>
    protected override void ProcessRecord()
    {
        foreach (string path in ResolvePaths(Path, LiteralPath))
        {
            TryDo(path, () =>
            {
                bool isDeclined = false;
                var options = new RepairOptions
                {
                    Recurse = Recurse,
                    Force = Force,
                    Confirm = planned => !(isDeclined = !ShouldProcess(planned.Path ?? planned.Journal, Describe(planned))),
                };
                foreach (var record in SnapshotRepair.Repair(path, options, CancellationToken))
                {
                    if (!isDeclined) WriteObject(record);
                    isDeclined = false;
                }
            });
        }
    }

    private static string Describe(RepairRecord planned) => planned.Action switch
    {
        RepairAction.RollForward => "Complete the interrupted save",
        RepairAction.RollBack => "Drop the interrupted save",
        _ => $"Remove the journal '{planned.Journal}'",
    };
}

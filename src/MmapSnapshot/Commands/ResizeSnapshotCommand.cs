using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Makes a snapshot longer, with zeros, or shorter. The file changes when the snapshot is saved.</summary>
[Cmdlet(VerbsCommon.Resize, "Snapshot", SupportsShouldProcess = true)]
[Alias("Resize-MmapSnapshot")]
[OutputType(typeof(Snapshot))]
public sealed class ResizeSnapshotCommand : SnapshotCmdlet
{
    /// <summary>The snapshots, or their ids.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>The new length in bytes.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [OffsetTransformation]
    [ValidOffset]
    public long Length { get; set; }

    /// <summary>Pass the snapshots on.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>Resizes each snapshot.</summary>
    protected override void ProcessRecord()
    {
        foreach (var snapshot in Snapshot)
        {
            bool resized = TryDo(snapshot, () =>
            {
                CheckWritable(snapshot);
                if (!ShouldProcess(snapshot.Path, $"Resize the snapshot from {snapshot.Length} to {Quantity.Format(Length, "byte")}")) return;
                snapshot.Resize(Length);
            });
            if (resized && PassThru) WriteObject(snapshot);
        }
    }
}

using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Makes changes of a snapshot again that Undo-SnapshotBytes has taken back.</summary>
[Cmdlet(VerbsCommon.Redo, "SnapshotBytes", SupportsShouldProcess = true)]
[OutputType(typeof(Snapshot))]
public sealed class RedoSnapshotBytesCommand : SnapshotCmdlet
{
    /// <summary>The snapshots, or their ids.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>How many changes to make again, the one that was taken back last first.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int Last { get; set; } = 1;

    /// <summary>Pass the snapshots on.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>Makes the changes again, in each snapshot.</summary>
    protected override void ProcessRecord()
    {
        foreach (var snapshot in Snapshot)
        {
            bool redone = TryDo(snapshot, () =>
            {
                CheckWritable(snapshot);
                if (ShouldProcess(snapshot.Path, $"Redo {(Last == 1 ? "the change" : $"{Last} changes")} of the snapshot")) Redo(snapshot);
            });
            if (redone && PassThru) WriteObject(snapshot);
        }
    }

    private void Redo(Snapshot snapshot)
    {
        for (int i = 0; i < Last; i++)
        {
            if (snapshot.Redo()) continue;
            if (i == 0) WriteWarning($"'{snapshot.Path}' has no change to make again.");
            else WriteVerbose($"'{snapshot.Path}': there was no more to make again than {Quantity.Format(i, "change")}.");
            return;
        }
    }
}

using System.Management.Automation;

namespace MmapSnapshot;

/// <summary>Lets go of snapshots without saving them.</summary>
[Cmdlet(VerbsCommon.Close, "MmapSnapshot", DefaultParameterSetName = "Snapshot", SupportsShouldProcess = true)]
public sealed class CloseMmapSnapshotCommand : SnapshotCmdlet
{
    /// <summary>The snapshots. One that is closed already is no error.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = "Snapshot", ValueFromPipeline = true)]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>The ids of the snapshots.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Id")]
    public int[] Id { get; set; } = [];

    /// <summary>Do not warn of unsaved changes.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>Closes each snapshot.</summary>
    protected override void ProcessRecord()
    {
        foreach (int id in Id)
            TryDo(id, () => Close(Session.Open().FirstOrDefault(open => open.Id == id) ?? throw ErrorFactory.NotOpen($"with the id {id}")));
        foreach (var snapshot in Snapshot) TryDo(snapshot, () => Close(snapshot));
    }

    /// <summary>What closing a snapshot loses, in words.</summary>
    internal static string LossOf(Snapshot snapshot) =>
        $"'{snapshot.Path}' was closed with unsaved changes (modified bytes: {snapshot.ModifiedBytes}), which are lost.";

    private void Close(Snapshot snapshot)
    {
        if (!ShouldProcess(snapshot.Path, snapshot.IsModified ? "Close the snapshot and lose its changes" : "Close the snapshot")) return;
        bool loses = snapshot.IsModified && !snapshot.IsClosed;
        snapshot.Close();
        Session.Keep(snapshot);
        if (loses && !Force) WriteWarning(LossOf(snapshot));
    }
}

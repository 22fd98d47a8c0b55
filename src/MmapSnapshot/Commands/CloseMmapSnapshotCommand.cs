using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Lets go of snapshots without saving them.</summary>
[Cmdlet(VerbsCommon.Close, "MmapSnapshot", DefaultParameterSetName = "Snapshot", SupportsShouldProcess = true)]
[Alias("Close-Snapshot")]
public sealed class CloseMmapSnapshotCommand : SnapshotCmdlet
{
    private bool _yesToAll, _noToAll;

    /// <summary>The snapshots, or their ids. One that is closed already is no error.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = "Snapshot", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>The ids of the snapshots.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Id")]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    public int[] Id { get; set; } = [];

    /// <summary>Neither ask nor warn before unsaved changes are lost.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>Closes each snapshot.</summary>
    protected override void ProcessRecord()
    {
        foreach (int id in Id)
            TryDo(id, () => Close(Session.Get(id)));
        foreach (var snapshot in Snapshot) TryDo(snapshot, () => Close(snapshot));
    }

    /// <summary>What closing a snapshot loses, in words.</summary>
    internal static string UnsavedChangesMessage(Snapshot snapshot) =>
        $"'{DisplayText.Of(snapshot.Path)}' was closed with unsaved changes (modified bytes: {snapshot.ModifiedBytes}), which are lost.";

    /// <summary>Whether somebody sits at the terminal, and has not been asked already (-Confirm).</summary>
    private bool CanAsk =>
        Host.Name == "ConsoleHost"
        && !Console.IsInputRedirected
        && !MyInvocation.BoundParameters.ContainsKey("Confirm")
        && !Environment.GetCommandLineArgs().Any(argument => argument.TrimStart('-').StartsWith("noni", StringComparison.OrdinalIgnoreCase));

    private void Close(Snapshot snapshot)
    {
        if (!ShouldProcess(snapshot.Path, snapshot.IsModified ? "Close the snapshot and lose its changes" : "Close the snapshot")) return;
        bool loses = snapshot.IsModified && !snapshot.IsClosed;
        bool asks = loses && !Force && CanAsk;
        // hasSecurityImpact makes No the default: Enter alone loses nothing.
        if (asks && !ShouldContinue(
            $"'{DisplayText.Of(snapshot.Path)}' has unsaved changes (modified bytes: {snapshot.ModifiedBytes}). Close it and lose them?",
            "Unsaved changes",
            hasSecurityImpact: true,
            ref _yesToAll,
            ref _noToAll)) return;
        snapshot.Close();
        if (loses && !Force && !asks) WriteWarning(UnsavedChangesMessage(snapshot));
    }
}

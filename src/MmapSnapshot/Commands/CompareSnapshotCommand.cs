using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>
/// Tells what was changed in a snapshot since it was opened or last saved, or what tells it from another file: a patch, as
/// objects that Set-SnapshotBytes applies.
/// </summary>
[Cmdlet(VerbsData.Compare, "Snapshot")]
[OutputType(typeof(SnapshotChange))]
public sealed class CompareSnapshotCommand : SnapshotCmdlet
{
    /// <summary>The snapshots, or their ids.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>Compare with this instead, as what was before: another snapshot, or the path of a file.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNull]
    public object? With { get; set; }

    /// <summary>Compares each snapshot.</summary>
    protected override void ProcessRecord()
    {
        foreach (var snapshot in Snapshot) TryDo(With ?? snapshot, progress => Compare(snapshot, progress));
    }

    private void Compare(Snapshot snapshot, IProgress<SnapshotProgress> progress)
    {
        switch (With is PSObject wrapped ? wrapped.BaseObject : With)
        {
            case null:
                WriteAll(snapshot.GetChanges(progress, Stopped));
                break;
            case Snapshot other:
                WriteAll(snapshot.GetChangesFrom(other, progress, Stopped));
                break;
            default:
                string path = ResolveLiteral(With is PSObject { BaseObject: FileSystemInfo file } ? file.FullName : With!.ToString()!);
                using (var other = MmapSnapshot.Snapshot.Open(path, new SnapshotOptions { ReadOnly = true, Progress = progress }, Stopped))
                    WriteAll(snapshot.GetChangesFrom(other, progress, Stopped));
                break;
        }
    }

    private void WriteAll(IEnumerable<SnapshotChange> changes)
    {
        foreach (var change in changes) WriteObject(change);
    }
}

using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>
/// Tells what was changed in a snapshot since it was opened or last saved, or what tells it from another file: a patch, as
/// objects that Set-SnapshotBytes applies.
/// </summary>
[Cmdlet(VerbsData.Compare, "Snapshot")]
[Alias("Compare-MmapSnapshot")]
[OutputType(typeof(SnapshotChange))]
public sealed class CompareSnapshotCommand : SnapshotCmdlet
{
    /// <summary>The snapshots, or their ids.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>Compare with this instead, as what was before: another snapshot, or its id, or the path of a file.</summary>
    [Parameter(Position = 1)]
    [Alias("With")]
    [SnapshotTransformation(AllowsPaths = true)]
    [ValidateNotNull]
    public object? Reference { get; set; }

    private object? Other => Reference is PSObject wrapped ? wrapped.BaseObject : Reference;

    /// <summary>Compares each snapshot.</summary>
    protected override void ProcessRecord()
    {
        foreach (var snapshot in Snapshot) TryDo(Other is Snapshot { IsClosed: true } ? Other : snapshot, progress => Compare(snapshot, progress));
    }

    private void Compare(Snapshot snapshot, IProgress<SnapshotProgress> progress)
    {
        switch (Other)
        {
            case null:
                WriteAll(snapshot.GetChanges(progress, CancellationToken));
                break;
            case Snapshot other:
                WriteAll(snapshot.GetChangesFrom(other, progress, CancellationToken));
                break;
            case var path:
                Snapshot? file = null;
                string name = path is FileSystemInfo info ? info.FullName : path.ToString()!;
                TryDo(path, () => file = Open(ResolveLiteral(name), new SnapshotOptions { ReadOnly = true, Progress = progress }));
                using (file)
                {
                    if (file is not null) WriteAll(snapshot.GetChangesFrom(file, progress, CancellationToken));
                }
                break;
        }
    }

    private void WriteAll(IEnumerable<SnapshotChange> changes)
    {
        foreach (var change in changes) WriteObject(change);
    }
}

using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>
/// What the cmdlets share that only read: they take snapshots, or files, which they open read-only for the call. The parameter sets say
/// where the bytes come from. That with -Snapshot is the default one: an object that has a snapshot is never read from its file.
/// </summary>
public abstract class SnapshotReadingCmdlet : SnapshotCmdlet
{
    internal const string SnapshotSet = "Snapshot", PathSet = "Path", LiteralPathSet = "LiteralPath", MatchSet = "Match";

    /// <summary>The file of the last match without a snapshot, as its next match is often in the same file.</summary>
    private Snapshot? _file;

    private string? _filePath;

    /// <summary>The snapshots, or their ids.</summary>
    [Parameter(
        Mandatory = true, Position = 0, ParameterSetName = SnapshotSet, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SnapshotTransformation(AllowsPaths = true)]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>The files; wildcards are resolved. They are opened read-only for the call.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = PathSet, ValueFromPipeline = true)]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>The files, taken as they are written.</summary>
    [Parameter(Mandatory = true, ParameterSetName = LiteralPathSet, ValueFromPipelineByPropertyName = true)]
    [Alias("PSPath", "LP")]
    [ValidateNotNullOrEmpty]
    public string[] LiteralPath { get; set; } = [];

    /// <summary>Whether the bytes come from files that are open for this call only.</summary>
    private protected bool ReadsFiles => ParameterSetName is PathSet or LiteralPathSet;

    /// <summary>Reads from each snapshot, or file.</summary>
    protected override void ProcessRecord()
    {
        foreach (var snapshot in Snapshot) TryDo(snapshot, progress => Read(snapshot, progress));
        foreach (string path in ResolvePaths(Path, LiteralPath))
        {
            TryDo(path, progress =>
            {
                using var file = OpenToRead(path, progress);
                Read(file, progress);
            });
        }
    }

    /// <summary>Does the work with one snapshot.</summary>
    private protected abstract void Read(Snapshot snapshot, IProgress<SnapshotProgress> progress);

    /// <summary>The snapshot of a match; of a match in a file, the file, which stays open until another one is asked for.</summary>
    private protected Snapshot SnapshotOf(SnapshotMatch match)
    {
        if (match.Snapshot is { } snapshot) return snapshot;
        if (_file is null || _filePath != match.Path)
        {
            _file?.Dispose();
            _file = null;
            _file = OpenToRead(match.Path);
            _filePath = match.Path;
        }
        return _file;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _file?.Dispose();
        base.Dispose(disposing);
    }

    private Snapshot OpenToRead(string path, IProgress<SnapshotProgress>? progress = null) =>
        Open(path, new SnapshotOptions { ReadOnly = true, Progress = progress });
}

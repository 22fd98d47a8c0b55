using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Opens files as private point-in-time snapshots.</summary>
[Cmdlet(VerbsCommon.Open, "MmapSnapshot", DefaultParameterSetName = "Path")]
[Alias("Open-Snapshot")]
[OutputType(typeof(Snapshot))]
public sealed class OpenMmapSnapshotCommand : SnapshotCmdlet
{
    private static readonly SnapshotOptions _defaults = new();

    /// <summary>An object, because of what <see cref="EngineLoader"/> says.</summary>
    private object _backing = SnapshotBacking.Auto;

    /// <summary>The files to open as of one moment.</summary>
    private readonly List<string> _collected = [];

    /// <summary>Whether one of them, or the folder for copies, cannot be found, which has been reported.</summary>
    private bool _isIncomplete;

    private string? _scratchPath;

    /// <summary>The files; wildcards are resolved.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = "Path", ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>The files, taken as they are written.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "LiteralPath", ValueFromPipelineByPropertyName = true)]
    [Alias("PSPath", "LP")]
    [ValidateNotNullOrEmpty]
    public string[] LiteralPath { get; set; } = [];

    /// <summary>Refuse every change to the snapshot.</summary>
    [Parameter]
    public SwitchParameter ReadOnly { get; set; }

    /// <summary>How the bytes are kept private; Auto takes the best there is.</summary>
    [Parameter]
    public SnapshotBacking Backing
    {
        get => (SnapshotBacking)_backing;
        set => _backing = value;
    }

    /// <summary>
    /// How long whoever writes to a file may be kept waiting for its copy, if it is opened under a lease; a file whose copy would
    /// take longer is copied when it is opened.
    /// </summary>
    [Parameter]
    [SecondsTransformation]
    public TimeSpan? MaxWriterDelay { get; set; }

    /// <summary>The folder for the bytes of a copy.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? ScratchPath { get; set; }

    /// <summary>Open all files as of one moment, or none.</summary>
    [Parameter]
    public SwitchParameter Consistent { get; set; }

    /// <summary>Finds the folder for copies.</summary>
    protected override void BeginProcessing()
    {
        if (ScratchPath is not null && !TryDo(ScratchPath, () => _scratchPath = ResolveLiteral(ScratchPath))) _isIncomplete = true;
    }

    /// <summary>Opens each file; with -Consistent, once all of them are known.</summary>
    protected override void ProcessRecord()
    {
        if (_isIncomplete) return;
        if (Consistent)
        {
            Collect(Path, isLiteral: false);
            Collect(LiteralPath, isLiteral: true);
            return;
        }
        foreach (string path in ResolvePaths(Path, LiteralPath))
        {
            Snapshot? snapshot = null;
            if (TryDo(path, progress => snapshot = Open(path, CreateOptions(progress)))) Write(snapshot!);
        }
    }

    /// <summary>Opens the files that were collected.</summary>
    protected override void EndProcessing()
    {
        if (!Consistent || _isIncomplete || _collected.Count == 0) return;
        IReadOnlyList<Snapshot> snapshots = [];
        TryDo(_collected.ToArray(), progress => snapshots = Snapshot.OpenConsistent(_collected, CreateOptions(progress), CancellationToken));
        foreach (var snapshot in snapshots) Write(snapshot);
    }

    private void Collect(string[] paths, bool isLiteral)
    {
        foreach (string path in paths)
        {
            int before = _collected.Count;
            _collected.AddRange(isLiteral ? ResolvePaths(null, [path]) : ResolvePaths([path], null));
            // It was an error: the others alone are not what was asked for.
            if (_collected.Count == before) _isIncomplete = true;
        }
    }

    private SnapshotOptions CreateOptions(IProgress<SnapshotProgress> progress) => new()
    {
        ReadOnly = ReadOnly,
        Backing = Backing,
        ScratchPath = _scratchPath,
        MaxWriterDelay = MaxWriterDelay ?? _defaults.MaxWriterDelay,
        Progress = progress,
        Warnings = EngineWarnings,
    };

    private void Write(Snapshot snapshot)
    {
        Remember(snapshot);
        WriteVerbose($"Opened '{snapshot.Path}': {Quantity.Format(snapshot.Length, "byte")}, {BackingOf(snapshot)}.");
        WriteObject(snapshot);
    }
}

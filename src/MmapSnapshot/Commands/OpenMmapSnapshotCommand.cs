using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Opens files as private point-in-time snapshots.</summary>
[Cmdlet(VerbsCommon.Open, "MmapSnapshot", DefaultParameterSetName = "Path")]
[Alias("Open-Snapshot")]
[OutputType(typeof(Snapshot))]
public sealed class OpenMmapSnapshotCommand : SnapshotCmdlet, IProgress<string>
{
    private static readonly SnapshotOptions _defaults = new();

    /// <summary>An object, because of what <see cref="EngineLoader"/> says.</summary>
    private object _backing = SnapshotBacking.Auto;

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

    /// <summary>A warning of the engine.</summary>
    void IProgress<string>.Report(string value) => WriteWarning(value);

    /// <summary>Opens each file.</summary>
    protected override void ProcessRecord()
    {
        string? scratchPath = null;
        if (ScratchPath is not null && !TryDo(ScratchPath, () => scratchPath = ResolveLiteral(ScratchPath))) return;

        foreach (string path in ResolvePaths(Path, LiteralPath))
        {
            Snapshot? snapshot = null;
            bool opened = TryDo(path, progress =>
            {
                var options = new SnapshotOptions
                {
                    ReadOnly = ReadOnly,
                    Backing = Backing,
                    ScratchPath = scratchPath,
                    MaxWriterDelay = MaxWriterDelay ?? _defaults.MaxWriterDelay,
                    Progress = progress,
                    Warnings = this,
                };
                snapshot = Open(path, options);
            });
            if (!opened || snapshot is null) continue;
            Remember(snapshot);
            WriteVerbose($"Opened '{snapshot.Path}': {Wording.Of(snapshot.Length, "byte")}, {BackingOf(snapshot)}.");
            WriteObject(snapshot);
        }
    }
}

using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Makes a snapshot of a file that does not exist yet. The file appears, whole, when the snapshot is saved.</summary>
[Cmdlet(VerbsCommon.New, "MmapSnapshot", SupportsShouldProcess = true)]
[OutputType(typeof(Snapshot))]
public sealed class NewMmapSnapshotCommand : SnapshotCmdlet
{
    /// <summary>The files to be. Their folders exist.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("LiteralPath", "PSPath", "LP")]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>How many bytes, all 0, the snapshot begins with.</summary>
    [Parameter(Position = 1)]
    [OffsetTransformation]
    [ValidOffset]
    public long Length { get; set; }

    /// <summary>The permissions of the file, exactly; without them, those that every new file gets.</summary>
    [Parameter]
    [OctalModeTransformation]
    public UnixFileMode? Mode { get; set; }

    /// <summary>Begin again with a file that exists: it is the baseline, and is replaced when the snapshot is saved.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>Makes each snapshot.</summary>
    protected override void ProcessRecord()
    {
        foreach (string path in Path)
        {
            TryDo(path, progress =>
            {
                string resolved = ResolveLiteral(path);
                if (!ShouldProcess(resolved, $"Make a snapshot of a new file of {Quantity.Format(Length, "byte")}")) return;
                var snapshot = Force && File.Exists(resolved) ? Replace(resolved, progress) : Snapshot.Create(resolved, Length, Mode);
                Remember(snapshot);
                WriteObject(snapshot);
            });
        }
    }

    private Snapshot Replace(string path, IProgress<SnapshotProgress> progress)
    {
        if (Mode is not null) throw ErrorFactory.ModeOfExisting(path);
        var snapshot = Open(path, new SnapshotOptions { Progress = progress });
        try
        {
            snapshot.Apply([SnapshotEdit.Fill(0, Math.Min(Length, snapshot.Length), 0)], Length);
            return snapshot;
        }
        catch
        {
            snapshot.Dispose();
            throw;
        }
    }
}

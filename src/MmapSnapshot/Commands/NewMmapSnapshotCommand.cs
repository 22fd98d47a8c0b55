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

    /// <summary>Makes each snapshot.</summary>
    protected override void ProcessRecord()
    {
        foreach (string path in Path)
        {
            TryDo(path, () =>
            {
                string resolved = ResolveLiteral(path);
                if (!ShouldProcess(resolved, $"Make a snapshot of a new file of {Wording.Of(Length, "byte")}")) return;
                var snapshot = Snapshot.Create(resolved, Length, Mode);
                Remember(snapshot);
                WriteObject(snapshot);
            });
        }
    }
}

using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Gets bytes of a snapshot, as one byte array.</summary>
[Cmdlet(VerbsCommon.Get, "SnapshotBytes")]
[OutputType(typeof(byte[]))]
public sealed class GetSnapshotBytesCommand : SnapshotCmdlet
{
    /// <summary>The snapshots.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>Where to begin, in bytes from the start.</summary>
    [Parameter(Position = 1, ValueFromPipelineByPropertyName = true)]
    [OffsetTransformation]
    [ValidOffset]
    public long Offset { get; set; }

    /// <summary>How many bytes; without it, all to the end.</summary>
    [Parameter(Position = 2)]
    [OffsetTransformation]
    [ValidOffset]
    public long? Count { get; set; }

    /// <summary>Reads from each snapshot.</summary>
    protected override void ProcessRecord()
    {
        foreach (var snapshot in Snapshot)
        {
            TryDo(snapshot, () =>
            {
                // Past the end there is nothing to count: let the read say so.
                long count = Count ?? Math.Max(0, snapshot.Length - Offset);
                WriteObject(snapshot.Read(Offset, count), enumerateCollection: false);
            });
        }
    }
}

using System.Management.Automation;
using System.Text;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Writes bytes into a snapshot. The file sees them when the snapshot is saved.</summary>
[Cmdlet(VerbsCommon.Set, "SnapshotBytes", DefaultParameterSetName = "Bytes", SupportsShouldProcess = true)]
[OutputType(typeof(Snapshot))]
public sealed class SetSnapshotBytesCommand : SnapshotCmdlet
{
    /// <summary>The snapshots.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>Where to begin, in bytes from the start.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [OffsetTransformation]
    [ValidOffset]
    public long Offset { get; set; }

    /// <summary>The bytes: a byte[], numbers from 0 to 255, or hex text such as '48 8B 0F'.</summary>
    [Parameter(Mandatory = true, Position = 2, ParameterSetName = "Bytes", ValueFromPipelineByPropertyName = true)]
    [ValidateNotNull]
    public object Bytes { get; set; } = Array.Empty<byte>();

    /// <summary>The text to write, without any terminator.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Text")]
    [AllowEmptyString]
    public string Text { get; set; } = "";

    /// <summary>How the text becomes bytes; UTF-8 unless said otherwise.</summary>
    [Parameter(ParameterSetName = "Text")]
    [EncodingTransformation]
    [ArgumentCompleter(typeof(EncodingCompleter))]
    [ValidateNotNull]
    public Encoding Encoding { get; set; } = EncodingTransformationAttribute.Named["utf8"];

    /// <summary>The byte to write -Count times.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Fill")]
    [ValidateNotNull]
    public object Fill { get; set; } = 0;

    /// <summary>How many bytes to fill.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Fill")]
    [OffsetTransformation]
    [ValidOffset]
    public long Count { get; set; }

    /// <summary>The bytes that must stand at the offset now; if others do, nothing is changed. Given as -Bytes is; empty expects nothing.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [AllowNull]
    [AllowEmptyString]
    [AllowEmptyCollection]
    public object? Expect { get; set; }

    /// <summary>Pass the snapshots on.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>Writes into each snapshot.</summary>
    protected override void ProcessRecord()
    {
        byte[] bytes = [], expected = [];
        byte fill = 0;
        bool understood = TryDo(Snapshot is [var only] ? only : Snapshot, () =>
        {
            if (Expect is not null) expected = ByteInput.Parse(Expect);
            if (ParameterSetName == "Fill") fill = ByteInput.ParseSingle(Fill);
            else bytes = ParameterSetName == "Text" ? ByteInput.Encode(Text, Encoding) : ByteInput.Parse(Bytes);
        });
        if (!understood) return;

        foreach (var snapshot in Snapshot)
        {
            long count = ParameterSetName == "Fill" ? Count : bytes.Length;
            bool written = !ShouldProcess(snapshot.Path, $"Write {count} bytes at offset 0x{Offset:X} of the snapshot") || TryDo(snapshot, progress =>
            {
                try
                {
                    if (ParameterSetName == "Fill") snapshot.Fill(Offset, Count, fill, expected, progress, Stopped);
                    else snapshot.Write(Offset, bytes, expected);
                }
                finally
                {
                    Session.Keep(snapshot);
                }
            });
            if (written && PassThru) WriteObject(snapshot);
        }
    }
}

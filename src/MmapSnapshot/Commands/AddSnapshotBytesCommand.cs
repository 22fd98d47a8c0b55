using System.Management.Automation;
using System.Text;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Appends bytes to a snapshot, or inserts them. The file changes when the snapshot is saved.</summary>
[Cmdlet(VerbsCommon.Add, "SnapshotBytes", DefaultParameterSetName = BytesSet, SupportsShouldProcess = true)]
[OutputType(typeof(Snapshot))]
public sealed class AddSnapshotBytesCommand : SnapshotCmdlet
{
    /// <summary>A parameter set for each kind of value.</summary>
    private const string BytesSet = "Bytes", TextSet = "Text", NumberSet = "Number", FillSet = "Fill";

    /// <summary>The snapshots, or their ids. They are not taken from a property: a match has one, and each match would append.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>The bytes: a byte[], numbers from 0 to 255, or hex text such as '48 8B 0F'.</summary>
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = BytesSet)]
    [ValidateNotNull]
    [AllowEmptyString]
    [AllowEmptyCollection]
    public object Bytes { get; set; } = Array.Empty<byte>();

    /// <summary>The text.</summary>
    [Parameter(Mandatory = true, ParameterSetName = TextSet)]
    [AllowEmptyString]
    public string Text { get; set; } = "";

    /// <summary>How the text becomes bytes; UTF-8 unless said otherwise.</summary>
    [Parameter(ParameterSetName = TextSet)]
    [EncodingTransformation]
    [ArgumentCompleter(typeof(EncodingCompleter))]
    [ValidateNotNull]
    public Encoding Encoding { get; set; } = EncodingTransformationAttribute.Named["utf8"];

    /// <summary>Add a NUL character after the text.</summary>
    [Parameter(ParameterSetName = TextSet)]
    public SwitchParameter NullTerminated { get; set; }

    /// <summary>The number, or several that follow each other.</summary>
    [Parameter(Mandatory = true, ParameterSetName = NumberSet)]
    [ValidateNotNull]
    public object Number { get; set; } = 0;

    /// <summary>How the number is stored in the file.</summary>
    [Parameter(Mandatory = true, ParameterSetName = NumberSet)]
    public NumberType As { get; set; }

    /// <summary>The most significant byte first.</summary>
    [Parameter(ParameterSetName = NumberSet)]
    public SwitchParameter BigEndian { get; set; }

    /// <summary>The byte to add -Count times.</summary>
    [Parameter(Mandatory = true, ParameterSetName = FillSet)]
    [ValidateNotNull]
    public object Fill { get; set; } = 0;

    /// <summary>How many bytes to add.</summary>
    [Parameter(Mandatory = true, ParameterSetName = FillSet)]
    [OffsetTransformation]
    [ValidOffset]
    public long Count { get; set; }

    /// <summary>Where the first of the bytes will be, in bytes from the start; without it, at the end.</summary>
    [Parameter]
    [OffsetTransformation]
    [ValidOffset]
    public long? Offset { get; set; }

    /// <summary>Pass the snapshots on.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>Adds the bytes to each snapshot.</summary>
    protected override void ProcessRecord()
    {
        ByteValue? value = null;
        if (!TryDo(Snapshot is [var only] ? only : Snapshot, () => value = ToValue())) return;
        foreach (var snapshot in Snapshot)
        {
            bool added = TryDo(snapshot, () => Add(value!, snapshot, Offset is { } offset ? FromStart(offset, snapshot) : snapshot.Length));
            if (added && PassThru) WriteObject(snapshot);
        }
    }

    private void Add(ByteValue value, Snapshot snapshot, long offset)
    {
        // What is added need not lie within the snapshot; only a negative count is refused.
        CheckWritableRange(snapshot, offset, Math.Min(value.Count, 0));
        var edit = value.ToInsertion(offset);
        if (ShouldProcess(snapshot.Path, edit.ToString())) snapshot.Apply([edit]);
    }

    private ByteValue ToValue() => ParameterSetName switch
    {
        TextSet => ByteValue.OfText(Text, Encoding, NullTerminated),
        NumberSet => ByteValue.OfNumbers(Number, As, BigEndian, CancellationToken),
        FillSet => ByteValue.OfFill(Fill, Count),
        _ => ByteValue.OfBytes(Bytes, CancellationToken),
    };
}

using System.Management.Automation;
using System.Text;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>
/// Writes bytes into a snapshot. The file sees them when the snapshot is saved. What one pipeline writes to a snapshot is one
/// change: all of it is written or, if part of it cannot be, nothing.
/// </summary>
[Cmdlet(VerbsCommon.Set, "SnapshotBytes", DefaultParameterSetName = "Bytes", SupportsShouldProcess = true)]
[OutputType(typeof(Snapshot))]
public sealed class SetSnapshotBytesCommand : SnapshotCmdlet
{
    /// <summary>What is yet to be written, a snapshot's all at once.</summary>
    private readonly Dictionary<Snapshot, Pending> _pending = [];

    private bool _isSingle;

    /// <summary>The snapshots, or their ids.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>Where to begin, in bytes from the start.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [OffsetTransformation]
    [ValidOffset]
    public long Offset { get; set; }

    /// <summary>The bytes: a byte[], numbers from 0 to 255, or hex text such as '48 8B 0F'.</summary>
    [Parameter(Mandatory = true, Position = 2, ParameterSetName = "Bytes", ValueFromPipelineByPropertyName = true)]
    [Alias("After")]
    [ValidateNotNull]
    [AllowEmptyString]
    [AllowEmptyCollection]
    public object Bytes { get; set; } = Array.Empty<byte>();

    /// <summary>The text to write.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Text")]
    [AllowEmptyString]
    public string Text { get; set; } = "";

    /// <summary>How the text becomes bytes; UTF-8 unless said otherwise.</summary>
    [Parameter(ParameterSetName = "Text")]
    [EncodingTransformation]
    [ArgumentCompleter(typeof(EncodingCompleter))]
    [ValidateNotNull]
    public Encoding Encoding { get; set; } = EncodingTransformationAttribute.Named["utf8"];

    /// <summary>Write a NUL character behind the text.</summary>
    [Parameter(ParameterSetName = "Text")]
    public SwitchParameter NullTerminated { get; set; }

    /// <summary>The number, or several that follow each other.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Number")]
    [ValidateNotNull]
    public object Number { get; set; } = 0;

    /// <summary>How the number stands in the file.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Number")]
    public NumberType As { get; set; }

    /// <summary>The most significant byte first.</summary>
    [Parameter(ParameterSetName = "Number")]
    public SwitchParameter BigEndian { get; set; }

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
    [Alias("Before")]
    [AllowNull]
    [AllowEmptyString]
    [AllowEmptyCollection]
    public object? Expect { get; set; }

    /// <summary>The length in bytes that the snapshot is to have afterwards; the bytes may reach up to it.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [OffsetTransformation(AllowEmpty = true)]
    [ValidOffset]
    public long? NewLength { get; set; }

    /// <summary>The length in bytes that the snapshot must have now; if it has another, nothing is changed.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("OldLength")]
    [OffsetTransformation(AllowEmpty = true)]
    [ValidOffset]
    public long? ExpectLength { get; set; }

    /// <summary>Pass the snapshots on.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>Sees whether one snapshot may get several writes: when they come through the pipeline.</summary>
    protected override void BeginProcessing() => _isSingle = MyInvocation.BoundParameters.ContainsKey(nameof(Offset));

    /// <summary>Notes what to write. A snapshot whose turn is over is written to.</summary>
    protected override void ProcessRecord()
    {
        foreach (var other in _pending.Keys.Where(pending => !Snapshot.Contains(pending)).ToArray()) Write(other);

        SnapshotEdit? edit = null;
        bool understood = TryDo(Snapshot is [var only] ? only : Snapshot, () => edit = ToEdit());
        foreach (var snapshot in Snapshot)
        {
            if (!_pending.TryGetValue(snapshot, out var pending))
            {
                _pending[snapshot] = pending = new Pending { IsHopeless = !TryDo((object)snapshot, () => CheckWritable(snapshot)) };
            }
            pending.Records++;
            if (!understood || edit is null) pending.IsRefused = true;
            else if (!pending.IsHopeless && ShouldProcess(snapshot.Path, $"Write {Wording.Of(edit.Count, "byte")} at offset 0x{Offset:X} of the snapshot")) pending.Add(edit, NewLength, ExpectLength);
            if (_isSingle) Write(snapshot);
        }
    }

    /// <summary>Writes to the snapshots that are left.</summary>
    protected override void EndProcessing()
    {
        foreach (var snapshot in _pending.Keys.ToArray()) Write(snapshot);
    }

    private SnapshotEdit ToEdit()
    {
        byte[] expected = Expect is null ? [] : ByteInput.Parse(Expect);
        return ParameterSetName == "Fill" ? SnapshotEdit.Fill(Offset, Count, ByteInput.ParseSingle(Fill), expected) : SnapshotEdit.Write(Offset, ToBytes(), expected);
    }

    private byte[] ToBytes() => ParameterSetName switch
    {
        "Text" => EncodedText.Of(NullTerminated ? Text + '\0' : Text, Encoding),
        "Number" => [.. Numbers().SelectMany(number => NumberFormat.Write(number, As, BigEndian))],
        _ => ByteInput.Parse(Bytes),
    };

    private IEnumerable<object?> Numbers() => LanguagePrimitives.GetEnumerable(Number) is { } several ? several.Cast<object?>() : [Number];

    private void Write(Snapshot snapshot)
    {
        _pending.Remove(snapshot, out var pending);
        if (pending is null) return;
        var (edits, length, expectedLength) = (pending.Edits, pending.Length, pending.ExpectedLength);
        bool refused = pending.IsRefused || pending.IsHopeless;
        bool written = TryDo(snapshot, progress =>
        {
            if (edits.Count == 0) return; // all of them refused, or only spoken of (-WhatIf)
            foreach (var obstacle in snapshot.Verify(edits, length, expectedLength))
            {
                refused = true;
                WriteError(ErrorFactory.From(obstacle, snapshot));
            }
            if (!refused) snapshot.Apply(edits, length, expectedLength, progress, Stopped);
        });
        if (written && !refused)
        {
            if (PassThru) WriteObject(snapshot);
        }
        else if (pending.Records > 1)
        {
            WriteWarning($"Of the {pending.Records} writes to '{snapshot.Path}' none was made, because not all of them could be.");
        }
    }

    private sealed class Pending
    {
        internal List<SnapshotEdit> Edits { get; } = [];

        internal long? Length { get; private set; }

        internal long? ExpectedLength { get; private set; }

        internal int Records { get; set; }

        /// <summary>Whether a record could not be understood.</summary>
        internal bool IsRefused { get; set; }

        /// <summary>Whether the snapshot takes no change at all, which has been said.</summary>
        internal bool IsHopeless { get; init; }

        internal void Add(SnapshotEdit edit, long? length, long? expectedLength)
        {
            Edits.Add(edit);
            Length = length ?? Length;
            ExpectedLength = expectedLength ?? ExpectedLength;
        }
    }
}

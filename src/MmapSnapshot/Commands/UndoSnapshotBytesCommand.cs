using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Takes changes of a snapshot back: the last, those of a range, or all since it was opened or last saved.</summary>
[Cmdlet(VerbsCommon.Undo, "SnapshotBytes", DefaultParameterSetName = "Last", SupportsShouldProcess = true)]
[OutputType(typeof(Snapshot))]
public sealed class UndoSnapshotBytesCommand : SnapshotCmdlet
{
    /// <summary>The changes from the pipeline.</summary>
    private readonly List<SnapshotChange> _changes = [];

    /// <summary>Those that version 0.1 has listed, without a Kind; those of the length are in <see cref="_oldLength"/>.</summary>
    private readonly List<ByteRange> _ranges = [];

    private long? _oldLength;

    private int _rows;

    /// <summary>Whether the rows have a Kind, as the first one.</summary>
    private bool? _haveKind;

    private bool _isDamaged;

    /// <summary>The snapshots, or their ids.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = "Last")]
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = "Range")]
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = "All")]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = "Change")]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>How many changes to take back, the last one first. What one pipeline of Set-SnapshotBytes has written is one.</summary>
    [Parameter(ParameterSetName = "Last")]
    [ValidateRange(1, int.MaxValue)]
    public int Last { get; set; } = 1;

    /// <summary>Where the range begins, in bytes from the start or, if negative, from the end.</summary>
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = "Range")]
    [OffsetTransformation]
    [ValidOffset]
    public long Offset { get; set; }

    /// <summary>How many bytes the range has.</summary>
    [Parameter(Mandatory = true, Position = 2, ParameterSetName = "Range")]
    [OffsetTransformation]
    [ValidOffset]
    public long Count { get; set; }

    /// <summary>Take back everything since the snapshot was opened or last saved, the length too.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "All")]
    public SwitchParameter All { get; set; }

    /// <summary>
    /// Changes, as Compare-Snapshot lists them, or rows that CSV or JSON made of them; or those of version 0.1. What one pipeline
    /// brings is taken back as one change; if a row is damaged, nothing is.
    /// </summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = "Change")]
    [AllowNull]
    [AllowEmptyString]
    [AllowEmptyCollection]
    public PSObject?[]? Change { get; set; } = [];

    /// <summary>Pass the snapshots on.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>Takes back what is asked for, in each snapshot; changes are only collected.</summary>
    protected override void ProcessRecord()
    {
        if (ParameterSetName != "Change") UndoEach();
        else foreach (var change in Change ?? [null]) Collect(new PatchRow(change, ++_rows));
    }

    /// <summary>Takes back the changes that were collected.</summary>
    protected override void EndProcessing()
    {
        if (ParameterSetName == "Change" && !_isDamaged && _rows > 0) UndoEach();
    }

    private void Collect(PatchRow row)
    {
        bool isParsed = TryDo(Snapshot is [var only] ? only : Snapshot, () =>
        {
            string? kind = row.FindKind();
            _haveKind ??= kind is not null;
            if (_haveKind != kind is not null) throw row.Invalid("of this row and the first one only one has a Kind");
            if (kind is not null) _changes.Add(ToChange(row, row.ToEdit(kind)));
            else if (row.FindNumber("OldLength") is { } length) _oldLength = length;
            else _ranges.Add(new ByteRange(row.GetNumber("Offset"), row.GetNumber("Length")));
        });
        if (!isParsed) _isDamaged = true;
    }

    private static SnapshotChange ToChange(PatchRow row, SnapshotEdit edit) => new(
        "", edit.Kind.ToString(), edit.Offset, row.GetNumber(nameof(SnapshotChange.NewOffset)), edit.Count, Before: "", After: "");

    private void UndoEach()
    {
        foreach (var snapshot in Snapshot)
        {
            bool undone = TryDo(snapshot, () =>
            {
                CheckWritable(snapshot);
                if (ShouldProcess(snapshot.Path, What(snapshot))) Undo(snapshot);
            });
            if (undone && PassThru) WriteObject(snapshot);
        }
    }

    private string What(Snapshot snapshot) => ParameterSetName switch
    {
        "All" => $"Undo all changes of the snapshot (modified bytes: {snapshot.ModifiedBytes})",
        "Range" => $"Undo the changes of the snapshot in {Quantity.Format(Count, "byte")} from offset 0x{FromStart(Offset, snapshot):X} on",
        "Change" => $"Undo {Quantity.Format(_rows, "change")} of the snapshot",
        _ => $"Undo the last {(Last == 1 ? "change" : $"{Last} changes")} of the snapshot",
    };

    private void Undo(Snapshot snapshot)
    {
        if (ParameterSetName != "Last" && !snapshot.IsModified)
            WriteWarning($"'{snapshot.Path}' has no changes since it was opened or last saved.");
        switch (ParameterSetName)
        {
            case "All":
                snapshot.RevertAll();
                break;
            case "Range":
                snapshot.Revert(FromStart(Offset, snapshot), Count);
                break;
            case "Change":
                if (_changes.Count > 0) snapshot.Revert(_changes);
                else snapshot.Revert(_ranges, _oldLength);
                break;
            default:
                for (int i = 0; i < Last; i++)
                {
                    if (snapshot.Undo()) continue;
                    if (i == 0) WriteWarning($"'{snapshot.Path}' has no change to take back.");
                    else WriteVerbose($"'{snapshot.Path}': there was no more to take back than {Quantity.Format(i, "change")}.");
                    break;
                }
                break;
        }
    }
}

using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>
/// Removes bytes from a snapshot; what follows moves. The file changes when the snapshot is saved. What one pipeline removes from a
/// snapshot is one change: all of it is removed or, if part of it cannot be, nothing.
/// </summary>
[Cmdlet(VerbsCommon.Remove, "SnapshotBytes", DefaultParameterSetName = RowSet, SupportsShouldProcess = true)]
[OutputType(typeof(Snapshot))]
public sealed class RemoveSnapshotBytesCommand : SnapshotCmdlet
{
    private const string RangeSet = "Range", RowSet = "Row";

    /// <summary>The removals that were not made yet, by snapshot.</summary>
    private readonly Dictionary<Snapshot, Removal> _pending = [];

    /// <summary>The ids of snapshots whose rows were followed by rows of another one.</summary>
    private readonly HashSet<int> _finished = [];

    private int _rows;

    /// <summary>Whether a row does not say which snapshot it is for: it may be for any of them.</summary>
    private bool _hasRowForUnknownSnapshot;

    /// <summary>The snapshots, or their ids. Rows from the pipeline can have a property of this name instead.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = RangeSet)]
    [Parameter(Position = 0, ParameterSetName = RowSet)]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>
    /// Rows with the properties Offset and Length, and Snapshot unless -Snapshot is given: matches, or what CSV or JSON made of them.
    /// </summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = RowSet)]
    [AllowNull]
    [AllowEmptyString]
    [AllowEmptyCollection]
    public PSObject?[]? Row { get; set; } = [];

    /// <summary>Where to begin, in bytes from the start or, if negative, from the end.</summary>
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = RangeSet)]
    [OffsetTransformation]
    [ValidOffset]
    public long Offset { get; set; }

    /// <summary>How many bytes to remove.</summary>
    [Parameter(Mandatory = true, Position = 2, ParameterSetName = RangeSet)]
    [OffsetTransformation]
    [ValidOffset]
    public long Count { get; set; }

    /// <summary>Pass the snapshots on.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>Removes the range; or collects rows, and removes those of a snapshot when its rows have ended.</summary>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == RangeSet)
        {
            // From the end it is another offset in each snapshot.
            foreach (var snapshot in Snapshot) Collect([snapshot], () => new ByteRange(FromStart(Offset, snapshot), Count));
            RemoveAllExcept([]);
            return;
        }
        foreach (var item in Row ?? [null])
        {
            var row = new PatchRow(item, ++_rows);
            Snapshot[] snapshots = Snapshot;
            if (!IsGiven(nameof(Snapshot)) && !TryDo(item, () => snapshots = row.GetSnapshots()))
            {
                _hasRowForUnknownSnapshot = true;
                continue;
            }
            RemoveAllExcept(snapshots);
            Collect(snapshots, () => new ByteRange(row.GetNumber("Offset"), row.GetNumber("Length")));
        }
    }

    /// <summary>Removes what is left.</summary>
    protected override void EndProcessing() => RemoveAllExcept([]);

    private void Collect(Snapshot[] snapshots, Func<ByteRange> toRange)
    {
        ByteRange range = default;
        bool parsed = TryDo(snapshots is [var only] ? only : snapshots, () => range = toRange());
        foreach (var snapshot in snapshots)
        {
            if (!_pending.TryGetValue(snapshot, out var removal))
            {
                _pending[snapshot] = removal = new Removal { IsRefused = !TryDo(snapshot, () => CheckTurn(snapshot)) };
            }
            removal.Rows++;
            if (!parsed) removal.HasInvalidRow = true;
            else if (!removal.IsRefused && !TryDo(snapshot, () => Collect(snapshot, range, removal))) removal.HasInvalidRow = true;
        }
    }

    private void Collect(Snapshot snapshot, ByteRange range, Removal removal)
    {
        CheckWritableRange(snapshot, range.Offset, range.Length);
        if (ShouldProcess(snapshot.Path, SnapshotEdit.Remove(range.Offset, range.Length).ToString())) removal.Ranges.Add(range);
    }

    private void CheckTurn(Snapshot snapshot)
    {
        CheckWritable(snapshot);
        if (_finished.Contains(snapshot.Id)) throw ErrorFactory.RowsNotTogether(_rows, snapshot.Path);
    }

    private void RemoveAllExcept(Snapshot[] current)
    {
        // A row that may be for any snapshot keeps all of them from being changed.
        if (_hasRowForUnknownSnapshot && current.Length > 0) return;
        foreach (var snapshot in _pending.Keys.Where(pending => !current.Contains(pending)).ToArray()) Remove(snapshot);
    }

    private void Remove(Snapshot snapshot)
    {
        _pending.Remove(snapshot, out var removal);
        if (removal is null) return;
        if (ParameterSetName == RowSet) _finished.Add(snapshot.Id);
        bool refused = removal.IsRefused || removal.HasInvalidRow || _hasRowForUnknownSnapshot;
        if (!refused && TryDo(snapshot, () => snapshot.Remove(removal.Ranges)))
        {
            if (PassThru) WriteObject(snapshot);
        }
        else if (removal.Rows > 1)
        {
            WriteWarning($"Of the {removal.Rows} removals from '{snapshot.Path}' none was made, because not all of them could be.");
        }
    }

    private sealed class Removal
    {
        internal List<ByteRange> Ranges { get; } = [];

        internal int Rows { get; set; }

        internal bool HasInvalidRow { get; set; }

        /// <summary>Whether nothing is removed from the snapshot, whatever its rows are; the reason was reported.</summary>
        internal bool IsRefused { get; init; }
    }
}

using System.Management.Automation;
using MmapSnapshot.Binding;
using MmapSnapshot.Formatting;

namespace MmapSnapshot;

/// <summary>Shows bytes of a snapshot or file as a hex dump, with changed bytes marked.</summary>
[Cmdlet(VerbsCommon.Format, "SnapshotBytes", DefaultParameterSetName = SnapshotSet)]
[OutputType(typeof(string))]
public sealed class FormatSnapshotBytesCommand : SnapshotReadingCmdlet
{
    /// <summary>How much is shown unless -Count says otherwise.</summary>
    private const int DefaultCount = 512;

    /// <summary>Between lines that do not follow each other.</summary>
    private const string Separator = "--";

    /// <summary>Matches whose surroundings touch, which are not yet shown, as the next match may belong to them.</summary>
    private MatchBlock? _pending;

    /// <summary>The snapshot, or the path, whose lines were shown last.</summary>
    private object? _shown;

    private bool _hasShown;

    private Terminal _terminal = null!;

    /// <summary>Where to begin, in bytes from the start or, if negative, from the end.</summary>
    [Parameter(Position = 1, ParameterSetName = SnapshotSet)]
    [Parameter(Position = 1, ParameterSetName = PathSet)]
    [Parameter(Position = 1, ParameterSetName = LiteralPathSet)]
    [OffsetTransformation]
    [ValidOffset]
    public long Offset { get; set; }

    /// <summary>How many bytes, if there are so many; without it, 512, or with -Diff all that were changed.</summary>
    [Parameter(Position = 2, ParameterSetName = SnapshotSet)]
    [Parameter(Position = 2, ParameterSetName = PathSet)]
    [Parameter(Position = 2, ParameterSetName = LiteralPathSet)]
    [OffsetTransformation]
    [ValidOffset]
    public long? Count { get; set; }

    /// <summary>Show below changed bytes what they were before. Without -Offset and -Count, only the surroundings of changes.</summary>
    [Parameter(ParameterSetName = SnapshotSet)]
    public SwitchParameter Diff { get; set; }

    /// <summary>What Find-SnapshotBytes has found: its surroundings are shown, and it in a colour of its own.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = MatchSet)]
    [LiveMatch]
    [ValidateNotNull]
    public SnapshotMatch[] Match { get; set; } = [];

    /// <summary>How many lines to show around a change or a match.</summary>
    [Parameter]
    [ValidateRange(0, 1000)]
    public int Context { get; set; } = 1;

    /// <summary>Whether lines may be of several files, which are then named.</summary>
    private bool NamesFiles =>
        MyInvocation.ExpectingInput || Snapshot.Length > 1 || LiteralPath.Length > 1 || Path.Length > 1
        || Path.Any(WildcardPattern.ContainsWildcardCharacters) || Match.DistinctBy(match => match.Path).Count() > 1;

    /// <summary>Looks at the terminal.</summary>
    protected override void BeginProcessing() => _terminal = Terminal.Of(this);

    /// <summary>Shows each snapshot or file; of matches, those whose surroundings no further match can touch.</summary>
    protected override void ProcessRecord()
    {
        base.ProcessRecord();
        foreach (var match in Match)
        {
            object source = match.Snapshot ?? (object)match.Path;
            if (_pending is not null && !_pending.Source.Equals(source)) ShowPending();
            TryDo(source, () => Add(match, source));
        }
    }

    /// <summary>Shows the last matches.</summary>
    protected override void EndProcessing() => ShowPending();

    private protected override void Read(Snapshot snapshot, IProgress<SnapshotProgress> progress)
    {
        bool onlyChanges = Diff && Count is null && !IsGiven(nameof(Offset));
        long offset = FromStart(Offset, snapshot);
        long length = snapshot.Length;
        // A negative count, or an offset past the end: let the read say so.
        if (offset > length || Count < 0) _ = snapshot.Read(offset, Count ?? 0);

        long count = Math.Min(Count ?? DefaultCount, length - offset);
        var dump = DumpOf(snapshot);
        IEnumerable<ByteRange> blocks =
            onlyChanges ? dump.BlocksAround(snapshot.GetModifiedRanges(), Context) : [new ByteRange(offset, count)];
        _shown = null;
        foreach (var block in blocks) Show(snapshot, snapshot, dump, block, []);
        long more = length - offset - count;
        if (!onlyChanges && Count is null && more > 0) WriteObject($"... {Quantity.Format(more, "more byte")} (-Offset and -Count show them)");
    }

    private void Add(SnapshotMatch match, object source)
    {
        var snapshot = SnapshotOf(match);
        var found = new ByteRange(match.Offset, match.Length);
        _ = snapshot.Read(found.Offset, found.Length); // it may be closed or cut by now: let the read say so
        var block = DumpOf(snapshot).BlocksAround([found], Context)[0];
        if (_pending?.TryAdd(block, found) == true) return;
        ShowPending();
        _pending = new MatchBlock(source, match, block, found);
    }

    private void ShowPending()
    {
        if (_pending is not { } pending) return;
        _pending = null;
        TryDo(pending.Source, () =>
        {
            var snapshot = SnapshotOf(pending.First);
            Show(snapshot, pending.Source, DumpOf(snapshot), pending.Range, pending.Found);
        });
    }

    private SnapshotDump DumpOf(Snapshot snapshot) => new(snapshot, _terminal, Diff, CancellationToken);

    private void Show(Snapshot snapshot, object source, SnapshotDump dump, ByteRange block, IReadOnlyList<ByteRange> found)
    {
        bool isFirst = true;
        foreach (string line in dump.LinesOf(block, found))
        {
            // Only now is it known that there is something to show.
            if (isFirst) ShowHead(snapshot, source, dump);
            isFirst = false;
            WriteObject(line);
        }
    }

    private void ShowHead(Snapshot snapshot, object source, SnapshotDump dump)
    {
        if (source.Equals(_shown))
        {
            WriteObject(Separator);
            return;
        }
        if (_hasShown) WriteObject("");
        if (NamesFiles)
        {
            WriteObject($"   File: {DisplayText.Of(snapshot.Path)}");
            WriteObject("");
        }
        WriteObject(dump.Header);
        (_shown, _hasShown) = (source, true);
    }
}

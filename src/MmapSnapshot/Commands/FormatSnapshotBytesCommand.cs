using System.Management.Automation;
using System.Management.Automation.Host;
using MmapSnapshot.Binding;
using MmapSnapshot.Formatting;

namespace MmapSnapshot;

/// <summary>Shows bytes of a snapshot as a hex dump, with changed bytes in colour.</summary>
[Cmdlet(VerbsCommon.Format, "SnapshotBytes", DefaultParameterSetName = "Range")]
[OutputType(typeof(string))]
public sealed class FormatSnapshotBytesCommand : SnapshotCmdlet
{
    /// <summary>How much is shown unless -Count says otherwise.</summary>
    private const int DefaultCount = 512;

    /// <summary>How much is read at a time: a whole number of lines.</summary>
    private const int Window = 64 << 10;

    /// <summary>Stands between lines that do not follow each other.</summary>
    private const string Separator = "--";

    private bool _shownBefore;

    /// <summary>The snapshots, or their ids.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = "Range")]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>Where to begin, in bytes from the start.</summary>
    [Parameter(Position = 1, ParameterSetName = "Range")]
    [OffsetTransformation]
    [ValidOffset]
    public long Offset { get; set; }

    /// <summary>How many bytes; without it, 512, or with -Diff all that were changed.</summary>
    [Parameter(Position = 2, ParameterSetName = "Range")]
    [OffsetTransformation]
    [ValidOffset]
    public long? Count { get; set; }

    /// <summary>Show below changed bytes what stood there before. Without -Offset and -Count, only the surroundings of changes.</summary>
    [Parameter(ParameterSetName = "Range")]
    public SwitchParameter Diff { get; set; }

    /// <summary>What Find-SnapshotBytes has found: its surroundings are shown, and it in a colour of its own.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = "Match")]
    [LiveMatch]
    [ValidateNotNull]
    public SnapshotMatch[] Match { get; set; } = [];

    /// <summary>How many lines to show around a change or a match.</summary>
    [Parameter]
    [ValidateRange(0, 1000)]
    public int Context { get; set; } = 1;

    /// <summary>Shows each snapshot, or match.</summary>
    protected override void ProcessRecord()
    {
        foreach (var snapshot in Snapshot) TryDo(snapshot, () => Show(snapshot));
        foreach (var match in Match) TryDo(match.Snapshot, () => Show(match));
    }

    private void Show(Snapshot snapshot)
    {
        bool onlyChanges = Diff && Count is null && !MyInvocation.BoundParameters.ContainsKey(nameof(Offset));
        long length = snapshot.Length;
        // Past the end there is nothing to count: let the read say so.
        long count = Count ?? Math.Min(DefaultCount, Math.Max(0, length - Offset));
        if (!onlyChanges && (Offset > length || count < 0 || count > length - Offset)) _ = snapshot.Read(Offset, count);

        var dump = DumpOf(snapshot);
        if (onlyChanges) ShowBlocks(snapshot, dump, Around(snapshot.GetModifiedRanges(), dump.Width, length));
        else ShowBlocks(snapshot, dump, [new ByteRange(Offset, count)]);
        long more = length - Offset - count;
        if (!onlyChanges && Count is null && more > 0) WriteObject($"... {Wording.Of(more, "more byte")} (-Offset and -Count show them)");
    }

    private void Show(SnapshotMatch match)
    {
        var found = new ByteRange(match.Offset, match.Length);
        _ = match.Snapshot.Read(found.Offset, found.Length); // it may be closed or cut by now: let the read say so
        var dump = DumpOf(match.Snapshot);
        if (_shownBefore) WriteObject(Separator);
        _shownBefore = true;
        ShowBlocks(match.Snapshot, dump, Around([found], dump.Width, match.Snapshot.Length), found);
    }

    private HexDump DumpOf(Snapshot snapshot)
    {
        int digits = Math.Max(8, snapshot.Length.ToString("X", System.Globalization.CultureInfo.InvariantCulture).Length);
        return new HexDump(HexDump.WidthFor(Columns(), digits), digits, HasColours());
    }

    /// <summary>Whole lines around some ranges, those that touch as one.</summary>
    private List<ByteRange> Around(IEnumerable<ByteRange> ranges, int width, long length)
    {
        var blocks = new List<ByteRange>();
        foreach (var range in ranges)
        {
            long start = Math.Max(0, ((range.Offset / width) - Context) * width);
            long end = Math.Min(length, (((range.End + width - 1) / width) + Context) * width);
            if (blocks.Count > 0 && blocks[^1].End >= start) blocks[^1] = new ByteRange(blocks[^1].Offset, end - blocks[^1].Offset);
            else blocks.Add(new ByteRange(start, end - start));
        }
        return blocks;
    }

    private void ShowBlocks(Snapshot snapshot, HexDump dump, List<ByteRange> blocks, ByteRange found = default)
    {
        for (int i = 0; i < blocks.Count; i++)
        {
            if (i > 0) WriteObject(Separator);
            ShowBlock(snapshot, dump, blocks[i], found);
        }
    }

    private void ShowBlock(Snapshot snapshot, HexDump dump, ByteRange block, ByteRange found)
    {
        int width = dump.Width;
        byte[]? above = null;
        bool folded = false;
        for (long offset = block.Offset; offset < block.End; offset += Window)
        {
            Stopped.ThrowIfCancellationRequested();
            byte[] now = snapshot.Read(offset, Math.Min(Window, block.End - offset));
            var former = new byte[now.Length];
            int formerCount = (int)Math.Clamp(snapshot.BaselineLength - offset, 0, now.Length);
            snapshot.ReadBaseline(offset, former.AsSpan(0, formerCount));
            for (int at = 0; at < now.Length; at += width)
            {
                byte[] line = now[at..Math.Min(at + width, now.Length)];
                var marks = new Mark[line.Length];
                for (int i = 0; i < line.Length; i++)
                {
                    if (at + i >= formerCount || former[at + i] != line[i]) marks[i] |= Mark.Changed;
                    if (offset + at + i >= found.Offset && offset + at + i < found.End) marks[i] |= Mark.Found;
                }
                bool plain = Array.TrueForAll(marks, mark => mark == Mark.None);
                bool last = offset + at + width >= block.End;
                if (plain && !last && above is not null && line.AsSpan().SequenceEqual(above))
                {
                    if (!folded) WriteObject("*");
                    folded = true;
                    continue;
                }
                folded = false;
                above = plain ? line : null;
                WriteObject(dump.Line(offset + at, line, marks));
                int formerHere = Math.Clamp(formerCount - at, 0, line.Length);
                if (Diff && marks.Take(formerHere).Any(mark => mark.HasFlag(Mark.Changed))) WriteObject(dump.FormerLine(former.AsSpan(at, formerHere), marks));
            }
        }
    }

    private int Columns()
    {
        try
        {
            int columns = Host.UI.RawUI.WindowSize.Width;
            return columns > 0 ? columns : 80;
        }
        catch (HostException)
        {
            return 80; // no terminal
        }
    }

    /// <summary>Whether the user wants colours; PowerShell itself takes them out where the output is no terminal.</summary>
    private bool HasColours()
    {
        if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))) return false;
        object? style = SessionState.PSVariable.GetValue("PSStyle");
        return style is null || PSObject.AsPSObject(style).Properties["OutputRendering"]?.Value?.ToString() != "PlainText";
    }
}

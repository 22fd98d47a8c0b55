using System.Globalization;

namespace MmapSnapshot.Formatting;

/// <summary>The lines of a hex dump of a snapshot.</summary>
internal sealed class SnapshotDump
{
    /// <summary>How much is read at a time: a whole number of lines.</summary>
    private const int Window = 64 << 10;

    private readonly Snapshot _snapshot;

    private readonly HexDump _lines;

    private readonly bool _showsFormer;

    private readonly CancellationToken _cancellation;

    /// <param name="snapshot">The snapshot.</param>
    /// <param name="terminal">Where it is shown.</param>
    /// <param name="showsFormer">Whether there is a line below changed bytes with what they were before.</param>
    /// <param name="cancellation">Ends it.</param>
    internal SnapshotDump(Snapshot snapshot, Terminal terminal, bool showsFormer, CancellationToken cancellation)
    {
        int digits = Math.Max(8, snapshot.Length.ToString("X", CultureInfo.InvariantCulture).Length);
        _snapshot = snapshot;
        _lines = new HexDump(HexDump.WidthFor(terminal.Columns, digits), digits, terminal.HasColours);
        _showsFormer = showsFormer;
        _cancellation = cancellation;
    }

    /// <summary>The line above all others.</summary>
    internal string Header => _lines.Header;

    /// <summary>Whole lines around ranges, which are in order; those that overlap or touch are one.</summary>
    /// <param name="ranges">The ranges.</param>
    /// <param name="context">How many lines around each.</param>
    internal List<ByteRange> BlocksAround(IEnumerable<ByteRange> ranges, int context)
    {
        int width = _lines.Width;
        long length = _snapshot.Length;
        var blocks = new List<ByteRange>();
        foreach (var range in ranges)
        {
            long start = Math.Max(0, ((range.Offset / width) - context) * width);
            long end = Math.Min(length, (((range.End + width - 1) / width) + context) * width);
            if (blocks.Count > 0 && blocks[^1].End >= start) blocks[^1] = new ByteRange(blocks[^1].Offset, end - blocks[^1].Offset);
            else blocks.Add(new ByteRange(start, end - start));
        }
        return blocks;
    }

    /// <summary>The lines of a range.</summary>
    /// <param name="block">The range; all of it is within the snapshot.</param>
    /// <param name="found">What was found in it.</param>
    internal IEnumerable<string> LinesOf(ByteRange block, IReadOnlyList<ByteRange> found)
    {
        int width = _lines.Width;
        byte[]? above = null;
        bool folded = false;
        for (long offset = block.Offset; offset < block.End; offset += Window)
        {
            _cancellation.ThrowIfCancellationRequested();
            byte[] now = _snapshot.Read(offset, Math.Min(Window, block.End - offset));
            byte[] former = ReadFormer(offset, now.Length);
            var marks = MarksOf(now, former, offset, found);
            for (int at = 0; at < now.Length; at += width)
            {
                int end = Math.Min(at + width, now.Length);
                byte[] line = now[at..end];
                bool plain = Array.TrueForAll(marks[at..end], mark => mark == Mark.None);
                bool last = offset + at + width >= block.End;
                if (plain && !last && above is not null && line.AsSpan().SequenceEqual(above))
                {
                    if (!folded) yield return "*";
                    folded = true;
                    continue;
                }
                folded = false;
                above = plain ? line : null;
                yield return _lines.Line(offset + at, line, marks.AsSpan(at, line.Length));
                int formerHere = Math.Clamp(former.Length - at, 0, line.Length);
                if (_showsFormer && Array.Exists(marks[at..(at + formerHere)], mark => mark.HasFlag(Mark.Changed)))
                    yield return _lines.FormerLine(former.AsSpan(at, formerHere), marks.AsSpan(at, formerHere));
            }
        }
    }

    /// <summary>The bytes that were there when the snapshot was opened or last saved: fewer, if its end was before.</summary>
    private byte[] ReadFormer(long offset, int count)
    {
        var former = new byte[Math.Clamp(_snapshot.BaselineLength - offset, 0, count)];
        _snapshot.ReadBaseline(offset, former);
        return former;
    }

    private static Mark[] MarksOf(byte[] now, byte[] former, long offset, IReadOnlyList<ByteRange> found)
    {
        var marks = new Mark[now.Length];
        for (int i = 0; i < now.Length; i++)
        {
            if (i >= former.Length || former[i] != now[i]) marks[i] |= Mark.Changed;
        }
        foreach (var range in found)
        {
            int end = (int)Math.Clamp(range.End - offset, 0, now.Length);
            for (int i = (int)Math.Clamp(range.Offset - offset, 0, end); i < end; i++) marks[i] |= Mark.Found;
        }
        return marks;
    }
}

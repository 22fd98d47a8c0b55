using System.Globalization;
using System.Text;

namespace MmapSnapshot.Formatting;

/// <summary>
/// Lines of a hex dump: offset, bytes, text; what was changed and what was found in colour. Without colours an asterisk is after each
/// changed byte.
/// </summary>
/// <param name="width">How many bytes a line shows.</param>
/// <param name="offsetDigits">How many hex digits an offset has.</param>
/// <param name="colours">Whether there are colours.</param>
internal sealed class HexDump(int width, int offsetDigits, bool colours)
{
    private const string Offsets = "\u001b[90m", Changed = "\u001b[92m", Former = "\u001b[91m", Found = "\u001b[30;103m", Reset = "\u001b[0m";

    private static readonly int[] _widths = [16, 8, 4];

    /// <summary>How many bytes a line shows.</summary>
    internal int Width => width;

    /// <summary>The line above all others: what is added to the offset of a line is the offset of a byte.</summary>
    internal string Header
    {
        get
        {
            var line = new StringBuilder("Offset".PadLeft(offsetDigits)).Append("  ");
            for (int i = 0; i < width; i++) line.Append(i == 8 ? " " : "").Append(HexText.Of([(byte)i])).Append(' ');
            string text = line.ToString().TrimEnd();
            return colours ? Offsets + text + Reset : text;
        }
    }

    /// <summary>As many bytes as fit into a line of the terminal, up to 16: a power of two.</summary>
    /// <param name="columns">How many characters a line of the terminal has.</param>
    /// <param name="offsetDigits">How many hex digits an offset has.</param>
    internal static int WidthFor(int columns, int offsetDigits) =>
        _widths.FirstOrDefault(width => LengthOf(width, offsetDigits) <= columns, _widths[^1]);

    /// <summary>One line: the bytes that are there now.</summary>
    internal string Line(long offset, ReadOnlySpan<byte> bytes, ReadOnlySpan<Mark> marks) =>
        Compose(offset.ToString($"X{offsetDigits}", CultureInfo.InvariantCulture), bytes, marks, Changed, isMarked: true);

    /// <summary>The line below it: the bytes that were there before, where they were others.</summary>
    internal string FormerLine(ReadOnlySpan<byte> former, ReadOnlySpan<Mark> marks)
    {
        var only = new Mark[former.Length];
        for (int i = 0; i < former.Length; i++) only[i] = marks[i].HasFlag(Mark.Changed) ? Mark.Changed : Mark.Hidden;
        return Compose("was".PadLeft(offsetDigits), former, only, Former, isMarked: false);
    }

    private static int LengthOf(int width, int offsetDigits) => offsetDigits + 2 + (3 * width) + (width > 8 ? 1 : 0) + 1 + width + 2;

    private string Compose(string head, ReadOnlySpan<byte> bytes, ReadOnlySpan<Mark> marks, string changed, bool isMarked)
    {
        var line = new StringBuilder();
        Append(line, head, Offsets);
        line.Append("  ");
        for (int i = 0; i < width; i++)
        {
            if (i == 8) line.Append(' ');
            if (i < bytes.Length && marks[i] != Mark.Hidden) Append(line, HexText.Of(bytes.Slice(i, 1)), ColourOf(marks[i], changed));
            else line.Append("  ");
            line.Append(!colours && isMarked && i < bytes.Length && marks[i].HasFlag(Mark.Changed) ? '*' : ' ');
        }
        line.Append('|');
        for (int i = 0; i < bytes.Length; i++)
        {
            if (marks[i] == Mark.Hidden) line.Append(' ');
            else Append(line, bytes[i] is >= 0x20 and < 0x7F ? ((char)bytes[i]).ToString() : ".", ColourOf(marks[i], changed));
        }
        return line.Append('|').ToString();
    }

    private static string? ColourOf(Mark mark, string changed) => mark.HasFlag(Mark.Found) ? Found : mark.HasFlag(Mark.Changed) ? changed : null;

    private void Append(StringBuilder line, string text, string? colour)
    {
        if (colours && colour is not null) line.Append(colour).Append(text).Append(Reset);
        else line.Append(text);
    }
}

/// <summary>What is to be seen of a byte.</summary>
[Flags]
internal enum Mark : byte
{
    None = 0,

    /// <summary>It differs from the baseline.</summary>
    Changed = 1,

    /// <summary>It belongs to a match.</summary>
    Found = 2,

    /// <summary>It is not shown.</summary>
    Hidden = 4,
}

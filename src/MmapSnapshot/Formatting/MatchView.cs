using System.Text;

namespace MmapSnapshot;

/// <summary>
/// How the table of matches shows their surroundings: 14 bytes, of which 4 stand before the match, 10 are for it, and what it
/// leaves of these, up to 4, for those behind it. It is called by MmapSnapshot.Format.ps1xml.
/// </summary>
public static class MatchView
{
    private const int Around = 4, Most = 10;

    /// <summary>The bytes in hex, the match in a colour of its own.</summary>
    /// <param name="match">The bytes that were found.</param>
    /// <param name="snapshot">Its snapshot; null, or closed, leaves the match alone.</param>
    /// <param name="offset">Where the match begins, in bytes from the start.</param>
    /// <param name="color">The escape sequence that begins the colour.</param>
    /// <param name="reset">The one that ends it.</param>
    public static string Hex(byte[] match, object? snapshot, long offset, string color, string reset) =>
        Show(match, snapshot, offset, color, reset, " ", bytes => HexText.Of(bytes));

    /// <summary>The bytes as ASCII text, with a dot for what cannot be printed.</summary>
    /// <param name="match">The bytes that were found.</param>
    /// <param name="snapshot">Its snapshot; null, or closed, leaves the match alone.</param>
    /// <param name="offset">Where the match begins, in bytes from the start.</param>
    /// <param name="color">The escape sequence that begins the colour.</param>
    /// <param name="reset">The one that ends it.</param>
    public static string Text(byte[] match, object? snapshot, long offset, string color, string reset) =>
        Show(match, snapshot, offset, color, reset, "", bytes => string.Concat(bytes.Select(one => one is >= 0x20 and < 0x7F ? (char)one : '.')));

    private static string Show(byte[] match, object? snapshot, long offset, string color, string reset, string separator, Func<byte[], string> show)
    {
        var text = new StringBuilder();
        byte[] before = Read(snapshot, Math.Max(0, offset - Around), (int)Math.Min(Around, offset));
        byte[] shown = match.Length > Most ? match[..Most] : match;
        byte[] after = Read(snapshot, offset + match.Length, Math.Min(Around, Most - shown.Length));
        // Matches stand below each other, wherever their snapshots begin.
        string left = show(before), filler = show(new byte[Around]);
        text.Append(' ', filler.Length - left.Length).Append(left).Append(separator);
        text.Append(color).Append(show(shown)).Append(reset);
        if (after.Length > 0) text.Append(separator).Append(show(after));
        return text.ToString();
    }

    /// <summary>As many bytes as there are; none of a snapshot that was closed since, or has stayed in another process.</summary>
    private static byte[] Read(object? snapshot, long offset, int count)
    {
        if (snapshot is not Snapshot { IsClosed: false } open) return [];
        try
        {
            return open.Read(offset, Math.Clamp(open.Length - offset, 0, count));
        }
        catch (SnapshotException)
        {
            return [];
        }
    }
}

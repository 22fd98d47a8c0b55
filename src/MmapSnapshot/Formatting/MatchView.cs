using System.Management.Automation;
using System.Runtime.CompilerServices;
using System.Text;

namespace MmapSnapshot;

/// <summary>
/// How the table of matches shows their surroundings: 12 bytes, of which 4 are before the match, 8 are for it, and what it
/// leaves of these, up to 4, for those after it. It is called by MmapSnapshot.Format.ps1xml.
/// </summary>
public static class MatchView
{
    private const int ContextBytes = 4, MaxBytes = 8;

    /// <summary>What is around matches that have no snapshot.</summary>
    private static readonly ConditionalWeakTable<SnapshotMatch, Surroundings> _kept = [];

    /// <summary>The bytes in hex, the match in a colour of its own.</summary>
    /// <param name="match">The match, or what has arrived of it from another process.</param>
    /// <param name="color">The escape sequence that begins the colour.</param>
    /// <param name="reset">The one that ends it.</param>
    public static string Hex(object match, string color, string reset) => Show(match, color, reset, " ", bytes => HexText.Of(bytes));

    /// <summary>The bytes as ASCII text, with a dot for what cannot be printed.</summary>
    /// <param name="match">The match, or what has arrived of it from another process.</param>
    /// <param name="color">The escape sequence that begins the colour.</param>
    /// <param name="reset">The one that ends it.</param>
    public static string Text(object match, string color, string reset) =>
        Show(match, color, reset, "", bytes => string.Concat(bytes.Select(one => one is >= 0x20 and < 0x7F ? (char)one : '.')));

    /// <summary>The match without its snapshot, which is about to be closed; what is around it is kept for the table.</summary>
    internal static SnapshotMatch Keep(SnapshotMatch match)
    {
        var kept = match.WithoutSnapshot();
        _kept.Add(kept, Read(match.Snapshot, match.Offset, match.Length));
        return kept;
    }

    private static string Show(object match, string color, string reset, string separator, Func<byte[], string> show)
    {
        var (bytes, (before, after)) = match switch
        {
            SnapshotMatch { Snapshot: { } snapshot } live => (live.Bytes, Read(snapshot, live.Offset, live.Length)),
            SnapshotMatch kept => (kept.Bytes, _kept.TryGetValue(kept, out var surroundings) ? surroundings : Surroundings.None),
            _ => (PSObject.AsPSObject(match).Properties["Bytes"]?.Value as byte[] ?? [], Surroundings.None),
        };
        var text = new StringBuilder();
        byte[] shown = bytes.Length > MaxBytes ? bytes[..MaxBytes] : bytes;
        // Matches are below each other, wherever their snapshots begin.
        string left = show(before), filler = show(new byte[ContextBytes]);
        text.Append(' ', filler.Length - left.Length).Append(left).Append(separator);
        text.Append(color).Append(show(shown)).Append(reset);
        if (after.Length > 0) text.Append(separator).Append(show(after));
        return text.ToString();
    }

    /// <summary>As many bytes as there are; none of a snapshot that was closed since.</summary>
    private static Surroundings Read(Snapshot? snapshot, long offset, int length)
    {
        if (snapshot is null or { IsClosed: true }) return Surroundings.None;
        try
        {
            long start = Math.Max(0, offset - ContextBytes), end = offset + length;
            long after = Math.Clamp(snapshot.Length - end, 0, Math.Min(ContextBytes, MaxBytes - Math.Min(length, MaxBytes)));
            return new Surroundings(snapshot.Read(start, offset - start), snapshot.Read(end, after));
        }
        catch (SnapshotException)
        {
            return Surroundings.None;
        }
    }

    private sealed record Surroundings(byte[] Before, byte[] After)
    {
        internal static readonly Surroundings None = new([], []);
    }
}

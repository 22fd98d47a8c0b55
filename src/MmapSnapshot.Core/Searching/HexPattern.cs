using System.Buffers;

namespace MmapSnapshot.Searching;

/// <summary>Reads hex text with wildcards: "48 8B ?? 0?".</summary>
internal static class HexPattern
{
    private static readonly SearchValues<char> _digits = SearchValues.Create("0123456789abcdefABCDEF?");

    /// <summary>The bits that must stand at each position, and which of them matter there.</summary>
    internal static (byte[] Values, byte[] Masks) Parse(string text, CancellationToken cancellation)
    {
        List<byte> values = new(text.Length / 2), masks = new(text.Length / 2);
        foreach (var (start, end) in HexText.Groups(text))
        {
            cancellation.ThrowIfCancellationRequested();
            ParseGroup(text, start, end, values, masks, cancellation);
        }
        return ([.. values], [.. masks]);
    }

    private static void ParseGroup(string text, int start, int end, List<byte> values, List<byte> masks, CancellationToken cancellation)
    {
        var digits = text.AsSpan(start, end - start);
        int wrong = digits.IndexOfAnyExcept(_digits);
        if (wrong >= 0)
        {
            throw Invalid(text, start + wrong, $"'{digits[wrong]}' is neither a hex digit nor the wildcard '?'", SnapshotRemedy.UseText);
        }
        if (digits is "?")
        {
            values.Add(0);
            masks.Add(0);
            return;
        }
        if (digits.Length == 0 || digits.Length % 2 != 0)
            throw Invalid(text, start, HexText.NotInPairs(digits.ToString()));
        for (; digits.Length > 0; digits = digits[2..])
        {
            if (digits.Length % (1 << 16) == 0) cancellation.ThrowIfCancellationRequested();
            values.Add((byte)((Value(digits[0]) << 4) | Value(digits[1])));
            masks.Add((byte)((Mask(digits[0]) << 4) | Mask(digits[1])));
        }
    }

    private static int Value(char digit) => digit == '?' ? 0 : char.IsAsciiDigit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10;

    private static int Mask(char digit) => digit == '?' ? 0 : 0xF;

    private static SnapshotException Invalid(string text, int at, string why, params SnapshotRemedy[] remedies) => new(
        SnapshotError.InvalidBytes,
        $"'{Excerpt.Of(text, at)}' is no hex text to search for: {why} (position {at}).",
        remedies: remedies);
}

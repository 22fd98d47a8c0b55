using System.Buffers;
using MmapSnapshot.Searching;

namespace MmapSnapshot;

/// <summary>Bytes as people read and write them.</summary>
public static class HexText
{
    private static readonly SearchValues<char> _separators = SearchValues.Create(" \t\r\n,;:-_"), _digits = SearchValues.Create("0123456789abcdefABCDEF");

    /// <summary>As in "0F 84 10 00".</summary>
    /// <param name="bytes">The bytes; at most 357,913,930, as a string holds no more digits.</param>
    public static string Of(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return "";
        var text = new char[(bytes.Length * 3) - 1];
        Array.Fill(text, ' ');
        for (int i = 0; i < bytes.Length; i++)
        {
            text[i * 3] = Digit(bytes[i] >> 4);
            text[(i * 3) + 1] = Digit(bytes[i] & 15);
        }
        return new string(text);

        static char Digit(int value) => (char)(value < 10 ? '0' + value : 'A' + value - 10);
    }

    /// <summary>
    /// The bytes of hex text: two digits each. Blanks, commas, semicolons, colons, hyphens and underscores may stand between
    /// bytes, and "0x" before them.
    /// </summary>
    /// <param name="text">The text, such as "48 8B 0F".</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="SnapshotException">InvalidBytes, with what is wrong and where.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static byte[] Parse(string text, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        var bytes = new List<byte>(text.Length / 2);
        foreach (var (start, end) in Groups(text))
        {
            cancellation.ThrowIfCancellationRequested();
            string digits = text[start..end];
            int wrong = digits.AsSpan().IndexOfAnyExcept(_digits);
            if (wrong >= 0) throw Invalid(text, start + wrong, $"'{digits[wrong]}' is no hex digit.", SnapshotRemedy.UseText);
            if (digits.Length == 0 || digits.Length % 2 != 0) throw Invalid(text, start, $"{NotInPairs(digits)}.");
            bytes.AddRange(Convert.FromHexString(digits));
        }
        return [.. bytes];
    }

    /// <summary>What is wrong with an odd number of digits, or none, in words.</summary>
    internal static string NotInPairs(string digits) => $"'{(digits.Length == 0 ? "0x" : Excerpt.Of(digits))}' has {digits.Length} digits, and a byte has two";

    /// <summary>Where the digits between two separators begin and end, a "0x" before them left out.</summary>
    internal static IEnumerable<(int Start, int End)> Groups(string text)
    {
        for (int start = 0; start < text.Length;)
        {
            int length = text.AsSpan(start).IndexOfAny(_separators);
            if (length < 0) length = text.Length - start;
            bool prefixed = text.AsSpan(start, length).StartsWith("0x", StringComparison.OrdinalIgnoreCase);
            if (length > 0) yield return (prefixed ? start + 2 : start, start + length);
            start += length + 1;
        }
    }

    private static SnapshotException Invalid(string text, int at, string why, params SnapshotRemedy[] remedies) =>
        new(SnapshotError.InvalidBytes, $"'{Excerpt.Of(text, at)}' is not hex text: {why}", remedies: remedies);
}

using System.Buffers;
using System.Collections;
using System.Management.Automation;
using System.Text;

namespace MmapSnapshot.Binding;

/// <summary>What people give as bytes: a byte[], numbers from 0 to 255, or hex text such as '48 8B 0F'.</summary>
internal static class ByteInput
{
    private static readonly SearchValues<char> _separators = SearchValues.Create(" \t\r\n,;:-_");

    /// <param name="value">The parameter's value, as PowerShell has bound it.</param>
    /// <exception cref="SnapshotException">InvalidBytes, with what is wrong and where.</exception>
    internal static byte[] Parse(object? value)
    {
        RefuseUnquotedHex(value);
        switch (Unwrap(value))
        {
            case byte[] bytes:
                return bytes;
            case string text:
                return ParseHex(text);
            case IEnumerable items:
                var all = new List<byte>();
                foreach (object? item in items)
                {
                    RefuseUnquotedHex(item);
                    if (Unwrap(item) is string part) all.AddRange(ParseHex(part));
                    else all.Add(ToByte(Unwrap(item)));
                }
                return [.. all];
            case var single:
                return [ToByte(single)];
        }
    }

    /// <summary>The one byte that <paramref name="value"/> stands for.</summary>
    internal static byte ParseSingle(object? value) =>
        Parse(value) is [var single] ? single : throw ErrorFactory.InvalidBytes($"'{value}' is not a single byte.");

    /// <summary>The text in an encoding that has all its characters: none becomes a question mark in a binary.</summary>
    internal static byte[] Encode(string text, Encoding encoding)
    {
        var strict = (Encoding)encoding.Clone();
        strict.EncoderFallback = EncoderFallback.ExceptionFallback;
        try
        {
            return strict.GetBytes(text);
        }
        catch (EncoderFallbackException exception)
        {
            throw ErrorFactory.InvalidBytes($"The character at position {exception.Index} of '{Excerpt(text, exception.Index)}' cannot be written in {encoding.WebName}.");
        }
    }

    /// <summary>PowerShell reads the literals 2d and 1e1 as numbers (2 and 10), and keeps their text in its wrapper.</summary>
    private static void RefuseUnquotedHex(object? value)
    {
        if (value is not PSObject { BaseObject: decimal or double } literal) return;
        string text = literal.ToString();
        if (text.Length > 0 && text.All(char.IsAsciiHexDigit) && !text.All(char.IsAsciiDigit))
            throw ErrorFactory.InvalidBytes($"PowerShell takes {text} for the number {literal.BaseObject}. Put hex text in quotes: '{text}'.");
    }

    /// <summary>As much of a text as shows what is wrong with it.</summary>
    private static string Excerpt(string text, int at = 0)
    {
        const int Around = 20;
        int start = Math.Max(0, at - Around), end = Math.Min(text.Length, at + Around);
        return (start > 0 ? "..." : "") + text[start..end] + (end < text.Length ? "..." : "");
    }

    private static object? Unwrap(object? value) => value is PSObject wrapped ? wrapped.BaseObject : value;

    private static byte[] ParseHex(string text)
    {
        var bytes = new List<byte>(text.Length / 2);
        foreach (var (group, at) in Groups(text))
        {
            string digits = group.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? group[2..] : group;
            int wrong = digits.AsSpan().IndexOfAnyExcept(_hexDigits);
            if (wrong >= 0) throw ErrorFactory.InvalidBytes($"'{Excerpt(text, at + wrong)}' is not hex text: '{digits[wrong]}' is no hex digit. Use -Text to write text.");
            if (digits.Length == 0 || digits.Length % 2 != 0)
                throw ErrorFactory.InvalidBytes($"'{Excerpt(text, at)}' is not hex text: '{Excerpt(group)}' has {digits.Length} digits, and a byte has two.");
            bytes.AddRange(Convert.FromHexString(digits));
        }
        return [.. bytes];
    }

    private static readonly SearchValues<char> _hexDigits = SearchValues.Create("0123456789abcdefABCDEF");

    private static IEnumerable<(string Group, int At)> Groups(string text)
    {
        int start = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            if (i < text.Length && !_separators.Contains(text[i])) continue;
            if (i > start) yield return (text[start..i], start);
            start = i + 1;
        }
    }

    private static byte ToByte(object? value)
    {
        // In a list PowerShell does not keep the text of 2d or 1e1: a number that may have been meant as hex is no byte.
        if (value is decimal or double or float)
            throw ErrorFactory.InvalidBytes($"The {value.GetType().Name} '{value}' is not taken for a byte: put hex text in quotes, or cast the number to [byte].");
        if (value is not (char or bool or null)
            && LanguagePrimitives.TryConvertTo(value, out decimal number)
            && number == decimal.Truncate(number)
            && number is >= 0 and <= 255)
        {
            return (byte)number;
        }
        throw ErrorFactory.InvalidBytes($"'{value}' is not a byte: give whole numbers from 0 to 255, or hex text.");
    }
}

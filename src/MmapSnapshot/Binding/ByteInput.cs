using System.Collections;
using System.Management.Automation;

namespace MmapSnapshot.Binding;

/// <summary>What people give as bytes: a byte[], numbers from 0 to 255, or hex text such as '48 8B 0F'.</summary>
internal static class ByteInput
{
    /// <param name="value">The parameter's value, as PowerShell has bound it.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="SnapshotException">InvalidBytes, with what is wrong and where.</exception>
    internal static byte[] Parse(object? value, CancellationToken cancellation = default)
    {
        try
        {
            return ParseOrAdviseText(value, cancellation);
        }
        catch (SnapshotException exception) when (exception.Remedies.Contains(SnapshotRemedy.UseText))
        {
            throw ErrorFactory.InvalidBytes(exception.Message);
        }
    }

    /// <summary>As <see cref="Parse"/>, for a parameter that has -Text beside it: the error says so.</summary>
    internal static byte[] ParseOrAdviseText(object? value, CancellationToken cancellation)
    {
        RefuseUnquotedHex(value);
        switch (Unwrap(value))
        {
            case byte[] bytes:
                return bytes;
            case string text:
                return HexText.Parse(text, cancellation);
            case IEnumerable items:
                var all = new List<byte>();
                object? firstText = null, firstNumber = null;
                foreach (object? item in items)
                {
                    cancellation.ThrowIfCancellationRequested();
                    RefuseUnquotedHex(item);
                    if (Unwrap(item) is string) firstText ??= item;
                    else firstNumber ??= item;
                    if (firstText is not null && firstNumber is not null) throw Mixed(firstNumber, firstText);
                    if (Unwrap(item) is string part) all.AddRange(HexText.Parse(part, cancellation));
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

    /// <summary>PowerShell reads the literals 2d and 1e1 as numbers (2 and 10), and keeps their text in its wrapper.</summary>
    private static void RefuseUnquotedHex(object? value)
    {
        if (value is not PSObject { BaseObject: decimal or double } literal) return;
        string text = literal.ToString();
        if (text.Length > 0 && text.All(char.IsAsciiHexDigit) && !text.All(char.IsAsciiDigit))
            throw ErrorFactory.InvalidBytes($"PowerShell takes {text} for the number {literal.BaseObject}. Put hex text in quotes: '{text}'.");
    }

    private static SnapshotException Mixed(object number, object text) => ErrorFactory.InvalidBytes(
        $"The list mixes the number {number} and the hex text '{text}'. Put all hex text in quotes, as in '90 9F C3', or write "
        + "numbers as 0x90, 0x9F, 0xC3.");

    private static object? Unwrap(object? value) => value is PSObject wrapped ? wrapped.BaseObject : value;

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

using System.Text;

namespace MmapSnapshot;

/// <summary>Text that is safe to show in a terminal: a file name can hold any character but / and NUL.</summary>
public static class DisplayText
{
    /// <summary>
    /// The text with its control characters, line separators and bidirectional controls written as in \x1B and \u202E. What is printed this
    /// way can neither move the cursor nor change colors, titles or the clipboard. All messages of <see cref="SnapshotException"/> are.
    /// </summary>
    /// <param name="text">The text; null gives an empty one.</param>
    public static string Of(string? text)
    {
        if (text is null) return "";
        int first = 0;
        while (first < text.Length && !IsControl(text[first])) first++;
        if (first == text.Length) return text;
        var shown = new StringBuilder(text, 0, first, text.Length + 16);
        foreach (char character in text.AsSpan(first))
        {
            if (!IsControl(character)) shown.Append(character);
            else shown.Append(character <= 0xFF ? $"\\x{(int)character:X2}" : $"\\u{(int)character:X4}");
        }
        return shown.ToString();
    }

    private static bool IsControl(char character) =>
        char.IsControl(character) || character is '\u061C' or (>= '\u200E' and <= '\u200F') or (>= '\u2028' and <= '\u202E') or (>= '\u2066' and <= '\u2069');
}

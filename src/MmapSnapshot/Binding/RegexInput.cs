using System.Text.RegularExpressions;

namespace MmapSnapshot.Binding;

/// <summary>
/// Regular expressions, by an engine that takes time by the byte, whatever the expression (RegexOptions.NonBacktracking).
/// </summary>
internal static class RegexInput
{
    /// <exception cref="SnapshotException">InvalidBytes: it is none, or that engine cannot do what it asks for.</exception>
    internal static Regex Parse(string text, bool ignoreCase)
    {
        var options = RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | (ignoreCase ? RegexOptions.IgnoreCase
            : RegexOptions.None);
        try
        {
            return new Regex(text, options);
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            throw ErrorFactory.InvalidBytes($"'{text}' cannot be searched for: {exception.Message}");
        }
    }
}

namespace MmapSnapshot.Searching;

/// <summary>As much of a text as an error message needs to show what is wrong with it.</summary>
internal static class Excerpt
{
    private const int Around = 20;

    internal static string Of(string text, int at = 0)
    {
        int start = Math.Max(0, at - Around), end = Math.Min(text.Length, at + Around);
        return (start > 0 ? "..." : "") + text[start..end] + (end < text.Length ? "..." : "");
    }
}

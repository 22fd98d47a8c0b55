namespace MmapSnapshot;

/// <summary>Numbers as parts of sentences.</summary>
internal static class Quantity
{
    /// <summary>As in "1 byte" and "2 bytes".</summary>
    /// <param name="number">How many.</param>
    /// <param name="noun">Of what: a noun that takes an s.</param>
    internal static string Format(long number, string noun) => number == 1 ? $"1 {noun}" : $"{number} {noun}s";
}

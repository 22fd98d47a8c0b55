namespace MmapSnapshot.Searching;

/// <summary>A run of a pattern that must be one of several: the same character in upper and lower case.</summary>
/// <param name="Position">Where in the pattern it begins.</param>
/// <param name="Choices">What may stand there, all of one length.</param>
internal readonly record struct AlternativeBytes(int Position, IReadOnlyList<byte[]> Choices)
{
    internal int Length => Choices[0].Length;

    internal bool Allows(ReadOnlySpan<byte> bytes)
    {
        foreach (byte[] choice in Choices)
        {
            if (bytes.SequenceEqual(choice)) return true;
        }
        return false;
    }
}

namespace MmapSnapshot.Searching;

/// <summary>How common bytes are, so that a search looks for the rarest of a pattern first.</summary>
internal static class ByteFrequency
{
    /// <summary>How often each byte stands among 65536 of programs, shared libraries, assemblies and texts: the mean of the four.</summary>
    private static ReadOnlySpan<ushort> Counts =>
    [
        11223, 1094, 606, 433, 489, 368, 320, 236, 545, 278, 545, 175, 173, 160, 362, 786,
        412, 197, 207, 162, 150, 354, 114, 95, 237, 113, 89, 89, 108, 120, 95, 222,
        1843, 94, 171, 106, 710, 140, 80, 147, 304, 162, 130, 104, 161, 177, 277, 182,
        420, 350, 191, 182, 153, 165, 139, 114, 208, 229, 165, 136, 146, 212, 152, 108,
        238, 705, 221, 227, 449, 419, 157, 146, 1983, 473, 88, 104, 552, 198, 175, 136,
        247, 73, 155, 268, 266, 211, 117, 118, 137, 92, 85, 152, 150, 175, 94, 352,
        128, 612, 207, 432, 394, 986, 428, 225, 291, 636, 82, 128, 476, 307, 596, 640,
        384, 73, 612, 615, 964, 394, 152, 146, 181, 194, 85, 148, 154, 162, 109, 94,
        270, 130, 99, 391, 289, 344, 103, 67, 109, 866, 59, 1065, 95, 538, 72, 65,
        164, 65, 59, 66, 84, 76, 62, 59, 86, 57, 54, 52, 66, 57, 54, 54,
        103, 61, 59, 64, 75, 65, 57, 55, 85, 57, 57, 55, 74, 55, 52, 58,
        103, 59, 53, 55, 73, 67, 101, 68, 118, 74, 94, 64, 86, 79, 101, 84,
        344, 142, 104, 207, 153, 108, 120, 184, 112, 93, 69, 58, 442, 59, 64, 58,
        186, 81, 99, 67, 66, 64, 64, 61, 113, 70, 64, 79, 63, 64, 76, 120,
        145, 74, 78, 66, 75, 70, 76, 84, 459, 205, 75, 130, 106, 86, 88, 122,
        159, 71, 93, 113, 75, 78, 138, 113, 175, 90, 99, 129, 109, 134, 221, 1738,
    ];

    /// <summary>For each mask the frequencies of all values, once they were asked for.</summary>
    private static readonly int[]?[] _byMask = new int[]?[256];

    /// <summary>How often a byte occurs that has <paramref name="value"/> in the bits of <paramref name="mask"/>.</summary>
    internal static int Of(byte value, byte mask) => mask == byte.MaxValue ? Counts[value] : (_byMask[mask] ??= Sum(mask))[value];

    private static int[] Sum(byte mask)
    {
        var sums = new int[256];
        for (int candidate = 0; candidate < Counts.Length; candidate++) sums[candidate & mask] += Counts[candidate];
        return sums;
    }
}

namespace MmapSnapshot.Benchmarks;

/// <summary>What every contender writes: sixteen bytes that were not there before.</summary>
public static class Bytes
{
    /// <summary>Where they are written.</summary>
    public const int Offset = 64;

    /// <summary>Others each time.</summary>
    public static byte[] Patch()
    {
        var patch = new byte[16];
        Random.Shared.NextBytes(patch);
        return patch;
    }
}

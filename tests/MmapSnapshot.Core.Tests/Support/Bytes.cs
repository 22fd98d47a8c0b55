namespace MmapSnapshot.Tests.Support;

internal static class Bytes
{
    /// <summary>The same bytes at every run.</summary>
    public static byte[] Random(int count, int seed = 1)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public static byte[] Of(char letter, int count)
    {
        var bytes = new byte[count];
        Array.Fill(bytes, (byte)letter);
        return bytes;
    }

    /// <summary>All that a snapshot holds.</summary>
    public static byte[] In(Snapshot snapshot) => snapshot.Read(0, snapshot.Length);
}

using System.Text;

namespace MmapSnapshot.Faults;

/// <summary>
/// The bytes of a file that several processes change: the name of the process and number of its version, repeated over the first
/// half, and the same for the last process that wrote in place over the second half.
/// </summary>
internal static class Version
{
    internal const int Half = 2048;

    private const int UnitLength = 16;

    internal static byte[] Bytes(string first, string second = "none") => [.. HalfOf(first), .. HalfOf(second)];

    internal static byte[] HalfOf(string id)
    {
        byte[] unit = Encoding.ASCII.GetBytes(id.PadRight(UnitLength));
        var half = new byte[Half];
        for (int i = 0; i < Half; i += UnitLength) unit.CopyTo(half, i);
        return half;
    }

    /// <summary>The id in a half, or null when it is a mix.</summary>
    internal static string? IdOf(ReadOnlySpan<byte> half)
    {
        if (half.Length != Half) return null;
        string id = Encoding.ASCII.GetString(half[..UnitLength]).TrimEnd();
        return half.SequenceEqual(HalfOf(id)) ? id : null;
    }

    /// <summary>The id in the first half of a whole file, or null when the file is a mix or has another size.</summary>
    internal static string? IdOfFile(byte[] bytes) =>
        bytes.Length == 2 * Half && IdOf(bytes.AsSpan(Half)) is not null ? IdOf(bytes.AsSpan(0, Half)) : null;
}

namespace MmapSnapshot;

/// <summary>Bytes as people read them.</summary>
public static class HexText
{
    private const string Digits = "0123456789ABCDEF";

    /// <summary>As in "0F 84 10 00".</summary>
    /// <param name="bytes">The bytes.</param>
    public static string Of(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return "";
        var text = new char[(bytes.Length * 3) - 1];
        Array.Fill(text, ' ');
        for (int i = 0; i < bytes.Length; i++)
        {
            text[i * 3] = Digits[bytes[i] >> 4];
            text[(i * 3) + 1] = Digits[bytes[i] & 15];
        }
        return new string(text);
    }
}

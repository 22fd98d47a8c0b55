using System.Globalization;
using MmapSnapshot.Searching;

namespace MmapSnapshot.Content;

/// <summary>Bytes, or one byte repeated, which takes no memory however often.</summary>
internal readonly struct ByteSequence
{
    /// <summary>So many equal bytes are still written one by one, as a line of a hex dump is.</summary>
    private const int LongestWritten = 16;

    private const char Times = '*';

    private ByteSequence(ReadOnlyMemory<byte> bytes, byte value, long count, bool isRepeat)
    {
        Bytes = bytes;
        Value = value;
        Count = count;
        IsRepeat = isRepeat;
    }

    /// <summary>The bytes; of a repeated byte without meaning.</summary>
    internal ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>The byte that is repeated; of others without meaning.</summary>
    internal byte Value { get; }

    /// <summary>How many bytes.</summary>
    internal long Count { get; }

    internal bool IsRepeat { get; }

    internal static ByteSequence Of(ReadOnlyMemory<byte> bytes) => new(bytes, 0, bytes.Length, isRepeat: false);

    internal static ByteSequence Of(byte value, long count) => new(default, value, count, isRepeat: true);

    /// <summary>As <see cref="Of(ReadOnlyMemory{byte})"/>, or a repeated byte if all of them are the same.</summary>
    internal static ByteSequence Shortest(ReadOnlyMemory<byte> bytes) =>
        !bytes.IsEmpty && bytes.Span.IndexOfAnyExcept(bytes.Span[0]) < 0 ? Of(bytes.Span[0], bytes.Length) : Of(bytes);

    /// <summary>What <see cref="ToString"/> has written, or any hex text.</summary>
    /// <exception cref="SnapshotException">InvalidBytes.</exception>
    internal static ByteSequence Parse(string text)
    {
        int times = text.IndexOf(Times, StringComparison.Ordinal);
        if (times < 0) return Of(HexText.Parse(text));
        if (HexText.Parse(text[..times]) is [var value]
            && long.TryParse(text.AsSpan(times + 1).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long count)
            && count > 0)
        {
            return Of(value, count);
        }
        throw new SnapshotException(
            SnapshotError.InvalidBytes, $"'{Excerpt.Of(text)}' is not a byte and how often it is repeated, as '00 * 4096' is.");
    }

    /// <summary>Hex text; more than 16 bytes of one value as that byte and their number ("00 * 4096").</summary>
    public override string ToString()
    {
        if (!IsRepeat) return HexText.Of(Bytes.Span);
        if (Count > LongestWritten) return string.Create(CultureInfo.InvariantCulture, $"{Value:X2} {Times} {Count}");
        Span<byte> bytes = stackalloc byte[(int)Count];
        bytes.Fill(Value);
        return HexText.Of(bytes);
    }
}

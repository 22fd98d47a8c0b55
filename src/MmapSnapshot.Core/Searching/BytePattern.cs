using System.Text;
using MmapSnapshot.Searching;

namespace MmapSnapshot;

/// <summary>Bytes to look for with <see cref="Snapshot.Find(IReadOnlyList{BytePattern}, long, long, IProgress{SnapshotProgress}, CancellationToken)"/>. It never changes.</summary>
public sealed class BytePattern
{
    /// <summary>Null: that of the bytes, which is made when it is asked for.</summary>
    private string? _text;

    private BytePattern(string? text, byte[] values, byte[] masks, IReadOnlyList<AlternativeBytes> alternatives, Encoding? encoding = null)
    {
        TextEncoding = encoding;
        _text = text;
        Values = values;
        Masks = masks;
        Alternatives = alternatives;
    }

    /// <summary>How many bytes a match has, wildcards included.</summary>
    public int Length => Values.Length;

    /// <summary>How its text became bytes; null for a pattern of bytes.</summary>
    internal Encoding? TextEncoding { get; }

    /// <summary>For each position the bits that must stand there, those outside of <see cref="Masks"/> being 0.</summary>
    internal byte[] Values { get; }

    /// <summary>For each position which bits matter: FF for a byte, F0 or 0F for half of one, 0 for a wildcard.</summary>
    internal byte[] Masks { get; }

    /// <summary>What bits alone cannot say: runs that must be one of several. The masks hold what these have in common.</summary>
    internal IReadOnlyList<AlternativeBytes> Alternatives { get; }

    /// <summary>Whether zeros alone, such as a hole reads as, are a match.</summary>
    internal bool MatchesZeros => !Values.AsSpan().ContainsAnyExcept((byte)0) && Alternatives.All(run => run.Allows(new byte[run.Length]));

    /// <summary>
    /// Makes a pattern of hex text. "??" or "?" stands for any byte, "4?" and "?8" for any with that half. Blanks, commas,
    /// semicolons, colons, hyphens and underscores may stand between bytes, and "0x" before them.
    /// </summary>
    /// <param name="text">The text, such as "48 8B ?? 0?".</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="SnapshotException">InvalidBytes: it is not such a text, it is empty, or it has wildcards alone.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static BytePattern ParseHex(string text, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        var (values, masks) = HexPattern.Parse(text, cancellation);
        return Checked(new BytePattern(text, values, masks, []));
    }

    /// <summary>Makes a pattern of bytes, which match themselves.</summary>
    /// <param name="bytes">The bytes; they are copied.</param>
    /// <exception cref="SnapshotException">InvalidBytes: there are none.</exception>
    public static BytePattern FromBytes(ReadOnlySpan<byte> bytes) => Exact(text: null, bytes.ToArray());

    /// <summary>Makes a pattern of a text as it is encoded, without a byte order mark.</summary>
    /// <param name="text">The text.</param>
    /// <param name="encoding">How it becomes bytes.</param>
    /// <param name="ignoreCase">
    /// Whether each character may also stand in its upper or lower case, as the invariant culture has them: one character for
    /// one, so that "ß" is not "SS". A form that the encoding does not have, or has in another number of bytes (as UTF-8 has
    /// "ⱥ" and "Ⱥ"), is not looked for.
    /// </param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="SnapshotException">
    /// InvalidBytes: the text is empty; or the encoding lacks one of its characters; or, with <paramref name="ignoreCase"/>, the
    /// encoding is one in which the bytes of a character depend on those before it.
    /// </exception>
    public static BytePattern FromText(string text, Encoding encoding, bool ignoreCase = false, CancellationToken cancellation = default)
    {
        byte[] bytes = EncodedText.Of(text, encoding);
        if (!ignoreCase) return Exact(text, bytes, encoding);
        var (masks, alternatives) = TextPattern.FoldCase(text, bytes, encoding, cancellation);
        for (int position = 0; position < bytes.Length; position++) bytes[position] &= masks[position];
        return Checked(new BytePattern(text, bytes, masks, alternatives, encoding));
    }

    /// <summary>The text it was made of; for bytes, these as hex text.</summary>
    public override string ToString() => _text ??= HexText.Of(Values);

    private static BytePattern Exact(string? text, byte[] bytes, Encoding? encoding = null)
    {
        var masks = new byte[bytes.Length];
        Array.Fill(masks, byte.MaxValue);
        return Checked(new BytePattern(text, bytes, masks, [], encoding));
    }

    private static BytePattern Checked(BytePattern pattern)
    {
        if (pattern.Length == 0) throw new SnapshotException(SnapshotError.InvalidBytes, "A pattern to search for has at least one byte; this one is empty.");
        if (pattern.Masks.AsSpan().ContainsAnyExcept((byte)0)) return pattern;
        throw new SnapshotException(
            SnapshotError.InvalidBytes, $"'{Excerpt.Of(pattern.ToString())}' would match everywhere: a pattern to search for has at least one byte, or half of one, that is given.");
    }
}

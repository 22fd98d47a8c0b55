using System.Text;

namespace MmapSnapshot;

/// <summary>Where in a snapshot a pattern was found.</summary>
public sealed class SnapshotMatch
{
    private readonly object _pattern;

    private readonly Encoding? _encoding;

    /// <param name="snapshot">The snapshot that is searched.</param>
    /// <param name="offset">Where the match begins.</param>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="pattern">What was searched for: its text is the property.</param>
    /// <param name="encoding">The encoding of the text that was searched for; null: bytes were.</param>
    internal SnapshotMatch(Snapshot snapshot, long offset, byte[] bytes, object pattern, Encoding? encoding)
        : this(snapshot.Path, offset, bytes, pattern, encoding) => Snapshot = snapshot;

    private SnapshotMatch(string path, long offset, byte[] bytes, object pattern, Encoding? encoding)
    {
        Path = path;
        Offset = offset;
        Bytes = bytes;
        _pattern = pattern;
        _encoding = encoding;
    }

    /// <summary>The full path of the file.</summary>
    public string Path { get; }

    /// <summary>Where the match begins, in bytes from the start of the snapshot.</summary>
    public long Offset { get; }

    /// <summary>How many bytes it has.</summary>
    public int Length => Bytes.Length;

    /// <summary>The bytes as hex text ("48 8B 0F"). O(length).</summary>
    public string Hex => HexText.Of(Bytes);

    /// <summary>
    /// The bytes as text: of a text that was searched for, in its encoding; else as ASCII, with a dot for what cannot be printed.
    /// O(length).
    /// </summary>
    public string Text => _encoding is { } encoding
        ? encoding.GetString(Bytes)
        : string.Concat(Bytes.Select(one => one is >= 0x20 and < 0x7F ? (char)one : '.'));

    /// <summary>The pattern that was found: the text or regular expression it was made of or, for bytes, these as hex text.</summary>
    public string Pattern => _pattern.ToString()!;

    /// <summary>The encoding of the text that was searched for, by its web name ("utf-16"); null where bytes were searched for.</summary>
    public string? Encoding => _encoding?.WebName;

    /// <summary>The snapshot that was searched; null for a match that was made <see cref="WithoutSnapshot"/>.</summary>
    public Snapshot? Snapshot { get; }

    /// <summary>The bytes at <see cref="Offset"/> when they were found.</summary>
    public byte[] Bytes { get; }

    /// <summary>The same match without its snapshot, which it then does not keep in memory.</summary>
    public SnapshotMatch WithoutSnapshot() => new(Path, Offset, Bytes, _pattern, _encoding);

    /// <summary>"0x1F40: 48 8B 0F".</summary>
    public override string ToString() => $"0x{Offset:X}: {HexText.Of(Bytes)}";
}

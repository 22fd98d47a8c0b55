namespace MmapSnapshot;

/// <summary>Where in a snapshot a pattern was found.</summary>
public sealed class SnapshotMatch
{
    internal SnapshotMatch(Snapshot snapshot, long offset, byte[] bytes, BytePattern pattern)
    {
        Snapshot = snapshot;
        Offset = offset;
        Bytes = bytes;
        Pattern = pattern.ToString();
    }

    /// <summary>The snapshot that was searched.</summary>
    public Snapshot Snapshot { get; }

    /// <summary>Where the match begins, in bytes from the start of the snapshot.</summary>
    public long Offset { get; }

    /// <summary>How many bytes it has.</summary>
    public int Length => Bytes.Length;

    /// <summary>The bytes as they stood there when they were found.</summary>
    public byte[] Bytes { get; }

    /// <summary>The pattern that was found: the text it was made of or, for bytes, these as hex text.</summary>
    public string Pattern { get; }

    /// <summary>"0x1F40: 48 8B 0F".</summary>
    public override string ToString() => $"0x{Offset:X}: {HexText.Of(Bytes)}";
}

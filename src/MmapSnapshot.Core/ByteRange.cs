namespace MmapSnapshot;

/// <summary>A run of bytes.</summary>
/// <param name="Offset">Where it begins, in bytes from the start of the file.</param>
/// <param name="Length">How many bytes it has.</param>
public readonly record struct ByteRange(long Offset, long Length)
{
    /// <summary>The offset just behind the last byte.</summary>
    public long End => Offset + Length;

    /// <summary>The engine's one range check: neither number negative, and the whole run within <paramref name="length"/> bytes.</summary>
    internal static void Check(long offset, long count, long length, string path)
    {
        if (offset < 0) throw OutOfRange($"offset {offset} is negative");
        if (count < 0) throw OutOfRange($"count {count} is negative");
        if (offset > length) throw OutOfRange($"offset {offset} is past the end");
        // No sum is formed, so none can overflow.
        if (count > length - offset) throw OutOfRange($"{count} bytes from offset {offset} reach past the end");

        SnapshotException OutOfRange(string what) =>
            new(SnapshotError.OutOfRange, $"'{path}': {what}; the snapshot has {length} bytes (offsets 0 to {length}).", path);
    }
}

namespace MmapSnapshot;

/// <summary>A run of bytes.</summary>
/// <param name="Offset">Where it begins, in bytes from the start of the file.</param>
/// <param name="Length">How many bytes it has.</param>
public readonly record struct ByteRange(long Offset, long Length)
{
    /// <summary>The offset just behind the last byte.</summary>
    public long End => Offset + Length;

    /// <summary>The longest snapshot, 1 EiB: sums of its offsets do not overflow.</summary>
    internal const long MaxLength = 1L << 60;

    /// <exception cref="SnapshotException">TooLarge.</exception>
    internal static long CheckMaxLength(long length, string path) =>
        length <= MaxLength ? length : throw new SnapshotException(SnapshotError.TooLarge, $"'{path}': a snapshot has at most {MaxLength} bytes, not {length}.", path);

    internal static ByteRange Between(long offset, long end) => new(offset, end - offset);

    /// <summary>What of it lies before <paramref name="end"/>; empty, at <paramref name="end"/>, if nothing does.</summary>
    internal ByteRange Before(long end) => Between(Math.Min(Offset, end), Math.Min(End, end));

    /// <summary>The engine's one range check: neither number negative, and the whole run within <paramref name="length"/> bytes.</summary>
    internal static void Check(long offset, long count, long length, string path)
    {
        if (CheckOrNull(offset, count, length, path) is { } outside) throw outside;
    }

    /// <summary>As <see cref="Check"/>, but returned, not thrown; null when all is well.</summary>
    internal static SnapshotException? CheckOrNull(long offset, long count, long length, string path)
    {
        string? what = offset < 0 ? $"offset {offset} is negative"
            : count < 0 ? $"count {count} is negative"
            : offset > length ? $"offset 0x{offset:X} is past the end"
            // No sum is formed, so none can overflow.
            : count > length - offset ? $"{count} bytes from offset 0x{offset:X} reach past the end"
            : null;
        return what is null
            ? null
            : new SnapshotException(SnapshotError.OutOfRange, $"'{path}': {what}; the snapshot has {length} bytes (0x{length:X}).", path);
    }

    /// <summary>Returns a length that may be one.</summary>
    internal static long CheckLength(long length, string path) =>
        length >= 0 ? length : throw NegativeLength(length, path);

    internal static SnapshotException NegativeLength(long length, string path) =>
        new(SnapshotError.OutOfRange, $"'{path}' cannot have {length} bytes: a length is not negative.", path);
}

namespace MmapSnapshot;

/// <summary>One of several writes that <see cref="Snapshot.Apply"/> makes together.</summary>
public sealed class SnapshotEdit
{
    private SnapshotEdit(long offset, long count, ReadOnlyMemory<byte> bytes, ReadOnlyMemory<byte> expected, bool isFill = false)
    {
        IsFill = isFill;
        Offset = offset;
        Count = count;
        Bytes = bytes;
        Expected = expected;
    }

    /// <summary>Where it begins, in bytes from the start.</summary>
    public long Offset { get; }

    /// <summary>How many bytes it writes.</summary>
    public long Count { get; }

    /// <summary>The bytes that must stand at <see cref="Offset"/> before any of the writes is made; empty expects nothing.</summary>
    public ReadOnlyMemory<byte> Expected { get; }

    /// <summary>What is written; of a fill, the one byte.</summary>
    internal ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Whether it is one byte, again and again.</summary>
    internal bool IsFill { get; }

    /// <summary>Writes bytes over those that stand there.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="bytes">The new bytes.</param>
    /// <param name="expected">If not empty, the bytes that must stand there now.</param>
    public static SnapshotEdit Write(long offset, ReadOnlyMemory<byte> bytes, ReadOnlyMemory<byte> expected = default) =>
        new(offset, bytes.Length, bytes, expected);

    /// <summary>Writes one byte value over a whole range.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes to write.</param>
    /// <param name="value">The byte.</param>
    /// <param name="expected">If not empty, the bytes that must stand there now.</param>
    public static SnapshotEdit Fill(long offset, long count, byte value, ReadOnlyMemory<byte> expected = default) =>
        new SnapshotEdit(offset, count, new[] { value }, expected, isFill: true);
}

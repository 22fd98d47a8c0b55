using MmapSnapshot.Searching;

namespace MmapSnapshot.Content;

/// <summary>
/// The bytes of a snapshot at one moment, for what takes long: each call is a use of the snapshot, which may be closed in between.
/// </summary>
/// <param name="reader">Reads them.</param>
/// <param name="table">The bytes.</param>
/// <param name="uses">Of the snapshot.</param>
/// <param name="path">The path that errors name.</param>
internal sealed class FrozenBytes(ContentReader reader, PieceTable table, UseCount uses, string path) : ISearchSource
{
    public string Path => path;

    /// <summary>The number of bytes.</summary>
    internal long Length => table.Length;

    /// <summary>The pieces.</summary>
    internal PieceTable Table => table;

    public ByteRange NextData(long offset, long end)
    {
        using (uses.Enter(path)) return reader.NextData(table, ByteRange.Between(offset, Math.Max(offset, Math.Min(end, Length))));
    }

    /// <summary>A range as stretches in order, of which it is known whether all bytes are the same.</summary>
    /// <exception cref="SnapshotException">SnapshotClosed, SnapshotLost, ReadFailed.</exception>
    internal Stretch[] Stretches(ByteRange within)
    {
        using (uses.Enter(path)) return [.. reader.Stretches(table, within)];
    }

    public int Read(long offset, Span<byte> destination)
    {
        using (uses.Enter(path))
        {
            int count = (int)Math.Clamp(Length - offset, 0, destination.Length);
            if (count > 0) reader.Read(table, offset, destination[..count]);
            return count;
        }
    }

    public void Show(long offset, int count, ScanAction action)
    {
        using (uses.Enter(path)) reader.Show(table, offset, count, action);
    }
}

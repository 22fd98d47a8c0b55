namespace MmapSnapshot.Searching;

/// <summary>Bytes that are searched, and do not change during that.</summary>
internal interface ISearchSource
{
    /// <summary>The path that progress and errors name.</summary>
    public string Path { get; }

    /// <summary>
    /// The first run of data at or after <paramref name="offset"/>. Where holes alone follow it is an empty one at <paramref name="end"/>.
    /// </summary>
    /// <exception cref="SnapshotException">SnapshotClosed, SnapshotLost, ReadFailed.</exception>
    public ByteRange NextData(long offset, long end);

    /// <summary>Reads as many bytes as there are.</summary>
    /// <returns>How many.</returns>
    /// <exception cref="SnapshotException">SnapshotClosed, SnapshotLost, ReadFailed.</exception>
    public int Read(long offset, Span<byte> destination);

    /// <summary>Shows bytes, all of which there are, without a copy if that can be.</summary>
    /// <exception cref="SnapshotException">SnapshotClosed, SnapshotLost, ReadFailed.</exception>
    public void Show(long offset, int count, ScanAction action);
}

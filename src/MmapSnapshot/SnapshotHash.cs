namespace MmapSnapshot;

/// <summary>The hash of a range of a snapshot or file.</summary>
public sealed class SnapshotHash
{
    internal SnapshotHash(string algorithm, string hash, string path, long offset, long length) =>
        (Algorithm, Hash, Path, Offset, Length) = (algorithm, hash, path, offset, length);

    /// <summary>The name of the algorithm.</summary>
    public string Algorithm { get; }

    /// <summary>The hash as hex digits, the most significant first.</summary>
    public string Hash { get; }

    /// <summary>The full path of the file.</summary>
    public string Path { get; }

    /// <summary>Where the range begins, in bytes.</summary>
    public long Offset { get; }

    /// <summary>How many bytes it has.</summary>
    public long Length { get; }
}

namespace MmapSnapshot;

/// <summary>The hash of a range of a snapshot or file.</summary>
/// <param name="Algorithm">The name of the algorithm.</param>
/// <param name="Hash">The hash as hex digits, the most significant first.</param>
/// <param name="Path">The full path of the file.</param>
/// <param name="Offset">Where the range begins, in bytes.</param>
/// <param name="Length">How many bytes it has.</param>
public sealed record SnapshotHash(string Algorithm, string Hash, string Path, long Offset, long Length);

namespace MmapSnapshot;

/// <summary>
/// A run of bytes that differ: part of a patch, in plain properties, so that it survives CSV and JSON. One that has
/// <see cref="NewLength"/> is not of bytes but of the length.
/// </summary>
/// <param name="Path">The file.</param>
/// <param name="Offset">Where the run begins, in bytes from the start.</param>
/// <param name="Length">How many bytes it has; at most 65,536, except where the length changes.</param>
/// <param name="Before">What stood there, as hex text ("0F 84"); empty behind the former end.</param>
/// <param name="After">What stands there now; empty behind the new end.</param>
/// <param name="OldLength">The former length of the file in bytes, or null.</param>
/// <param name="NewLength">The new one, or null.</param>
public sealed record SnapshotChange(string Path, long Offset, long Length, string Before, string After, long? OldLength = null, long? NewLength = null);

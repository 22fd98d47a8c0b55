namespace MmapSnapshot;

/// <summary>
/// A run of bytes that differ: part of a patch, in plain properties, so that it survives CSV and JSON. All offsets of a patch mean the
/// content before it, or after it; none depends on another row.
/// </summary>
/// <param name="Path">The file.</param>
/// <param name="Kind">The name of a <see cref="SnapshotEditKind"/>: "Write", "Insert" or "Remove".</param>
/// <param name="Offset">
/// Where the run begins in the content before, in bytes from the start; of an insertion, the byte that it is put in front of.
/// </param>
/// <param name="NewOffset">Where it begins in the content after; of a removal, what follows it there.</param>
/// <param name="Length">
/// The number of bytes: at most 65,536, unless all of them have one value, before and after; then there is no limit.
/// </param>
/// <param name="Before">
/// The bytes before, as hex text ("0F 84"); empty for an insertion. More than 16 bytes of one value are written as that byte and their
/// number ("00 * 4096").
/// </param>
/// <param name="After">The bytes after, in the same form; empty for a removal.</param>
public sealed record SnapshotChange(string Path, string Kind, long Offset, long NewOffset, long Length, string Before, string After);

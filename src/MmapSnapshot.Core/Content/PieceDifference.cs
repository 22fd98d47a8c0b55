namespace MmapSnapshot.Content;

/// <summary>
/// A region in which two tables differ: bytes of the old one that are not in the new one, and what is in their place. A write where
/// both lengths are the same, an insertion where the old one is 0, a removal where the new one is 0.
/// </summary>
/// <param name="OldOffset">Where the region begins in the old table, in bytes.</param>
/// <param name="OldLength">How many bytes it has there.</param>
/// <param name="NewOffset">Where it begins in the new table.</param>
/// <param name="NewLength">How many bytes it has there.</param>
internal readonly record struct PieceDifference(long OldOffset, long OldLength, long NewOffset, long NewLength);

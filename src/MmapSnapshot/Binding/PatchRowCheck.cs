namespace MmapSnapshot.Binding;

/// <summary>Whether what a row of a patch says of itself is consistent: a row that was cut off, or whose bytes are damaged, often is not.</summary>
/// <param name="Row">The row.</param>
/// <param name="Edit">What it writes and expects.</param>
/// <param name="Length">Its property Length: how many bytes differ there; null where it has none.</param>
/// <param name="NewLength">The length that it gives the snapshot, or null.</param>
/// <param name="OldLength">The length that it expects, or null.</param>
internal sealed record PatchRowCheck(PatchRow Row, SnapshotEdit Edit, long? Length, long? NewLength, long? OldLength)
{
    /// <param name="newLength">The snapshot's length after the patch.</param>
    /// <param name="length">Its length before.</param>
    /// <returns>InvalidPatch, or null.</returns>
    internal SnapshotException? FindDamage(long newLength, long length)
    {
        if (NewLength is not null)
        {
            return Edit.Count > 0 || Edit.Expected.Length > 0 || Length is null || OldLength is null || Length == Math.Abs(NewLength.Value - OldLength.Value)
                ? null
                : Row.Invalid($"Length is {Length}, but OldLength {OldLength} and NewLength {NewLength} differ by {Math.Abs(NewLength.Value - OldLength.Value)}");
        }
        if (Length is { } count)
        {
            return count > 0 && Edit.Count == 0 && Edit.Expected.Length == 0 ? Row.Invalid($"its Length is {count}, but it has no bytes")
                : !Fits(Edit.Count, newLength) ? Row.Invalid($"its Length is {count}, but it has {Edit.Count} new bytes")
                : Edit.Expected.Length > 0 && !Fits(Edit.Expected.Length, length) ? Row.Invalid($"its Length is {count}, but it has {Edit.Expected.Length} old bytes")
                : null;

            // What lies past an end is left out.
            bool Fits(long present, long end) => present == count || present == Math.Clamp(end - Edit.Offset, 0, count);
        }
        bool isCutOff = Edit.Offset >= newLength;
        return Edit.Count > 0 || OldLength is not null || (isCutOff && Edit.Expected.Length > 0) ? null : Row.Invalid("it has no new bytes");
    }
}

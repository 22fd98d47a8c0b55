namespace MmapSnapshot.Binding;

/// <summary>Whether what a row of a patch says of itself is consistent: a row that was cut off, or whose bytes are damaged, often is not.</summary>
/// <param name="Row">The row.</param>
/// <param name="Edit">What it writes and expects.</param>
/// <param name="Length">Its property Length: how many bytes differ there; null where it has none.</param>
/// <param name="NewLength">The length that it gives the snapshot, or null.</param>
/// <param name="OldLength">The length that it expects, or null.</param>
internal sealed record PatchRowCheck(PatchRow Row, SnapshotEdit Edit, long? Length, long? NewLength, long? OldLength)
{
    /// <summary>Whether the row has a Kind, so that its bytes were compared with its Length when it was read.</summary>
    internal bool HasKind { get; init; }

    /// <summary>The file that the row was made from, or null.</summary>
    internal string? Path { get; init; }

    /// <summary>Whether rows of several files came for one snapshot: InvalidPatch for the first one of a second file, or null.</summary>
    internal static SnapshotException? FindOtherFile(IReadOnlyList<PatchRowCheck> rows)
    {
        string? first = rows.FirstOrDefault(row => row.Path is not null)?.Path;
        return rows.FirstOrDefault(row => row.Path is not null && row.Path != first) is { } other
            ? other.Row.Invalid($"it is of '{other.Path}', and a row before it of '{first}'")
            : null;
    }

    /// <param name="lengthGiven">The length that rows or a parameter give the snapshot, or null.</param>
    /// <param name="length">Its length before.</param>
    /// <returns>InvalidPatch, or null.</returns>
    internal SnapshotException? FindDamage(long? lengthGiven, long length)
    {
        if (HasKind)
        {
            return Edit.Kind == SnapshotEditKind.Write || lengthGiven is null
                ? null
                : Row.Invalid("it inserts or removes bytes, so that the patch cannot give a length (NewLength) too");
        }
        long newLength = lengthGiven ?? length;
        if (NewLength is not null)
        {
            return Edit.Count > 0 || Edit.ExpectedCount > 0 || Length is null || OldLength is null
                || Length == Math.Abs(NewLength.Value - OldLength.Value)
                ? null
                : Row.Invalid($"Length is {Length}, but OldLength {OldLength} and NewLength {NewLength} differ by {Math.Abs(NewLength.Value - OldLength.Value)}");
        }
        if (Length is { } count)
        {
            return count > 0 && Edit.Count == 0 && Edit.ExpectedCount == 0 ? Row.Invalid($"its Length is {count}, but it has no bytes")
                : !Fits(Edit.Count, newLength) ? Row.Invalid($"its Length is {count}, but it has {Edit.Count} new bytes")
                : Edit.ExpectedCount > 0 && !Fits(Edit.ExpectedCount, length)
                    ? Row.Invalid($"its Length is {count}, but it has {Edit.ExpectedCount} old bytes")
                : null;

            // What lies past an end is left out.
            bool Fits(long present, long end) => present == count || present == Math.Clamp(end - Edit.Offset, 0, count);
        }
        bool isCutOff = Edit.Offset >= newLength;
        return Edit.Count > 0 || OldLength is not null || (isCutOff && Edit.ExpectedCount > 0) ? null : Row.Invalid("it has no new bytes");
    }
}

namespace MmapSnapshot.Content;

/// <summary>Whether edits can be made, and find what they expect.</summary>
internal static class EditChecks
{
    /// <summary>Finds what keeps edits from being made: one exception for each that cannot be; changes nothing.</summary>
    /// <param name="bytes">What they are made in.</param>
    /// <param name="path">The path that errors name.</param>
    /// <param name="edits">The edits.</param>
    /// <param name="length">The length that the snapshot is to have afterwards; null leaves it.</param>
    /// <param name="expectedLength">If not null, the length it must have now.</param>
    internal static IEnumerable<SnapshotException> FindViolations(
        SnapshotBytes bytes, string path, IReadOnlyList<SnapshotEdit> edits, long? length, long? expectedLength)
    {
        long current = bytes.Current.Length;
        if (expectedLength is { } lengthNow && lengthNow != current)
        {
            yield return new SnapshotException(
                SnapshotError.ExpectationFailed, $"'{path}' was not changed: it has {current} bytes, not {lengthNow}.", path);
        }
        if (length is < 0)
        {
            yield return ByteRange.NegativeLength(length.Value, path);
            yield break;
        }
        foreach (var edit in edits)
        {
            // A write that only expects may do so after the new end, and one that expects nothing may write after the present one.
            bool isWrite = edit.Kind == SnapshotEditKind.Write, changes = !isWrite || edit.Count != 0 || edit.ExpectedCount == 0;
            long end = isWrite ? length ?? current : current,
                replaced = edit.Kind == SnapshotEditKind.Insert ? Math.Min(0, edit.Count) : edit.Count;
            if (changes && ByteRange.CheckOrNull(edit.Offset, replaced, end, path) is { } outside) yield return outside;
            else if (edit.ExpectedCount == 0) continue;
            else if (ByteRange.CheckOrNull(edit.Offset, edit.ExpectedCount, current, path) is { } missing) yield return missing;
            else if (bytes.CheckExpected(edit.Offset, edit.Expected) is { } unexpected) yield return unexpected;
        }
        if (FindOverlap([.. edits.Select(edit => edit.Replacement)], path) is { } overlap) yield return overlap;
    }

    /// <summary>The first two of a set of changes that overlap; null if none do.</summary>
    internal static SnapshotException? FindOverlap(Replacement[] set, string path)
    {
        if (Replacement.FindOverlap(set, Replacement.Order(set)) is not var (first, second)) return null;
        return new SnapshotException(
            SnapshotError.OverlappingChanges,
            $"'{path}' was not changed: the change of {Describe(set[first])} and that of {Describe(set[second])} overlap.",
            path);

        static string Describe(Replacement one) => one.Removed == 0
            ? $"{one.Added} bytes inserted at 0x{one.Offset:X}"
            : $"{one.Removed} bytes at 0x{one.Offset:X}";
    }
}

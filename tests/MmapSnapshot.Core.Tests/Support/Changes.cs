namespace MmapSnapshot.Tests.Support;

/// <summary>What a snapshot tells of its changes, held against its bytes.</summary>
internal static class Changes
{
    /// <summary>The changes made to bytes: those before become those after.</summary>
    public static byte[] Applied(byte[] before, IEnumerable<SnapshotChange> changes)
    {
        byte[] bytes = [.. before];
        foreach (var change in changes)
        {
            if (change.NewLength is { } length) Array.Resize(ref bytes, (int)length);
            else if (change.After.Length > 0) BytesOf(change.After).CopyTo(bytes, change.Offset);
        }
        return bytes;
    }

    /// <summary>The changes taken back.</summary>
    public static byte[] Reverted(byte[] after, IEnumerable<SnapshotChange> changes) => Applied(after, changes.Select(change => change with
    {
        Before = change.After,
        After = change.Before,
        OldLength = change.NewLength,
        NewLength = change.OldLength,
    }));

    /// <summary>The changes as edits, expecting what stood there.</summary>
    public static SnapshotEdit[] AsEdits(IEnumerable<SnapshotChange> changes) =>
        [.. changes.Where(change => change.NewLength is null).Select(change => SnapshotEdit.Write(
            change.Offset, BytesOf(change.After), BytesOf(change.Before)))];

    /// <summary>Asserts that no byte differs from the baseline that does not count as modified, and that the counts agree.</summary>
    public static void AssertHonest(byte[] baseline, Snapshot snapshot)
    {
        byte[] now = Bytes.In(snapshot);
        var ranges = snapshot.GetModifiedRanges();
        Assert.Equal(snapshot.ModifiedBytes, ranges.Sum(range => range.Length));
        Assert.Equal(ranges.Count > 0 || now.Length != baseline.Length, snapshot.IsModified);
        if (ranges.Count > 0) Assert.InRange(ranges[^1].End, 1, now.Length);
        byte[] restored = [.. now];
        foreach (var range in ranges)
        {
            var known = range.Before(baseline.Length);
            baseline.AsSpan((int)known.Offset, (int)known.Length).CopyTo(restored.AsSpan((int)known.Offset));
        }
        int common = Math.Min(baseline.Length, now.Length);
        Assert.True(baseline.AsSpan(0, common).SequenceEqual(restored.AsSpan(0, common)), "a byte that does not count as modified has changed");
        if (now.Length > common) Assert.Equal(now.Length, ranges[^1].End);
        if (now.Length > common) Assert.InRange(ranges[^1].Offset, 0, common);
    }

    private static byte[] BytesOf(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));
}

using System.Globalization;

namespace MmapSnapshot.Tests.Support;

/// <summary>What a snapshot tells of its changes, held against its bytes.</summary>
internal static class Changes
{
    /// <summary>The changes made to bytes: those before become those after. Offsets, lengths and old bytes must be right.</summary>
    public static byte[] Applied(byte[] before, IEnumerable<SnapshotChange> changes)
    {
        var bytes = new List<byte>();
        int done = 0;
        foreach (var change in changes)
        {
            byte[] old = BytesOf(change.Before), now = BytesOf(change.After);
            Assert.InRange(change.Offset, done, before.Length - old.Length);
            Assert.Equal(change.Kind, old.Length == 0 ? "Insert" : now.Length == 0 ? "Remove" : "Write");
            Assert.Equal(change.Length, Math.Max(old.Length, now.Length));
            Assert.True(old.Length == 0 || now.Length == 0 || old.Length == now.Length, "a write has other lengths");
            bytes.AddRange(before.AsSpan(done..(int)change.Offset));
            Assert.Equal(change.NewOffset, bytes.Count);
            Assert.True(old.AsSpan().SequenceEqual(before.AsSpan((int)change.Offset, old.Length)), "other old bytes");
            bytes.AddRange(now);
            done = (int)change.Offset + old.Length;
        }
        bytes.AddRange(before.AsSpan(done));
        return [.. bytes];
    }

    /// <summary>The changes taken back.</summary>
    public static byte[] Reverted(byte[] after, IEnumerable<SnapshotChange> changes) => Applied(after, changes.Select(Mirrored));

    /// <summary>The change that takes a change back.</summary>
    public static SnapshotChange Mirrored(SnapshotChange change) => change with
    {
        Kind = change.Kind switch { "Insert" => "Remove", "Remove" => "Insert", var kind => kind },
        Offset = change.NewOffset,
        NewOffset = change.Offset,
        Before = change.After,
        After = change.Before,
    };

    /// <summary>The bytes of a change's text.</summary>
    public static byte[] BytesOf(string text)
    {
        string[] parts = text.Split(" * ");
        byte[] bytes = Convert.FromHexString(parts[0].Replace(" ", "", StringComparison.Ordinal));
        return parts.Length == 1 ? bytes : Bytes.Of((char)Assert.Single(bytes), int.Parse(parts[1], CultureInfo.InvariantCulture));
    }

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
}

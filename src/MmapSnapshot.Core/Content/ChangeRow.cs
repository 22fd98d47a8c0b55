namespace MmapSnapshot.Content;

/// <summary>A change that was found, before it is written as text.</summary>
/// <param name="Kind">What it does.</param>
/// <param name="Offset">Where it begins in the old content.</param>
/// <param name="NewOffset">Where it begins in the new content.</param>
/// <param name="Length">How many bytes.</param>
/// <param name="Before">The old bytes; empty for an insertion.</param>
/// <param name="After">The new bytes; empty for a removal.</param>
internal readonly record struct ChangeRow(
    SnapshotEditKind Kind, long Offset, long NewOffset, long Length, ByteSequence Before, ByteSequence After)
{
    /// <summary>Whether it has bytes of one value before, and of one value after.</summary>
    internal bool IsRepeat => (Before.IsRepeat || Before.Count == 0) && (After.IsRepeat || After.Count == 0);

    /// <summary>Whether <paramref name="next"/> continues it with the same values, so that both are one.</summary>
    internal bool IsContinuedBy(in ChangeRow next) =>
        IsRepeat && next.IsRepeat && Kind == next.Kind && Before.Value == next.Before.Value && After.Value == next.After.Value
        && next.Offset == Offset + Before.Count && next.NewOffset == NewOffset + After.Count;

    /// <summary>This one and one that continues it.</summary>
    internal ChangeRow Join(in ChangeRow next) => this with
    {
        Length = Length + next.Length,
        Before = Joined(Before, next.Before),
        After = Joined(After, next.After),
    };

    internal SnapshotChange ToChange(string path) =>
        new(path, Kind.ToString(), Offset, NewOffset, Length, Before.ToString(), After.ToString());

    private static ByteSequence Joined(ByteSequence one, ByteSequence next) =>
        one.Count == 0 ? one : ByteSequence.Of(one.Value, one.Count + next.Count);
}

using System.Diagnostics.CodeAnalysis;
using MmapSnapshot.Content;

namespace MmapSnapshot;

/// <summary>
/// One of several changes that <see cref="Snapshot.Apply"/> makes together. Its offset means the content before all of them.
/// </summary>
public sealed class SnapshotEdit
{
    private static readonly string[] _kinds = Enum.GetNames<SnapshotEditKind>();

    private SnapshotEdit(SnapshotEditKind kind, long offset, long count, ByteSequence bytes, ByteSequence expected = default)
    {
        Kind = kind;
        Offset = offset;
        Count = count;
        Bytes = bytes;
        Expected = expected;
    }

    /// <summary>What it does.</summary>
    public SnapshotEditKind Kind { get; }

    /// <summary>Where it begins, in bytes from the start.</summary>
    public long Offset { get; }

    /// <summary>How many bytes it writes, inserts or removes.</summary>
    public long Count { get; }

    /// <summary>How many bytes it expects at <see cref="Offset"/> before any of the changes is made; 0 expects nothing.</summary>
    public long ExpectedCount => Expected.Count;

    /// <summary>What is written or inserted; of a removal without meaning.</summary>
    internal ByteSequence Bytes { get; }

    /// <summary>What must be at <see cref="Offset"/> before any of the changes is made; empty expects nothing.</summary>
    internal ByteSequence Expected { get; }

    /// <summary>What it puts in the place of what.</summary>
    internal Replacement Replacement =>
        new(Offset, Kind == SnapshotEditKind.Insert ? 0 : Count, Kind == SnapshotEditKind.Remove ? 0 : Count);

    /// <summary>As in "Write 90 90 at 0x40"; of more than 16 bytes, how many there are.</summary>
    public override string ToString()
    {
        const int Most = 16;
        string count = Count == 1 ? "1 byte" : $"{Count} bytes";
        string what = Kind == SnapshotEditKind.Remove ? count
            : Bytes.IsRepeat ? $"{count} of {Bytes.Value:X2}"
            : Bytes.Count is > 0 and <= Most ? HexText.Of(Bytes.Bytes.Span)
            : count;
        return $"{Kind} {what} at 0x{Offset:X}";
    }

    /// <summary>Writes over bytes.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="bytes">The new bytes.</param>
    /// <param name="expected">If not empty, the bytes that must be there now.</param>
    public static SnapshotEdit Write(long offset, ReadOnlyMemory<byte> bytes, ReadOnlyMemory<byte> expected = default) =>
        new(SnapshotEditKind.Write, offset, bytes.Length, ByteSequence.Of(bytes), ByteSequence.Of(expected));

    /// <summary>Writes one byte value over a whole range.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes to write.</param>
    /// <param name="value">The byte.</param>
    /// <param name="expected">If not empty, the bytes that must be there now.</param>
    public static SnapshotEdit Fill(long offset, long count, byte value, ReadOnlyMemory<byte> expected = default) =>
        new(SnapshotEditKind.Write, offset, count, ByteSequence.Of(value, count), ByteSequence.Of(expected));

    /// <summary>Puts bytes between others. Several at the same offset are kept in the order in which they are given.</summary>
    /// <param name="offset">
    /// The offset of the byte that they are put in front of, in bytes from the start; at the end they are appended.
    /// </param>
    /// <param name="bytes">The bytes.</param>
    public static SnapshotEdit Insert(long offset, ReadOnlyMemory<byte> bytes) =>
        new(SnapshotEditKind.Insert, offset, bytes.Length, ByteSequence.Of(bytes));

    /// <summary>Puts one byte value between others, again and again.</summary>
    /// <param name="offset">As in the other.</param>
    /// <param name="count">How many bytes to insert.</param>
    /// <param name="value">The byte.</param>
    public static SnapshotEdit Insert(long offset, long count, byte value) =>
        new(SnapshotEditKind.Insert, offset, count, ByteSequence.Of(value, count));

    /// <summary>Removes bytes.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes to remove.</param>
    /// <param name="expected">If not empty, the bytes that must be there now.</param>
    public static SnapshotEdit Remove(long offset, long count, ReadOnlyMemory<byte> expected = default) =>
        new(SnapshotEditKind.Remove, offset, count, default, ByteSequence.Of(expected));

    /// <summary>A change that was listed (<see cref="Snapshot.GetChanges"/>), to be made: it expects what was there before.</summary>
    /// <param name="change">The change.</param>
    /// <exception cref="SnapshotException">InvalidPatch: it is damaged, or contradicts itself.</exception>
    public static SnapshotEdit Of(SnapshotChange change)
    {
        ArgumentNullException.ThrowIfNull(change);
        return TryParse(change.Kind, change.Offset, change.Before, change.After, change.Length, out var edit, out string? damage)
            ? edit
            : throw Damaged(damage);
    }

    /// <summary>The change that a row of a patch describes in the form of <see cref="SnapshotChange"/>.</summary>
    /// <param name="kind">"Write", "Insert" or "Remove", in any case.</param>
    /// <param name="offset">Where it begins, in bytes from the start.</param>
    /// <param name="before">The bytes that are expected, as text; none for an insertion. A write may have none.</param>
    /// <param name="after">The new bytes, as text; none for a removal.</param>
    /// <param name="length">
    /// The number of bytes, which must be that of <paramref name="before"/> and <paramref name="after"/>; null: not known.
    /// </param>
    /// <param name="edit">The change; null if the row is damaged.</param>
    /// <param name="damage">What is wrong, as a clause ("its Length is 2, but it has 1 new bytes"); null if nothing is.</param>
    /// <returns>Whether the row is good.</returns>
    public static bool TryParse(
        string kind,
        long offset,
        string before,
        string after,
        long? length,
        [NotNullWhen(true)] out SnapshotEdit? edit,
        [NotNullWhen(false)] out string? damage)
    {
        edit = null;
        damage = null;
        try
        {
            edit = Parse(kind, offset, before, after, length);
        }
        catch (FormatException exception)
        {
            damage = exception.Message;
        }
        return edit is not null;
    }

    /// <summary>The kind that a change names.</summary>
    /// <exception cref="SnapshotException">InvalidPatch.</exception>
    internal static SnapshotEditKind KindOf(SnapshotChange change)
    {
        try
        {
            return ParseKind(change.Kind);
        }
        catch (FormatException exception)
        {
            throw Damaged(exception.Message);
        }
    }

    private static SnapshotEdit Parse(string kindName, long offset, string before, string after, long? length)
    {
        var kind = ParseKind(kindName);
        ByteSequence old = ParseBytes(before, nameof(SnapshotChange.Before)), now = ParseBytes(after, nameof(SnapshotChange.After));
        if (kind == SnapshotEditKind.Insert && old.Count > 0)
            throw new FormatException($"it is an insertion, but has {old.Count} old bytes");
        if (kind == SnapshotEditKind.Remove && now.Count > 0)
            throw new FormatException($"it is a removal, but has {now.Count} new bytes");
        var (given, which) = kind == SnapshotEditKind.Remove ? (old, "old") : (now, "new");
        if (given.Count == 0) throw new FormatException($"it has no {which} bytes");
        if (length is { } count && count != given.Count)
            throw new FormatException($"its Length is {count}, but it has {given.Count} {which} bytes");
        if (kind == SnapshotEditKind.Write && old.Count > 0 && old.Count != now.Count)
            throw new FormatException($"it has {now.Count} new bytes, but {old.Count} old bytes");
        return new SnapshotEdit(kind, offset, given.Count, now, old);
    }

    private static SnapshotEditKind ParseKind(string name)
    {
        int kind = Array.FindIndex(_kinds, known => known.Equals(name, StringComparison.OrdinalIgnoreCase));
        return kind >= 0 ? (SnapshotEditKind)kind : throw new FormatException($"its Kind '{name}' is none of {string.Join(", ", _kinds)}");
    }

    private static ByteSequence ParseBytes(string text, string name)
    {
        try
        {
            return ByteSequence.Parse(text);
        }
        catch (SnapshotException exception) when (exception.Error == SnapshotError.InvalidBytes)
        {
            throw new FormatException($"{name}: {exception.Message.TrimEnd('.')}");
        }
    }

    private static SnapshotException Damaged(string why) => new(SnapshotError.InvalidPatch, $"A row of a patch is damaged: {why}.");
}

using System.Runtime.InteropServices;
using MmapSnapshot.Content;

namespace MmapSnapshot;

/// <content>Editing: each member makes one change, which <see cref="Undo"/> takes back.</content>
public sealed partial class Snapshot
{
    /// <summary>Writes bytes over those that stand there. The file does not see them until they are committed.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="bytes">The new bytes. All must lie within the snapshot: <see cref="Resize"/> makes it longer.</param>
    /// <param name="expected">If not empty, the bytes that must stand at <paramref name="offset"/> now.</param>
    /// <exception cref="SnapshotException">
    /// OutOfRange, ReadOnlySnapshot, SnapshotClosed, ExpectationFailed, ReadFailed, SnapshotLost. Nothing was changed then.
    /// </exception>
    public void Write(long offset, ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> expected = default)
    {
        using (BeginChange())
        {
            ByteRange.Check(offset, bytes.Length, Length, Path);
            ByteRange.Check(offset, expected.Length, Length, Path);
            if (_bytes.CheckExpected(offset, expected) is { } unexpected) throw unexpected;
            _bytes.Write(offset, bytes);
        }
    }

    /// <summary>
    /// Writes a value of a type without references, as it is in memory: in the byte order of this machine, with all padding. One change,
    /// O(log pieces).
    /// </summary>
    /// <typeparam name="T">As many bytes as it has in memory are written.</typeparam>
    /// <param name="offset">Where its first byte is, in bytes from the start, at any alignment. All of it lies within the snapshot.</param>
    /// <param name="value">The value.</param>
    /// <exception cref="SnapshotException">
    /// OutOfRange, ReadOnlySnapshot, SnapshotClosed, ReadFailed, SnapshotLost. Nothing was changed then.
    /// </exception>
    public void Write<T>(long offset, T value)
        where T : unmanaged => Write(offset, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(ref value)));

    /// <summary>Writes one byte value over a whole range.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes to write.</param>
    /// <param name="value">The byte.</param>
    /// <param name="expected">If not empty, the bytes that must stand at <paramref name="offset"/> now.</param>
    /// <param name="progress">Told of the progress, on this thread. May be null.</param>
    /// <param name="cancellation">Ends it; nothing was changed.</param>
    /// <exception cref="SnapshotException">As <see cref="Write"/>.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Fill(
        long offset,
        long count,
        byte value,
        ReadOnlyMemory<byte> expected = default,
        IProgress<SnapshotProgress>? progress = null,
        CancellationToken cancellation = default) =>
        Apply([SnapshotEdit.Fill(offset, count, value, expected)], progress: progress, cancellation: cancellation);

    /// <summary>
    /// Makes several changes as one: all of them or, if one cannot be made, none. They are a set: every offset, and all bytes that are
    /// expected, mean the content before the first of them. No two may overlap: neither may write to or remove the same byte, nor may bytes
    /// be inserted between those that one of them writes or removes. O(n log n), and the bytes given.
    /// </summary>
    /// <param name="edits">The changes; only the order of insertions at the same offset matters.</param>
    /// <param name="length">
    /// The length in bytes that the snapshot is to have afterwards; null leaves it, unless bytes are inserted or removed. Then it must be
    /// null.
    /// </param>
    /// <param name="expectedLength">If not null, the length it must have now.</param>
    /// <param name="progress">Told of the progress, on this thread. May be null.</param>
    /// <param name="cancellation">Ends it; nothing was changed.</param>
    /// <exception cref="SnapshotException">OverlappingChanges; else as <see cref="Write"/> and <see cref="Resize"/>.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Apply(
        IReadOnlyList<SnapshotEdit> edits,
        long? length = null,
        long? expectedLength = null,
        IProgress<SnapshotProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        CheckLengthFollows(edits, length);
        using (BeginChange())
        {
            if (EditChecks.FindViolations(_bytes, Path, edits, length, expectedLength).FirstOrDefault() is { } violation) throw violation;
            string activity = edits is [{ Bytes.IsRepeat: true, Kind: SnapshotEditKind.Write }] ? "Filling" : "Writing to";
            long total = Progress.Sum(edits.Select(edit => edit.Count));
            _bytes.Apply(edits, length, new Progress($"{activity} '{Path}'", total, progress, cancellation));
        }
    }

    /// <summary>
    /// What would keep <see cref="Apply"/> from making these changes: one exception for each that cannot be made, and one for the first two
    /// that overlap; changes nothing.
    /// </summary>
    /// <param name="edits">The changes.</param>
    /// <param name="length">The length in bytes that the snapshot is to have afterwards, as for <see cref="Apply"/>.</param>
    /// <param name="expectedLength">If not null, the length it must have now.</param>
    /// <exception cref="SnapshotException">ReadOnlySnapshot, SnapshotClosed, ReadFailed.</exception>
    public IReadOnlyList<SnapshotException> Verify(IReadOnlyList<SnapshotEdit> edits, long? length = null, long? expectedLength = null)
    {
        CheckLengthFollows(edits, length);
        using (_uses.Enter(Path))
        {
            if (IsReadOnly) throw _file.ToReadOnlyError();
            return [.. EditChecks.FindViolations(_bytes, Path, edits, length, expectedLength)];
        }
    }

    /// <summary>Makes the snapshot longer (with zeros, which take no space) or shorter.</summary>
    /// <param name="length">The new length in bytes.</param>
    /// <exception cref="SnapshotException">OutOfRange, TooLarge, ReadOnlySnapshot, SnapshotClosed: nothing was changed.</exception>
    public void Resize(long length)
    {
        using (BeginChange()) _bytes.Apply([], ByteRange.CheckLength(length, Path), default);
    }

    /// <summary>
    /// Puts bytes between those that are there: what follows moves towards the end. O(bytes), whatever the length of the snapshot.
    /// </summary>
    /// <param name="offset">Where the first of them will be, in bytes from the start; at the end, they are appended.</param>
    /// <param name="bytes">The bytes.</param>
    /// <exception cref="SnapshotException">OutOfRange, TooLarge, ReadOnlySnapshot, SnapshotClosed: nothing was changed.</exception>
    public void Insert(long offset, ReadOnlySpan<byte> bytes)
    {
        using (BeginChange())
        {
            ByteRange.Check(offset, 0, Length, Path);
            _bytes.Insert(offset, bytes);
        }
    }

    /// <summary>As the other, one byte again and again. O(1).</summary>
    /// <param name="offset">Where the first of them will be, in bytes from the start; at the end, they are appended.</param>
    /// <param name="count">How many.</param>
    /// <param name="value">The byte.</param>
    /// <exception cref="SnapshotException">OutOfRange, TooLarge, ReadOnlySnapshot, SnapshotClosed: nothing was changed.</exception>
    public void Insert(long offset, long count, byte value)
    {
        using (BeginChange())
        {
            ByteRange.Check(offset, 0, Length, Path);
            ByteRange.Check(0, count, long.MaxValue, Path);
            _bytes.Insert(offset, count, value);
        }
    }

    /// <summary>Removes bytes: what follows them moves towards the start. O(1), whatever the length of the snapshot.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes.</param>
    /// <exception cref="SnapshotException">OutOfRange, ReadOnlySnapshot, SnapshotClosed: nothing was changed.</exception>
    public void Remove(long offset, long count) => Remove([new ByteRange(offset, count)]);

    /// <summary>As the other, for several ranges, as one change.</summary>
    /// <param name="ranges">The bytes, where they are before the change.</param>
    /// <exception cref="SnapshotException">OutOfRange, ReadOnlySnapshot, SnapshotClosed: nothing was changed.</exception>
    public void Remove(IReadOnlyList<ByteRange> ranges)
    {
        ArgumentNullException.ThrowIfNull(ranges);
        using (BeginChange())
        {
            foreach (var range in ranges) ByteRange.Check(range.Offset, range.Length, Length, Path);
            _bytes.Remove(ranges);
        }
    }

    /// <summary>
    /// Takes the last change back: a write, fill, resize, insertion, removal, <see cref="Apply"/>, or one that gave bytes back. Called
    /// again, the one before it: the last 10,000, also those that were committed. O(1).
    /// </summary>
    /// <returns>Whether there was a change.</returns>
    /// <exception cref="SnapshotException">ReadOnlySnapshot, SnapshotClosed.</exception>
    public bool Undo()
    {
        using (BeginChange()) return _bytes.Undo();
    }

    /// <summary>Makes the change again that <see cref="Undo"/> has taken back last, unless another was made since. O(1).</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="SnapshotException">ReadOnlySnapshot, SnapshotClosed.</exception>
    public bool Redo()
    {
        using (BeginChange()) return _bytes.Redo();
    }

    /// <summary>
    /// Gives a range the bytes that were at the same offsets when the snapshot was opened or last committed. This is a change itself,
    /// which <see cref="Undo"/> takes back. The snapshot's length stays.
    /// </summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes.</param>
    /// <exception cref="SnapshotException">OutOfRange, ReadOnlySnapshot, SnapshotClosed.</exception>
    public void Revert(long offset, long count)
    {
        using (BeginChange())
        {
            ByteRange.Check(offset, count, Length, Path);
            _bytes.Revert([new ByteRange(offset, count)], Length);
        }
    }

    /// <summary>As the other, for several ranges and the length, as one change.</summary>
    /// <param name="ranges">The bytes; what lies after the end is left out.</param>
    /// <param name="length">The length in bytes that the snapshot is to have afterwards; null leaves it.</param>
    /// <exception cref="SnapshotException">As the other.</exception>
    public void Revert(IReadOnlyList<ByteRange> ranges, long? length = null)
    {
        ArgumentNullException.ThrowIfNull(ranges);
        using (BeginChange())
        {
            foreach (var range in ranges) ByteRange.Check(range.Offset, range.Length, long.MaxValue, Path);
            _bytes.Revert(ranges, ByteRange.CheckLength(length ?? Length, Path));
        }
    }

    /// <summary>
    /// Takes changes back, some or all of those that <see cref="GetChanges"/> has given, as one change: each run gets the bytes that were
    /// there when the snapshot was opened or last committed. Their text is not looked at. O(n log n).
    /// </summary>
    /// <param name="changes">The changes since then; no others may have been made since they were listed.</param>
    /// <exception cref="SnapshotException">OutOfRange, OverlappingChanges, InvalidPatch, ReadOnlySnapshot, SnapshotClosed.</exception>
    public void Revert(IReadOnlyList<SnapshotChange> changes)
    {
        ArgumentNullException.ThrowIfNull(changes);
        PieceDifference[] places = [.. changes.Select(ToPlace)];
        using (BeginChange())
        {
            foreach (var place in places)
            {
                ByteRange.Check(place.OldOffset, place.OldLength, BaselineLength, Path);
                ByteRange.Check(place.NewOffset, place.NewLength, Length, Path);
            }
            if (EditChecks.FindOverlap([.. places.Select(SnapshotBytes.ToReplacement)], Path) is { } overlap) throw overlap;
            _bytes.Revert(places);
        }

        static PieceDifference ToPlace(SnapshotChange change)
        {
            var kind = SnapshotEdit.KindOf(change);
            return new PieceDifference(
                change.Offset,
                kind == SnapshotEditKind.Insert ? 0 : change.Length,
                change.NewOffset,
                kind == SnapshotEditKind.Remove ? 0 : change.Length);
        }
    }

    /// <summary>
    /// Makes all bytes, and the length, what they were when the snapshot was opened or last committed. This is a change itself, which
    /// <see cref="Undo"/> takes back.
    /// </summary>
    /// <exception cref="SnapshotException">ReadOnlySnapshot, SnapshotClosed.</exception>
    public void RevertAll()
    {
        using (BeginChange()) _bytes.RevertAll();
    }

    /// <summary>For streams: writes, after growing the snapshot if it is too short, as one change.</summary>
    /// <param name="offset">Where to begin.</param>
    /// <param name="bytes">The new bytes.</param>
    /// <param name="mergeToken">As in <see cref="EditHistory.Push"/>.</param>
    internal void WriteGrowing(long offset, ReadOnlySpan<byte> bytes, object mergeToken)
    {
        using (BeginChange())
        {
            if (offset > long.MaxValue - bytes.Length) ByteRange.Check(offset, bytes.Length, Length, Path);
            _bytes.Write(offset, bytes, mergeToken);
        }
    }

    private static void CheckLengthFollows(IReadOnlyList<SnapshotEdit> edits, long? length)
    {
        ArgumentNullException.ThrowIfNull(edits);
        if (length is not null && edits.Any(edit => edit.Kind != SnapshotEditKind.Write))
            throw new ArgumentException("The length follows from what is inserted and removed.", nameof(length));
    }

    private ChangeScope BeginChange()
    {
        if (IsReadOnly) throw _file.ToReadOnlyError();
        if (Monitor.IsEntered(_changing)) throw new LockRecursionException("A listener of a change has asked for another change.");
        var use = _uses.Enter(Path);
        Monitor.Enter(_changing);
        return new ChangeScope(this, use);
    }
}

using System.Buffers;
using MmapSnapshot.Backing;
using MmapSnapshot.Mapping;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Editing;

/// <summary>
/// A snapshot's private bytes: read, written, resized, and taken back. Ranges are checked, and the lock is held, by the
/// snapshot. What fails half-way leaves the bytes as they were, or says which it changed.
/// </summary>
internal sealed class EditedBytes : IDisposable
{
    /// <summary>How many bytes a long write makes at a time.</summary>
    internal const int Window = 1 << 20;

    private readonly ParentFolder _folder;

    private readonly string _path;

    private long _length;

    /// <param name="content">The bytes; disposed with this.</param>
    /// <param name="folder">Where further private files are best made.</param>
    /// <param name="path">The path that errors name.</param>
    /// <param name="scratchPath">The folder they are to lie in instead, or null.</param>
    internal EditedBytes(SnapshotContent content, ParentFolder folder, string path, string? scratchPath)
    {
        Content = content;
        _folder = folder;
        _path = path;
        _length = ByteRange.CheckMaxLength(content.Length, path);
        Changes = new ChangeLog(() => PrivateFile.CreateAnywhere(folder, scratchPath), path);
        Changes.Reset(_length);
    }

    internal SnapshotContent Content { get; private set; }

    /// <summary>The private file. There is one once <see cref="MakePrivate"/> has returned.</summary>
    internal PrivateFile File => Content.File;

    internal MappedRegion Region { get; } = new();

    internal ChangeLog Changes { get; }

    internal long Length => Volatile.Read(ref _length);

    /// <summary>Sees to it that the bytes can be written to: they lie in a private file, and that is what a mapping shows.</summary>
    internal void MakePrivate(IProgress<SnapshotProgress>? listener, CancellationToken cancellation)
    {
        Content.MakePrivate(listener, cancellation);
        Region.EnsureShows(File.Handle, _path);
    }

    internal void Read(long offset, Span<byte> destination)
    {
        var errno = Content.Read(destination, offset, out int done);
        if (errno == 0 && done < destination.Length) errno = Errno.EIO; // the private file is shorter than it was made
        Failure.Check(errno, $"read {destination.Length} bytes at offset {offset} of the snapshot of '{_path}'", _path, SnapshotError.ReadFailed);
    }

    /// <summary>Why the bytes at an offset are not those expected; null when they are, or nothing is expected.</summary>
    internal SnapshotException? Unexpected(long offset, ReadOnlySpan<byte> expected)
    {
        if (expected.IsEmpty) return null;
        byte[] now = ArrayPool<byte>.Shared.Rent(expected.Length);
        try
        {
            var there = now.AsSpan(0, expected.Length);
            Read(offset, there);
            int same = there.CommonPrefixLength(expected);
            if (same == expected.Length) return null;
            return new SnapshotException(
                SnapshotError.ExpectationFailed,
                $"'{_path}' was not changed at offset {offset}: at offset {offset + same} stands {there[same]:X2}, not {expected[same]:X2} "
                + $"({Excerpt(there)} instead of {Excerpt(expected)}).",
                _path);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(now);
        }

        static string Excerpt(ReadOnlySpan<byte> bytes) =>
            bytes.Length <= 16 ? Convert.ToHexString(bytes) : Convert.ToHexString(bytes[..16]) + "...";
    }

    /// <summary>Writes bytes, after growing the snapshot if it is too short.</summary>
    internal void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return;
        var range = new ByteRange(offset, bytes.Length);
        var change = Begin([range], Math.Max(Length, range.End), default);
        var errno = Kernel.Write(File.Handle, bytes, offset, out int done);
        change.Written.Add(range with { Length = done });
        if (errno != 0) throw NotWritten(change, errno, range);
        Complete(change);
    }

    /// <summary>Makes several writes, and gives the snapshot a new length, as one change.</summary>
    internal void Apply(IReadOnlyList<SnapshotEdit> edits, long length, Progress progress)
    {
        var ranges = new ModifiedRanges();
        foreach (var edit in edits) ranges.Add(edit.Offset, edit.Count);
        if (ranges.TotalBytes == 0 && length == Length) return;
        ranges.Add(Math.Min(length, Length), Math.Abs(length - Length));
        var change = Begin(ranges.ToArray(), length, progress);
        progress = progress.Of(progress.Activity, Progress.Sum(edits.Select(edit => edit.Count)));
        try
        {
            foreach (var edit in edits) WriteEdit(change, edit, progress);
            if (length < Length) Shorten(change, length);
        }
        catch (OperationCanceledException)
        {
            // A fill stays as far as it came: taking it back could take as long again.
            bool stays = edits.Count == 1 && length == change.Step.LengthBefore && change.Written.Count > 0;
            if (stays || !TryTakeBack(change)) Complete(change);
            throw;
        }
        Complete(change);
    }

    /// <summary>Makes the snapshot longer, with zeros, or shorter.</summary>
    internal void Resize(long length, Progress progress) => Apply([], length, progress);

    /// <summary>Takes the last change back; false if there is none.</summary>
    internal bool UndoLast(Progress progress)
    {
        if (Changes.Last is not { } step) return false;
        progress = progress.Of(progress.Activity, Progress.Sum(step.Ranges.Select(range => range.Before(step.LengthBefore).Length)));
        try
        {
            SetLength(step.LengthBefore);
            Changes.TakeBack(step, File, progress);
        }
        catch
        {
            // Neither here nor there: so much is changed, and the change can still be taken back.
            foreach (var range in step.Ranges) Changes.MarkModified(range.Before(Length));
            Changes.TruncateTo(Length);
            throw;
        }
        Changes.Forget(step);
        return true;
    }

    /// <summary>Gives ranges their baseline's bytes again, and the snapshot a length, as one change that can be taken back itself.</summary>
    internal void Undo(IReadOnlyList<ByteRange> ranges, long length, Progress progress)
    {
        long before = Length;
        var wanted = new ModifiedRanges();
        foreach (var range in ranges) wanted.Add(range.Offset, range.Before(length).Length);
        var touched = new ModifiedRanges();
        foreach (var range in wanted.ToArray().SelectMany(range => Changes.Revertible(range.Before(before)))) touched.Add(range.Offset, range.Length);
        touched.Add(Math.Min(length, before), Math.Abs(length - before));
        if (touched.TotalBytes == 0) return;

        var step = Changes.Begin(File, touched.ToArray(), before, progress);
        try
        {
            SetLength(length);
        }
        catch
        {
            step.Dispose();
            throw;
        }
        try
        {
            Changes.TruncateTo(length);
            if (length > before) Changes.MarkModified(ByteRange.Between(before, length));
            Changes.Revert([.. wanted.ToArray().SelectMany(Changes.Revertible)], File, progress);
        }
        finally
        {
            Changes.Push(step); // also what was stopped half-way can be taken back
        }
    }

    /// <summary>Makes everything what the baseline is, for good.</summary>
    internal void UndoAll(Progress progress)
    {
        long before = Length, length = Changes.BaselineLength;
        SetLength(length);
        Changes.TruncateTo(length);
        if (length > before) Changes.MarkModified(ByteRange.Between(before, length));
        Changes.Revert(Changes.Revertible(new ByteRange(0, length)), File, progress);
        Changes.Reset(length);
    }

    public void Dispose()
    {
        Region.Dispose();
        Content.Dispose();
        Changes.Dispose();
    }

    /// <summary>Puts aside what a change overwrites or cuts off, and makes room for what it adds. Nothing is changed if this fails.</summary>
    private Change Begin(ByteRange[] ranges, long length, Progress progress)
    {
        var step = Changes.Begin(File, ranges, Length, progress);
        PrivateFile? spare = null;
        try
        {
            spare = TrySpare(ranges);
            if (length > Length) SetLength(length);
            return new Change(step, spare);
        }
        catch
        {
            spare?.Dispose();
            step.Dispose();
            throw;
        }
    }

    private void Complete(Change change)
    {
        long before = change.Step.LengthBefore;
        if (Length > before) change.Written.Add(ByteRange.Between(before, Length));
        Changes.Complete(change.Step, change.Written, Length);
        change.Spare?.Dispose();
    }

    private void WriteEdit(Change change, SnapshotEdit edit, Progress progress)
    {
        for (long done = 0; done < edit.Count;)
        {
            progress.Report();
            var bytes = edit.Bytes.Span[..(int)Math.Min(edit.Bytes.Length, edit.Count - done)];
            var errno = Kernel.Write(File.Handle, bytes, edit.Offset + done, out int written);
            change.Written.Add(new ByteRange(edit.Offset + done, written));
            done += written;
            progress.Add(written);
            if (errno != 0) throw NotWritten(change, errno, new ByteRange(edit.Offset, edit.Count));
        }
    }

    private void Shorten(Change change, long length)
    {
        try
        {
            SetLength(length);
        }
        catch (SnapshotException)
        {
            if (!TryTakeBack(change)) Complete(change);
            throw;
        }
    }

    /// <summary>Takes back what a failed change has written, and says so; or counts it, and says what it was.</summary>
    private SnapshotException NotWritten(Change change, Errno errno, ByteRange range)
    {
        string outcome = "Nothing was changed.";
        if (!TryTakeBack(change))
        {
            var written = new ModifiedRanges();
            foreach (var part in change.Written) written.Add(part.Offset, part.Length);
            outcome = string.Join(", ", written.ToArray().Select(part => $"{part.Length} bytes from offset {part.Offset} on")) + " were changed, nothing else.";
            Complete(change);
        }
        return Failure.From(
            errno, $"write {range.Length} bytes at offset {range.Offset} of the snapshot of '{_path}'", _path, SnapshotError.WriteFailed, outcome);
    }

    private bool TryTakeBack(Change change)
    {
        try
        {
            SetLength(change.Step.LengthBefore);
            if (change.Spare is { } spare)
            {
                Region.EnsureShows(spare.Handle, _path);
                Content.Dispose();
                Content = new PrivateContent(spare, Content.Backing, Length, _path);
            }
            else if (change.Written.Any(range => range.Length > 0))
            {
                Changes.TakeBack(change.Step, File, default);
            }
        }
        catch (SnapshotException)
        {
            return false;
        }
        change.Step.Dispose();
        return true;
    }

    /// <summary>
    /// A clone of the private file to go back to, for a long write on btrfs: that writes to new blocks always, so that on a full
    /// disk what was written half cannot be taken back in place.
    /// </summary>
    private PrivateFile? TrySpare(ByteRange[] ranges)
    {
        if (ranges.Sum(range => range.Length) <= Window || FileSystem.Of(File.Handle).Type != FileSystem.Btrfs) return null;
        var errno = PrivateFile.TryCreateIn(_folder, out var spare);
        if (errno == 0) errno = FileClone.TryClone(File.Handle, spare.Handle);
        if (errno == 0) return spare;
        spare.Dispose();
        if (PrivateFile.IsNoPlace(errno) || FileClone.IsUnavailable(errno)) return null; // the private file lies elsewhere
        throw Failure.From(errno, $"prepare to write to the snapshot of '{_path}'", _path, SnapshotError.WriteFailed, "Nothing was changed.");
    }

    /// <summary>Gives the private file a length. It is mapped again when a view or a search needs that. A failure leaves it as it was.</summary>
    private void SetLength(long length)
    {
        if (length == _length) return;
        ByteRange.CheckMaxLength(length, _path);
        var errno = Kernel.Truncate(File.Handle, length);
        // man 2 ftruncate: EFBIG, or EINVAL from filesystems that check late.
        if (errno is Errno.EINVAL) errno = Errno.EFBIG;
        Failure.Check(errno, $"give the snapshot of '{_path}' a length of {length} bytes", _path, SnapshotError.WriteFailed);
        Region.Clear();
        Volatile.Write(ref _length, length);
    }

    /// <param name="Step">What it takes to take it back.</param>
    /// <param name="Spare">The private file as it was before, or null.</param>
    private sealed record Change(ChangeStep Step, PrivateFile? Spare)
    {
        internal List<ByteRange> Written { get; } = [];
    }
}

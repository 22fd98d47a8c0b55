using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>Writes the bytes that a journal holds into its target: the new ones in a save, either in a repair.</summary>
/// <param name="journal">The journal.</param>
/// <param name="record">Its record.</param>
/// <param name="file">The target, open for reading and writing.</param>
/// <param name="metadata">What the target has besides its bytes: what writing takes from it is given back.</param>
/// <param name="path">The target's path.</param>
internal sealed class JournalReplay(Journal journal, JournalRecord record, SafeFileHandle file, FileMetadata metadata, string path)
{
    /// <summary>Whether the file has begun to lose the bytes that a save cuts off: from then on it can only be rolled forward.</summary>
    internal bool IsCut { get; private set; }

    /// <summary>Gives the file its new bytes and length, every byte of every entry, whatever is there. The length comes last.</summary>
    /// <param name="flush">Whether to write all to the disk.</param>
    /// <param name="progress">Counts the bytes of the entries.</param>
    /// <exception cref="SnapshotException">NoSpace, TooLarge, ReadFailed, WriteFailed, JournalInvalid.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled in the middle.</exception>
    internal void RollForward(bool flush, Progress progress)
    {
        Write(isNew: true, progress);
        if (record.NewLength < record.OldLength)
        {
            if (flush) Flush();
            SetLength(record.NewLength);
            IsCut = true;
        }
        else if (record.NewLength > record.OldLength)
        {
            SetLength(record.NewLength);
        }
        metadata.RestoreAfterWrite(file, path);
        if (flush) Flush();
    }

    /// <summary>Gives the file its old bytes and length, and flushes it.</summary>
    /// <exception cref="SnapshotException">NoSpace, ReadFailed, WriteFailed, JournalInvalid.</exception>
    internal void RollBack()
    {
        Write(isNew: false, default);
        SetLength(record.OldLength);
        metadata.RestoreAfterWrite(file, path);
        Flush();
    }

    private void Write(bool isNew, Progress progress)
    {
        var reader = new JournalReader(journal.File, journal.Header, path);
        _ = reader.ReadRecord();
        while (reader.MoveNext())
        {
            if (isNew) progress.Report();
            var entry = reader.Current;
            // After the old end there is nothing to give back.
            var bytes = isNew ? entry.New : entry.Old[..(int)Math.Clamp(record.OldLength - entry.Offset, 0, entry.Old.Length)];
            var errno = Kernel.Write(file, bytes, entry.Offset, out _);
            ErrnoErrors.ThrowIfError(errno, $"write at offset 0x{entry.Offset:X} of '{path}'", path, SnapshotError.WriteFailed);
            progress.Add(bytes.Length);
        }
    }

    private void SetLength(long length)
    {
        var errno = Kernel.FTruncate(file, length);
        // man 2 ftruncate: EFBIG, or EINVAL from filesystems that check late.
        if (errno == Errno.EINVAL) errno = Errno.EFBIG;
        ErrnoErrors.ThrowIfError(errno, $"set the length of '{path}' to {length}", path, SnapshotError.WriteFailed);
    }

    private void Flush() => ErrnoErrors.ThrowIfError(Kernel.FSync(file), $"flush '{path}' to the disk", path, SnapshotError.WriteFailed);
}

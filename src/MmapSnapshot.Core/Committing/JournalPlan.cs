using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>Finds out what a save in place changes in its target, and writes it to a journal.</summary>
/// <param name="content">The new bytes.</param>
/// <param name="file">The target, open for reading and writing.</param>
/// <param name="status">The status of it; no process writes to it from here on.</param>
/// <param name="path">The target's path.</param>
internal sealed class JournalPlan(ContentWriter content, SafeFileHandle file, FileStatus status, string path)
{
    /// <summary>At least what a filesystem allocates at once, in bytes.</summary>
    private const long Block = 4096;

    private readonly byte[] _old = new byte[JournalEntry.MaxLength], _new = new byte[JournalEntry.MaxLength];

    /// <summary>The most bytes that the save may need on the filesystem.</summary>
    private long _touched;

    /// <summary>Writes a journal, except for its header, and flushes nothing.</summary>
    /// <param name="journal">The journal, empty.</param>
    /// <param name="name">The target's name.</param>
    /// <param name="token">Of the journal's name.</param>
    /// <param name="places">Where the target may have other bytes than the content, in order; null: everywhere.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="SnapshotException">NoSpace, ReadFailed, WriteFailed, SnapshotLost.</exception>
    internal JournalRecord Write(
        Journal journal,
        string name,
        ulong token,
        IReadOnlyList<ByteRange>? places,
        CancellationToken cancellation)
    {
        var record = new JournalRecord(name, token, FileIdentity.Of(file, status), content.Length, TailDigest(cancellation));
        using var writer = new JournalWriter(journal.File, path);
        writer.Append(record.ToBytes());
        foreach (var place in places ?? [new ByteRange(0, content.Length)])
        {
            AddEntries(writer, place.Before(status.Length), cancellation);
            if (place.End <= status.Length) continue;
            // After the end of the file there are zeros already.
            var after = ByteRange.Between(Math.Max(place.Offset, status.Length), place.End);
            foreach (var data in content.DataRanges(after)) AddEntries(writer, data, cancellation);
        }
        byte[] digest = writer.Complete();
        journal.WriteHeader(new JournalHeader(IsDone: false, Boot.Id, status.Modified, status.Changed, writer.Length, digest));
        return record;
    }

    /// <summary>
    /// Checks that there is space for the ranges that get new blocks when they are written: holes and, where files can share blocks or
    /// blocks are never written over (XFS, btrfs), all.
    /// </summary>
    /// <exception cref="SnapshotException">NoSpace.</exception>
    internal void CheckSpace(Journal journal, CancellationToken cancellation)
    {
        long available = Kernel.AvailableSpace(file);
        bool isCopied = FileSystem.Of(file).Type is not (FileSystem.Ext2 or FileSystem.Ext3 or FileSystem.Ext4 or FileSystem.Tmpfs);
        long needed = 0;
        var reader = new JournalReader(journal.File, journal.Header, path);
        _ = reader.ReadRecord();
        long allocated = 0; // up to here it is counted
        while (available < _touched && reader.MoveNext())
        {
            cancellation.ThrowIfCancellationRequested();
            var entry = reader.Current;
            long start = Math.Max(allocated, entry.Offset / Block * Block), end = (entry.End + Block - 1) / Block * Block;
            if (start >= end) continue;
            allocated = end;
            if (isCopied || Kernel.SeekData(file, entry.Offset, out long data) != 0 || data >= end) needed += end - start;
        }
        if (needed <= available) return;
        throw new SnapshotException(
            SnapshotError.NoSpace,
            $"'{path}' was not saved: the save needs {needed} bytes on its filesystem, which has {available}. Nothing was written.",
            path,
            NativeConvert.FromErrno(Errno.ENOSPC));
    }

    private void AddEntries(JournalWriter writer, ByteRange range, CancellationToken cancellation)
    {
        for (long offset = range.Offset; offset < range.End; offset += JournalEntry.MaxLength)
        {
            cancellation.ThrowIfCancellationRequested();
            int length = (int)Math.Min(JournalEntry.MaxLength, range.End - offset);
            Span<byte> old = _old.AsSpan(0, length), @new = _new.AsSpan(0, length);
            int inFile = (int)Math.Clamp(status.Length - offset, 0, length);
            Read(old[..inFile], offset);
            old[inFile..].Clear();
            content.Read(offset, @new);
            AddEntry(writer, offset, old, @new);
        }
    }

    /// <summary>Leaves out the bytes at both ends that stay as they are.</summary>
    private void AddEntry(JournalWriter writer, long offset, ReadOnlySpan<byte> old, ReadOnlySpan<byte> @new)
    {
        int start = old.CommonPrefixLength(@new), end = old.Length;
        if (start == end) return;
        while (old[end - 1] == @new[end - 1]) end--;
        new JournalEntry(offset + start, old[start..end], @new[start..end]).Write(writer);
        _touched += end - start + (2 * Block);
    }

    private byte[] TailDigest(CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long offset = content.Length; offset < status.Length; offset += _old.Length)
        {
            cancellation.ThrowIfCancellationRequested();
            var bytes = _old.AsSpan(0, (int)Math.Min(_old.Length, status.Length - offset));
            Read(bytes, offset);
            hash.AppendData(bytes);
        }
        return hash.GetHashAndReset();
    }

    private void Read(Span<byte> destination, long offset)
    {
        ErrnoErrors.ThrowIfError(Kernel.Read(file, destination, offset, out int done), $"read '{path}'", path, SnapshotError.ReadFailed);
        destination[done..].Clear(); // it was cut short: the look that follows shows it
    }
}

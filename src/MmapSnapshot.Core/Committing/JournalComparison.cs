using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Compares a file with the journal of a save that was interrupted: each byte that the save changes must be the old one or the new one.
/// </summary>
/// <param name="journal">The journal.</param>
/// <param name="file">The target, open for reading.</param>
/// <param name="length">The size of it in bytes.</param>
/// <param name="path">The target's path.</param>
internal sealed class JournalComparison(Journal journal, SafeFileHandle file, long length, string path)
{
    private readonly byte[] _current = new byte[JournalEntry.MaxLength];

    /// <summary>What another program has changed since, as a clause; null: nothing.</summary>
    internal string? Conflict { get; private set; }

    /// <summary>Whether all bytes, and the length, are the old ones.</summary>
    internal bool IsOld { get; private set; } = true;

    /// <exception cref="SnapshotException">ReadFailed, JournalInvalid.</exception>
    internal void Run(CancellationToken cancellation)
    {
        var reader = new JournalReader(journal.File, journal.Header, path);
        var record = reader.ReadRecord()!;
        long covered = Math.Min(record.OldLength, record.NewLength);
        if (length < covered || length > Math.Max(record.OldLength, record.NewLength))
        {
            Conflict = $"the file has {length} bytes, not {record.OldLength} (before the save) to {record.NewLength} (after it)";
            return;
        }
        long end = 0;
        while (Conflict is null && reader.MoveNext())
        {
            cancellation.ThrowIfCancellationRequested();
            var entry = reader.Current;
            if (entry.Offset < end || entry.End > record.NewLength) throw Journal.Invalid(path, "its entries are not in order");
            CheckZeros(Math.Max(covered, end), entry.Offset);
            Compare(entry, record.OldLength);
            end = entry.End;
        }
        if (record.NewLength >= record.OldLength) CheckZeros(Math.Max(covered, end), length);
        else if (Conflict is null) CompareTail(record, cancellation);
    }

    /// <summary>After the old end zeros count as old, and so does what is after the present one.</summary>
    private void Compare(in JournalEntry entry, long oldLength)
    {
        int inFile = (int)Math.Clamp(length - entry.Offset, 0, entry.Old.Length);
        var current = _current.AsSpan(0, inFile);
        ErrnoErrors.ThrowIfError(Kernel.Read(file, current, entry.Offset, out int done), $"read '{path}'", path, SnapshotError.ReadFailed);
        current[done..].Clear();
        var old = entry.Old[..inFile];
        if (current.SequenceEqual(old)) return;
        IsOld = false;
        for (int i = 0; i < inFile; i++)
        {
            byte now = current[i];
            if (now == entry.New[i] || now == old[i]) continue;
            Conflict = $"it was written to since: at offset 0x{entry.Offset + i:X} it has {now:X2}, "
                + $"neither {old[i]:X2} (before the save) nor {entry.New[i]:X2} (after it)";
            return;
        }
    }

    /// <summary>The part that the save adds and that is in no entry.</summary>
    private void CheckZeros(long from, long to)
    {
        to = Math.Min(to, length);
        while (Conflict is null && from < to)
        {
            // man 2 lseek: ENXIO, no data after it; where holes are not known, all is data.
            if (Kernel.SeekData(file, from, out long data) == Errno.ENXIO || data >= to) return;
            from = Math.Max(from, data);
            var bytes = _current.AsSpan(0, (int)Math.Min(_current.Length, to - from));
            ErrnoErrors.ThrowIfError(Kernel.Read(file, bytes, from, out int done), $"read '{path}'", path, SnapshotError.ReadFailed);
            int other = bytes[..done].IndexOfAnyExcept((byte)0);
            if (other >= 0)
                Conflict = $"it was written to since: at offset 0x{from + other:X}, after its old end, it has {bytes[other]:X2}, not 00";
            from += bytes.Length;
        }
    }

    /// <summary>What the save cuts off must still be what it was, or be gone.</summary>
    private void CompareTail(JournalRecord record, CancellationToken cancellation)
    {
        if (length < record.OldLength) IsOld = false;
        if (length == record.NewLength) return;
        if (length < record.OldLength)
        {
            Conflict = $"the file has {length} bytes, neither {record.OldLength} (before the save) nor {record.NewLength} (after it)";
            return;
        }
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long offset = record.NewLength; offset < length; offset += _current.Length)
        {
            cancellation.ThrowIfCancellationRequested();
            var bytes = _current.AsSpan(0, (int)Math.Min(_current.Length, length - offset));
            ErrnoErrors.ThrowIfError(Kernel.Read(file, bytes, offset, out int done), $"read '{path}'", path, SnapshotError.ReadFailed);
            hash.AppendData(bytes[..done]);
        }
        if (!hash.GetHashAndReset().AsSpan().SequenceEqual(record.TailDigest))
            Conflict = $"it was written to since, after offset 0x{record.NewLength:X}, where the save cuts it off";
    }
}

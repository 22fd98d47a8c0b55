using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;

namespace MmapSnapshot.Committing;

/// <summary>Reads the body of a journal from its first byte to its last.</summary>
/// <param name="file">The journal.</param>
/// <param name="header">Its header.</param>
/// <param name="path">The path that errors name.</param>
internal sealed class JournalReader(SafeFileHandle file, JournalHeader header, string path)
{
    private readonly byte[] _buffer = new byte[64 << 10];

    /// <summary>What of the buffer is still to be given out.</summary>
    private int _start, _end;

    private long _read;

    /// <summary>The bytes of the entry that was read last.</summary>
    private byte[] _old = [], _new = [];

    private ByteRange _range;

    /// <summary>The entry that <see cref="MoveNext"/> has found.</summary>
    internal JournalEntry Current => new(_range.Offset, _old.AsSpan(0, (int)_range.Length), _new.AsSpan(0, (int)_range.Length));

    /// <summary>Whether the body has the SHA-256 that the header records.</summary>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal static bool IsIntact(SafeFileHandle file, JournalHeader header, string path)
    {
        var reader = new JournalReader(file, header, path);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        while (reader.Fill()) hash.AppendData(reader._buffer, 0, reader._end);
        return reader._read == header.BodyLength && hash.GetHashAndReset().AsSpan().SequenceEqual(header.BodyDigest);
    }

    /// <summary>Reads the record, with which the body begins.</summary>
    /// <returns>Null where it is none.</returns>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal JournalRecord? ReadRecord()
    {
        _ = Fill();
        var record = JournalRecord.TryParse(_buffer.AsSpan(0, Math.Min(_end, JournalRecord.MaxLength)), out int length);
        _start = length;
        return record;
    }

    /// <summary>Reads the next entry.</summary>
    /// <returns>Whether there is one.</returns>
    /// <exception cref="SnapshotException">ReadFailed; JournalInvalid.</exception>
    internal bool MoveNext()
    {
        Span<byte> head = stackalloc byte[JournalEntry.HeaderLength];
        if (!TryRead(head[..1])) return false;
        bool isWhole = TryRead(head[1..]) & JournalEntry.TryParseHeader(head, out _range, out bool hasOld, out bool hasNew);
        if (isWhole && _old.Length == 0) (_old, _new) = (new byte[JournalEntry.MaxLength], new byte[JournalEntry.MaxLength]);
        if (!isWhole || !TryRead(_old, hasOld) || !TryRead(_new, hasNew)) throw Journal.Invalid(path, "an entry of it ends too early");
        return true;
    }

    private bool TryRead(byte[] bytes, bool isPresent)
    {
        var part = bytes.AsSpan(0, (int)_range.Length);
        if (isPresent) return TryRead(part);
        part.Clear();
        return true;
    }

    private bool TryRead(Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            if (_start == _end && !Fill()) return false;
            int count = Math.Min(destination.Length, _end - _start);
            _buffer.AsSpan(_start, count).CopyTo(destination);
            _start += count;
            destination = destination[count..];
        }
        return true;
    }

    private bool Fill()
    {
        (_start, _end) = (0, 0);
        int wanted = (int)Math.Min(_buffer.Length, header.BodyLength - _read);
        if (wanted <= 0) return false;
        var errno = Kernel.Read(file, _buffer.AsSpan(0, wanted), JournalHeader.Length + _read, out _end);
        ErrnoErrors.ThrowIfError(errno, $"read the journal '{path}'", path, SnapshotError.ReadFailed);
        _read += _end;
        return _end > 0;
    }
}

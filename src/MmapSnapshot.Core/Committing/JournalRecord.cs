using System.Buffers.Binary;
using System.Security.Cryptography;
using Mono.Unix;

namespace MmapSnapshot.Committing;

/// <summary>What a journal records of its save, besides the changed bytes (<see cref="JournalEntry"/>), which follow it.</summary>
/// <param name="Name">The target's name, in the directory of the journal.</param>
/// <param name="Token">Of the journal's own name (<see cref="SaveNames.Journal"/>).</param>
/// <param name="Target">The target, and the size that it had before the save, in bytes.</param>
/// <param name="NewLength">The size that the save gives it, in bytes.</param>
/// <param name="TailDigest">The SHA-256 of the bytes that the save cuts off; of none if it cuts none.</param>
internal sealed record JournalRecord(string Name, ulong Token, FileIdentity Target, long NewLength, byte[] TailDigest)
{
    /// <summary>man 7 path_resolution, NAME_MAX, in bytes.</summary>
    private const int NameMax = 255;

    private const int FixedLength = 1 + (4 * sizeof(long)) + sizeof(uint) + SHA256.HashSizeInBytes;

    /// <summary>In bytes; a record is not longer.</summary>
    internal const int MaxLength = FixedLength + NameMax;

    /// <summary>The name that the journal has.</summary>
    internal string JournalName => SaveNames.Journal(Name, Token);

    internal long OldLength => Target.Length;

    internal byte[] ToBytes()
    {
        byte[] name = UnixEncoding.Instance.GetBytes(Name);
        var bytes = new byte[FixedLength + name.Length];
        bytes[0] = (byte)name.Length;
        name.CopyTo(bytes, 1);
        var rest = bytes.AsSpan(1 + name.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(rest, Token);
        BinaryPrimitives.WriteUInt64LittleEndian(rest[8..], Target.Inode);
        BinaryPrimitives.WriteUInt32LittleEndian(rest[16..], Target.Generation);
        BinaryPrimitives.WriteInt64LittleEndian(rest[20..], Target.Length);
        BinaryPrimitives.WriteInt64LittleEndian(rest[28..], NewLength);
        TailDigest.CopyTo(rest[36..]);
        return bytes;
    }

    /// <param name="bytes">The beginning of the body.</param>
    /// <param name="length">How many of them the record takes.</param>
    /// <returns>Null where they are none.</returns>
    internal static JournalRecord? TryParse(ReadOnlySpan<byte> bytes, out int length)
    {
        length = 0;
        if (bytes.IsEmpty || bytes.Length < FixedLength + bytes[0]) return null;
        length = FixedLength + bytes[0];
        string name = UnixEncoding.Instance.GetString(bytes.Slice(1, bytes[0]).ToArray());
        if (name is "" or "." or ".." || name.Contains('/') || name.Contains('\0')) return null;
        var rest = bytes[(1 + bytes[0])..];
        var record = new JournalRecord(
            name,
            BinaryPrimitives.ReadUInt64LittleEndian(rest),
            new FileIdentity(
                BinaryPrimitives.ReadUInt64LittleEndian(rest[8..]),
                BinaryPrimitives.ReadUInt32LittleEndian(rest[16..]),
                BinaryPrimitives.ReadInt64LittleEndian(rest[20..])),
            BinaryPrimitives.ReadInt64LittleEndian(rest[28..]),
            rest.Slice(36, SHA256.HashSizeInBytes).ToArray());
        return record.OldLength is < 0 or > ByteRange.MaxLength || record.NewLength is < 0 or > ByteRange.MaxLength ? null : record;
    }
}

using System.Buffers.Binary;
using System.Security.Cryptography;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// The first sector of a journal. It alone is written more than once: when the save is done, and when a later process takes the journal
/// over. Its SHA-256 detects a write that a crash has torn.
/// </summary>
/// <param name="IsDone">Whether the save has ended, so that nothing is to be repaired.</param>
/// <param name="Boot">The <see cref="Boot.Id"/> of the process that wrote it last.</param>
/// <param name="Modified">The modification time that the target had then.</param>
/// <param name="Changed">The change time that the target had then.</param>
/// <param name="BodyLength">The number of bytes after the sector.</param>
/// <param name="BodyDigest">Their SHA-256.</param>
internal sealed record JournalHeader(bool IsDone, Guid Boot, Timespec Modified, Timespec Changed, long BodyLength, byte[] BodyDigest)
{
    /// <summary>Its length in bytes: the smallest unit that a disk writes as a whole.</summary>
    internal const int Length = 512;

    private const int Pending = 0x444E4550, Done = 0x454E4F44; // "PEND", "DONE"

    private const int StateOffset = 24, BootOffset = 32, TimesOffset = 48, BodyOffset = 80, DigestOffset = 120;

    private static ReadOnlySpan<byte> Magic => "mmap-snapshot journal 1\n"u8;

    /// <summary>
    /// Whether the timestamps of the target are still those recorded, so that no process has written to it since, as far as they show.
    /// </summary>
    internal bool HasTimesOf(in FileStatus target) => Modified.Equals(target.Modified) && Changed.Equals(target.Changed);

    /// <summary>The same for this boot, and for the times that the target has now.</summary>
    internal JournalHeader TakenOver(in FileStatus target) =>
        this with { Boot = Native.Boot.Id, Modified = target.Modified, Changed = target.Changed };

    internal byte[] ToBytes()
    {
        var bytes = new byte[Length];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(StateOffset), IsDone ? Done : Pending);
        Boot.TryWriteBytes(bytes.AsSpan(BootOffset));
        ReadOnlySpan<long> numbers = [Modified.tv_sec, Modified.tv_nsec, Changed.tv_sec, Changed.tv_nsec, BodyLength];
        for (int i = 0; i < numbers.Length; i++)
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(TimesOffset + (i * sizeof(long))), numbers[i]);
        BodyDigest.CopyTo(bytes.AsSpan(BodyOffset + sizeof(long)));
        SHA256.HashData(bytes.AsSpan(0, DigestOffset), bytes.AsSpan(DigestOffset));
        return bytes;
    }

    /// <returns>The header; null where the sector is none, or damaged.</returns>
    internal static JournalHeader? TryParse(ReadOnlySpan<byte> sector)
    {
        if (sector.Length < Length || !sector.StartsWith(Magic)) return null;
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(sector[..DigestOffset], digest);
        if (!digest.SequenceEqual(sector.Slice(DigestOffset, digest.Length))) return null;
        int state = BinaryPrimitives.ReadInt32LittleEndian(sector[StateOffset..]);
        if (state is not (Pending or Done)) return null;
        var numbers = new long[5];
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = BinaryPrimitives.ReadInt64LittleEndian(sector[(TimesOffset + (i * sizeof(long)))..]);
        return new JournalHeader(
            state == Done,
            new Guid(sector.Slice(BootOffset, 16)),
            new Timespec { tv_sec = numbers[0], tv_nsec = numbers[1] },
            new Timespec { tv_sec = numbers[2], tv_nsec = numbers[3] },
            numbers[4],
            sector.Slice(BodyOffset + sizeof(long), SHA256.HashSizeInBytes).ToArray());
    }
}

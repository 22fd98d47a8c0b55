using System.Buffers.Binary;

namespace MmapSnapshot.Committing;

/// <summary>A run of bytes that a save in place changes: what was there, and what will be. Zeros take no space in the journal.</summary>
internal readonly ref struct JournalEntry
{
    /// <summary>The longest run, in bytes.</summary>
    internal const int MaxLength = 64 << 10;

    /// <summary>Of the part before the bytes, in the journal.</summary>
    internal const int HeaderLength = sizeof(long) + sizeof(int) + 1;

    private const byte HasOld = 1, HasNew = 2;

    /// <param name="offset">Where the run begins in the target, in bytes.</param>
    /// <param name="old">The bytes before the save; zeros beyond the end of the target.</param>
    /// <param name="new">As many bytes, after the save.</param>
    internal JournalEntry(long offset, ReadOnlySpan<byte> old, ReadOnlySpan<byte> @new)
    {
        Offset = offset;
        Old = old;
        New = @new;
    }

    internal long Offset { get; }

    internal ReadOnlySpan<byte> Old { get; }

    internal ReadOnlySpan<byte> New { get; }

    internal long End => Offset + New.Length;

    internal void Write(JournalWriter writer)
    {
        bool hasOld = Old.ContainsAnyExcept((byte)0), hasNew = New.ContainsAnyExcept((byte)0);
        Span<byte> header = stackalloc byte[HeaderLength];
        BinaryPrimitives.WriteInt64LittleEndian(header, Offset);
        BinaryPrimitives.WriteInt32LittleEndian(header[sizeof(long)..], New.Length);
        header[^1] = (byte)((hasOld ? HasOld : 0) | (hasNew ? HasNew : 0));
        writer.Append(header);
        if (hasOld) writer.Append(Old);
        if (hasNew) writer.Append(New);
    }

    /// <summary>Reads the header of an entry.</summary>
    /// <returns>False where it is none.</returns>
    internal static bool TryParseHeader(ReadOnlySpan<byte> header, out ByteRange range, out bool hasOld, out bool hasNew)
    {
        range = new ByteRange(
            BinaryPrimitives.ReadInt64LittleEndian(header),
            BinaryPrimitives.ReadInt32LittleEndian(header[sizeof(long)..]));
        (hasOld, hasNew) = ((header[HeaderLength - 1] & HasOld) != 0, (header[HeaderLength - 1] & HasNew) != 0);
        return range is { Offset: >= 0 and <= ByteRange.MaxLength, Length: > 0 and <= MaxLength };
    }
}

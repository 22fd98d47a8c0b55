namespace MmapSnapshot.Content;

/// <summary>
/// A run of bytes in a piece table: a run of the base, a run of the additions, or one byte repeated. 16 bytes in memory.
/// </summary>
internal readonly record struct Piece
{
    /// <summary>The two highest bits of <see cref="Address"/>: 0x for the base, 10 for the additions, 11 for a repeated byte.</summary>
    private const long AdditionsTag = long.MinValue, RepeatTag = AdditionsTag | (1L << 62);

    /// <summary>The end of the additions: 4 EiB.</summary>
    private const long AdditionsLimit = 1L << 62;

    private Piece(long address, long length)
    {
        Address = address;
        Length = length;
    }

    /// <summary>
    /// Kind and place of the first byte in one number. The bytes of a run of the base or of the additions have consecutive
    /// addresses, and two of them with the same address are the same byte. All bytes of a repeated byte have the same address.
    /// </summary>
    internal long Address { get; }

    /// <summary>The number of bytes, 0 to 2^63-1.</summary>
    internal long Length { get; }

    internal PieceKind Kind => Address >= 0 ? PieceKind.Base : Address < RepeatTag ? PieceKind.Additions : PieceKind.Repeat;

    /// <summary>The offset of the first byte in the base or in the additions; for a repeated byte without meaning.</summary>
    internal long Offset => Address >= 0 ? Address : Address - AdditionsTag;

    /// <summary>The byte that is repeated; for a run without meaning.</summary>
    internal byte Value => (byte)Address;

    /// <summary>A run of the base.</summary>
    /// <param name="offset">Where it begins in the base.</param>
    /// <param name="length">How many bytes; the run ends at 2^63-1 at most.</param>
    internal static Piece OfBase(long offset, long length)
    {
        CheckRun(offset, length, long.MaxValue);
        return new Piece(offset, length);
    }

    /// <summary>A run of the additions.</summary>
    /// <param name="offset">Where it begins in the additions.</param>
    /// <param name="length">How many bytes; the run ends at 2^62 at most.</param>
    internal static Piece OfAdditions(long offset, long length)
    {
        CheckRun(offset, length, AdditionsLimit);
        return new Piece(AdditionsTag + offset, length);
    }

    /// <summary>One byte, repeated.</summary>
    internal static Piece OfByte(byte value, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        return new Piece(RepeatTag | value, length);
    }

    /// <summary>A part of the piece; the caller has checked that it lies within.</summary>
    internal Piece Slice(long start, long length) => new(Kind == PieceKind.Repeat ? Address : Address + start, length);

    /// <summary>Whether <paramref name="next"/>, placed after this piece, continues it, so that both are one.</summary>
    internal bool IsContinuedBy(Piece next) => Kind == PieceKind.Repeat ? next.Address == Address : next.Address == Address + Length && next.Kind == Kind;

    /// <summary>This piece and one that continues it.</summary>
    internal Piece Join(Piece next) => new(Address, checked(Length + next.Length));

    private static void CheckRun(long offset, long length, long limit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, limit - offset);
    }
}

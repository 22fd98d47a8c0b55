namespace MmapSnapshot.Content;

/// <summary>Collects pieces in order: empty ones are left out, and one that continues the one before it is joined with it.</summary>
/// <param name="buffer">Room for all pieces that are added.</param>
internal ref struct PieceJoiner(Span<Piece> buffer)
{
    private readonly Span<Piece> _buffer = buffer;

    private int _count;

    internal readonly ReadOnlySpan<Piece> Pieces => _buffer[.._count];

    internal void Add(Piece piece)
    {
        if (piece.Length == 0) return;
        if (_count > 0 && _buffer[_count - 1].IsContinuedBy(piece)) _buffer[_count - 1] = _buffer[_count - 1].Join(piece);
        else _buffer[_count++] = piece;
    }
}

namespace MmapSnapshot.Content;

/// <summary>A piece, or a part of one, at its place in a table.</summary>
/// <param name="Offset">Where it begins, in bytes from the start of the table.</param>
/// <param name="Piece">The bytes.</param>
internal readonly record struct PieceRun(long Offset, Piece Piece)
{
    /// <summary>The offset after the last byte.</summary>
    internal long End => Offset + Piece.Length;
}

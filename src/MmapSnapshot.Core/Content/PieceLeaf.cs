namespace MmapSnapshot.Content;

/// <summary>Pieces in order, none of them empty.</summary>
internal sealed class PieceLeaf : PieceNode
{
    /// <summary>Measured: a write costs least with about so many pieces of 16 bytes; what undo keeps, the collector copies.</summary>
    internal const int Capacity = 32;

    internal static readonly PieceLeaf Empty = new([]);

    private PieceLeaf(Piece[] pieces)
        : base(Sum(pieces), height: 0)
    {
        Pieces = pieces;
    }

    internal Piece[] Pieces { get; }

    internal override bool IsThin => Pieces.Length < Capacity / 4;

    internal override PieceNode[] Replace(long from, long to, ReadOnlySpan<Piece> pieces)
    {
        int first = IndexOf(from, 0, 0), last = IndexOf(to, first, from);
        var entries = new Piece[first + pieces.Length + Pieces.Length - last];
        Pieces.AsSpan(0, first).CopyTo(entries);
        pieces.CopyTo(entries.AsSpan(first));
        Pieces.AsSpan(last).CopyTo(entries.AsSpan(first + pieces.Length));
        return Pack(entries);
    }

    protected override PieceNode[] MergeWith(PieceNode next) => Pack([.. Pieces, .. ((PieceLeaf)next).Pieces]);

    private static PieceNode[] Pack(Piece[] entries) =>
        entries.Length is > 0 and <= Capacity ? [new PieceLeaf(entries)] : Split(entries, Capacity, part => new PieceLeaf(part));

    /// <summary>The index of the piece that begins at an offset; a search from a piece whose start is known.</summary>
    private int IndexOf(long offset, int index, long start)
    {
        while (start < offset) start += Pieces[index++].Length;
        return index;
    }

    private static long Sum(Piece[] pieces)
    {
        long sum = 0;
        foreach (var piece in pieces) sum += piece.Length;
        return sum;
    }
}

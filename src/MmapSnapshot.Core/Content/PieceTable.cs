using System.Buffers;

namespace MmapSnapshot.Content;

/// <summary>
/// The content of a snapshot as a sequence of pieces. A table never changes: <see cref="Replace"/> returns another one, which
/// shares all nodes of the tree with this one except those on the path to what was replaced.
/// </summary>
/// <remarks>
/// <para>
/// The pieces are in the leaves of a B+tree keyed by lengths. A piece that continues the one before it is always joined with it, so
/// the sequence of pieces depends on the content alone, not on the changes that led to it.
/// </para>
/// <para>
/// Memory: about 40 bytes for a one-byte write in the middle of a run (two more pieces of 16 bytes, and a share of the nodes); while
/// an older table is kept, about 2 KiB more for the nodes that it does not share with its successor.
/// </para>
/// </remarks>
internal sealed class PieceTable
{
    /// <summary>Up to this many pieces, those of a change and its two neighbours, are joined on the stack.</summary>
    private const int OnStack = 16;

    internal static readonly PieceTable Empty = new(PieceLeaf.Empty, pieceCount: 0, digest: 0);

    /// <summary>A sum over the pieces, the same for the same sequence of pieces: tables with different ones differ.</summary>
    private readonly ulong _digest;

    private PieceTable(PieceNode root, long pieceCount, ulong digest)
    {
        Root = root;
        PieceCount = pieceCount;
        _digest = digest;
    }

    /// <summary>The number of bytes, 0 to 2^63-1.</summary>
    internal long Length => Root.Length;

    internal long PieceCount { get; }

    internal PieceNode Root { get; }

    /// <summary>A table of one piece.</summary>
    internal static PieceTable Of(Piece piece) => Empty.Replace(0, 0, [piece]);

    /// <summary>
    /// Puts pieces in the place of a range: a write where both have the same length, an insertion where the range is empty, a removal
    /// where there are no pieces. O(log pieces + pieces removed + pieces given).
    /// </summary>
    /// <param name="offset">Where the range begins, 0 to <see cref="Length"/>.</param>
    /// <param name="count">How many bytes it has; it lies within the table.</param>
    /// <param name="pieces">What takes its place.</param>
    /// <returns>The table after the change; this one if nothing changes.</returns>
    /// <exception cref="OverflowException">The table would have more than 2^63-1 bytes; nothing was changed.</exception>
    internal PieceTable Replace(long offset, long count, ReadOnlySpan<Piece> pieces)
    {
        CheckRange(offset, count);
        long added = 0;
        foreach (var piece in pieces) added = checked(added + piece.Length);
        _ = checked(Length - count + added);

        int most = pieces.Length + 2;
        Piece[]? rented = most <= OnStack ? null : ArrayPool<Piece>.Shared.Rent(most);
        var joined = new PieceJoiner(rented ?? stackalloc Piece[OnStack]);
        long from, to = offset + count;
        // What is cut comes back with its rest, and a neighbour that is not cut is joined if it can be: whole pieces are replaced.
        var left = offset > 0 ? Find(offset - 1) : default;
        var right = to < left.End ? left : to < Length ? Find(to) : new PieceRun(to, default);
        joined.Add(left.Piece.Slice(0, offset - left.Offset));
        foreach (var piece in pieces) joined.Add(piece);
        joined.Add(right.Piece.Slice(to - right.Offset, right.End - to));
        (from, to) = (left.Offset, right.End);
        // But a neighbour that is neither stays where it is, perhaps in a leaf of its own.
        var whole = joined.Pieces;
        if (whole.Length > 0 && whole[0] == left.Piece)
        {
            from = left.End;
            whole = whole[1..];
        }
        if (whole.Length > 0 && whole[^1] == right.Piece && right.Offset >= from)
        {
            to = right.Offset;
            whole = whole[..^1];
        }
        var result = ReplaceWhole(from, to, whole);
        if (rented is not null) ArrayPool<Piece>.Shared.Return(rented);
        return result;
    }

    /// <summary>The piece that has the byte at an offset, whole. O(log pieces); allocates nothing.</summary>
    /// <param name="offset">0 to <see cref="Length"/> - 1.</param>
    internal PieceRun Find(long offset)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(offset, Length);
        var pieces = FindLeaf(offset, out long start).Pieces;
        int index = 0;
        while (offset - start >= pieces[index].Length) start += pieces[index++].Length;
        return new PieceRun(start, pieces[index]);
    }

    /// <summary>The pieces of a range in order, those at its borders cut.</summary>
    /// <param name="offset">Where the range begins, 0 to <see cref="Length"/>.</param>
    /// <param name="count">How many bytes it has; it lies within the table.</param>
    internal PieceRuns Runs(long offset, long count)
    {
        CheckRange(offset, count);
        return new PieceRuns(this, offset, offset + count);
    }

    /// <summary>As <see cref="Runs"/>, as what <see cref="Replace"/> takes.</summary>
    internal Piece[] Slice(long offset, long count)
    {
        var pieces = new List<Piece>();
        foreach (var run in Runs(offset, count)) pieces.Add(run.Piece);
        return [.. pieces];
    }

    /// <summary>
    /// Whether both tables are the same sequence of pieces, and so the same bytes. O(1) where they differ, but for one chance in 2^64;
    /// else what <see cref="PieceComparison.Between"/> costs, or O(pieces) if equal pieces have moved. False says nothing about the bytes.
    /// </summary>
    internal bool HasSamePieces(PieceTable other)
    {
        if (ReferenceEquals(Root, other.Root)) return true;
        if (Length != other.Length || PieceCount != other.PieceCount || _digest != other._digest) return false;
        if (PieceComparison.Between(this, other).Count == 0) return true;
        // Shared nodes may be at different places, and the pieces the same all the same.
        var theirs = other.Runs(0, Length);
        foreach (var ours in Runs(0, Length))
        {
            if (!theirs.MoveNext() || theirs.Current != ours) return false;
        }
        return true;
    }

    /// <summary>The leaf that has the byte at an offset.</summary>
    internal PieceLeaf FindLeaf(long offset, out long start)
    {
        start = 0;
        var node = Root;
        while (node is PieceBranch branch)
        {
            node = branch.Children[branch.IndexOf(offset - start, out long childStart)];
            start += childStart;
        }
        return (PieceLeaf)node;
    }

    private PieceTable ReplaceWhole(long from, long to, ReadOnlySpan<Piece> pieces)
    {
        ulong digest = _digest;
        int removed = 0;
        bool differs = false;
        foreach (var run in new PieceRuns(this, from, to))
        {
            differs = differs || removed >= pieces.Length || pieces[removed] != run.Piece;
            digest -= Mix(run.Piece);
            removed++;
        }
        if (!differs && removed == pieces.Length) return this;
        foreach (var piece in pieces) digest += Mix(piece);

        var nodes = Root.Replace(from, to, pieces);
        while (nodes.Length > 1) nodes = PieceBranch.Over(nodes);
        var root = nodes.Length == 0 ? PieceLeaf.Empty : nodes[0];
        while (root is PieceBranch { Children: [var only] }) root = only;
        return new PieceTable(root, PieceCount - removed + pieces.Length, digest);
    }

    private void CheckRange(long offset, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Length - offset);
    }

    /// <summary>A number for a piece (the finalizer of MurmurHash3), so that sums of them are unlikely to be the same by chance.</summary>
    private static ulong Mix(Piece piece)
    {
        ulong mixed = ((ulong)piece.Address * 0x9E3779B97F4A7C15) ^ (ulong)piece.Length;
        mixed = (mixed ^ (mixed >> 33)) * 0xFF51AFD7ED558CCD;
        mixed = (mixed ^ (mixed >> 33)) * 0xC4CEB9FE1A85EC53;
        return mixed ^ (mixed >> 33);
    }
}

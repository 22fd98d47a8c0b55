namespace MmapSnapshot.Content;

/// <summary>
/// The pieces of a range of a table in order, those at its borders cut. It allocates nothing, and costs O(log pieces) for every leaf.
/// </summary>
internal struct PieceRuns
{
    private readonly PieceTable _table;

    private readonly long _end;

    private PieceLeaf _leaf = PieceLeaf.Empty;

    private int _index;

    /// <summary>Where the next piece begins, and from where on it is wanted.</summary>
    private long _start, _next;

    internal PieceRuns(PieceTable table, long offset, long end)
    {
        _table = table;
        _next = offset;
        _end = end;
    }

    /// <summary>The piece that <see cref="MoveNext"/> has found.</summary>
    public PieceRun Current { get; private set; }

    public readonly PieceRuns GetEnumerator() => this;

    public bool MoveNext()
    {
        if (_next >= _end) return false;
        if (_index == _leaf.Pieces.Length)
        {
            _leaf = _table.FindLeaf(_next, out _start);
            _index = 0;
            while (_next - _start >= _leaf.Pieces[_index].Length) _start += _leaf.Pieces[_index++].Length;
        }
        var piece = _leaf.Pieces[_index++];
        // Differences alone, so that nothing overflows at 2^63-1.
        long skipped = _next - _start, length = Math.Min(piece.Length - skipped, _end - _next);
        Current = new PieceRun(_next, piece.Slice(skipped, length));
        _start += piece.Length;
        _next += length;
        return true;
    }
}

using System.Runtime.InteropServices;

namespace MmapSnapshot.Content;

/// <summary>
/// Makes several replacements in one table, given in order. Those that are near each other are made by one
/// <see cref="PieceTable.Replace"/>, so that the nodes above them are copied once.
/// </summary>
/// <param name="source">The table that all offsets mean.</param>
internal sealed class TableReplacements(PieceTable source)
{
    /// <summary>So many pieces are replaced at once: a few leaves.</summary>
    private const int MostPieces = 256;

    /// <summary>Replacements with more pieces than this between them are not near each other.</summary>
    private const int MostBetween = 16;

    /// <summary>What takes the place of the bytes from <see cref="_start"/> to <see cref="_end"/>.</summary>
    private readonly List<Piece> _pieces = [];

    private readonly PieceTable _source = source;

    private PieceTable _result = source;

    private long _start, _end;

    private bool _isEmpty = true;

    /// <summary>How far what comes after <see cref="_end"/> has moved in the result.</summary>
    private long _shift;

    /// <summary>Puts pieces in the place of a range that begins where the one before ended, or after.</summary>
    /// <param name="offset">Where the range begins in the source.</param>
    /// <param name="count">How many bytes it has.</param>
    /// <param name="pieces">What takes its place.</param>
    /// <exception cref="OverflowException">The table would have more than 2^63-1 bytes.</exception>
    internal void Add(long offset, long count, ReadOnlySpan<Piece> pieces)
    {
        if (!_isEmpty && (_pieces.Count + pieces.Length > MostPieces || !TryAddBetween(offset))) Flush();
        if (_isEmpty) _start = offset;
        _isEmpty = false;
        _pieces.AddRange(pieces);
        _end = offset + count;
    }

    /// <summary>The table with all replacements.</summary>
    /// <exception cref="OverflowException">The table would have more than 2^63-1 bytes.</exception>
    internal PieceTable ToTable()
    {
        if (!_isEmpty) Flush();
        return _result;
    }

    /// <summary>Keeps what is between the last range and an offset, unless that is too much.</summary>
    private bool TryAddBetween(long offset)
    {
        int before = _pieces.Count;
        foreach (var run in _source.Runs(_end, offset - _end))
        {
            if (_pieces.Count - before == MostBetween)
            {
                _pieces.RemoveRange(before, MostBetween);
                return false;
            }
            _pieces.Add(run.Piece);
        }
        return true;
    }

    private void Flush()
    {
        long length = _result.Length;
        _result = _result.Replace(_start + _shift, _end - _start, CollectionsMarshal.AsSpan(_pieces));
        _shift += _result.Length - length;
        _pieces.Clear();
        _isEmpty = true;
    }
}

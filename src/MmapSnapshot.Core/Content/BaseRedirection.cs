using MmapSnapshot.Backing;

namespace MmapSnapshot.Content;

/// <summary>
/// Where the bytes of the base are. All are in the base, until a save writes to the file that is the base (a leased one): before that,
/// the bytes that it writes over are appended to the additions, and redirected to there for good. So every table, and every reader of an
/// older one, has the bytes that it had.
/// </summary>
/// <remarks>
/// One thread at a time may redirect. Any number may read at the same time: a read of the base was good if
/// <see cref="Places"/> is the same object after it as before.
/// </remarks>
/// <param name="content">The base.</param>
/// <param name="additions">Where redirected bytes are.</param>
internal sealed class BaseRedirection(SnapshotContent content, Additions additions)
{
    /// <summary>How many bytes are read and appended at a time.</summary>
    private const int Window = 256 << 10;

    private PieceTable _places = content.Length == 0 ? PieceTable.Empty : PieceTable.Of(Piece.OfBase(0, content.Length));

    /// <summary>
    /// For each offset of the base, where its byte is: a run of the base is at its own offset, anything else is redirected. Replaced as
    /// a whole.
    /// </summary>
    internal PieceTable Places => Volatile.Read(ref _places);

    /// <summary>Whether anything is redirected.</summary>
    internal bool IsAny => Places.PieceCount > 1 || (Places.Length > 0 && Places.Find(0).Piece.Kind != PieceKind.Base);

    /// <summary>Whether all bytes of a range of the base are in the base itself.</summary>
    internal bool IsInBase(long offset, long count)
    {
        foreach (var run in Places.Runs(offset, count))
        {
            if (run.Piece.Kind != PieceKind.Base) return false;
        }
        return true;
    }

    /// <summary>
    /// Keeps the bytes that ranges of the base have now; from here on they are not read from the base any more. What is redirected
    /// already stays so. O(bytes); holes take no space.
    /// </summary>
    /// <param name="ranges">Ranges of offsets; what lies after the end of the base has no bytes.</param>
    /// <param name="read">Reads bytes of the base.</param>
    /// <param name="cancellation">Ends it; nothing is redirected then.</param>
    /// <exception cref="SnapshotException">SnapshotLost, ReadFailed: nothing is redirected.</exception>
    internal void Redirect(IEnumerable<ByteRange> ranges, BaseReader read, CancellationToken cancellation)
    {
        var places = Places;
        var buffer = Array.Empty<byte>();
        foreach (var range in ranges)
        {
            var part = range.Before(content.Length);
            foreach (var run in places.Runs(part.Offset, part.Length))
            {
                if (run.Piece.Kind != PieceKind.Base) continue;
                for (long done = run.Offset; done < run.End;)
                {
                    cancellation.ThrowIfCancellationRequested();
                    var data = content.NextData(ByteRange.Between(done, run.End));
                    if (data.Offset > done) places = places.Replace(done, data.Offset - done, [Piece.OfByte(0, data.Offset - done)]);
                    if (data.Length == 0) break;
                    int count = (int)Math.Min(Window, data.Length);
                    if (count > buffer.Length) buffer = new byte[count];
                    var bytes = buffer.AsSpan(0, count);
                    read(data.Offset, bytes);
                    places = places.Replace(data.Offset, count, [additions.Append(bytes)]);
                    done = data.Offset + count;
                }
            }
        }
        Volatile.Write(ref _places, places);
    }
}

/// <summary>Reads bytes of the base, all of which lie within it.</summary>
internal delegate void BaseReader(long offset, Span<byte> destination);

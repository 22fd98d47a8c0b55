namespace MmapSnapshot.Content;

/// <summary>Reads bytes of a table.</summary>
internal delegate void TableReader(PieceTable table, long offset, Span<byte> destination);

/// <summary>A part of a write, and where its bytes are to come from.</summary>
/// <param name="Start">Where it begins among the bytes that are written.</param>
/// <param name="Length">How many bytes it has.</param>
/// <param name="BaselineOffset">Where the baseline has these bytes; null: they are new.</param>
internal readonly record struct PlannedWrite(int Start, int Length, long? BaselineOffset);

/// <summary>
/// What a write has to change: bytes that are there already stay what they are, and those that the baseline has in the same place are
/// given back to it, so that a snapshot whose old bytes were written back is not modified.
/// </summary>
/// <remarks>
/// <para>
/// Equal bytes between bytes that differ are left out only if there are at least <see cref="Gap"/> of them: a piece takes as much
/// memory, and one byte in 256 is equal by chance. At the beginning and at the end of a run all equal bytes are left out.
/// </para>
/// <para>
/// The same place of the baseline is the same offset, unless bytes were inserted or removed: then it is the one beside which the
/// baseline has the byte that is beside the write now. Where there is none nothing is given back.
/// </para>
/// </remarks>
internal static class WritePlan
{
    /// <summary>Fewer equal bytes than this between two that differ are written as well.</summary>
    internal const int Gap = 16;

    private const int Window = 64 << 10;

    /// <summary>Plans a write over bytes that are there. O(bytes) of reading, twice where the bytes are not the baseline's now.</summary>
    /// <param name="current">The content now.</param>
    /// <param name="baseline">The content that counts as unmodified.</param>
    /// <param name="offset">Where the write begins in <paramref name="current"/>.</param>
    /// <param name="bytes">The new bytes; all of them lie within <paramref name="current"/>.</param>
    /// <param name="read">Reads bytes of either table. What it throws comes through.</param>
    /// <returns>What is to be replaced, in order; between the parts the bytes stay. Empty: nothing changes.</returns>
    internal static List<PlannedWrite> Of(PieceTable current, PieceTable baseline, long offset, ReadOnlySpan<byte> bytes, TableReader read)
    {
        var plan = new List<PlannedWrite>();
        foreach (var (start, length) in Differing(current, offset, bytes, read))
        {
            if (PlaceIn(baseline, current, offset + start, length) is not { } place || HasSamePieces(current, offset + start, baseline, place, length))
            {
                plan.Add(new PlannedWrite(start, length, BaselineOffset: null));
                continue;
            }
            int done = start;
            foreach (var fresh in Differing(baseline, place, bytes.Slice(start, length), read))
            {
                AddBaseline(start + fresh.Start);
                plan.Add(new PlannedWrite(start + fresh.Start, fresh.Length, BaselineOffset: null));
                done = start + fresh.Start + fresh.Length;
            }
            AddBaseline(start + length);

            void AddBaseline(int end)
            {
                if (end > done) plan.Add(new PlannedWrite(done, end - done, place + (done - start)));
            }
        }
        return plan;
    }

    /// <summary>Where bytes differ from those that a table has from an offset on.</summary>
    private static List<(int Start, int Length)> Differing(PieceTable table, long offset, ReadOnlySpan<byte> bytes, TableReader read)
    {
        var runs = new List<(int Start, int Length)>();
        var buffer = new byte[Math.Min(Window, bytes.Length)];
        for (int window = 0; window < bytes.Length; window += buffer.Length)
        {
            var wanted = bytes.Slice(window, Math.Min(buffer.Length, bytes.Length - window));
            var there = buffer.AsSpan(0, wanted.Length);
            read(table, offset + window, there);
            for (int at = 0; (at += wanted[at..].CommonPrefixLength(there[at..])) < wanted.Length;)
            {
                int end = at + 1;
                while (end < wanted.Length && wanted[end] != there[end]) end++;
                if (runs.Count > 0 && window + at - (runs[^1].Start + runs[^1].Length) < Gap) runs[^1] = (runs[^1].Start, window + end - runs[^1].Start);
                else runs.Add((window + at, end - at));
                at = end;
            }
        }
        return runs;
    }

    /// <summary>The offset in the baseline that is the same place as one in the current table; null if there is none that is certain.</summary>
    private static long? PlaceIn(PieceTable baseline, PieceTable current, long offset, int length)
    {
        if (IsPlace(offset)) return offset;
        long fromEnd = offset + (baseline.Length - current.Length);
        if (IsPlace(fromEnd)) return fromEnd;
        // Much of a baseline is at the offset that it has in the base.
        if (offset > 0 && current.Find(offset - 1) is { Piece.Kind: PieceKind.Base } left && IsPlace(left.Piece.Offset + (offset - left.Offset))) return left.Piece.Offset + (offset - left.Offset);
        return baseline.Length == current.Length ? offset : null;

        bool IsPlace(long place)
        {
            if (place < 0 || place > baseline.Length - length) return false;
            if (place == 0 && offset == 0) return true;
            if (place + length == baseline.Length && offset + length == current.Length) return true;
            return IsSameByte(place - 1, offset - 1) || IsSameByte(place + length, offset + length);
        }

        bool IsSameByte(long place, long at)
        {
            if (place < 0 || at < 0 || place >= baseline.Length || at >= current.Length) return false;
            PieceRun old = baseline.Find(place), now = current.Find(at);
            return old.Piece.Slice(place - old.Offset, 1) == now.Piece.Slice(at - now.Offset, 1);
        }
    }

    private static bool HasSamePieces(PieceTable one, long offset, PieceTable other, long otherOffset, long length)
    {
        var theirs = other.Runs(otherOffset, length);
        foreach (var run in one.Runs(offset, length))
        {
            if (!theirs.MoveNext() || theirs.Current.Piece != run.Piece) return false;
        }
        return true;
    }
}

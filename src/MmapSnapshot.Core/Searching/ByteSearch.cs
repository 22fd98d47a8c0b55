namespace MmapSnapshot.Searching;

/// <summary>
/// Goes through a range of a snapshot window by window, so that others can write to it, resize it or close it between two, and
/// passes over holes in which there is nothing to find.
/// </summary>
internal sealed class ByteSearch(Snapshot snapshot, IReadOnlyList<BytePattern> patterns, ByteRange range, IProgress<SnapshotProgress>? listener, CancellationToken cancellation)
{
    private readonly BytePattern[] _patterns = [.. patterns];

    /// <summary>At how many offsets at a time to look: enough to make a window's cost small, and to be cancelled at once.</summary>
    internal int Window { get; init; } = 4 << 20;

    /// <summary>The matches, in order, found as they are asked for.</summary>
    internal IEnumerable<SnapshotMatch> Matches()
    {
        if (_patterns.Length == 0) yield break;
        var scan = new WindowScan(snapshot, _patterns);
        int longest = _patterns.Max(pattern => pattern.Length), shortest = _patterns.Min(pattern => pattern.Length);
        int window = Math.Min(Window, Array.MaxLength - longest + 1);
        byte[] zeros = _patterns.Any(pattern => pattern.MatchesZeros) ? new byte[window + longest - 1] : [];
        var progress = new Progress($"Searching '{snapshot.Path}'", range.Length, listener, cancellation);
        var data = default(ByteRange);
        for (long next = range.Offset; next <= range.End - shortest; next += scan.Done)
        {
            progress.Advance(next - range.Offset);
            if (data.End <= next) data = snapshot.NextData(next, range.End);
            // What begins before this lies in the hole with all its bytes, whichever pattern it matches.
            long holeEnd = data.Offset - longest + 1;
            if (next < holeEnd && zeros.Length == 0) next = holeEnd;
            long end = next < holeEnd ? holeEnd : data.Length > 0 ? data.End : range.End;
            int candidates = (int)Math.Min(window, end - next), count = candidates + longest - 1;
            scan.Begin(next, candidates);
            if (next < holeEnd)
            {
                // Memory may be taken by touching a hole. It is looked for anew each time: the snapshot may have been closed, or the hole filled.
                scan.Look(zeros.AsSpan(0, count));
                data = default;
            }
            else if (!snapshot.TryScan(next, (int)Math.Min(count, range.End - next), scan.Look))
            {
                yield break;
            }
            foreach (var match in scan.Matches)
            {
                cancellation.ThrowIfCancellationRequested();
                yield return match;
            }
        }
    }
}

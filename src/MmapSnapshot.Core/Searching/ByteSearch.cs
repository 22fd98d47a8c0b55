namespace MmapSnapshot.Searching;

/// <summary>
/// Goes through a range of a snapshot as it is when the search begins, window by window, so that it can be closed between two, and
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
        var source = snapshot.GetSearchSource();
        var scan = new WindowScan(snapshot, _patterns, cancellation);
        int longest = _patterns.Max(pattern => pattern.Length), shortest = _patterns.Min(pattern => pattern.Length);
        int window = Math.Min(Window, Array.MaxLength - longest + 1);
        byte[] zeros = _patterns.Any(pattern => pattern.MatchesZeros) ? new byte[window + longest - 1] : [];
        byte[] border = new byte[Math.Min(window, longest) + longest - 1];
        var progress = new Progress($"Searching '{source.Path}'", range.Length, listener, cancellation);
        var data = default(ByteRange);
        long passed = range.Offset;
        for (long next = range.Offset; next <= range.End - shortest; next += scan.Done)
        {
            progress.Add(next - passed);
            passed = next;
            progress.Report();
            if (data.End <= next) data = source.NextData(next, range.End);
            // What begins before this lies in the hole with all its bytes, whichever pattern it matches.
            long holeEnd = data.Offset - longest + 1;
            if (next < holeEnd && zeros.Length == 0) next = holeEnd;
            if (next < holeEnd)
            {
                scan.Begin(next, (int)Math.Min(window, holeEnd - next));
                scan.Look(zeros);
                data = default; // ask again: if the snapshot was closed since, this throws SnapshotClosed
            }
            else if (next >= data.Offset && next < data.End - longest + 1)
            {
                int candidates = (int)Math.Min(window, data.End - longest + 1 - next);
                scan.Begin(next, candidates);
                source.Show(next, candidates + longest - 1, scan.Look);
            }
            else
            {
                // A match may reach into a hole. To touch one through the mapping would take memory, and on tmpfs make data of it.
                long end = next < data.Offset ? data.Offset : Math.Max(data.End, next + 1);
                int candidates = (int)Math.Min(window, end - next);
                scan.Begin(next, candidates);
                int available = source.Read(next, border.AsSpan(0, (int)Math.Min(candidates + longest - 1, range.End - next)));
                if (available == 0) yield break;
                scan.Look(border.AsSpan(0, available));
            }
            foreach (var match in scan.Matches)
            {
                cancellation.ThrowIfCancellationRequested();
                yield return match;
            }
        }
    }
}

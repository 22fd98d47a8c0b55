namespace MmapSnapshot.Searching;

/// <summary>
/// Looks for several patterns in one window of a snapshot: each in turn in a block that the processor's cache holds, so that
/// memory is read once.
/// </summary>
internal sealed class WindowScan
{
    /// <summary>How many offsets are looked at for one pattern before the next has its turn; a lone one needs no turns.</summary>
    private const int Block = 256 << 10;

    /// <summary>Matches are handed out when there are so many, or so many bytes of them: zeros may be found at every offset.</summary>
    private const int MostMatches = 1024, MostMatchedBytes = 1 << 20;

    /// <summary>How many matches of all patterns are collected and sorted at a time.</summary>
    private const int MaxHits = 1 << 16;

    private readonly Snapshot _snapshot;

    private readonly BytePattern[] _patterns;

    private readonly PatternScanner[] _scanners;

    private readonly CancellationToken _cancellation;

    private readonly int _block, _limit;

    private readonly List<int> _found = [];

    private readonly List<(int Offset, int Pattern)> _hits = [];

    private long _origin;

    private int _candidates;

    internal WindowScan(Snapshot snapshot, BytePattern[] patterns, CancellationToken cancellation)
    {
        _snapshot = snapshot;
        _patterns = patterns;
        _cancellation = cancellation;
        _scanners = [.. patterns.Select(pattern => new PatternScanner(pattern, cancellation))];
        _block = patterns.Length > 1 ? Block : int.MaxValue;
        _limit = Math.Clamp(MostMatchedBytes / patterns.Max(pattern => pattern.Length), 1, MostMatches);
    }

    /// <summary>What was found, by offset, and at one offset in the order of the patterns.</summary>
    internal List<SnapshotMatch> Matches { get; } = [];

    /// <summary>How many of the offsets have been looked at: fewer than asked for where there are many matches.</summary>
    internal int Done { get; private set; }

    /// <summary>Prepares for <see cref="Look"/>.</summary>
    /// <param name="origin">Where in the snapshot the window begins.</param>
    /// <param name="candidates">At how many offsets from there on a match may begin.</param>
    internal void Begin(long origin, int candidates)
    {
        _origin = origin;
        _candidates = candidates;
        Matches.Clear();
        Done = 0;
    }

    /// <summary>Finds the matches that lie within <paramref name="bytes"/>, which may be cut short by the end of the snapshot.</summary>
    internal void Look(ReadOnlySpan<byte> bytes)
    {
        while (Done < _candidates && Matches.Count < _limit) Done = LookAtBlock(bytes, Done, Done + Math.Min(_block, _candidates - Done));
    }

    private int LookAtBlock(ReadOnlySpan<byte> bytes, int start, int end)
    {
        _hits.Clear();
        for (int i = 0; i < _patterns.Length; i++)
        {
            _cancellation.ThrowIfCancellationRequested();
            int last = Math.Min(end, bytes.Length - _patterns[i].Length + 1);
            if (last <= start) continue;
            _found.Clear();
            int limit = Math.Clamp(MaxHits - _hits.Count, 1, _limit);
            int stopped = _scanners[i].Scan(bytes, start, last, limit, _found);
            if (stopped < last) end = stopped;
            foreach (int offset in _found) _hits.Add((offset, i));
        }
        // Tuples are compared by offset first.
        if (_patterns.Length > 1) _hits.Sort();
        foreach (var (offset, i) in _hits)
        {
            // A later pattern stopped there: those behind it are found again in the next round.
            if (offset >= end) break;
            var pattern = _patterns[i];
            byte[] found = bytes.Slice(offset, pattern.Length).ToArray();
            Matches.Add(new SnapshotMatch(_snapshot, _origin + offset, found, pattern, pattern.TextEncoding));
        }
        return end;
    }
}

using System.Text;
using System.Text.RegularExpressions;

namespace MmapSnapshot.Searching;

/// <summary>
/// Finds what a regular expression matches, window by window, each byte being the character of its number (ISO 8859-1). Matches do not
/// overlap, and an empty one is none. Holes are passed over if there is nothing to find in them.
/// </summary>
internal sealed class RegexSearch(
    Snapshot snapshot, Regex regex, ByteRange range, IProgress<SnapshotProgress>? listener, CancellationToken cancellation)
{
    /// <summary>In bytes. A longer match is an error, as a window has no end that it could be compared with.</summary>
    internal int MaxMatch { get; init; } = 64 << 10;

    /// <summary>At how many offsets at a time to look.</summary>
    internal int Window { get; init; } = 1 << 20;

    /// <summary>The matches, in order, found as they are asked for.</summary>
    /// <exception cref="SnapshotException">
    /// InvalidBytes: a match is longer than 64 KiB; SnapshotClosed, SnapshotLost, ReadFailed.
    /// </exception>
    internal IEnumerable<SnapshotMatch> Matches()
    {
        var source = snapshot.GetSearchSource();
        var progress = new Progress($"Searching '{source.Path}'", range.Length, listener, cancellation);
        byte[] bytes = new byte[1 + Math.Min(Window + MaxMatch, range.Length)];
        char[] text = new char[bytes.Length];
        var found = new List<Range>();
        var matchesZeros = new Lazy<bool>(() => regex.IsMatch(new string('\0', 2 * MaxMatch)));
        for (long next = range.Offset, passed = next; next < range.End;)
        {
            progress.Add(next - passed);
            passed = next;
            progress.Report();
            // What begins before this lies in the hole with all its bytes.
            long holeEnd = source.NextData(next, range.End).Offset - MaxMatch;
            if (holeEnd > next && !matchesZeros.Value)
            {
                next = holeEnd;
                continue;
            }
            // The byte before tells where words and lines begin.
            int before = next > range.Offset ? 1 : 0;
            int length = source.Read(next - before, bytes.AsSpan(0, (int)Math.Min(bytes.Length, range.End - next + before)));
            if (length <= before) yield break;
            Encoding.Latin1.GetChars(bytes, 0, length, text, 0);
            long origin = next - before;
            next = origin + Look(text.AsSpan(0, length), before, isLast: origin + length == range.End, origin, found);
            foreach (var match in found)
            {
                cancellation.ThrowIfCancellationRequested();
                yield return new SnapshotMatch(snapshot, origin + match.Start.Value, bytes[match], regex, encoding: null);
            }
        }
    }

    /// <summary>Finds the matches in a window.</summary>
    /// <param name="text">The window, and what may belong to a match that begins in it.</param>
    /// <param name="start">Where in it to begin.</param>
    /// <param name="isLast">Whether nothing follows.</param>
    /// <param name="origin">Where it is in the snapshot.</param>
    /// <param name="found">Receives the matches.</param>
    /// <returns>Where in the text to continue.</returns>
    private int Look(ReadOnlySpan<char> text, int start, bool isLast, long origin, List<Range> found)
    {
        found.Clear();
        int end = isLast ? text.Length : start + Window, done = end;
        foreach (var match in regex.EnumerateMatches(text, start))
        {
            if (match.Index >= end) break;
            if (match.Length == 0) continue;
            int matchEnd = match.Index + match.Length;
            if (match.Length > MaxMatch || (matchEnd >= text.Length - 1 && !isLast && match.Index == start))
                throw TooLong(origin + match.Index);
            // It may be longer than what is here, or be none if more follows.
            if (matchEnd >= text.Length - 1 && !isLast) return match.Index;
            found.Add(match.Index..matchEnd);
            done = Math.Max(end, matchEnd);
        }
        return done;
    }

    private SnapshotException TooLong(long offset) => new(
        SnapshotError.InvalidBytes,
        $"'{regex}' matches more than {MaxMatch >> 10} KiB at 0x{offset:X} of '{snapshot.Path}'.",
        snapshot.Path,
        remedies: [SnapshotRemedy.LimitRepetitions]);
}

using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MmapSnapshot.Searching;

/// <summary>
/// Looks for one pattern in memory, for as many offsets at once as a vector has bytes: which of them have the rarest byte of
/// the pattern in its place, which of these the second rarest, and so on until none is left or all positions were looked at.
/// Mostly the first two leave none.
/// </summary>
internal sealed class PatternScanner
{
    /// <summary>How many positions are probed; of a longer pattern, the rest is compared where all of these match.</summary>
    private const int MaxProbes = 64, MaxOtherProbes = 8;

    /// <summary>How many bytes of a pattern are looked at between two looks at the token: a few milliseconds at most.</summary>
    private const int CheckInterval = 1 << 16;

    private readonly BytePattern _pattern;

    private readonly CancellationToken _cancellation;

    /// <summary>The positions that are not wildcards, the rarest first.</summary>
    private readonly Probe[] _probes;

    /// <summary>Whether there are positions that are not probed.</summary>
    private readonly bool _hasMore;

    /// <param name="pattern">What to look for.</param>
    /// <param name="cancellation">Ends preparing and scanning, within milliseconds whatever the pattern is.</param>
    internal PatternScanner(BytePattern pattern, CancellationToken cancellation)
    {
        _pattern = pattern;
        _cancellation = cancellation;
        (_probes, _hasMore) = FindRarest(pattern, cancellation);
        // In a run of one byte the second probe for it would tell little.
        int second = Array.FindIndex(_probes, probe => probe.Value != _probes[0].Value || probe.Mask != _probes[0].Mask);
        if (second > 1) (_probes[1], _probes[second]) = (_probes[second], _probes[1]);
    }

    /// <summary>
    /// Finds the matches that begin at <paramref name="start"/> or later and before <paramref name="end"/>, and adds their
    /// offsets to <paramref name="found"/>, in order.
    /// </summary>
    /// <param name="bytes">The memory; a match that begins before <paramref name="end"/> must fit into it.</param>
    /// <param name="start">The first offset to look at.</param>
    /// <param name="end">The offset behind the last one to look at.</param>
    /// <param name="limit">After how many matches to stop.</param>
    /// <param name="found">Where the offsets go.</param>
    /// <returns>The offset behind the last one looked at.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // called rarely, with thousands of rounds: it cannot wait to be found hot
    internal int Scan(ReadOnlySpan<byte> bytes, int start, int end, int limit, List<int> found)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(end, bytes.Length - _pattern.Length + 1);
        // Sound: a vector begins at most its own size before the last offset's place in the pattern, and so ends within the bytes.
        ref byte origin = ref MemoryMarshal.GetReference(bytes);
        VectorProbe first = new(ref origin, _probes[0]), second = new(ref origin, _probes[Math.Min(1, _probes.Length - 1)]);
        int size = Vector<byte>.Count, offset = start;
        while (offset <= end - size)
        {
            // Four vectors at a time are as fast as memory is.
            _cancellation.ThrowIfCancellationRequested();
            for (; offset <= end - (4 * size); offset += 4 * size)
            {
                var any = (first.FitAt(offset) & second.FitAt(offset))
                    | (first.FitAt(offset + size) & second.FitAt(offset + size))
                    | (first.FitAt(offset + (2 * size)) & second.FitAt(offset + (2 * size)))
                    | (first.FitAt(offset + (3 * size)) & second.FitAt(offset + (3 * size)));
                if (any != Vector<byte>.Zero) break;
            }
            for (int stop = Math.Min(offset + (4 * size), end); offset <= stop - size; offset += size)
            {
                var fits = first.FitAt(offset) & second.FitAt(offset);
                if (fits == Vector<byte>.Zero || (fits = ProbeFurther(bytes, offset, fits)) == Vector<byte>.Zero) continue;
                for (int lane = 0; lane < size; lane++)
                {
                    if (fits[lane] != 0 && IsMatch(bytes, offset + lane) && AddTo(found, offset + lane, limit)) return offset + lane + 1;
                }
            }
        }
        for (; offset < end; offset++)
        {
            if (Fits(bytes, offset) && IsMatch(bytes, offset) && AddTo(found, offset, limit)) return offset + 1;
        }
        return end;
    }

    /// <summary>Which of the offsets that fit so far fit at all other probes too.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private Vector<byte> ProbeFurther(ReadOnlySpan<byte> bytes, int offset, Vector<byte> fits)
    {
        for (int i = 2; i < _probes.Length && fits != Vector<byte>.Zero; i++)
        {
            var probe = _probes[i];
            fits &= Vector.Equals(new Vector<byte>(bytes[(offset + probe.Position)..]) & new Vector<byte>(probe.Mask), new Vector<byte>(probe.Value));
        }
        return fits;
    }

    /// <summary>For the last offsets, of which there are fewer than a vector has.</summary>
    private bool Fits(ReadOnlySpan<byte> bytes, int offset)
    {
        foreach (var probe in _probes)
        {
            if ((bytes[offset + probe.Position] & probe.Mask) != probe.Value) return false;
        }
        return true;
    }

    /// <summary>Where all probes match: whether the positions that are not probed match too, and the alternatives.</summary>
    private bool IsMatch(ReadOnlySpan<byte> bytes, int offset)
    {
        for (int start = 0; _hasMore && start < _pattern.Length; start += CheckInterval)
        {
            _cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(CheckInterval, _pattern.Length - start);
            if (!Matches(bytes.Slice(offset + start, count), _pattern.Values.AsSpan(start, count), _pattern.Masks.AsSpan(start, count))) return false;
        }
        var alternatives = _pattern.Alternatives;
        for (int i = 0; i < alternatives.Count; i++)
        {
            if (i % CheckInterval == 0) _cancellation.ThrowIfCancellationRequested();
            if (!alternatives[i].Allows(bytes.Slice(offset + alternatives[i].Position, alternatives[i].Length))) return false;
        }
        return true;
    }

    private static bool Matches(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> values, ReadOnlySpan<byte> masks)
    {
        int at = 0;
        for (; at <= bytes.Length - Vector<byte>.Count; at += Vector<byte>.Count)
        {
            if ((new Vector<byte>(bytes[at..]) & new Vector<byte>(masks[at..])) != new Vector<byte>(values[at..])) return false;
        }
        for (; at < bytes.Length; at++)
        {
            if ((bytes[at] & masks[at]) != values[at]) return false;
        }
        return true;
    }

    /// <summary>
    /// The rarest positions of a pattern, in the order of rarity, and whether there are more. In a long pattern some are kept for other
    /// values than the rarest: where that one fills the file, they tell more.
    /// </summary>
    private static (Probe[] Probes, bool HasMore) FindRarest(BytePattern pattern, CancellationToken cancellation)
    {
        var probes = new List<(int Frequency, Probe Probe)>();
        var firstOfValue = new Dictionary<(byte Value, byte Mask), (int Frequency, Probe Probe)>();
        bool hasMore = false;
        for (int position = 0; position < pattern.Length; position++)
        {
            if (position % CheckInterval == 0) cancellation.ThrowIfCancellationRequested();
            var probe = new Probe(position, pattern.Values[position], pattern.Masks[position]);
            if (probe.Mask == 0) continue;
            int frequency = ByteFrequency.Of(probe.Value, probe.Mask);
            firstOfValue.TryAdd((probe.Value, probe.Mask), (frequency, probe));
            hasMore |= probes.Count == MaxProbes;
            if (probes.Count == MaxProbes && frequency >= probes[^1].Frequency) continue;
            if (probes.Count == MaxProbes) probes.RemoveAt(MaxProbes - 1);
            int place = probes.Count;
            while (place > 0 && probes[place - 1].Frequency > frequency) place--;
            probes.Insert(place, (frequency, probe));
        }
        if (hasMore)
        {
            var others = firstOfValue.Values.Except(probes).OrderBy(found => found.Frequency).Take(MaxOtherProbes).ToArray();
            probes.RemoveRange(MaxProbes - others.Length, others.Length);
            probes.AddRange(others);
        }
        return ([.. probes.Select(found => found.Probe)], hasMore);
    }

    private static bool AddTo(List<int> found, int offset, int limit)
    {
        found.Add(offset);
        return found.Count >= limit;
    }

    /// <summary>A position of the pattern, and the bits that must stand there.</summary>
    private readonly record struct Probe(int Position, byte Value, byte Mask);

    /// <summary>A probe made ready for as many offsets at once as a vector has bytes.</summary>
    private readonly ref struct VectorProbe(ref byte origin, Probe probe)
    {
        private readonly ref byte _bytes = ref Unsafe.Add(ref origin, probe.Position);

        private readonly Vector<byte> _mask = new(probe.Mask), _value = new(probe.Value);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal Vector<byte> FitAt(int offset) => Vector.Equals(Vector.LoadUnsafe(ref _bytes, (nuint)offset) & _mask, _value);
    }
}

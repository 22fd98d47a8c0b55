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
    private readonly BytePattern _pattern;

    /// <summary>The positions that are not wildcards, the rarest first.</summary>
    private readonly Probe[] _probes;

    internal PatternScanner(BytePattern pattern)
    {
        _pattern = pattern;
        _probes =
        [
            .. from position in Enumerable.Range(0, pattern.Length)
               let probe = new Probe(position, pattern.Values[position], pattern.Masks[position])
               where probe.Mask != 0
               orderby ByteFrequency.Of(probe.Value, probe.Mask)
               select probe,
        ];
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
                    if (fits[lane] != 0 && IsAlternative(bytes, offset + lane) && AddTo(found, offset + lane, limit)) return offset + lane + 1;
                }
            }
        }
        for (; offset < end; offset++)
        {
            if (Fits(bytes, offset) && IsAlternative(bytes, offset) && AddTo(found, offset, limit)) return offset + 1;
        }
        return end;
    }

    /// <summary>Which of the offsets that fit so far fit at all other positions too, alternatives aside.</summary>
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

    private bool IsAlternative(ReadOnlySpan<byte> bytes, int offset)
    {
        foreach (var run in _pattern.Alternatives)
        {
            if (!run.Allows(bytes.Slice(offset + run.Position, run.Length))) return false;
        }
        return true;
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

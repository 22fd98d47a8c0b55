using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MmapSnapshot.Benchmarks.Search;

/// <summary>Passes that read every byte and do nothing but add: what a search is measured against.</summary>
internal static class Sums
{
    /// <summary>With vectors, as a C compiler makes of the plain loop: as fast as memory is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static long Vectorized(ReadOnlySpan<byte> bytes)
    {
        var vectors = MemoryMarshal.Cast<byte, Vector<byte>>(bytes);
        var sum = Vector<ulong>.Zero;
        int i = 0;
        while (i < vectors.Length)
        {
            // 16-bit sums of 128 rounds hold 2 * 255 * 128 < 65536.
            Vector<ushort> even = default, odd = default;
            for (int end = Math.Min(vectors.Length, i + 128); i < end; i++)
            {
                var shorts = Vector.AsVectorUInt16(vectors[i]);
                even += shorts & new Vector<ushort>(0xFF);
                odd += Vector.ShiftRightLogical(shorts, 8);
            }
            Vector.Widen(even + odd, out Vector<uint> low, out var high);
            Vector.Widen(low + high, out Vector<ulong> left, out var right);
            sum += left + right;
        }
        long rest = 0;
        foreach (byte one in bytes[(vectors.Length * Vector<byte>.Count)..]) rest += one;
        return (long)Vector.Sum(sum) + rest;
    }

    /// <summary>Byte by byte, as the same loop in C#, which its compiler does not vectorize.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static long Scalar(ReadOnlySpan<byte> bytes)
    {
        long sum = 0;
        foreach (byte one in bytes) sum += one;
        return sum;
    }
}

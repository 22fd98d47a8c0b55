using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MmapSnapshot.Benchmarks;

/// <summary>Passes that read every byte and do nothing but add: what a search is measured against. Times are in microseconds.</summary>
public static class Sums
{
    private static long _sum;

    /// <summary>Sums bytes that are mapped already, with vectors: as fast as memory is.</summary>
    public static double OfMapped(SnapshotView view)
    {
        ArgumentNullException.ThrowIfNull(view);
        long started = Stopwatch.GetTimestamp();
        _sum += Vectorized(view.Span);
        return Engine.Since(started);
    }

    /// <summary>The same, and mapping them first, as a search does.</summary>
    public static double WithMapping(Snapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        long started = Stopwatch.GetTimestamp();
        using (var view = snapshot.GetView(0, checked((int)snapshot.Length))) _sum += Vectorized(view.Span);
        return Engine.Since(started);
    }

    /// <summary>Byte by byte: the loop that one writes in C#, which its compiler does not vectorize.</summary>
    public static double ByteByByte(SnapshotView view)
    {
        ArgumentNullException.ThrowIfNull(view);
        long started = Stopwatch.GetTimestamp();
        _sum += Scalar(view.Span);
        return Engine.Since(started);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long Vectorized(ReadOnlySpan<byte> bytes)
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
        return (long)Vector.Sum(sum) + Scalar(bytes[(vectors.Length * Vector<byte>.Count)..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long Scalar(ReadOnlySpan<byte> bytes)
    {
        long sum = 0;
        foreach (byte one in bytes) sum += one;
        return sum;
    }
}

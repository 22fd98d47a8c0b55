using System.Diagnostics;

namespace MmapSnapshot.Benchmarks;

/// <summary>Reads of a few bytes. Times are in microseconds, of one read.</summary>
public static class Reads
{
    private const int Repeats = 10_000;

    /// <summary>Reads four bytes at random offsets.</summary>
    public static double Four(Snapshot snapshot) => Each(snapshot, snapshot.Length, static (snapshot, offset) =>
    {
        Span<byte> four = stackalloc byte[4];
        snapshot.Read(offset, four);
    });

    /// <summary>The same of a file.</summary>
    public static double Four(FileStream file) => Each(file, file.Length, static (file, offset) =>
    {
        Span<byte> four = stackalloc byte[4];
        file.Position = offset;
        file.ReadExactly(four);
    });

    /// <summary>Reads one byte after the other, from the start again at the end.</summary>
    public static double ReadByte(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < Repeats; i++)
        {
            if (stream.ReadByte() < 0) stream.Position = 0;
        }
        return Engine.Since(started) / Repeats;
    }

    /// <summary>How many bytes of managed memory <see cref="Four(Snapshot)"/> takes.</summary>
    public static long AllocatedByFour(Snapshot snapshot) => Allocated(() => Four(snapshot));

    /// <summary>How many bytes of managed memory <see cref="ReadByte"/> takes.</summary>
    public static long AllocatedByReadByte(Stream stream) => Allocated(() => ReadByte(stream));

    /// <summary>Reads while nothing else is done: the median.</summary>
    public static double AtRest(string path) => During(path, static _ => Thread.Sleep(200));

    /// <summary>Reads while the snapshot is saved and another thread writes to it: the median.</summary>
    public static double DuringSave(string path) => During(path, snapshot =>
    {
        bool saved = false;
        var writer = new Thread(() =>
        {
            for (; !Volatile.Read(ref saved); Thread.Sleep(1)) snapshot.Write(Bytes.Offset, Bytes.Patch());
        });
        writer.Start();
        snapshot.Commit(new CommitOptions { Destination = path + ".new", Force = true, NoFlush = true });
        Volatile.Write(ref saved, true);
        writer.Join();
    });

    /// <summary>Reads while another program waits to write to the file, so that it is copied: the median.</summary>
    public static double DuringLeaseBreak(string path) => During(path, snapshot =>
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write);
    });

    private static long Allocated(Func<double> measure)
    {
        measure();
        long before = GC.GetAllocatedBytesForCurrentThread();
        measure();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static double Each<T>(T source, long length, Action<T, long> read)
    {
        long started = Stopwatch.GetTimestamp();
        for (int i = 0; i < Repeats; i++) read(source, Random.Shared.NextInt64(length - 4));
        return Engine.Since(started) / Repeats;
    }

    private static double During(string path, Action<Snapshot> work)
    {
        using var snapshot = Engine.Open(path);
        snapshot.Write(Bytes.Offset, Bytes.Patch());
        var random = new Random(1);
        var page = new byte[4096];
        var times = new List<long>(1 << 20);
        var thread = new Thread(() => work(snapshot));
        thread.Start();
        while (thread.IsAlive)
        {
            long offset = random.NextInt64(snapshot.Length - page.Length), started = Stopwatch.GetTimestamp();
            snapshot.Read(offset, page);
            times.Add(Stopwatch.GetTimestamp() - started);
        }
        thread.Join();
        times.Sort();
        return Stopwatch.GetElapsedTime(0, times[times.Count / 2]).TotalMicroseconds;
    }
}

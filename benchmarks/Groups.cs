using System.Diagnostics;
using System.Globalization;

namespace MmapSnapshot.Benchmarks;

/// <summary>Many files saved as one. Times are in microseconds, of the save alone.</summary>
public static class Groups
{
    /// <summary>Bytes of each file.</summary>
    internal const int Length = 8192;

    /// <summary>The files "0", "1" and so on, on the disk.</summary>
    public static void Write(string folder, int count)
    {
        for (int i = 0; i < count; i++) Specimen.Write(PathOf(folder, i), Length);
    }

    /// <summary>Changes sixteen bytes of each file, and saves all as one.</summary>
    public static double SaveAll(string folder, int count)
    {
        var snapshots = Open(folder, count);
        long started = Stopwatch.GetTimestamp();
        _ = Snapshot.CommitAll(snapshots);
        return End(snapshots, Engine.Since(started));
    }

    /// <summary>The same, one file after the other.</summary>
    public static double SaveEach(string folder, int count)
    {
        var snapshots = Open(folder, count);
        long started = Stopwatch.GetTimestamp();
        foreach (var snapshot in snapshots) snapshot.Commit(new CommitOptions { Method = CommitMethod.Replace });
        return End(snapshots, Engine.Since(started));
    }

    /// <summary>Bytes that are in the page cache, and not on the disk.</summary>
    public static void WriteDirty(string path, long length)
    {
        var block = new byte[1 << 20];
        Random.Shared.NextBytes(block);
        using var file = File.OpenHandle(path, FileMode.Create, FileAccess.Write);
        for (long offset = 0; offset < length; offset += block.Length) RandomAccess.Write(file, block, offset);
    }

    private static Snapshot[] Open(string folder, int count)
    {
        var snapshots = new Snapshot[count];
        for (int i = 0; i < count; i++)
        {
            snapshots[i] = Engine.Open(PathOf(folder, i));
            snapshots[i].Write(Bytes.Offset, Bytes.Patch());
        }
        return snapshots;
    }

    private static double End(Snapshot[] snapshots, double time)
    {
        foreach (var snapshot in snapshots) snapshot.Dispose();
        return time;
    }

    private static string PathOf(string folder, int number) => Path.Join(folder, number.ToString(CultureInfo.InvariantCulture));
}

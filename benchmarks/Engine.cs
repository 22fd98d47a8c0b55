using System.Diagnostics;

namespace MmapSnapshot.Benchmarks;

/// <summary>The engine, without PowerShell. Times are in microseconds.</summary>
public static class Engine
{
    /// <summary>Long enough for a lease on the largest file.</summary>
    private static readonly TimeSpan _maxWriterDelay = TimeSpan.FromSeconds(12);

    /// <summary>Opens a snapshot and closes it.</summary>
    public static double OpenClose(string path, SnapshotBacking backing = SnapshotBacking.Auto)
    {
        var options = new SnapshotOptions { Backing = backing, MaxWriterDelay = _maxWriterDelay };
        long started = Stopwatch.GetTimestamp();
        Snapshot.Open(path, options).Dispose();
        return Since(started);
    }

    /// <summary>Opens a snapshot, writes sixteen bytes, saves and closes it; with the save, or afterwards and not timed.</summary>
    public static double Patch(string path, bool staysOpen = false)
    {
        byte[] patch = Bytes.Patch();
        var options = new SnapshotOptions { MaxWriterDelay = _maxWriterDelay };
        long started = Stopwatch.GetTimestamp();
        using var snapshot = Snapshot.Open(path, options);
        snapshot.Write(Bytes.Offset, patch);
        snapshot.Commit(new CommitOptions { Close = !staysOpen });
        return Since(started);
    }

    /// <summary>Writes sixteen bytes and saves them in place, with a journal; the time of the save.</summary>
    public static double SaveInPlace(string path)
    {
        using var snapshot = Open(path);
        snapshot.Write(Bytes.Offset, Bytes.Patch());
        long started = Stopwatch.GetTimestamp();
        snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace });
        return Since(started);
    }

    /// <summary>How many bytes of the filesystem a save in place takes, once it is done.</summary>
    public static long SpaceOfSaveInPlace(string path)
    {
        var drive = new DriveInfo(Path.GetDirectoryName(path)!);
        long before = drive.AvailableFreeSpace;
        _ = SaveInPlace(path);
        return before - drive.AvailableFreeSpace;
    }

    /// <summary>How many matches a search of the whole snapshot finds, and how long it takes.</summary>
    public static double Search(Snapshot snapshot, BytePattern[] patterns)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        long started = Stopwatch.GetTimestamp();
        _ = snapshot.Find(patterns, 0, snapshot.Length).LongCount();
        return Since(started);
    }

    internal static Snapshot Open(string path) => Snapshot.Open(path, new SnapshotOptions { MaxWriterDelay = _maxWriterDelay });

    internal static double Since(long started) => Stopwatch.GetElapsedTime(started).TotalMicroseconds;
}

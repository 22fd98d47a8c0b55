using System.Diagnostics;

namespace MmapSnapshot.Benchmarks;

/// <summary>Changes to a snapshot, before anything is saved. Times are in microseconds.</summary>
public static class Edits
{
    private const int Repeats = 1000;

    /// <summary>The first change to a file that was just opened.</summary>
    public static double First(string path)
    {
        byte[] patch = Bytes.Patch();
        using var snapshot = Engine.Open(path);
        long started = Stopwatch.GetTimestamp();
        snapshot.Write(Bytes.Offset, patch);
        return Engine.Since(started);
    }

    /// <summary>How many bytes of the filesystem the first change to a file takes.</summary>
    public static long SpaceOfFirst(string path)
    {
        var drive = new DriveInfo(Path.GetDirectoryName(path)!);
        using var snapshot = Engine.Open(path);
        long before = drive.AvailableFreeSpace;
        snapshot.Write(Bytes.Offset, Bytes.Patch());
        return before - drive.AvailableFreeSpace;
    }

    /// <summary>Writes three bytes over others, somewhere; the time of one.</summary>
    public static double Overwrite(Snapshot snapshot) => Each(snapshot, static (snapshot, offset, bytes) => snapshot.Write(offset, bytes));

    /// <summary>Inserts three bytes somewhere; the time of one.</summary>
    public static double Insert(Snapshot snapshot) => Each(snapshot, static (snapshot, offset, bytes) => snapshot.Insert(offset, bytes));

    /// <summary>Fills so many bytes with another one, and takes that back; the time of both.</summary>
    public static double FillAndUndo(Snapshot snapshot, long count)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        long started = Stopwatch.GetTimestamp();
        snapshot.Fill(0, count, 0xEE);
        snapshot.Undo();
        return Engine.Since(started);
    }

    /// <summary>Writes one byte each at random offsets of a file that is in the page cache, so that no disk is waited for.</summary>
    /// <returns>The time of a write in each quarter of them; and the bytes of managed memory that each takes, with the history.</returns>
    public static (double[] Quarters, double BytesEach) Scatter(string path, int count)
    {
        var random = new Random(1);
        using var snapshot = Engine.Open(path);
        using (var stream = snapshot.AsStream()) stream.CopyTo(Stream.Null);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var quarters = new double[4];
        var one = new byte[1];
        for (int quarter = 0; quarter < quarters.Length; quarter++)
        {
            long started = Stopwatch.GetTimestamp();
            for (int i = 0; i < count / quarters.Length; i++)
            {
                one[0] = (byte)i;
                snapshot.Write(random.NextInt64(snapshot.Length), one);
            }
            quarters[quarter] = Engine.Since(started) / (count / quarters.Length);
        }
        return (quarters, (double)(GC.GetTotalMemory(forceFullCollection: true) - before) / count);
    }

    /// <summary>Finds a text, and replaces all matches by another of the same length.</summary>
    /// <param name="path">The file.</param>
    /// <param name="text">What to find.</param>
    /// <param name="replacement">What takes its place.</param>
    /// <param name="saves">Whether it is saved, too, without waiting for the disk.</param>
    public static double Replace(string path, string text, string replacement, bool saves)
    {
        long started = Stopwatch.GetTimestamp();
        using var snapshot = Engine.Open(path);
        var pattern = BytePattern.FromText(text, System.Text.Encoding.ASCII);
        byte[] bytes = System.Text.Encoding.ASCII.GetBytes(replacement);
        snapshot.Apply([.. snapshot.Find([pattern], 0, snapshot.Length).Select(match => SnapshotEdit.Write(match.Offset, bytes))]);
        if (saves) snapshot.Commit(new CommitOptions { Destination = path + ".new", Force = true, NoFlush = true });
        return Engine.Since(started);
    }

    private static double Each(Snapshot snapshot, Action<Snapshot, long, byte[]> edit)
    {
        var random = new Random(1);
        byte[] bytes = new byte[3];
        long ticks = 0;
        for (int i = 0; i < Repeats; i++)
        {
            random.NextBytes(bytes);
            long offset = random.NextInt64(snapshot.Length - bytes.Length);
            long started = Stopwatch.GetTimestamp();
            edit(snapshot, offset, bytes);
            ticks += Stopwatch.GetTimestamp() - started;
            snapshot.Undo();
        }
        return Stopwatch.GetElapsedTime(0, ticks).TotalMicroseconds / Repeats;
    }
}

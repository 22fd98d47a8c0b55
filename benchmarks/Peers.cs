using System.Diagnostics;
using System.IO.MemoryMappedFiles;

namespace MmapSnapshot.Benchmarks;

/// <summary>What people write in a script to patch sixteen bytes of a file. Times are in microseconds.</summary>
public static class Peers
{
    /// <summary>Reads all, changes it, and writes all over it.</summary>
    public static double ReadAllWriteAll(string path)
    {
        byte[] patch = Bytes.Patch();
        long started = Stopwatch.GetTimestamp();
        byte[] all = File.ReadAllBytes(path);
        patch.CopyTo(all, Bytes.Offset);
        File.WriteAllBytes(path, all);
        return Engine.Since(started);
    }

    /// <summary>Copies the file, changes the copy, flushes it, and moves it over the file.</summary>
    public static double CopyFlushMove(string path)
    {
        byte[] patch = Bytes.Patch();
        string copy = path + ".copy";
        long started = Stopwatch.GetTimestamp();
        File.Copy(path, copy);
        using (var stream = new FileStream(copy, FileMode.Open, FileAccess.Write))
        {
            stream.Position = Bytes.Offset;
            stream.Write(patch);
            stream.Flush(flushToDisk: true);
        }
        File.Move(copy, path, overwrite: true);
        return Engine.Since(started);
    }

    /// <summary>Writes into the file itself.</summary>
    public static double InPlace(string path)
    {
        byte[] patch = Bytes.Patch();
        long started = Stopwatch.GetTimestamp();
        using (var stream = new FileStream(path, FileMode.Open, FileAccess.Write))
        {
            stream.Position = Bytes.Offset;
            stream.Write(patch);
            stream.Flush(flushToDisk: true);
        }
        return Engine.Since(started);
    }

    /// <summary>Stores into a shared mapping of the file.</summary>
    public static double MemoryMapped(string path)
    {
        byte[] patch = Bytes.Patch();
        long started = Stopwatch.GetTimestamp();
        using (var file = MemoryMappedFile.CreateFromFile(path, FileMode.Open))
        using (var view = file.CreateViewAccessor(0, 4096))
        {
            view.WriteArray(Bytes.Offset, patch, 0, patch.Length);
            view.Flush();
        }
        return Engine.Since(started);
    }
}

namespace MmapSnapshot.Benchmarks;

/// <summary>Files to measure with.</summary>
public static class Specimen
{
    private static readonly string[] _folders = ["/usr/lib", "/usr/bin", "/usr/share/dotnet"];

    /// <summary>A file of random bytes, on the disk.</summary>
    public static void Write(string path, long length)
    {
        var block = new byte[1 << 20];
        Random.Shared.NextBytes(block);
        using var file = File.OpenHandle(path, FileMode.Create, FileAccess.Write, preallocationSize: length);
        for (long offset = 0; offset < length; offset += block.Length)
            RandomAccess.Write(file, block.AsSpan(0, (int)Math.Min(block.Length, length - offset)), offset);
        RandomAccess.FlushToDisk(file);
    }

    /// <summary>Puts what was written to a file on the disk.</summary>
    public static void Flush(string path)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(file);
    }

    /// <summary>A file of as many extents: blocks of 4 KiB, a hole between each and the next.</summary>
    public static void WriteInPieces(string path, int extents)
    {
        var block = new byte[4096];
        Random.Shared.NextBytes(block);
        using var file = File.OpenHandle(path, FileMode.Create, FileAccess.Write);
        for (long i = 0; i < extents; i++) RandomAccess.Write(file, block, 2 * i * block.Length);
        RandomAccess.FlushToDisk(file);
    }

    /// <summary>A file of one line again and again.</summary>
    public static void WriteLines(string path, string line, int count) => File.WriteAllLines(path, Enumerable.Repeat(line, count));

    /// <summary>A file of what the system's programs and libraries hold, as random bytes would flatter a search.</summary>
    public static void WritePrograms(string path, long length)
    {
        using var file = File.Create(path);
        while (file.Length < length)
        {
            long before = file.Length;
            foreach (string program in Programs())
            {
                if (file.Length >= length) break;
                using var source = File.OpenRead(program);
                source.CopyTo(file);
            }
            if (file.Length == before) throw new IOException("There is nothing below /usr to make a file of.");
        }
        file.SetLength(length);
    }

    private static IEnumerable<string> Programs() =>
        from folder in _folders
        where Directory.Exists(folder)
        from file in Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint })
        where file.Contains(".so", StringComparison.Ordinal) || file.EndsWith(".dll", StringComparison.Ordinal) || folder == "/usr/bin"
        orderby file
        select file;
}

namespace MmapSnapshot.Benchmarks.Search;

/// <summary>A file to search in: what the system's libraries hold, as random bytes would flatter a search. It is removed when disposed.</summary>
internal sealed class Specimen : IDisposable
{
    private static readonly string[] _folders = ["/usr/lib", "/usr/bin", "/usr/share/dotnet"];

    private Specimen(string path) => Path = path;

    internal string Path { get; }

    internal static Specimen Create(string folder, long length)
    {
        var specimen = new Specimen(System.IO.Path.Join(folder, $"search-{Environment.ProcessId}"));
        using var file = File.Create(specimen.Path);
        while (file.Length < length)
        {
            long before = file.Length;
            foreach (string path in Sources())
            {
                if (file.Length >= length) break;
                using var source = File.OpenRead(path);
                source.CopyTo(file);
            }
            if (file.Length == before) throw new IOException("There is nothing below /usr to make a file of.");
        }
        file.SetLength(length);
        return specimen;
    }

    public void Dispose() => File.Delete(Path);

    private static IEnumerable<string> Sources() =>
        from folder in _folders
        where Directory.Exists(folder)
        from file in Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint })
        where file.Contains(".so", StringComparison.Ordinal) || file.EndsWith(".dll", StringComparison.Ordinal) || folder == "/usr/bin"
        orderby file
        select file;
}

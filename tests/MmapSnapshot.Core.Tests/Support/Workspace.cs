using System.Text;

namespace MmapSnapshot.Tests.Support;

/// <summary>A folder of its own for one test, on one of the filesystems, that must be empty of strangers when the test ends.</summary>
internal sealed class Workspace : IDisposable
{
    private Workspace(string path) => Folder = path;

    public string Folder { get; }

    public static Workspace On(string fileSystem)
    {
        string path = Path.Join(FileSystems.Require(fileSystem), Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(path);
        File.SetUnixFileMode(path, (UnixFileMode)0x1FF); // 0777: other users come here too
        return new Workspace(path);
    }

    public string PathOf(string name) => Path.Join(Folder, name);

    public string Write(string name, string text) => Write(name, Encoding.ASCII.GetBytes(text));

    public string Write(string name, byte[] bytes)
    {
        string path = PathOf(name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    /// <summary>All names in the folder, hidden ones too, in order.</summary>
    public string[] Names() => [.. Directory.EnumerateFileSystemEntries(Folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        string[] strangers = [.. Names().Where(name => name.EndsWith(".mmap-snapshot", StringComparison.Ordinal))];
        Directory.Delete(Folder, recursive: true);
        Assert.Empty(strangers);
    }
}

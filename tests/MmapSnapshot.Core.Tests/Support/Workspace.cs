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

    public string MakeFolder(string name) => Directory.CreateDirectory(PathOf(name)).FullName;

    public string Write(string name, string text) => Write(name, Encoding.ASCII.GetBytes(text));

    public string Write(string name, byte[] bytes)
    {
        string path = PathOf(name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    /// <summary>A file of zeros that takes no space, with bytes at some offset if there are any.</summary>
    public string WriteSparse(string name, long length, long offset = 0, byte[]? bytes = null)
    {
        string path = PathOf(name);
        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
        RandomAccess.SetLength(file, length);
        if (bytes is not null) RandomAccess.Write(file, bytes, offset);
        return path;
    }

    /// <summary>All names in the folder, hidden ones too, in order.</summary>
    public string[] Names() => [.. Directory.EnumerateFileSystemEntries(Folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        string[] strangers = [.. Names().Where(name => name.Contains(".mmap-snapshot", StringComparison.Ordinal))];
        Directory.Delete(Folder, recursive: true);
        Assert.Empty(strangers);
    }
}

namespace MmapSnapshot.Tests.Support;

/// <summary>Files that take all the space a filesystem has left, until they are disposed of.</summary>
internal sealed class Ballast : IDisposable
{
    private const string Script =
        """
        i=0
        for size in 128M 32M 8M 2M 512K 128K 32K 8K 4K; do
            while fallocate -l "$size" "$1/$i" 2>/dev/null; do i=$((i + 1)); done
            rm -f "$1/$i"
        done
        """;

    private readonly string _folder;

    private Ballast(string folder) => _folder = folder;

    public static Ballast Fill(Workspace workspace)
    {
        Tools.Require("fallocate");
        Shell.Run("sync --file-system \"$1\"", workspace.Folder); // what is to be written yet takes its space now
        var ballast = new Ballast(workspace.PathOf("ballast"));
        Directory.CreateDirectory(ballast._folder);
        try
        {
            Shell.Run(Script, ballast._folder);
            return ballast;
        }
        catch
        {
            ballast.Dispose();
            throw;
        }
    }

    /// <summary>Gives back some space: at least this many bytes.</summary>
    public void Release(long bytes)
    {
        var file = new FileInfo(Directory.EnumerateFiles(_folder).First());
        using (var stream = file.OpenWrite()) stream.SetLength(Math.Max(0, file.Length - bytes));
        Shell.Run("sync --file-system \"$1\"", _folder);
    }

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
        Shell.Run("sync --file-system \"$1\"", Path.GetDirectoryName(_folder)!); // btrfs gives space back with its next transaction
    }
}

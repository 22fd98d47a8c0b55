using MmapSnapshot.Native;
using MmapSnapshot.Source;

namespace MmapSnapshot.Committing;

/// <summary>Where a commit to another path goes.</summary>
/// <param name="Folder">The folder, by descriptor.</param>
/// <param name="Name">The name in it.</param>
/// <param name="Existing">The metadata of the file that is there; null when there is none.</param>
internal sealed record Destination(ParentFolder Folder, string Name, FileMetadata? Existing) : IDisposable
{
    internal static Destination Resolve(string path, CancellationToken cancellation = default)
    {
        if (path.Length == 0 || path.Contains('\0')) throw new SnapshotException(SnapshotError.FileNotFound, $"'{path}' cannot be the path of a file.", path);
        string full = Path.GetFullPath(path);
        string name = Path.GetFileName(full);
        if (name.Length == 0) throw new SnapshotException(SnapshotError.NotARegularFile, $"'{path}' is a folder; name the file in it.", path);

        var errno = Kernel.OpenAt(null, full, OpenMode.PathOnly, out var found);
        found.Dispose();
        if (errno == 0)
        {
            // Resolved as a source is, so that a symbolic link stays and its target is written.
            var existing = SourceFile.Open(full, cancellation);
            try
            {
                var metadata = FileMetadata.Of(existing.Handle, FileStatus.Of(existing.Handle, full), full);
                existing.CloseFile();
                return new Destination(existing.Folder, existing.Name, metadata);
            }
            catch
            {
                existing.Dispose();
                throw;
            }
        }

        string parent = Path.GetDirectoryName(full)!;
        errno = ParentFolder.OpenResolved(parent, out var folder);
        var there = errno == 0 ? folder.Find(name) : null;
        if (errno == 0 && there is null) return new Destination(folder, name, Existing: null);
        folder.Dispose();
        if (there is { IsLink: false }) return Resolve(path, cancellation); // somebody has just made it
        if (errno != 0) throw Failure.From(errno, $"open the folder '{parent}'", path, SnapshotError.WriteFailed);
        throw new SnapshotException(SnapshotError.FileNotFound, $"'{path}' is a symbolic link that leads nowhere.", path);
    }

    public void Dispose() => Folder.Dispose();
}

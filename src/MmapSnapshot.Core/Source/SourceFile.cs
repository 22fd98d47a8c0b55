using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Source;

/// <summary>A regular file, found by following a path once: its folder, its name there, and an open descriptor to read it.</summary>
internal sealed class SourceFile : IDisposable
{
    /// <summary>How often a name may be exchanged under our hands before we give up.</summary>
    private const int Attempts = 8;

    private SourceFile(ParentFolder folder, string name, SafeFileHandle handle)
    {
        Folder = folder;
        Name = name;
        Handle = handle;
        FileSystem = FileSystem.Of(handle);
    }

    internal ParentFolder Folder { get; }

    internal string Name { get; }

    /// <summary>Open for reading.</summary>
    internal SafeFileHandle Handle { get; }

    /// <summary>The filesystem it is on.</summary>
    internal FileSystem FileSystem { get; }

    /// <summary>The full path, symbolic links resolved.</summary>
    internal string Path => Folder.Combine(Name);

    /// <exception cref="OperationCanceledException">It was cancelled while another process held a lease.</exception>
    internal static SourceFile Open(string path, CancellationToken cancellation = default)
    {
        if (path.Length == 0 || path.Contains('\0'))
            throw new SnapshotException(SnapshotError.FileNotFound, $"'{path}' cannot be the path of a file.", path);

        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            // O_PATH first: opening a FIFO or a device for reading would already do something to it.
            Failure.Check(Kernel.OpenAt(null, path, OpenMode.PathOnly, out var found), $"open '{path}'", path, SnapshotError.ReadFailed);
            using (found)
            {
                var status = FileStatus.Of(found, path);
                if (!status.IsRegular) throw NotRegular(path, status.Mode);
                Failure.Check(Kernel.PathOf(found, out string real), $"resolve '{path}'", path, SnapshotError.ReadFailed);
                var file = TryOpen(found, status, real, path, cancellation);
                if (file is not null) return file;
            }
        }
        throw new SnapshotException(
            SnapshotError.SourceChanging, $"'{path}' was replaced again and again while it was opened. Try again when that has ended.", path);
    }

    /// <summary>Lets go of the file, but not of the folder, which the caller takes over.</summary>
    internal void CloseFile() => Handle.Dispose();

    public void Dispose()
    {
        Handle.Dispose();
        Folder.Dispose();
    }

    internal static SnapshotException NotRegular(string path, FilePermissions mode)
    {
        string kind = (mode & FilePermissions.S_IFMT) switch
        {
            FilePermissions.S_IFDIR => "a folder",
            FilePermissions.S_IFIFO => "a FIFO",
            FilePermissions.S_IFSOCK => "a socket",
            FilePermissions.S_IFLNK => "a symbolic link",
            _ => "a device",
        };
        return new SnapshotException(SnapshotError.NotARegularFile, $"'{path}' is {kind}; only a regular file can be a snapshot.", path);
    }

    /// <summary>Opens what was found, and its folder; null when that no longer holds it under its name.</summary>
    private static SourceFile? TryOpen(SafeFileHandle found, in FileStatus status, string real, string asked, CancellationToken cancellation)
    {
        int slash = real.LastIndexOf('/');
        if (slash < 0 || real[0] != '/')
            throw new SnapshotException(SnapshotError.NotSupported, $"'{asked}' lies outside the folders this process can reach ({real}).", asked);

        if (ParentFolder.Open(slash == 0 ? "/" : real[..slash], out var folder) is not 0 and var folderErrno)
        {
            folder.Dispose();
            if (folderErrno == Errno.ENOENT) return null;
            throw Failure.From(folderErrno, $"open the folder of '{asked}'", asked, SnapshotError.ReadFailed);
        }
        string name = real[(slash + 1)..];
        try
        {
            var errno = Kernel.StatAt(folder.Handle, name, out var there);
            if (errno == 0 && FileStatus.From(there).IsSameFileAs(status))
            {
                errno = Kernel.ReopenWaitingForLease(found, OpenMode.ReadOnly | OpenMode.NoControllingTerminal, cancellation, out var handle);
                if (errno == 0) return new SourceFile(folder, name, handle);
                handle.Dispose();
            }

            folder.Dispose();
            if (errno is 0 or Errno.ENOENT) return null;
            throw Failure.From(errno, $"open '{asked}' for reading", asked, SnapshotError.ReadFailed);
        }
        catch (OperationCanceledException)
        {
            folder.Dispose();
            throw;
        }
    }
}

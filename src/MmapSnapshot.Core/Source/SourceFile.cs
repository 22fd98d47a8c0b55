using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Source;

/// <summary>A regular file, found by following a path once: its directory, its name there, and an open descriptor to read it.</summary>
internal sealed class SourceFile : IDisposable
{
    /// <summary>How often a name may be exchanged under our hands before we give up.</summary>
    private const int Attempts = 8;

    /// <summary>How often the same file must be found again, and not under the name that the kernel tells, until that is taken to be so.</summary>
    private const int NamelessAfter = 2;

    /// <summary>What the kernel adds to the path of a deleted file (man 5 proc_pid_fd).</summary>
    private const string DeletedMark = " (deleted)";

    private SourceFile(ParentDirectory directory, string name, SafeFileHandle handle, string? namelessReason = null)
    {
        Directory = directory;
        Name = name;
        Handle = handle;
        FileSystem = FileSystem.Of(handle);
        ReadOnlyReason = namelessReason ?? (FileSystem.IsGenerated ? $"the kernel makes its bytes up when it is read ({FileSystem.Type})" : null);
    }

    internal ParentDirectory Directory { get; }

    internal string Name { get; }

    /// <summary>Open for reading.</summary>
    internal SafeFileHandle Handle { get; }

    /// <summary>The filesystem it is on.</summary>
    internal FileSystem FileSystem { get; }

    /// <summary>The reason why it cannot be saved, as a clause after "because"; null if it can.</summary>
    internal string? ReadOnlyReason { get; }

    /// <summary>The full path, symbolic links resolved; that of a link in /proc where the file it leads to has no name here.</summary>
    internal string Path => Directory.Combine(Name);

    /// <param name="path">The file.</param>
    /// <param name="trustedLinksOnly">Whether the file may be saved, so that another user's link must not choose it.</param>
    /// <param name="cancellation">Ends the wait for a lease of another process.</param>
    /// <exception cref="SnapshotException">UntrustedLink and others.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled while another process held a lease.</exception>
    internal static SourceFile Open(string path, bool trustedLinksOnly, CancellationToken cancellation = default)
    {
        if (path.Length == 0 || path.Contains('\0'))
            throw new SnapshotException(SnapshotError.FileNotFound, $"'{path}' cannot be the path of a file.", path);

        var previous = default(FileStatus);
        int repeated = 0;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            // O_PATH first: opening a FIFO or a device for reading would already do something to it.
            var errno = trustedLinksOnly ? TrustedPath.Open(path, out var found) : Kernel.OpenAt(null, path, OpenMode.PathOnly, out found);
            using (found)
            {
                ErrnoErrors.ThrowIfError(errno, $"open '{path}'", path, SnapshotError.ReadFailed);
                var status = FileStatus.Of(found, path);
                if (!status.IsRegular) throw NotRegular(path, status.Mode);
                ErrnoErrors.ThrowIfError(Kernel.ReadProcFdLink(found, out string real), $"resolve '{path}'", path, SnapshotError.ReadFailed);
                if (!StillLeadsTo(path, status, real)) continue;
                var file = TryOpen(found, status, real, path, cancellation);
                if (file is not null) return file;
                // The same file again and again: it is not being replaced just now, but a link in /proc leads to it.
                repeated = previous.IsSameFileAs(status) ? repeated + 1 : 0;
                previous = status;
                if (repeated == NamelessAfter) return OpenNameless(found, real, path, cancellation);
            }
        }
        throw new SnapshotException(
            SnapshotError.SourceChanging,
            $"'{path}' was replaced again and again while it was opened.",
            path,
            remedies: [SnapshotRemedy.Retry]);
    }

    /// <summary>Lets go of the file, but not of the directory, which the caller takes over.</summary>
    internal void CloseFile() => Handle.Dispose();

    public void Dispose()
    {
        Handle.Dispose();
        Directory.Dispose();
    }

    internal static SnapshotException NotRegular(string path, FilePermissions mode)
    {
        string kind = (mode & FilePermissions.S_IFMT) switch
        {
            FilePermissions.S_IFDIR => "a directory",
            FilePermissions.S_IFIFO => "a FIFO",
            FilePermissions.S_IFSOCK => "a socket",
            FilePermissions.S_IFLNK => "a symbolic link",
            _ => "a device",
        };
        return new SnapshotException(SnapshotError.NotARegularFile, $"'{path}' is {kind}; only a regular file can be a snapshot.", path);
    }

    /// <summary>
    /// Whether a path leads to a file, and not only did so before the file was renamed to <paramref name="real"/>: a snapshot belongs to
    /// the name that was asked for. The name is the same unless a symbolic link is in between, so that most files are found once.
    /// </summary>
    internal static bool StillLeadsTo(string path, in FileStatus status, string real)
    {
        if (System.IO.Path.GetFileName(path.AsSpan()).SequenceEqual(System.IO.Path.GetFileName(real.AsSpan()))) return true;
        var errno = Kernel.OpenAt(null, path, OpenMode.PathOnly, out var again);
        using (again)
            return errno == 0 && FileStatus.Of(again, path).IsSameFileAs(status);
    }

    /// <summary>Opens what was found, and its directory; null when that no longer holds it under its name.</summary>
    private static SourceFile? TryOpen(SafeFileHandle found, in FileStatus status, string real, string asked, CancellationToken cancellation)
    {
        int slash = real.LastIndexOf('/');
        if (slash < 0 || real[0] != '/')
        {
            throw new SnapshotException(
                SnapshotError.NotSupported,
                $"'{asked}' lies outside the directories this process can reach ({real}).",
                asked);
        }

        if (ParentDirectory.Open(slash == 0 ? "/" : real[..slash], out var directory) is not 0 and var directoryErrno)
        {
            directory.Dispose();
            if (directoryErrno is Errno.ENOENT or Errno.ENOTDIR) return null;
            throw ErrnoErrors.ToException(directoryErrno, $"open the directory of '{asked}'", asked, SnapshotError.ReadFailed);
        }
        string name = real[(slash + 1)..];
        try
        {
            var errno = Kernel.StatAt(directory.Handle, name, out var there);
            if (errno == 0 && FileStatus.From(there).IsSameFileAs(status))
            {
                errno = Kernel.ReopenWaitingForLease(found, OpenMode.ReadOnly | OpenMode.NoControllingTerminal, cancellation, out var handle);
                if (errno == 0) return new SourceFile(directory, name, handle);
                handle.Dispose();
            }

            directory.Dispose();
            if (errno is 0 or Errno.ENOENT) return null;
            throw ErrnoErrors.ToException(errno, $"open '{asked}' for reading", asked, SnapshotError.ReadFailed);
        }
        catch (OperationCanceledException)
        {
            directory.Dispose();
            throw;
        }
    }

    /// <summary>
    /// A file without a name that leads to it: /proc/PID/exe, /proc/PID/fd and /proc/PID/map_files lead to deleted ones, and to some in
    /// other mount namespaces.
    /// </summary>
    private static SourceFile OpenNameless(SafeFileHandle found, string real, string asked, CancellationToken cancellation)
    {
        string full = System.IO.Path.GetFullPath(asked);
        string reason = real.EndsWith(DeletedMark, StringComparison.Ordinal)
            ? "it was deleted and has no name to be saved under"
            : "no name that this process can reach leads to it";
        var errno = ParentDirectory.OpenResolved(System.IO.Path.GetDirectoryName(full)!, out var directory);
        if (errno != 0)
        {
            directory.Dispose();
            throw ErrnoErrors.ToException(errno, $"open the directory of '{asked}'", asked, SnapshotError.ReadFailed);
        }
        try
        {
            errno = Kernel.ReopenWaitingForLease(found, OpenMode.ReadOnly | OpenMode.NoControllingTerminal, cancellation, out var handle);
            if (errno == 0) return new SourceFile(directory, System.IO.Path.GetFileName(full), handle, reason);
            handle.Dispose();
            throw ErrnoErrors.ToException(errno, $"open '{asked}' for reading", asked, SnapshotError.ReadFailed);
        }
        catch
        {
            directory.Dispose();
            throw;
        }
    }
}

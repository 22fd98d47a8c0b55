using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Source;

/// <summary>The directory that holds a file, by descriptor: renaming it or putting a link in its place leads no process astray.</summary>
internal sealed class ParentDirectory : IDisposable
{
    private readonly bool _readable;

    private ParentDirectory(SafeFileHandle handle, string path, bool readable)
    {
        Handle = handle;
        Path = path;
        _readable = readable;
    }

    internal SafeFileHandle Handle { get; }

    /// <summary>Where it was when it was opened, symbolic links resolved.</summary>
    internal string Path { get; }

    /// <summary>Opens a directory by a path that leads through no symbolic link.</summary>
    internal static Errno Open(string path, out ParentDirectory directory)
    {
        var errno = Kernel.OpenAt(null, path, OpenMode.ReadOnly | OpenMode.Directory, out var handle);
        // A directory one may enter but not list: good enough for all but reading its names and fsync.
        bool readable = errno == 0;
        if (errno == Errno.EACCES) errno = Kernel.OpenAt(null, path, OpenMode.PathOnly | OpenMode.Directory, out handle);
        directory = new ParentDirectory(handle, path, readable);
        return errno;
    }

    /// <summary>Opens a directory in another one; a symbolic link is not followed (ELOOP or ENOTDIR).</summary>
    internal static Errno OpenBelow(ParentDirectory parent, string name, out ParentDirectory directory)
    {
        var errno = Kernel.OpenAt(parent.Handle, name, OpenMode.ReadOnly | OpenMode.Directory | OpenMode.NoFollow, out var handle);
        directory = new ParentDirectory(handle, parent.Combine(name), readable: true);
        return errno;
    }

    /// <summary>As <see cref="Open"/>, by a path that may lead through symbolic links: <see cref="Path"/> is where it led.</summary>
    internal static Errno OpenResolved(string path, out ParentDirectory directory)
    {
        var errno = Open(path, out directory);
        if (errno == 0) directory = new ParentDirectory(directory.Handle, directory.CurrentPath(), directory._readable);
        return errno;
    }

    /// <summary>As <see cref="OpenResolved"/>, but through trusted links only (<see cref="TrustedPath"/>).</summary>
    /// <exception cref="SnapshotException">UntrustedLink.</exception>
    internal static Errno OpenTrusted(string path, out ParentDirectory directory)
    {
        var errno = TrustedPath.Open(path, out var handle);
        string real = path;
        bool readable = false;
        if (errno == 0) errno = Kernel.ReadProcFdLink(handle, out real);
        if (errno == 0)
        {
            using var place = handle;
            errno = Kernel.Reopen(place, OpenMode.ReadOnly | OpenMode.Directory, out handle);
            readable = errno == 0;
            if (errno == Errno.EACCES) errno = Kernel.Reopen(place, OpenMode.PathOnly | OpenMode.Directory, out handle);
        }
        directory = new ParentDirectory(handle, real, readable);
        return errno;
    }

    /// <summary>
    /// The status of <paramref name="name"/> in this directory, null when there is none; a symbolic link is not followed.
    /// </summary>
    internal FileStatus? Find(string name)
    {
        var errno = Kernel.StatAt(Handle, name, out var stat);
        if (errno == Errno.ENOENT) return null;
        string path = Combine(name);
        ErrnoErrors.ThrowIfError(errno, $"examine '{path}'", path, SnapshotError.ReadFailed);
        return FileStatus.From(stat);
    }

    /// <summary>Whether it is no longer where it was: renamed, deleted, or below a directory that was.</summary>
    internal bool HasMoved() => CurrentPath() != Path;

    /// <summary>Whether it was deleted: nothing can be created in it any more.</summary>
    internal bool IsDeleted() => Kernel.Stat(Handle, out var status) == 0 && (status.st_nlink == 0 || CurrentPath() == $"{Path} (deleted)");

    /// <summary>Where it is now, as far as the kernel tells.</summary>
    internal string CurrentPath() => Kernel.ReadProcFdLink(Handle, out string now) == 0 ? now : Path;

    /// <summary>Makes the directory's names durable; <paramref name="inside"/> is a file on the same filesystem.</summary>
    internal Errno Sync(SafeFileHandle inside) => _readable ? Kernel.FSync(Handle) : Kernel.SyncFs(inside);

    internal string Combine(string name) => System.IO.Path.Join(Path, name);

    public void Dispose() => Handle.Dispose();
}

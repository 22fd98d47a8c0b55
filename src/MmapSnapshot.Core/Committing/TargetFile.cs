using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// The file that a name referred to at one moment. All that is done to it afterwards goes through its descriptor, so it is done to
/// this file whatever the name refers to by then; and while the descriptor is open no other file gets its inode number.
/// </summary>
internal sealed class TargetFile : IDisposable
{
    private static readonly TimeSpan _timeout = TimeSpan.FromMilliseconds(100);

    private readonly SafeFileHandle _place;

    private readonly string _path;

    private TargetFile(SafeFileHandle place, string path)
    {
        _place = place;
        _path = path;
        Status = FileStatus.Of(place, path);
    }

    /// <summary>The status at the moment it was found.</summary>
    internal FileStatus Status { get; }

    /// <summary>
    /// Finds what a name refers to: man 2 open, O_PATH. A symbolic link is found itself, and nothing happens to a FIFO or device.
    /// </summary>
    /// <returns>The file, or null when there is no such name.</returns>
    internal static TargetFile? Find(ParentDirectory directory, string name)
    {
        string path = directory.Combine(name);
        var errno = Kernel.OpenAt(directory.Handle, name, OpenMode.PathOnly | OpenMode.NoFollow, out var place);
        if (errno == 0)
        {
            try
            {
                return new TargetFile(place, path);
            }
            catch
            {
                place.Dispose();
                throw;
            }
        }
        place.Dispose();
        if (errno == Errno.ENOENT) return null;
        throw ErrnoErrors.ToException(errno, $"examine '{path}'", path, SnapshotError.ReadFailed);
    }

    /// <summary>Whether this user may write to it, found out without opening it: 0, EACCES, EROFS, EPERM.</summary>
    internal Errno CheckWritable() => Kernel.CheckWritable(_place);

    /// <summary>Whether a file of another mount covers the one in the directory (man 8 mount, --bind).</summary>
    internal bool IsMountPoint(ParentDirectory directory) =>
        Kernel.MountId(_place) is { } own && Kernel.MountId(directory.Handle) is { } parent && own != parent;

    /// <summary>The status now.</summary>
    internal FileStatus CurrentStatus() => FileStatus.Of(_place, _path);

    /// <summary>Opens it, if it is a regular file. EAGAIN: another process holds a lease that this conflicts with.</summary>
    /// <exception cref="SnapshotException">NotARegularFile.</exception>
    internal Errno TryOpen(int access, out SafeFileHandle file)
    {
        ThrowUnlessRegular();
        return Kernel.Reopen(_place, access | OpenMode.NoControllingTerminal | OpenMode.NonBlocking, out file);
    }

    /// <summary>
    /// As <see cref="TryOpen"/>, but waits 100 ms for the other process to release its lease: a snapshot does so as soon as it has
    /// made its copy. The owner of a file cannot delay a save for longer.
    /// </summary>
    /// <exception cref="SnapshotException">NotARegularFile.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal Errno TryOpenSoon(int access, CancellationToken cancellation, out SafeFileHandle file)
    {
        var errno = TryOpen(access, out file);
        if (errno != Errno.EAGAIN) return errno;
        file.Dispose();
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limited.CancelAfter(_timeout);
        try
        {
            return Open(access, limited.Token, out file);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            file = new SafeFileHandle();
            return Errno.EAGAIN;
        }
    }

    /// <summary>As <see cref="TryOpen"/>, but waits until the other process has released its lease.</summary>
    /// <exception cref="SnapshotException">NotARegularFile.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal Errno Open(int access, CancellationToken cancellation, out SafeFileHandle file)
    {
        ThrowUnlessRegular();
        return Kernel.ReopenWaitingForLease(_place, access | OpenMode.NoControllingTerminal, cancellation, out file);
    }

    /// <exception cref="SnapshotException">NotARegularFile.</exception>
    internal void ThrowUnlessRegular()
    {
        if (!Status.IsRegular) throw SourceFile.NotRegular(_path, Status.Mode);
    }

    public void Dispose() => _place.Dispose();
}

using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// The file that a save replaces, kept under another name (<see cref="CommitOptions.Backup"/>). It has that name, durably, before the
/// target is changed. Unless <see cref="Keep"/> says that the target was changed, disposing it removes the name.
/// </summary>
internal sealed class Backup : IDisposable
{
    private readonly Destination? _resolved;

    private readonly CommitTarget _place;

    private readonly CommitOptions _options;

    private readonly CancellationToken _cancellation;

    /// <summary>What has the name; null: nothing.</summary>
    private FileStatus? _made;

    private bool _wasLinked, _isKept;

    private Backup(CommitTarget place, Destination? resolved, CommitOptions options, CancellationToken cancellation)
    {
        _place = place;
        _resolved = resolved;
        _options = options;
        _cancellation = cancellation;
    }

    /// <summary>Where it is; null: the target was not changed.</summary>
    internal string? KeptPath => _isKept ? Path : null;

    /// <summary>Whether a second name of the file was made, which moved its change time, although the file was not replaced then.</summary>
    internal bool WasLinkedInVain => _wasLinked && !_isKept;

    private string Path => _place.Path;

    /// <summary>The backup that the options request; null: none.</summary>
    /// <param name="target">The file that is about to be replaced.</param>
    /// <param name="options">How the commit is made.</param>
    /// <param name="cancellation">Ends a copy.</param>
    /// <exception cref="SnapshotException">
    /// DestinationExists, FileNotFound (the directory), NotARegularFile, UntrustedLink, AccessDenied, NotSupported.
    /// </exception>
    internal static Backup? Of(CommitTarget target, CommitOptions options, CancellationToken cancellation)
    {
        if (options.Backup is not { } backup) return null;
        if (!backup.Contains('/', StringComparison.Ordinal))
        {
            var beside = new CommitTarget(target.Directory, target.Name + backup, Expected: null);
            if (backup.Length == 0 || backup.Contains('\0', StringComparison.Ordinal))
                throw new SnapshotException(SnapshotError.FileNotFound, $"'{beside.Path}' cannot be the path of a backup.", beside.Path);
            if (beside.Find() is not null) throw Exists(beside.Path);
            return new Backup(beside, resolved: null, options, cancellation);
        }
        var resolved = Destination.Resolve(backup);
        var place = new CommitTarget(resolved.Directory, resolved.Name, Expected: null);
        if (resolved.Existing is null) return new Backup(place, resolved, options, cancellation);
        resolved.Dispose();
        throw Exists(place.Path);
    }

    /// <summary>
    /// For a file that loses its name: a second name of it, in O(1). Where that is not possible, and where it has further names by which
    /// it would continue to change, a copy.
    /// </summary>
    /// <param name="file">The file that is about to be replaced.</param>
    /// <param name="readable">The same, open for reading.</param>
    /// <exception cref="SnapshotException">As of <see cref="Copy"/>.</exception>
    internal void Link(TargetFile file, SafeFileHandle readable)
    {
        Remove();
        // A name of another user's file could perhaps not be removed again.
        uint user = Kernel.EffectiveUser();
        if (file.Status.Links == 1 && (user == 0 || file.Status.User == user))
        {
            // What another process has written to it may not be on the disk yet.
            if (!_options.NoFlush) ErrnoErrors.ThrowIfError(Kernel.FSync(readable), $"flush '{Path}' to the disk", Path, SnapshotError.WriteFailed);
            var errno = Kernel.LinkAt(readable, _place.Directory.Handle, _place.Name);
            if (errno == 0)
            {
                _wasLinked = true;
                _made = file.Status;
                SyncDirectory(readable);
                return;
            }
            if (errno == Errno.EEXIST) throw Exists(Path);
            // Other filesystems, files of others (fs.protected_hardlinks), filesystems without links: a copy shows whether it is possible.
            if (!MayBeCopied(errno)) throw ErrnoErrors.ToException(errno, $"create '{Path}'", Path, SnapshotError.WriteFailed);
        }
        Copy(readable);
    }

    /// <summary>
    /// For a file that stays, with other bytes: a clone, or a copy where the filesystem has no clones, with its owner, permissions,
    /// attributes and times. The caller makes sure that what is replaced is what was copied.
    /// </summary>
    /// <param name="source">The file, open for reading.</param>
    /// <exception cref="SnapshotException">
    /// DestinationExists, OwnerNotPreservable, AttributesNotPreservable, AccessDenied, NoSpace, ReadFailed, WriteFailed: no backup is left.
    /// </exception>
    internal void Copy(SafeFileHandle source)
    {
        Remove();
        var status = FileStatus.Of(source, Path);
        var metadata = FileMetadata.Of(source, status, Path);
        using var staged = StagedFile.Create(_place, replaced: null, Kernel.PrivateMode);
        metadata.ApplyOwner(staged.Handle, Path, () => [SnapshotRemedy.SkipBackup]);
        FileClone.TrySetNoCopyOnWrite(staged.Handle, metadata.IsNoCopyOnWrite);
        var errno = FileClone.TryClone(source, staged.Handle);
        if (FileClone.IsUnavailable(errno))
        {
            var progress = new Progress($"Copying '{Path}'", status.Length, _options.Progress, _cancellation);
            new DataCopy(source, staged.Handle, Path, Path, progress).CopyAll(status.Length);
        }
        else
        {
            ErrnoErrors.ThrowIfError(errno, $"clone '{Path}'", Path, SnapshotError.WriteFailed);
        }
        metadata.ApplyModeXattrsAndFlags(staged.Handle, Path);
        ErrnoErrors.ThrowIfError(Kernel.CopyTimes(source, staged.Handle), $"set the times of '{Path}'", Path, SnapshotError.WriteFailed);
        if (!_options.NoFlush) staged.Flush();
        var made = FileStatus.Of(staged.Handle, Path);
        if (!staged.TryLinkNew()) throw Exists(Path);
        _made = made;
        SyncDirectory(staged.Handle);
    }

    /// <summary>The target was changed: the backup, if one was made, stays.</summary>
    internal void Keep() => _isKept = _made is not null;

    /// <summary>Removes the name, if it is still that of the backup: for another attempt, or as there was none that succeeded.</summary>
    internal void Remove()
    {
        if (_isKept || _made is not { } made) return;
        var directory = _place.Directory.Handle;
        bool isOurs = Kernel.StatAt(directory, _place.Name, out var now) == 0 && FileStatus.From(now).IsSameFileAs(made);
        if (isOurs) _ = Kernel.UnlinkAt(directory, _place.Name);
        _made = null;
    }

    public void Dispose()
    {
        Remove();
        _resolved?.Dispose();
    }

    private void SyncDirectory(SafeFileHandle file)
    {
        if (_options.NoFlush) return;
        ErrnoErrors.ThrowIfError(_place.Directory.Sync(file), $"flush the directory of '{Path}' to the disk", Path, SnapshotError.WriteFailed);
    }

    private static bool MayBeCopied(Errno errno) =>
        errno is Errno.EXDEV or Errno.EPERM or Errno.EACCES or Errno.EMLINK or Errno.EOPNOTSUPP or Errno.ENOSYS or Errno.ENOENT;

    private static SnapshotException Exists(string path) => new(
        SnapshotError.DestinationExists,
        $"The backup '{path}' exists already, and is not overwritten.",
        path,
        remedies: [SnapshotRemedy.RenameBackup]);
}

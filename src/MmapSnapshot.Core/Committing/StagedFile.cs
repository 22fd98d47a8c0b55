using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// The new file on its way to the target's name. It has no name while it is made or, where the filesystem has no unlinked files, only its
/// temporary one; that of a group has its name in the group's directory at once. Disposing it removes a temporary name that is still
/// its own.
/// </summary>
internal sealed class StagedFile : IDisposable
{
    private readonly ParentDirectory _directory;

    private readonly string _target;

    /// <summary>What it was when it was sealed.</summary>
    private FileStatus? _sealed;

    private StagedFile(ParentDirectory directory, string target, SafeFileHandle handle)
    {
        _directory = directory;
        _target = target;
        Place = directory;
        Handle = handle;
    }

    internal SafeFileHandle Handle { get; private set; }

    /// <summary>The directory of the temporary name: that of the target, or the group's beside it.</summary>
    internal ParentDirectory Place { get; private init; }

    /// <summary>The token of its temporary name; 0 while it has none, and in a group.</summary>
    internal ulong Token { get; private set; }

    /// <summary>Empty while it has none.</summary>
    internal string TemporaryName { get; private set; } = "";

    /// <summary>The status: in a group, when it was sealed.</summary>
    internal FileStatus Status => _sealed ?? FileStatus.Of(Handle, Path);

    private string Path => _directory.Combine(_target);

    private bool IsInGroup => Place != _directory;

    /// <summary>Whether an errno of O_TMPFILE says that the filesystem does not have it (man 2 open).</summary>
    internal static bool HasNoTmpFile(Errno errno) => errno is Errno.EOPNOTSUPP or Errno.EISDIR;

    /// <summary>A new, empty file for <paramref name="target"/>.</summary>
    /// <param name="target">The name that it will have, and the directory.</param>
    /// <param name="replaced">The file that has that name; null: none.</param>
    /// <param name="mode">Its permissions, less the umask or as the directory's default ACL has it.</param>
    internal static StagedFile Create(CommitTarget target, TargetFile? replaced, FilePermissions mode)
    {
        var directory = target.Directory;
        if (directory.IsDeleted())
        {
            throw ErrnoErrors.ToException(
                Errno.ENOENT,
                $"create a new file in the directory of '{target.Path}', which was deleted",
                target.Path,
                SnapshotError.WriteFailed,
                target.RemediesWithoutReplacing(replaced));
        }
        var errno = Kernel.OpenTmpFile(directory.Handle, out var handle, mode);
        if (errno == 0) return new StagedFile(directory, target.Name, handle);
        handle.Dispose();
        if (HasNoTmpFile(errno))
        {
            ulong token = SaveNames.Token();
            string name = SaveNames.Temporary(target.Name, token);
            errno = Kernel.OpenAt(directory.Handle, name, OpenMode.Create | OpenMode.Exclusive | OpenMode.ReadWrite | OpenMode.NoFollow, out handle, mode);
            if (errno == 0) return new StagedFile(directory, target.Name, handle) { Token = token, TemporaryName = name };
            handle.Dispose();
        }
        throw ErrnoErrors.ToException(
            errno,
            $"create a new file in the directory of '{target.Path}'",
            target.Path,
            SnapshotError.WriteFailed,
            errno is Errno.EACCES or Errno.EPERM or Errno.EROFS ? target.RemediesWithoutReplacing(replaced) : []);
    }

    /// <summary>A new, empty file for <paramref name="target"/> in the directory of a group.</summary>
    /// <param name="target">The name that it will have, and the directory.</param>
    /// <param name="place">Where it is until then.</param>
    /// <param name="mode">As for <see cref="Create"/>.</param>
    internal static StagedFile CreateInGroup(CommitTarget target, GroupPlace place, FilePermissions mode)
    {
        var staging = place.Directory.Staging;
        var errno = Kernel.OpenAt(
            staging.Handle,
            place.Name,
            OpenMode.Create | OpenMode.Exclusive | OpenMode.ReadWrite | OpenMode.NoFollow,
            out var handle,
            mode);
        if (errno == 0) return new StagedFile(target.Directory, target.Name, handle) { Place = staging, TemporaryName = place.Name };
        handle.Dispose();
        throw ErrnoErrors.ToException(errno, $"create a new file for '{target.Path}' in '{staging.Path}'", target.Path, SnapshotError.WriteFailed);
    }

    /// <summary>
    /// Closes the file for writing and takes a read lease on it, so that no process writes to it before it has its name. Where no
    /// lease can be taken it stays as it is.
    /// </summary>
    /// <returns>The lease, which ends when it or this file is disposed; or null.</returns>
    internal ReadLease? TryLease()
    {
        var fileSystem = FileSystem.Of(Handle);
        if (!fileSystem.IsLocal || Kernel.Reopen(Handle, OpenMode.ReadOnly | OpenMode.NonBlocking, out var readable) != 0) return null;
        Handle.Dispose();
        Handle = readable;
        return ReadLease.TryTake(Handle, out _, fileSystem);
    }

    /// <summary>Gives the file its temporary name, if it has none.</summary>
    internal void LinkTemporary(SaveMarker marker)
    {
        while (TemporaryName.Length == 0)
        {
            string name = SaveNames.Temporary(_target, marker.Token);
            var errno = Kernel.LinkAt(Handle, _directory.Handle, name);
            if (errno == 0) (Token, TemporaryName) = (marker.Token, name);
            else if (errno == Errno.EEXIST) errno = marker.ChangeToken();
            ErrnoErrors.ThrowIfError(errno, $"give the new '{Path}' a name", Path, SnapshotError.WriteFailed);
        }
    }

    /// <summary>Flushes it to the disk.</summary>
    internal void Flush() => ErrnoErrors.ThrowIfError(Kernel.FSync(Handle), $"flush the new '{Path}' to the disk", Path, SnapshotError.WriteFailed);

    /// <summary>Takes the marker, which records this file and the one that it replaces.</summary>
    /// <param name="target">The name that it will have.</param>
    /// <param name="replaced">The file that has that name; null: none.</param>
    /// <param name="options">As in <see cref="SaveMarker.Take"/>.</param>
    /// <param name="cancellation">Ends the wait for another saver.</param>
    internal SaveMarker TakeMarker(CommitTarget target, TargetFile? replaced, CommitOptions options, CancellationToken cancellation)
    {
        var own = FileIdentity.Of(Handle, FileStatus.Of(Handle, Path));
        var record = new SaveRecord(Token, own, replaced is null ? null : Identify(replaced));
        return SaveMarker.Take(target, replaced?.Status.User ?? Kernel.EffectiveUser(), record, options, cancellation);
    }

    /// <summary>
    /// Gives the file the target's name unless there is a file of that name. Where the filesystem cannot do that in one step (man 2
    /// rename: EINVAL, no RENAME_NOREPLACE: NFS, and many in user space) the look comes as late as can be, and the marker excludes other
    /// savers. A second name, and then the removal of the first, would not do: it stays, hidden, while the file is open.
    /// </summary>
    /// <returns>False if there is a file of that name.</returns>
    /// <exception cref="SnapshotException">AccessDenied, NoSpace, WriteFailed.</exception>
    internal bool TryLinkNew()
    {
        var errno = TemporaryName.Length == 0
            ? Kernel.LinkAt(Handle, _directory.Handle, _target)
            : Kernel.RenameAtNoReplace(Place.Handle, TemporaryName, _directory.Handle, _target);
        if (errno == Errno.EEXIST) return false;
        if (errno == Errno.EINVAL && Token != 0)
        {
            if (_directory.Find(_target) is not null) return false;
            errno = Kernel.RenameAt(_directory.Handle, TemporaryName, _directory.Handle, _target);
        }
        ErrnoErrors.ThrowIfError(errno, $"create '{Path}'", Path, SnapshotError.WriteFailed);
        if (!IsInGroup) ForgetTemporaryName();
        return true;
    }

    /// <summary>man 2 rename: gives the file the target's name in place of whatever has it.</summary>
    internal Errno Rename()
    {
        var errno = Kernel.RenameAt(_directory.Handle, TemporaryName, _directory.Handle, _target);
        if (errno == 0) ForgetTemporaryName();
        return errno;
    }

    /// <summary>man 2 renameat2, RENAME_EXCHANGE: the temporary name and the target's change places. The target comes first, so that
    /// programs that watch the directory see it last.</summary>
    internal Errno ExchangeNames() => Kernel.RenameAtExchange(_directory.Handle, _target, Place.Handle, TemporaryName);

    /// <summary>Finds what has the temporary name: after an exchange, the file that had the target's.</summary>
    internal TargetFile? FindDisplaced() => TargetFile.Find(Place, TemporaryName);

    /// <summary>Removes the temporary name, whatever file has it.</summary>
    internal Errno UnlinkTemporary() => Kernel.UnlinkAt(Place.Handle, TemporaryName);

    /// <summary>The temporary name belongs to another file now, and is kept or removed by the caller.</summary>
    internal void ForgetTemporaryName() => (Token, TemporaryName) = (0, "");

    internal static SnapshotException Exists(string path) =>
        new(SnapshotError.DestinationExists, $"'{path}' exists already.", path, remedies: [SnapshotRemedy.Overwrite]);

    /// <summary>
    /// Taking its name moved the change time, but not the modification time: if that moved too, another process has written to the
    /// new file already, and the status from before will show it as changed.
    /// </summary>
    /// <param name="before">The status before it had its name.</param>
    internal Baseline BaselineAfter(in FileStatus before) => After(before, Baseline.TryOf(Handle));

    private static Baseline After(in FileStatus before, Baseline? now) =>
        now is { } after && after.Status.Modified.Equals(before.Modified) && after.Status.Length == before.Length
            ? after
            : new Baseline(before, Freshness: null);

    /// <summary>Flushes the directory, so that the name survives a power cut.</summary>
    /// <returns>Why it may not; null: it does, or <see cref="CommitOptions.NoFlush"/> waives it.</returns>
    internal ExceptionDispatchInfo? SyncDirectory(CommitOptions options)
    {
        if (options.NoFlush || _directory.Sync(Handle) is not (not 0 and var errno)) return null;
        return ExceptionDispatchInfo.Capture(ErrnoErrors.ToException(
            errno,
            $"flush the directory of '{Path}' to the disk (the new file is in place, but may not survive a power cut)",
            Path,
            SnapshotError.WriteFailed));
    }

    /// <summary>Whether its temporary name still refers to this file.</summary>
    internal bool HasTemporaryName()
    {
        if (TemporaryName.Length == 0 || Kernel.StatAt(Place.Handle, TemporaryName, out var named) != 0) return false;
        if (_sealed is { } status) return FileStatus.From(named).IsSameFileAs(status);
        return Kernel.Stat(Handle, out var own) == 0 && FileStatus.From(named).IsSameFileAs(FileStatus.From(own));
    }

    /// <summary>Removes the temporary name if it is still this file's: while the marker says what it is.</summary>
    internal void RemoveTemporaryName()
    {
        if (HasTemporaryName()) _ = UnlinkTemporary();
        ForgetTemporaryName();
    }

    /// <summary>In a group: the file is complete and not written to any more.</summary>
    /// <returns>Its status, settled.</returns>
    internal FileStatus Seal()
    {
        var status = FileStatus.OfStable(Handle, Path);
        _sealed = status;
        return status;
    }

    /// <summary>In a group: closes it. It can be found again by its name.</summary>
    internal void Park() => Handle.Dispose();

    /// <summary>In a group: whether it is still as it was sealed.</summary>
    /// <exception cref="SnapshotException">WriteFailed: it is not.</exception>
    internal void CheckSealed()
    {
        if (_sealed is { } status && Place.Find(TemporaryName) is { } now && status.DifferenceTo(now) is null) return;
        throw new SnapshotException(
            SnapshotError.WriteFailed, $"'{Path}' was not saved: its new file in '{Place.Path}' was changed by another process.", Path);
    }

    /// <summary>In a group: as <see cref="BaselineAfter"/>, of a file that is closed.</summary>
    internal Baseline BaselineAfterSeal()
    {
        var before = _sealed!.Value;
        // Of a file that can be exchanged later, more is to be known than its status.
        if (Kernel.ExchangesRanges(Place.Handle)
            && Kernel.OpenAt(_directory.Handle, _target, OpenMode.ReadOnly | OpenMode.NonBlocking | OpenMode.NoFollow, out var file) == 0)
        {
            using (file)
                if (Baseline.TryOf(file) is { } sampled && sampled.Status.IsSameFileAs(before)) return After(before, sampled);
        }
        return Kernel.StatAt(_directory.Handle, _target, out var now) == 0 && FileStatus.From(now).IsSameFileAs(before)
            ? After(before, new Baseline(FileStatus.From(now), Freshness: null))
            : new Baseline(before, Freshness: null);
    }

    /// <summary>In a group: the status of the old file, which has the temporary name.</summary>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal FileStatus? FindDisplacedStatus() => Place.Find(TemporaryName);

    /// <summary>In a group: takes the new file's name away again, where there was none before.</summary>
    /// <param name="published">The new file under the target's name.</param>
    /// <returns>Null: it is done; else what another process did, as a clause: all is as it was.</returns>
    /// <exception cref="SnapshotException">AccessDenied, WriteFailed.</exception>
    internal string? TryTakeBack(PublishedLook published)
    {
        var errno = Kernel.RenameAtNoReplace(_directory.Handle, _target, Place.Handle, TemporaryName);
        if (errno == Errno.ENOENT) return "it was deleted since";
        ErrnoErrors.ThrowIfError(errno, $"remove '{Path}' again", Path, SnapshotError.WriteFailed);
        if (HasTemporaryName() && published.IsUntouched) return null;
        errno = Kernel.RenameAtNoReplace(Place.Handle, TemporaryName, _directory.Handle, _target);
        ErrnoErrors.ThrowIfError(errno, $"give '{Path}' its name again", Path, SnapshotError.WriteFailed);
        return "it was changed by another process since";
    }

    /// <summary>In a group: removes what the target does not have, the old file or the new one.</summary>
    /// <param name="target">The name that was saved.</param>
    /// <param name="old">The old file when it was published; null: there is none.</param>
    /// <param name="warnings">Receives what the user should know, if another process has written to it since. May be null.</param>
    internal void RemoveLeftover(CommitTarget target, FileStatus? old, IProgress<SnapshotWarning>? warnings)
    {
        if (TemporaryName.Length == 0 || Place.Find(TemporaryName) is not { } left) return;
        bool isNew = _sealed is { } made ? IsUnchanged(made) : HasTemporaryName();
        if (isNew || (old is { } status && IsUnchanged(status))) _ = UnlinkTemporary();
        else _ = RecoveredFile.TryKeep(target, Place, TemporaryName, warnings);

        bool IsUnchanged(FileStatus known) =>
            left.IsSameFileAs(known) && left.Length == known.Length && left.Modified.Equals(known.Modified);
    }

    private static FileIdentity Identify(TargetFile file)
    {
        var errno = file.TryOpen(OpenMode.ReadOnly, out var readable);
        using (readable)
        {
            return errno == 0
                ? FileIdentity.Of(readable, file.Status)
                : new FileIdentity(file.Status.Inode, Generation: 0, file.Status.Length);
        }
    }

    public void Dispose()
    {
        if (!IsInGroup) RemoveTemporaryName();
        Handle.Dispose();
    }
}

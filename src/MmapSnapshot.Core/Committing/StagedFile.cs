using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// The new file on its way to the target's name. It has no name while it is made or, where the filesystem has no unlinked files,
/// only its temporary one. Disposing it removes a temporary name that is still its own.
/// </summary>
internal sealed class StagedFile : IDisposable
{
    private readonly ParentDirectory _directory;

    private readonly string _target;

    private StagedFile(ParentDirectory directory, string target, SafeFileHandle handle)
    {
        _directory = directory;
        _target = target;
        Handle = handle;
    }

    internal SafeFileHandle Handle { get; private set; }

    /// <summary>The token of its temporary name; 0 while it has none.</summary>
    internal ulong Token { get; private set; }

    private string Path => _directory.Combine(_target);

    internal string TemporaryName => SaveNames.Temporary(_target, Token);

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
            throw Failure.From(
                Errno.ENOENT,
                $"create a new file in the directory of '{target.Path}', which was deleted",
                target.Path,
                SnapshotError.WriteFailed,
                target.RemedyWithoutReplacing(replaced));
        }
        var errno = Kernel.OpenTmpFile(directory.Handle, out var handle, mode);
        if (errno == 0) return new StagedFile(directory, target.Name, handle);
        handle.Dispose();
        if (HasNoTmpFile(errno))
        {
            ulong token = SaveNames.Token();
            string name = SaveNames.Temporary(target.Name, token);
            errno = Kernel.OpenAt(directory.Handle, name, OpenMode.Create | OpenMode.Exclusive | OpenMode.ReadWrite | OpenMode.NoFollow, out handle, mode);
            if (errno == 0) return new StagedFile(directory, target.Name, handle) { Token = token };
            handle.Dispose();
        }
        throw Failure.From(
            errno,
            $"create a new file in the directory of '{target.Path}'",
            target.Path,
            SnapshotError.WriteFailed,
            errno is Errno.EACCES or Errno.EPERM or Errno.EROFS ? target.RemedyWithoutReplacing(replaced) : null);
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
        while (Token == 0)
        {
            var errno = Kernel.LinkAt(Handle, _directory.Handle, SaveNames.Temporary(_target, marker.Token));
            if (errno == 0) Token = marker.Token;
            else if (errno == Errno.EEXIST) errno = marker.ChangeToken();
            Failure.Check(errno, $"give the new '{Path}' a name", Path, SnapshotError.WriteFailed);
        }
    }

    /// <summary>Flushes it to the disk.</summary>
    internal void Flush() => Failure.Check(Kernel.Sync(Handle), $"flush the new '{Path}' to the disk", Path, SnapshotError.WriteFailed);

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
        var errno = Token == 0
            ? Kernel.LinkAt(Handle, _directory.Handle, _target)
            : Kernel.RenameAtNoReplace(_directory.Handle, TemporaryName, _target);
        if (errno == Errno.EEXIST) return false;
        if (errno == Errno.EINVAL && Token != 0)
        {
            if (_directory.Find(_target) is not null) return false;
            errno = Kernel.RenameAt(_directory.Handle, TemporaryName, _target);
        }
        Failure.Check(errno, $"create '{Path}'", Path, SnapshotError.WriteFailed);
        Token = 0;
        return true;
    }

    /// <summary>man 2 rename: gives the file the target's name in place of whatever has it.</summary>
    internal Errno Rename()
    {
        var errno = Kernel.RenameAt(_directory.Handle, TemporaryName, _target);
        if (errno == 0) Token = 0;
        return errno;
    }

    /// <summary>man 2 renameat2, RENAME_EXCHANGE: the temporary name and the target's change places. The target comes first, so that
    /// programs that watch the directory see it last.</summary>
    internal Errno ExchangeNames() => Kernel.RenameAtExchange(_directory.Handle, _target, TemporaryName);

    /// <summary>The temporary name belongs to another file now, and is kept or removed by the caller.</summary>
    internal void ForgetTemporaryName() => Token = 0;

    internal static SnapshotException Exists(string path) =>
        new(SnapshotError.DestinationExists, $"'{path}' exists already. Save with -Force to overwrite it.", path);

    /// <summary>
    /// Taking its name moved the change time, but not the modification time: if that moved too, another process has written to the
    /// new file already, and the status from before will show it as changed.
    /// </summary>
    /// <param name="before">The status before it had its name.</param>
    internal Baseline BaselineAfter(in FileStatus before) =>
        Baseline.TryOf(Handle) is { } after && after.Status.Modified.Equals(before.Modified) && after.Status.Length == before.Length
            ? after
            : new Baseline(before, Freshness: null);

    /// <summary>Flushes the directory, so that the name survives a power cut.</summary>
    /// <returns>Why it may not; null: it does, or <see cref="CommitOptions.NoFlush"/> waives it.</returns>
    internal ExceptionDispatchInfo? SyncDirectory(CommitOptions options)
    {
        if (options.NoFlush || _directory.Sync(Handle) is not (not 0 and var errno)) return null;
        return ExceptionDispatchInfo.Capture(Failure.From(
            errno,
            $"flush the directory of '{Path}' to the disk",
            Path,
            SnapshotError.WriteFailed,
            "The new file is in place, but may not survive a power cut."));
    }

    /// <summary>Whether a name refers to this file.</summary>
    internal bool Has(string name) =>
        Kernel.StatAt(_directory.Handle, name, out var named) == 0
        && Kernel.Stat(Handle, out var own) == 0
        && FileStatus.From(named).IsSameFileAs(FileStatus.From(own));

    /// <summary>Removes the temporary name if it is still this file's: while the marker says what it is.</summary>
    internal void RemoveTemporaryName()
    {
        if (Token != 0 && Has(TemporaryName)) _ = Kernel.UnlinkAt(_directory.Handle, TemporaryName);
        Token = 0;
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
        RemoveTemporaryName();
        Handle.Dispose();
    }
}

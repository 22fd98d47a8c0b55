using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Excludes other savers of the same name, whatever their method, while a save is published: a small file beside the target, write
/// locked (man 2 fcntl, F_OFD_SETLK) from before it has its name until its name is gone. It records the temporary name, so that
/// a saver that finds it unlocked, its maker dead, can clean up. tests/models checks the protocol; change both together.
/// </summary>
/// <remarks>
/// Only a file of root, of this user or of the target's owner counts. Anything else under the name, or a marker that this process
/// may not open, is passed by with a warning: no other user can prevent a save, and such savers are not excluded.
/// </remarks>
internal sealed class SaveMarker : IDisposable
{
    /// <summary>How long another saver is waited for.</summary>
    private static readonly TimeSpan _timeout = TimeSpan.FromMilliseconds(200);

    private readonly ParentDirectory _directory;

    private readonly SafeFileHandle? _file;

    /// <summary>Whether the file is the journal of a group, which has other names, and its own lifetime.</summary>
    private bool _isShared;

    /// <summary>Its name. Where there is no O_TMPFILE, a random one at first. Null: none.</summary>
    private string? _name;

    private SaveRecord _record;

    private SaveMarker(ParentDirectory directory, SafeFileHandle? file, string? name, in SaveRecord record)
    {
        _directory = directory;
        _file = file;
        _name = name;
        _record = record;
    }

    private enum Existing
    {
        /// <summary>It is gone, or was removed together with what a dead saver left.</summary>
        Removed,

        /// <summary>Its maker lives, and is root or this user.</summary>
        Held,

        /// <summary>Its maker lives, and is the target's owner: <see cref="CommitOptions.Force"/> does not wait for that user.</summary>
        HeldByOwner,

        /// <summary>
        /// It is locked, but has further names: a file that another user may have linked here and locked. (A marker that lives has two
        /// names for a moment, where there is no O_TMPFILE.)
        /// </summary>
        HeldWithLinks,

        /// <summary>It is not to be trusted, or cannot be opened or removed.</summary>
        Foreign,
    }

    /// <summary>The token of the temporary name that this save may use.</summary>
    internal ulong Token => _record.Token;

    /// <summary>Makes the marker, after cleaning up what a dead saver of the same name left.</summary>
    /// <param name="target">The name that is saved.</param>
    /// <param name="owner">The user that the target belongs to.</param>
    /// <param name="record">What to record. If there is a staged file without a token, it is given one.</param>
    /// <param name="options">Whose <see cref="CommitOptions.Warnings"/> receives what the user should know.</param>
    /// <param name="cancellation">Ends the wait for another saver.</param>
    /// <exception cref="SnapshotException">SaveInProgress after 200 ms; AccessDenied, NoSpace, WriteFailed.</exception>
    internal static SaveMarker Take(CommitTarget target, uint owner, SaveRecord record, CommitOptions options, CancellationToken cancellation)
    {
        return TakeName(target, owner, Create(target, owner, record), options, cancellation);
    }

    /// <summary>As the other, for a file of a group: the marker is a further name of the group's journal.</summary>
    /// <param name="target">The name that is saved.</param>
    /// <param name="owner">The user that the target belongs to.</param>
    /// <param name="group">The group's directory beside the target.</param>
    /// <param name="options">As for the other.</param>
    /// <param name="cancellation">Ends the wait for another saver.</param>
    /// <exception cref="SnapshotException">As of the other; JournalConflict, JournalInvalid: of a group that was interrupted.</exception>
    internal static SaveMarker TakeInGroup(CommitTarget target, uint owner, GroupDirectory group, CommitOptions options,
        CancellationToken cancellation)
    {
        if (owner != Kernel.EffectiveUser()) MakeReadable(group.Journal.File);
        var marker = new SaveMarker(target.Directory, group.Journal.File, name: null, default) { _isShared = true };
        return TakeName(target, owner, marker, options, cancellation);
    }

    private static SaveMarker TakeName(CommitTarget target, uint owner, SaveMarker marker, CommitOptions options,
        CancellationToken cancellation)
    {
        string name = SaveNames.Marker(target.Name);
        try
        {
            long started = Stopwatch.GetTimestamp();
            while (true)
            {
                var errno = marker.TryName(name);
                if (errno == 0) return marker;
                if (errno != Errno.EEXIST)
                    throw ErrnoErrors.ToException(errno, $"create '{target.Directory.Combine(name)}'", target.Path, SnapshotError.WriteFailed);

                var existing = Examine(target, name, owner, options, cancellation);
                bool isHeld = existing is Existing.Held or Existing.HeldByOwner or Existing.HeldWithLinks;
                if (isHeld && Stopwatch.GetElapsedTime(started) > _timeout)
                {
                    if (existing == Existing.Held || (existing == Existing.HeldByOwner && !options.Force)) throw InProgress(target, name);
                    existing = Existing.Foreign;
                }
                if (existing == Existing.Foreign)
                {
                    marker.Dispose();
                    options.Warnings?.Report(new SnapshotWarning(
                        $"'{target.Directory.Combine(name)}' is another user's, or cannot be opened: "
                        + $"other processes that save '{target.Path}' at the same time are not excluded."));
                    return None(target);
                }
                if (isHeld) cancellation.WaitHandle.WaitOne(1);
                cancellation.ThrowIfCancellationRequested();
            }
        }
        catch
        {
            marker.Dispose();
            throw;
        }
    }

    /// <summary>For a save without a marker, which excludes no other saver.</summary>
    internal static SaveMarker None(CommitTarget target) =>
        new(target.Directory, file: null, name: null, new SaveRecord(SaveNames.Token(), Staged: null, Expected: null));

    /// <summary>Takes another token, as a file bears the temporary name of this one.</summary>
    internal Errno ChangeToken()
    {
        _record = _record with { Token = SaveNames.Token() };
        return _file is null ? 0 : Kernel.Write(_file, _record.ToBytes(), 0, out _); // of the same length
    }

    /// <summary>Leaves the name, without the lock, to the next saver, which cleans up.</summary>
    internal void Abandon() => _name = null;

    /// <summary>Removes the name, and only then the lock. If the name cannot be removed, the next saver finds a dead one's.</summary>
    public void Dispose()
    {
        if (_name is not null) _ = Kernel.UnlinkAt(_directory.Handle, _name);
        _name = null;
        if (!_isShared) _file?.Dispose();
    }

    private static SnapshotException InProgress(CommitTarget target, string name) => new(
        SnapshotError.SaveInProgress,
        $"'{target.Path}' was not saved: another process is saving it (it holds a lock on '{target.Directory.Combine(name)}').",
        target.Path,
        remedies: [SnapshotRemedy.Retry]);

    /// <summary>A locked marker that has not got its name yet.</summary>
    private static SaveMarker Create(CommitTarget target, uint owner, SaveRecord record)
    {
        string? name = null;
        var errno = Kernel.OpenTmpFile(target.Directory.Handle, out var file);
        if (StagedFile.HasNoTmpFile(errno))
        {
            file.Dispose();
            name = SaveNames.Temporary("marker", SaveNames.Token());
            errno = Kernel.OpenAt(
                target.Directory.Handle,
                name,
                OpenMode.Create | OpenMode.Exclusive | OpenMode.ReadWrite | OpenMode.NoFollow,
                out file);
        }
        if (errno != 0)
        {
            file.Dispose();
            throw ErrnoErrors.ToException(errno, $"create a file beside '{target.Path}'", target.Path, SnapshotError.WriteFailed);
        }
        var marker = new SaveMarker(target.Directory, file, name, record);
        try
        {
            if (record is { Token: 0, Staged: not null }) marker._record = record with { Token = FileStatus.Of(file, target.Path).Inode };
            if (owner != Kernel.EffectiveUser()) MakeReadable(file);
            _ = Kernel.SetOfdWriteLock(file); // where there are no locks, the name alone excludes others
            ErrnoErrors.ThrowIfError(Kernel.Write(file, marker._record.ToBytes(), 0, out _), $"write to a file beside '{target.Path}'", target.Path, SnapshotError.WriteFailed);
            return marker;
        }
        catch
        {
            marker.Dispose();
            throw;
        }
    }

    /// <summary>The user whose file it is about can then read a marker of root's, and see that it is locked.</summary>
    private static void MakeReadable(SafeFileHandle file) =>
        _ = Kernel.FChmod(file, Kernel.PrivateMode | FilePermissions.S_IRGRP | FilePermissions.S_IROTH);

    private Errno TryName(string name)
    {
        var errno = Kernel.LinkAt(_file!, _directory.Handle, name);
        if (errno is Errno.EPERM or Errno.EOPNOTSUPP && _name is not null)
            errno = Kernel.RenameAtNoReplace(_directory.Handle, _name, _directory.Handle, name); // no hard links
        else if (errno == 0 && _name is not null) _ = Kernel.UnlinkAt(_directory.Handle, _name);
        if (errno == 0) _name = name;
        return errno;
    }

    /// <summary>Finds out whose the marker is that bears the name. If its maker is dead, removes it together with what that left.</summary>
    private static Existing Examine(
        CommitTarget target, string name, uint owner, CommitOptions options, CancellationToken cancellation)
    {
        using var found = TargetFile.Find(target.Directory, name);
        if (found is null) return Existing.Removed;
        uint user = found.Status.User;
        bool isOwn = user == 0 || user == Kernel.EffectiveUser();
        if (!found.Status.IsRegular || (!isOwn && user != owner)) return Existing.Foreign;
        var errno = found.TryOpen(OpenMode.ReadWrite, out var file);
        bool isReadOnly = errno == Errno.EACCES;
        if (isReadOnly) errno = found.TryOpen(OpenMode.ReadOnly, out file);
        using (file)
        {
            if (errno != 0) return Existing.Foreign;
            if (GroupJournal.StagingOf(file, target.Path) is { } staging)
                return ExamineGroup(target, found.Status, staging, file, isOwn, cancellation);
            errno = isReadOnly ? Errno.EACCES : Kernel.SetOfdWriteLock(file);
            if (target.Directory.Find(name) is not { } now || !now.IsSameFileAs(found.Status)) return Existing.Removed;
            bool hasLinks = found.Status.Links > 1;
            if (errno != 0)
            {
                // A reader of it may hold a read lock, but only its maker a write lock. Where there are no locks, its maker must be taken to live.
                bool isHeld = Kernel.GetOfdLock(file, out int type) != 0 || type == Constants.F_WRLCK;
                // Released since: to be looked at again, unless it is a dead one that may not be locked.
                if (!isHeld
                    && type == Constants.F_UNLCK
                    && !(isReadOnly && target.Directory.Find(name) is { } still && still.IsSameFileAs(found.Status)))
                {
                    return Existing.Removed;
                }
                return !isHeld ? Existing.Foreign : hasLinks ? Existing.HeldWithLinks : isOwn ? Existing.Held : Existing.HeldByOwner;
            }
            if (hasLinks || !TryRead(file, found.Status, out var record)) return Existing.Foreign;
            if (record.Token != 0 && !TryRemoveTemporary(target, record, isOwn ? null : user, options)) return Existing.Foreign;
            return Kernel.UnlinkAt(target.Directory.Handle, name) is 0 or Errno.ENOENT ? Existing.Removed : Existing.Foreign;
        }
    }

    /// <summary>As <see cref="Examine"/>, for a marker of a group.</summary>
    /// <exception cref="SnapshotException">JournalConflict, JournalInvalid: the group was interrupted, and cannot be repaired.</exception>
    private static Existing ExamineGroup(
        CommitTarget target, in FileStatus marker, string staging, SafeFileHandle file, bool isOwn, CancellationToken cancellation)
    {
        // The directory of root's group cannot be entered, but the lock is one on the marker, too.
        bool isBeside = target.Directory.Find(staging)?.User == marker.User;
        if (isBeside && Kernel.GetOfdLock(file, out int type) == 0 && type == Constants.F_WRLCK)
            return isOwn ? Existing.Held : Existing.HeldByOwner;
        JournalOutcome outcome;
        try
        {
            outcome = new GroupRepair(target.Directory, staging, cancellation).Repair(force: false);
        }
        catch (SnapshotException) when (!isOwn)
        {
            return Existing.Foreign; // what the target's owner has recorded prevents no save of root's
        }
        switch (outcome.State)
        {
            case JournalState.Held or JournalState.HeldByOther:
                return isOwn ? Existing.Held : Existing.HeldByOwner;
            case JournalState.Blocked when isOwn:
                throw InterruptedSave.ToException(outcome, target.Path);
            case JournalState.Blocked or JournalState.PassedBy:
                return Existing.Foreign;
        }
        string name = SaveNames.Marker(target.Name);
        if (target.Directory.Find(name) is not { } now || !now.IsSameFileAs(marker)) return Existing.Removed;
        return Kernel.UnlinkAt(target.Directory.Handle, name) is 0 or Errno.ENOENT ? Existing.Removed : Existing.Foreign;
    }

    /// <summary>Reads what a marker records. An empty one lost that in a crash of the machine; its token was its inode number.</summary>
    private static bool TryRead(SafeFileHandle marker, in FileStatus status, out SaveRecord record)
    {
        var buffer = new byte[SaveRecord.MaxLength];
        record = new SaveRecord(status.Inode, Staged: null, Expected: null);
        return Kernel.Read(marker, buffer, 0, out int length) == 0 && (length == 0 || SaveRecord.TryParse(buffer.AsSpan(0, length), out record));
    }

    /// <summary>
    /// Under the dead saver's lock: removes the file under its temporary name if that is the one it staged, which was never
    /// published, or the one it replaced, as long as its own has the target's name. Any other file is another program's, or was
    /// given the name again by one, and is kept.
    /// </summary>
    /// <param name="target">The name that is saved.</param>
    /// <param name="record">What the marker records.</param>
    /// <param name="forger">The target's owner, if the marker is that user's and may be forged: files of others are left alone.</param>
    /// <param name="options">Whose <see cref="CommitOptions.Warnings"/> receives what the user should know.</param>
    /// <returns>False when the file is still there.</returns>
    private static bool TryRemoveTemporary(CommitTarget target, in SaveRecord record, uint? forger, CommitOptions options)
    {
        string name = SaveNames.Temporary(target.Name, record.Token);
        using var found = TargetFile.Find(target.Directory, name);
        if (found is null) return true;
        if (forger is { } user && found.Status.User != user) return false;
        var identity = Identify(found);
        bool isStaged = identity is not null && identity == record.Staged;
        bool isReplaced = identity is not null && identity == record.Expected && IsTarget(target, record.Staged);
        return isStaged || isReplaced
            ? Kernel.UnlinkAt(target.Directory.Handle, name) is 0 or Errno.ENOENT
            : RecoveredFile.TryKeep(target, target.Directory, name, options.Warnings);
    }

    private static bool IsTarget(CommitTarget target, FileIdentity? staged)
    {
        using var found = target.Look();
        return staged is not null && found is not null && Identify(found) == staged;
    }

    private static FileIdentity? Identify(TargetFile found)
    {
        if (!found.Status.IsRegular) return null;
        var errno = found.TryOpen(OpenMode.ReadOnly, out var file);
        using (file)
            return errno == 0 ? FileIdentity.Of(file, found.Status) : null;
    }
}

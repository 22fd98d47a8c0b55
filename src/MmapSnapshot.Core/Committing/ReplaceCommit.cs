using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Puts a new file in the place of the old one: made without a name, given the old one's metadata, flushed, and given the name. At
/// every moment, and after a crash, the name refers to the old file or the new one, whole. Every save makes a new file: the
/// snapshot's own is never given a name.
/// </summary>
/// <param name="target">The file to replace.</param>
/// <param name="known">The metadata of the expected file, carried over while it still is that file; null: none is expected.</param>
/// <param name="mode">If exact, the permissions that the new file gets instead of those of the old one.</param>
/// <param name="content">The bytes.</param>
/// <param name="options">How.</param>
/// <param name="cancellation">Ends a copy, or the wait for another saver.</param>
/// <param name="isLeased">
/// Whether another process holds a lease on the target that this one has asked it to release: that no lease can be taken then does not
/// mean an open file. A write lease still does.
/// </param>
/// <param name="overridden">What <see cref="CommitOptions.Force"/> overrode in earlier attempts.</param>
/// <param name="group">Where the new file is until it is published, in a group; null: it is not of a group.</param>
internal sealed class ReplaceCommit(
    CommitTarget target,
    FileMetadata? known,
    NewFileMode mode,
    ContentWriter content,
    CommitOptions options,
    CancellationToken cancellation,
    bool isLeased = false,
    string? overridden = null,
    GroupPlace? group = null) : IGroupedCommit
{
    private string? _overridden = overridden;

    /// <summary>The file as it was found; null: it was deleted, and Force makes it again.</summary>
    private TargetFile? _found;

    private FileMetadata? _metadata;

    /// <summary>In a group: the file as it was found, for a later process. Of <see cref="_found"/> the status is left.</summary>
    private GroupFile? _expected;

    private StagedFile? _staged;

    private ReadLease? _ownLease;

    /// <summary>The staged file before it is published.</summary>
    private FileStatus _before;

    private SaveMarker? _marker;

    /// <summary>The file as the last look found it, open where it can be opened, with a lease where one can be taken.</summary>
    private TargetFile? _current;

    private SafeFileHandle? _readable;

    private Errno _openErrno;

    private ReadLease? _lease;

    /// <summary>The status of <see cref="_current"/> when it was last compared.</summary>
    private FileStatus _compared;

    private Baseline _after;

    public StagedFile? Staged => _staged;

    public FileStatus? Reverted { get; private set; }

    public CommitObstacle? Select()
    {
        _found = target.Look();
        CheckConflict(_found?.Status);
        _found?.ThrowUnlessRegular();
        if (_found is { Status.Links: > 1 } linked && !options.BreakHardLink) throw HardLinked(linked.Status.Links);
        if (target.Expected is not null && _found is not null) target.ThrowIfWriteProtected(_found, options);
        if (_found is null && known is null) return Changed("another process has deleted it in the moment it was saved");
        // From the file that is replaced and from no other, by its descriptor.
        bool isKnown = known is not null && (_found is null || target.Expected?.Status.DifferenceTo(_found.Status) is null);
        _metadata = isKnown ? known! : ReadCurrentMetadata(_found!);
        if (mode.IsExact) _metadata = _metadata.WithPermissions(mode.Permissions);
        if (group is null || _found is null) return null;
        _expected = GroupFile.Of(_found);
        _found.Dispose(); // a group holds no descriptor for each of its files
        return null;
    }

    /// <summary>The new file, complete, but without the target's name.</summary>
    public CommitObstacle? Stage()
    {
        string path = target.Path;
        _staged = group is { } place
            ? StagedFile.CreateInGroup(target, place, Kernel.PrivateMode)
            : StagedFile.Create(target, _found, Kernel.PrivateMode);
        _metadata!.ApplyOwner(_staged.Handle, path, () => target.RemediesWithoutReplacing(group is null ? _found : null));
        FileClone.TrySetNoCopyOnWrite(_staged.Handle, _metadata.IsNoCopyOnWrite);
        Fill(_staged.Handle);
        _metadata.ApplyModeXattrsAndFlags(_staged.Handle, path);
        return null;
    }

    public void Flush() => _staged!.Flush();

    public void Mark() =>
        _marker = SaveMarker.TakeInGroup(
            target, _found?.Status.User ?? Kernel.EffectiveUser(), group!.Value.Directory, options, cancellation);

    public void LeaveMark() => _marker?.Abandon();

    public (GroupFile Staged, GroupFile? Expected) Seal()
    {
        _before = _staged!.Seal();
        var staged = GroupFile.Of(_staged.Handle, _before);
        _staged.Park();
        return (staged, _expected);
    }

    /// <summary>
    /// The last look, under a read lease where one can be taken: no process opens the file for writing until the names are exchanged.
    /// (man 2 rename does not wait for a lease.)
    /// </summary>
    public CommitObstacle? Validate()
    {
        if (group is not null)
        {
            _staged!.CheckSealed();
        }
        else
        {
            _ownLease = _staged!.TryLease();
            // Settled, so that the next write moves its timestamps; but they do not matter once the snapshot is closed.
            _before = options.Close ? FileStatus.Of(_staged.Handle, target.Path) : FileStatus.OfStable(_staged.Handle, target.Path);
            _marker = _staged.TakeMarker(target, _found, options, cancellation);
        }
        if (_found is null) return null;

        if (group is null) _staged.LinkTemporary(_marker!);
        _current = target.Look();
        if (_current is null || !_current.Status.IsSameFileAs(_found.Status))
        {
            CheckConflict(_current?.Status);
            // forced: with other metadata
            return Changed($"it was {(_current is null ? "deleted" : "replaced by another file")} in the moment it was saved");
        }

        // Another process's write lease is a conflict, as its open file would be.
        var errno = isLeased
            ? _current.TryOpen(OpenMode.ReadOnly, out _readable)
            : _current.TryOpenSoon(OpenMode.ReadOnly, cancellation, out _readable);
        _openErrno = errno;
        bool isOpen = errno == 0;
        var fileSystem = isOpen ? FileSystemOf(_readable, _current.Status) : null;
        bool isLocal = fileSystem is { IsLocal: true };
        if (isLocal) _lease = ReadLease.TryTake(_readable, out errno, fileSystem);
        _compared = _current.CurrentStatus();
        CheckConflict(_compared, openForWriting: errno == Errno.EAGAIN && (!isOpen || (isLocal && !isLeased)));
        if (group is not null && _found.Status.DifferenceTo(_compared) is { } difference)
            return Changed($"{difference} in the moment it was saved");
        if (isOpen && _overridden is null && target.DescribeMappedWrite(_readable) is { } unseen) Override(unseen);
        return null;
    }

    public CommitObstacle? Publish()
    {
        if (_current is null)
        {
            if (!_staged!.TryLinkNew()) return Changed(CreateCommit.CreatedSince);
        }
        else
        {
            if (MakeBackup() is { } obstacle) return obstacle;
            var lease = _overridden is null ? _lease : null;
            var exchange = new NameExchange(target, _staged!, _current, _compared, lease, Leave, options, group is not null);
            if (exchange.TryPublish() is { } conflict) return Changed(conflict);
            target.Backup?.Keep();
            ReleaseCurrent();
        }
        _after = options.Close ? new Baseline(_before, Freshness: null)
            : group is null ? _staged!.BaselineAfter(_before)
            : _staged!.BaselineAfterSeal();
        ReleaseOwnLease(); // a process that wants to write to the new file need not wait for the directory's flush
        return null;
    }

    public string? TryRevert()
    {
        using var published = PublishedLook.TryTake(target, _before, out string obstacle);
        if (published is null) return obstacle;
        if (_found is null) return _staged!.TryTakeBack(published);
        var old = _staged!.FindDisplacedStatus();
        var exchange = new NameExchange(
            target, _staged, published.Found, published.Status, published.Lease, Leave, options, isInGroup: true);
        if (exchange.TryRevert(old) is { } conflict) return conflict;
        Reverted = target.Find();
        return null;
    }

    public void RemoveLeftover() => _staged!.RemoveLeftover(target, _current is null ? null : _compared, options.Warnings);

    public PublishedFile Complete() =>
        new(_after, _metadata, _overridden, group is null ? _staged!.SyncDirectory(options) : null);

    public void Dispose()
    {
        ReleaseCurrent();
        // Before the marker goes: if this process is killed in between, the next saver finds both. (A group removes both itself.)
        if (group is null) _staged?.RemoveTemporaryName();
        _marker?.Dispose();
        ReleaseOwnLease();
        _staged?.Dispose();
        _found?.Dispose();
    }

    /// <summary>The bytes; where there is no room for a second file the old one can still be written to.</summary>
    private void Fill(SafeFileHandle file)
    {
        try
        {
            content.Fill(file, target.Path);
        }
        catch (SnapshotException exception) when (
            exception.Error == SnapshotError.NoSpace && target.Expected is not null && content.Length == _found?.Status.Length)
        {
            throw new SnapshotException(
                SnapshotError.NoSpace,
                exception.Message,
                target.Path,
                exception.ErrorNumber,
                [SnapshotRemedy.UseInPlace, SnapshotRemedy.SaveElsewhere],
                exception);
        }
    }

    private CommitObstacle? MakeBackup()
    {
        if (target.Backup is not { } backup) return null;
        ErrnoErrors.ThrowIfError(_openErrno, $"open '{target.Path}' for its backup", target.Path, SnapshotError.ReadFailed);
        backup.Link(_current!, _readable!);
        var now = _current!.CurrentStatus(); // a second name has moved the change time
        if (now.Length != _compared.Length || !now.Modified.Equals(_compared.Modified))
            return Changed("it was written to in the moment it was saved");
        _compared = now;
        return null;
    }

    /// <summary>What has the temporary name is left to the next saver.</summary>
    private void Leave()
    {
        if (group is { } place) place.Directory.IsLeft = true;
        else _marker!.Abandon();
    }

    /// <summary>In a group it is asked for once for all files that are on the filesystem of their directory.</summary>
    private FileSystem FileSystemOf(SafeFileHandle file, in FileStatus status) =>
        group is { Directory: { } directory } && directory.Status.Device == status.Device ? directory.FileSystem : FileSystem.Of(file);

    private void ReleaseOwnLease()
    {
        _ownLease?.Dispose();
        _ownLease = null;
    }

    private static CommitObstacle Changed(string reason) => new(ObstacleKind.Changed, reason);

    private void ReleaseCurrent()
    {
        _lease?.Dispose();
        _lease = null;
        _readable?.Dispose();
        _current?.Dispose();
    }

    private SnapshotException HardLinked(ulong links) => new(
        SnapshotError.HardLinked,
        $"'{target.Path}' was not saved: it has {links} names (hard links), and a new file would take only this one.",
        target.Path,
        remedies: target.Expected is null
            ? [SnapshotRemedy.BreakHardLink]
            : [SnapshotRemedy.BreakHardLink, SnapshotRemedy.UseInPlace]);

    private void CheckConflict(FileStatus? now, bool openForWriting = false)
    {
        string? conflict = target.DescribeConflict(now);
        if (conflict is null && openForWriting && target.Expected is not null)
            conflict = "another process has it open for writing, and would continue to write to the old file";
        if (conflict is not null) Override(conflict);
    }

    private void Override(string conflict)
    {
        if (!options.Force) throw target.ToConflict(conflict);
        _overridden = conflict;
    }

    /// <summary>
    /// The metadata of the file that a forced commit is about to overwrite, which has changed since it was opened; without its
    /// privileges if it is another file than the one that the bytes come from.
    /// </summary>
    private FileMetadata ReadCurrentMetadata(TargetFile found)
    {
        ErrnoErrors.ThrowIfError(found.Open(OpenMode.ReadOnly, cancellation, out var file), $"open '{target.Path}'", target.Path, SnapshotError.ReadFailed);
        using (file)
        {
            var metadata = FileMetadata.Of(file, FileStatus.Of(file, target.Path), target.Path);
            return target.Expected?.Status.IsSameFileAs(found.Status) is true ? metadata : metadata.WithoutPrivileges();
        }
    }
}

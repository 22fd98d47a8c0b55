using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Writes the bytes into the file itself, which stays the same inode. A journal makes an interrupted save recoverable, and a write lease,
/// where one is available, has readers wait until the save is done.
/// </summary>
/// <param name="target">The file to write into.</param>
/// <param name="known">The metadata of the expected file: what writing takes from it is given back.</param>
/// <param name="content">The bytes.</param>
/// <param name="modified">Which of them the file has not; null: all.</param>
/// <param name="options">How.</param>
/// <param name="cancellation">Ends it: the old bytes are written back.</param>
/// <param name="overridden">What <see cref="CommitOptions.Force"/> has overridden in an earlier attempt; null: nothing.</param>
internal sealed class InPlaceCommit(
    CommitTarget target,
    FileMetadata known,
    ContentWriter content,
    IReadOnlyList<ByteRange>? modified,
    CommitOptions options,
    CancellationToken cancellation,
    string? overridden = null) : IStagedCommit
{
    /// <summary>Of a base under a lease so many bytes are kept in the additions at most; for more it is copied.</summary>
    private const long MaxKept = 64 << 20;

    private SaveMarker? _marker;

    /// <summary>The journal that has the name of this save's; null: none, or one that was repaired.</summary>
    private JournalOutcome? _passedBy;

    /// <summary>The file as it was found, and open for writing, with its status when its old bytes were read.</summary>
    private TargetFile? _found;

    private SafeFileHandle? _file;

    /// <summary>Where the base of the snapshot is the file itself: it is held for writing, and not copied.</summary>
    private SourceWriting? _writing;

    private FileStatus _status;

    private string? _overridden = overridden;

    private FileMetadata _metadata = known;

    private Journal? _journal;

    private JournalRecord? _record;

    private WriteLease? _lease;

    private bool _isAtomicForReaders;

    /// <summary>The error that ended the writing, and whether the old bytes are in the file again.</summary>
    private ExceptionDispatchInfo? _failure;

    private bool _isRolledBack;

    public CommitObstacle? Select()
    {
        _marker = TakeMarker();
        _passedBy = InterruptedSave.Settle(target.Directory, target.Name, options.Force, cancellation);
        _found = target.Look() ?? throw Deleted(target.Path);
        _overridden = target.DescribeConflict(_found.Status) ?? _overridden;
        if (_overridden is not null && !options.Force) throw target.ToConflict(_overridden);
        target.ThrowIfWriteProtected(_found, options);
        return null;
    }

    /// <summary>The journal, without a name.</summary>
    public CommitObstacle? Stage()
    {
        _writing = TryBeginWriting();
        if (_writing is not null) _file = _writing.File;
        else OpenFile();
        CheckUnchanged();
        if (target.Expected is { } expected && !expected.Status.IsSameFileAs(_found!.Status))
        {
            // forced: another file has the name now, whose privileges were not given to these bytes.
            _metadata = _metadata.WithoutPrivileges();
            _metadata.DropPrivileges(_file!, target.Path);
        }
        _metadata.CheckRestorable(_file!, target.Path);
        _status = FileStatus.OfStable(_file!, target.Path, cancellation);
        target.Backup?.Copy(_file!);
        if (!options.NoJournal) WriteJournal();
        return null;
    }

    public void Flush() => _journal?.Flush();

    /// <summary>
    /// The journal gets its name, and readers have to wait: no process may have written to the file since its old bytes were read.
    /// </summary>
    public CommitObstacle? Validate()
    {
        LinkJournal();
        if (_writing is null) _lease = WriteLease.TryTake(_file!, out _);
        if (_status.DifferenceTo(FileStatus.Of(_file!, target.Path)) is null) return null;
        _journal?.End(!options.NoFlush);
        return new CommitObstacle(ObstacleKind.Changed, "it was written to in the moment it was saved");
    }

    public CommitObstacle? Publish()
    {
        try
        {
            if (_journal is null) WriteWithoutJournal();
            else Replay(_journal, new JournalReplay(_journal, _record!, _file!, _metadata, target.Path));
            if (_writing is null) _isAtomicForReaders = _lease?.TryRelease() is true;
        }
        catch (Exception exception)
        {
            _failure = ExceptionDispatchInfo.Capture(exception);
        }
        if (!_isRolledBack) target.Backup?.Keep();
        return null;
    }

    public PublishedFile Complete()
    {
        // A process that had it mapped has it still.
        var after = (Baseline.TryOf(_file!) ?? new Baseline(_status, Freshness: null)) with { MayBeMappedForWriting = true };
        bool hasFailed = _failure is not null;
        if (_writing is not null) _isAtomicForReaders = _writing.End() && !hasFailed;
        return new PublishedFile(after, hasFailed ? null : _metadata, _overridden, _failure, IsMixed: hasFailed && !_isRolledBack)
        {
            IsRolledBack = _isRolledBack,
            IsRecoverable = !options.NoJournal && !options.NoFlush,
            IsAtomicForReaders = _isAtomicForReaders,
        };
    }

    public void Dispose()
    {
        _lease?.Dispose();
        _journal?.Dispose();
        if (_writing is not null) _writing.Dispose();
        else _file?.Dispose();
        _found?.Dispose();
        _marker?.Dispose();
    }

    /// <summary>
    /// Where the base is the file itself, its length stays and no other process has it open: keeps what will be overwritten, and takes the
    /// file for writing. Readers wait from here on.
    /// </summary>
    /// <returns>Null: the base has to be copied.</returns>
    private SourceWriting? TryBeginWriting()
    {
        // Without a journal the new bytes would be read from the base while it is written to.
        if (_overridden is not null || modified is null || options.NoJournal || !content.Base.IsReadFrom(_found!.Status)) return null;
        if (content.Length != content.Base.Length || Progress.Sum(modified.Select(place => place.Length)) > MaxKept) return null;
        content.RedirectBase(modified);
        return content.Base.TryBeginWriting(out _);
    }

    private void OpenFile()
    {
        string path = target.Path;
        content.MakeBasePrivate(); // it would change with the file
        // The file that was compared, whatever the name refers to by now.
        var errno = _found!.Open(OpenMode.ReadWrite, cancellation, out _file);
        if (errno == Errno.ETXTBSY)
        {
            throw new SnapshotException(
                SnapshotError.NotSupported,
                $"Cannot write into '{path}': {ErrnoErrors.Describe(errno)}, it is a running program.",
                path,
                NativeConvert.FromErrno(errno),
                [SnapshotRemedy.UseReplace]);
        }
        if (errno != 0)
            throw ErrnoErrors.ToException(errno, $"open '{path}' for writing", path, SnapshotError.WriteFailed, RemediesFor(errno, _found));
    }

    private void CheckUnchanged()
    {
        string path = target.Path;
        var now = FileStatus.Of(_file!, path);
        // overlayfs copies a file up when it is opened for writing: another inode, and another change time, but the same
        // bytes as long as length and modification time are.
        if (_overridden is null && (now.Length != _found!.Status.Length || !now.Modified.Equals(_found.Status.Modified)))
            throw target.ToConflict("it was written to in the moment it was saved");
        if (_overridden is null && target.DescribeMappedWrite(_file!) is { } unseen)
        {
            if (!options.Force) throw target.ToConflict(unseen);
            _overridden = unseen;
        }
        if (_overridden is not null) _metadata = FileMetadata.Of(_file!, now, path);
    }

    /// <summary>What works where the file cannot be opened for writing.</summary>
    private SnapshotRemedy[] RemediesFor(Errno errno, TargetFile found) => errno switch
    {
        Errno.EROFS => [SnapshotRemedy.SaveElsewhere],
        Errno.EACCES when options.Force && found.Status.User == Kernel.EffectiveUser() =>
            [SnapshotRemedy.UseReplace, SnapshotRemedy.SaveElsewhere],
        Errno.EACCES => [SnapshotRemedy.SaveElsewhere],
        _ => [],
    };

    private SnapshotException Deleted(string path) => new(
        SnapshotError.SnapshotConflict,
        $"'{path}' was not saved: it was deleted since the snapshot was opened, so there is no file to write into.",
        path,
        remedies: [options.Force ? SnapshotRemedy.UseReplace : SnapshotRemedy.OverwriteByReplacing, SnapshotRemedy.SaveElsewhere]);

    /// <summary>Where no marker can be made, no other process of this user can replace the file either.</summary>
    private SaveMarker TakeMarker()
    {
        uint owner = (target.Find() ?? throw Deleted(target.Path)).User;
        try
        {
            return SaveMarker.Take(target, owner, default, options, cancellation);
        }
        catch (SnapshotException exception) when (exception.Error is SnapshotError.AccessDenied or SnapshotError.NoSpace)
        {
            return SaveMarker.None(target);
        }
    }

    private void WriteJournal()
    {
        ulong token = _passedBy?.State == JournalState.PassedBy ? SaveNames.Token() : 0;
        if (token != 0)
        {
            options.Warnings?.Report(new SnapshotWarning(
                $"'{_passedBy!.Record.Journal}' was passed by, because {_passedBy.Record.Reason}: "
                + $"the journal of this save has another name, which the next save of '{target.Path}' does not look for.",
                SnapshotRemedy.RepairIfInterrupted));
        }
        _journal?.Dispose();
        _journal = Journal.Create(target.Directory, target.Name);
        var plan = new JournalPlan(content, _file!, _status, target.Path);
        _record = plan.Write(_journal, target.Name, token, _overridden is null ? modified : null, cancellation);
        plan.CheckSpace(_journal, cancellation);
    }

    private void LinkJournal()
    {
        if (_journal is null) return;
        while (!_journal.TryLink(_record!.JournalName))
        {
            // Since it was looked for, a process that could make no marker has left one, or another user has.
            _passedBy = InterruptedSave.Settle(target.Directory, target.Name, options.Force, cancellation);
            WriteJournal();
            if (!options.NoFlush) _journal.Flush();
        }
        if (options.NoFlush) return;
        try
        {
            _journal.FlushName();
        }
        catch (SnapshotException)
        {
            _journal.End(flush: false); // nothing was written to the file
            throw;
        }
    }

    private void Replay(Journal journal, JournalReplay replay)
    {
        try
        {
            replay.RollForward(
                !options.NoFlush, new Progress($"Saving '{target.Path}'", journal.Header.BodyLength, options.Progress, cancellation));
            journal.End(!options.NoFlush);
        }
        catch
        {
            if (!replay.IsCut && !journal.Header.IsDone) _isRolledBack = TryRollBack(journal, replay);
            throw;
        }
    }

    /// <summary>The old bytes are on the disk before the journal says that there is nothing to repair; else it stays.</summary>
    private static bool TryRollBack(Journal journal, JournalReplay replay)
    {
        try
        {
            replay.RollBack();
            journal.End(flush: true);
            return true;
        }
        catch (SnapshotException)
        {
            return false;
        }
    }

    private void WriteWithoutJournal()
    {
        string path = target.Path;
        if (modified is not null && _overridden is null)
        {
            content.WriteOver(_file!, modified, _status.Length, path);
        }
        else
        {
            // What others wrote must not show through our holes.
            ErrnoErrors.ThrowIfError(Kernel.FTruncate(_file!, 0), $"empty '{path}'", path, SnapshotError.WriteFailed);
            content.Fill(_file!, path);
        }
        _metadata.RestoreAfterWrite(_file!, path);
        if (!options.NoFlush) ErrnoErrors.ThrowIfError(Kernel.FSync(_file!), $"flush '{path}' to the disk", path, SnapshotError.WriteFailed);
    }
}

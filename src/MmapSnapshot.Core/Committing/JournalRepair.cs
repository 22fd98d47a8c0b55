using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Completes or drops a save in place whose process died, by its journal. It may be interrupted, and run again, any number of times.
/// Where a byte is neither the old nor the new one, nothing is written. tests/models checks the protocol; change both together.
/// </summary>
/// <param name="directory">The directory of the journal and its target.</param>
/// <param name="name">The journal's name.</param>
/// <param name="cancellation">Ends it; it is then as if it were interrupted.</param>
internal sealed class JournalRepair(ParentDirectory directory, string name, CancellationToken cancellation)
{
    private string? _target;

    /// <summary>Finds out what <see cref="Repair"/> would do, without locks, leases and writes.</summary>
    /// <param name="force">As for <see cref="Repair"/>.</param>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal JournalOutcome Inspect(bool force) => Examine(isInspection: true, force);

    /// <summary>Repairs.</summary>
    /// <param name="force">Whether to do what would have to be asked for.</param>
    /// <exception cref="SnapshotException">
    /// AccessDenied, AttributesNotPreservable, NoSpace, NotSupported, ReadFailed, WriteFailed.
    /// </exception>
    internal JournalOutcome Repair(bool force) => Examine(isInspection: false, force);

    private JournalOutcome Examine(bool isInspection, bool force)
    {
        using var found = TargetFile.Find(directory, name);
        if (found is null) return Gone();
        if (!found.Status.IsRegular) return PassBy("it is not a regular file");
        var errno = found.TryOpen(isInspection ? OpenMode.ReadOnly : OpenMode.ReadWrite, out var file);
        if (errno != 0)
        {
            file.Dispose();
            return PassBy($"this user may not open it ({ErrnoErrors.Describe(errno)})");
        }
        using var journal = Journal.Of(directory, name, file, name);
        var record = journal.TryRead();
        _target = record?.Name;
        using var target = record is null ? null : TargetFile.Find(directory, record.Name);
        uint user = found.Status.User;
        bool isOwn = user == 0 || user == Kernel.EffectiveUser();
        if (!isOwn && target?.Status.User != user) return PassBy($"it belongs to user {user}");
        bool hasLinks = found.Status.Links > 1;
        var locked = isInspection ? CheckLock(file) : Kernel.SetOfdWriteLock(file);
        if (directory.Find(name) is not { } now || !now.IsSameFileAs(found.Status)) return Gone();
        if (locked is Errno.EAGAIN or Errno.EACCES)
            return Outcome(isOwn && !hasLinks ? JournalState.Held : JournalState.HeldByOther, RepairAction.None, "the save is in progress");
        if (hasLinks) return PassBy("it has further names (hard links)");
        record = journal.TryRead(); // what it says under the lock
        if (record is not null && record.JournalName != name) return PassBy($"it was made under the name '{record.JournalName}'");

        bool mayWrite = !isInspection;
        if (record is null || !journal.IsIntact())
        {
            return Unusable(
                journal,
                mayWrite,
                force,
                SnapshotError.JournalInvalid,
                "it is damaged: whether the file has all its bytes is not known");
        }
        if (journal.Header.IsDone) return Remove(journal, mayWrite, "the save had ended");
        if (locked != 0 && !force && !isInspection)
            return Block($"whether the save is in progress cannot be found out ({ErrnoErrors.Describe(locked)})");
        if (mayWrite)
        {
            journal.Flush();
            journal.FlushName();
        }
        return ExamineTarget(journal, record, target, isInspection, force);
    }

    private JournalOutcome ExamineTarget(Journal journal, JournalRecord record, TargetFile? target, bool isInspection, bool force)
    {
        string path = directory.Combine(record.Name);
        if (target is null || !target.Status.IsRegular || target.Status.Inode != record.Target.Inode)
        {
            return Obsolete(
                journal,
                !isInspection,
                force,
                target is null ? "there is no file of that name any more" : "another file has that name now");
        }
        var errno = isInspection
            ? target.TryOpen(OpenMode.ReadOnly, out var file)
            : target.TryOpenSoon(OpenMode.ReadWrite, cancellation, out file);
        using (file)
        {
            if (errno != 0) return Block($"the file cannot be opened ({ErrnoErrors.Describe(errno)})", errno);
            var status = FileStatus.Of(file, path);
            if (FileIdentity.Of(file, status) with { Length = record.OldLength } != record.Target)
                return Obsolete(journal, !isInspection, force, "another file has that name now");
            errno = 0;
            using var lease = isInspection ? null : WriteLease.TryTake(file, out errno);
            status = FileStatus.Of(file, path);
            var comparison = new JournalComparison(journal, file, status.Length, path);
            comparison.Run(cancellation);
            if (comparison.Conflict is { } conflict)
                return Unusable(journal, !isInspection, force, SnapshotError.JournalConflict, conflict);

            string? question = (comparison.IsOld ? null : Doubt(journal, status))
                ?? (errno == 0 ? null
                    : errno == Errno.EAGAIN ? "a process has the file open"
                    : "whether a process has the file open cannot be found out");
            if (question is not null && !force) return Block(question);
            var action = comparison.IsOld ? RepairAction.RollBack : RepairAction.RollForward;
            string reason = comparison.IsOld
                ? "a save in place was interrupted before it had changed a byte"
                : "a save in place was interrupted";
            if (isInspection) return Outcome(JournalState.Repaired, action, reason);
            Replay(journal, record, file, status, action, isDoubtful: question is not null);
            return Outcome(JournalState.Repaired, action, reason) with { Written = (status, FileStatus.Of(file, path)) };
        }
    }

    private void Replay(
        Journal journal,
        JournalRecord record,
        SafeFileHandle file,
        in FileStatus status,
        RepairAction action,
        bool isDoubtful)
    {
        string path = directory.Combine(record.Name);
        var metadata = FileMetadata.Of(file, status, path);
        metadata.CheckRestorable(file, path);
        // What this repair writes is no reason to doubt for the next one, if this one is interrupted.
        if (isDoubtful || journal.Header.Boot != Boot.Id)
        {
            journal.WriteHeader(journal.Header.TakenOver(FileStatus.Of(file, path)));
            journal.Flush();
        }
        var replay = new JournalReplay(journal, record, file, metadata, path);
        if (action == RepairAction.RollBack) replay.RollBack();
        else replay.RollForward(flush: true, new Progress($"Repairing '{path}'", 0, Listener: null, cancellation));
        journal.End(flush: true);
    }

    /// <summary>
    /// Why bytes that are old or new may all the same not be those of the save: another program may have restored them, as the journal
    /// was not where a repair would have found it. Null: no reason.
    /// </summary>
    private static string? Doubt(Journal journal, in FileStatus target)
    {
        if (journal.Header.HasTimesOf(target)) return null;
        if (journal.Header.Boot != Boot.Id && !(Boot.StartTime() is { } started && target.Changed.tv_sec < started))
            return "the save is from before the machine was started, and the file was changed since it was started";
        var changed = FileStatus.Of(journal.File, "").Changed;
        return (changed.tv_sec, changed.tv_nsec).CompareTo((target.Modified.tv_sec, target.Modified.tv_nsec)) > 0
            ? "the journal was moved, or its attributes were changed, after the file was written to"
            : null;
    }

    /// <summary>Whether another process holds the write lock.</summary>
    private static Errno CheckLock(SafeFileHandle file)
    {
        var errno = Kernel.GetOfdLock(file, out int type);
        return errno == 0 && type == Constants.F_WRLCK ? Errno.EAGAIN : errno;
    }

    private JournalOutcome Gone() => Outcome(JournalState.None, RepairAction.None, "there is no journal any more");

    private JournalOutcome PassBy(string reason) => Outcome(JournalState.PassedBy, RepairAction.None, reason);

    private JournalOutcome Block(string reason, Errno errno = 0) => Outcome(JournalState.Blocked, RepairAction.None, reason) with
    {
        Error = errno is Errno.EACCES or Errno.EPERM or Errno.EROFS ? SnapshotError.AccessDenied : SnapshotError.JournalConflict,
        ForcedAction = RepairAction.RollForward,
    };

    /// <summary>The file that it is about is not here: the one that is may be saved.</summary>
    private JournalOutcome Obsolete(Journal journal, bool mayWrite, bool force, string reason) =>
        force ? Remove(journal, mayWrite, reason) : PassBy(reason);

    private JournalOutcome Unusable(Journal journal, bool mayWrite, bool force, SnapshotError error, string reason) =>
        force ? Remove(journal, mayWrite, reason) : Outcome(JournalState.Blocked, RepairAction.None, reason) with
        {
            Error = error,
            ForcedAction = RepairAction.Remove,
        };

    private JournalOutcome Remove(Journal journal, bool mayWrite, string reason)
    {
        if (mayWrite) journal.End(flush: true);
        return Outcome(JournalState.Repaired, RepairAction.Remove, reason);
    }

    private JournalOutcome Outcome(JournalState state, RepairAction action, string reason) =>
        new(state, new RepairRecord(_target is null ? null : directory.Combine(_target), action, reason, directory.Combine(name)));
}

using System.Diagnostics;
using MmapSnapshot.Native;
using MmapSnapshot.Source;

namespace MmapSnapshot.Committing;

/// <summary>What an earlier save of a file, in place or with others as one, has left, before the file is opened or saved.</summary>
internal static class InterruptedSave
{
    /// <summary>How long a save that is in progress is waited for.</summary>
    private static readonly TimeSpan _timeout = TimeSpan.FromMilliseconds(200);

    /// <summary>Whether there is a file of a journal's name, or of a marker's. O(1).</summary>
    internal static bool IsLeftBy(ParentDirectory directory, string target) =>
        directory.Find(SaveNames.Journal(target)) is not null || directory.Find(SaveNames.Marker(target)) is not null;

    /// <summary>Repairs the file if there is a journal and its maker is dead. O(1) where there is none.</summary>
    /// <param name="directory">The directory of the file.</param>
    /// <param name="target">Its name. This process has it open nowhere.</param>
    /// <param name="force">Whether not to wait for a process of the file's owner that may only hold the lock.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>What was done, or why the journal is passed by; null where there is none.</returns>
    /// <exception cref="SnapshotException">SaveInProgress, JournalConflict, JournalInvalid, AccessDenied; as a save.</exception>
    internal static JournalOutcome? Settle(ParentDirectory directory, string target, bool force, CancellationToken cancellation)
    {
        string name = SaveNames.Journal(target), path = directory.Combine(target);
        long started = Stopwatch.GetTimestamp();
        while (directory.Find(name) is not null)
        {
            var outcome = new JournalRepair(directory, name, cancellation).Repair(force: false);
            switch (outcome.State)
            {
                case JournalState.PassedBy or JournalState.Repaired:
                    return outcome;
                case JournalState.Blocked:
                    throw ToException(outcome, path);
                case JournalState.Held or JournalState.HeldByOther when Stopwatch.GetElapsedTime(started) > _timeout:
                    if (force && outcome.State == JournalState.HeldByOther) return outcome with { State = JournalState.PassedBy };
                    throw new SnapshotException(
                        SnapshotError.SaveInProgress,
                        $"Another process is saving '{path}' in place (it holds a lock on '{outcome.Record.Journal}').",
                        path,
                        remedies: [SnapshotRemedy.Retry]);
            }
            _ = cancellation.WaitHandle.WaitOne(1);
            cancellation.ThrowIfCancellationRequested();
        }
        return null;
    }

    /// <summary>What a reader should know; null where there is no journal. Nothing is written.</summary>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal static SnapshotWarning? Describe(ParentDirectory directory, string target, CancellationToken cancellation)
    {
        string name = SaveNames.Journal(target), path = directory.Combine(target);
        if (directory.Find(name) is null) return DescribeGroup(directory, target, cancellation);
        var outcome = new JournalRepair(directory, name, cancellation).Inspect(force: false);
        return outcome.State switch
        {
            JournalState.None => null,
            JournalState.Held or JournalState.HeldByOther =>
                new SnapshotWarning($"Another process is saving '{path}' in place: what is read may be a mix of old and new bytes."),
            JournalState.PassedBy => Describe(outcome),
            JournalState.Blocked => ToWarning(ToException(outcome, path)),
            _ when outcome.Record.Action == RepairAction.RollForward => new SnapshotWarning(
                $"A save in place of '{path}' was interrupted: it has a mix of old and new bytes.", SnapshotRemedy.Repair),
            _ => null,
        };
    }

    /// <summary>What <see cref="Settle"/> did.</summary>
    internal static SnapshotWarning Describe(JournalOutcome outcome) => new(outcome.Record.Action switch
    {
        RepairAction.RollForward => $"{Name(outcome)} was interrupted, and was completed now.",
        RepairAction.RollBack when outcome.Members.Count > 0 => $"{Name(outcome)} was interrupted, and was dropped now: all are old.",
        RepairAction.RollBack => $"{Name(outcome)} was interrupted before it had changed a byte, and was dropped now.",
        RepairAction.Remove => $"'{outcome.Record.Journal}' was removed: {outcome.Record.Reason}.",
        _ => $"'{outcome.Record.Journal}' was passed by: {outcome.Record.Reason}.",
    });

    /// <summary>An outcome that is <see cref="JournalState.Blocked"/>, as an error.</summary>
    internal static SnapshotException ToException(JournalOutcome outcome, string path) => outcome.Error switch
    {
        SnapshotError.JournalInvalid => Journal.Invalid(outcome.Record.Journal, "its bytes are not those that were written"),
        SnapshotError.JournalConflict => new SnapshotException(
            SnapshotError.JournalConflict,
            $"{Name(outcome, path)} was interrupted, and it was not repaired: {outcome.Record.Reason}. Nothing was written.",
            path,
            remedies: [outcome.ForcedAction == RepairAction.Remove ? SnapshotRemedy.RemoveJournal : SnapshotRemedy.ForceRepair]),
        _ => new SnapshotException(
            outcome.Error, $"{Name(outcome, path)} was interrupted, and it was not repaired: {outcome.Record.Reason}.", path),
    };

    private static string Name(JournalOutcome outcome, string? path = null)
    {
        path ??= outcome.Record.Path;
        return outcome.Members.Count > 0 ? $"A save of {outcome.Members.Count} files as one, with '{path}',"
            : $"A save in place of '{path}'";
    }

    /// <summary>
    /// Repairs the group that the file's marker leads to, if its process is dead. A save does that when it takes the marker.
    /// </summary>
    /// <returns>What was done; null: nothing.</returns>
    /// <exception cref="SnapshotException">JournalConflict, JournalInvalid; as a save.</exception>
    internal static JournalOutcome? SettleGroup(ParentDirectory directory, string target, CancellationToken cancellation)
    {
        var outcome = FindGroupOf(directory, target, cancellation)?.Repair(force: false);
        return outcome?.State switch
        {
            JournalState.Repaired => outcome,
            JournalState.Blocked => throw ToException(outcome, directory.Combine(target)),
            _ => null,
        };
    }

    private static SnapshotWarning? DescribeGroup(ParentDirectory directory, string target, CancellationToken cancellation)
    {
        string path = directory.Combine(target);
        var outcome = FindGroupOf(directory, target, cancellation)?.Inspect(force: false);
        return outcome?.State switch
        {
            JournalState.Held or JournalState.HeldByOther =>
                new SnapshotWarning($"Another process is saving '{path}' and other files as one: some may be new and others old."),
            JournalState.Blocked => ToWarning(ToException(outcome, path)),
            JournalState.Repaired when outcome.Record.Action is RepairAction.RollForward or RepairAction.RollBack => new SnapshotWarning(
                $"{Name(outcome, path)} was interrupted: some may be new and others old.", SnapshotRemedy.Repair),
            _ => null,
        };
    }

    private static SnapshotWarning ToWarning(SnapshotException exception) => new(exception.Message, [.. exception.Remedies]);

    /// <summary>The group that the marker of a file leads to; null: there is none, or it is not to be trusted.</summary>
    private static GroupRepair? FindGroupOf(ParentDirectory directory, string target, CancellationToken cancellation)
    {
        return directory.Find(SaveNames.Marker(target)) is { } marker
            && (marker.User == 0 || marker.User == Kernel.EffectiveUser() || directory.Find(target)?.User == marker.User)
            ? FindGroup(directory, SaveNames.Marker(target), cancellation)
            : null;
    }

    /// <summary>The group that a marker leads to; null: it is another marker, or cannot be read.</summary>
    internal static GroupRepair? FindGroup(ParentDirectory directory, string marker, CancellationToken cancellation)
    {
        using var found = TargetFile.Find(directory, marker);
        if (found is not { Status.IsRegular: true }) return null;
        var errno = found.TryOpen(OpenMode.ReadOnly, out var file);
        using (file)
        {
            return errno == 0 && GroupJournal.StagingOf(file, directory.Combine(marker)) is { } staging
                ? new GroupRepair(directory, staging, cancellation)
                : null;
        }
    }
}

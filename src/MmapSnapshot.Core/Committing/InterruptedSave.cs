using System.Diagnostics;
using MmapSnapshot.Source;

namespace MmapSnapshot.Committing;

/// <summary>What an earlier save in place of a file has left, before the file is opened or saved.</summary>
internal static class InterruptedSave
{
    /// <summary>How long a save that is in progress is waited for.</summary>
    private static readonly TimeSpan _timeout = TimeSpan.FromMilliseconds(200);

    /// <summary>Whether there is a file of a journal's name. O(1).</summary>
    internal static bool IsLeftBy(ParentDirectory directory, string target) => directory.Find(SaveNames.Journal(target)) is not null;

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
                        $"Another process is saving '{path}' in place (it holds a lock on '{outcome.Record.Journal}'). "
                        + "Try again when it has finished.",
                        path);
            }
            _ = cancellation.WaitHandle.WaitOne(1);
            cancellation.ThrowIfCancellationRequested();
        }
        return null;
    }

    /// <summary>What a reader should know, as a sentence; null where there is no journal. Nothing is written.</summary>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal static string? Describe(ParentDirectory directory, string target, CancellationToken cancellation)
    {
        string name = SaveNames.Journal(target), path = directory.Combine(target);
        if (directory.Find(name) is null) return null;
        var outcome = new JournalRepair(directory, name, cancellation).Inspect(force: false);
        return outcome.State switch
        {
            JournalState.None => null,
            JournalState.Held or JournalState.HeldByOther =>
                $"Another process is saving '{path}' in place: what is read may be a mix of old and new bytes.",
            JournalState.PassedBy => Describe(outcome),
            JournalState.Blocked => ToException(outcome, path).Message,
            _ when outcome.Record.Action == RepairAction.RollForward =>
                $"A save in place of '{path}' was interrupted: it has a mix of old and new bytes. Repair-MmapSnapshot completes the save.",
            _ => null,
        };
    }

    /// <summary>What <see cref="Settle"/> did, as a sentence.</summary>
    internal static string Describe(JournalOutcome outcome) => outcome.Record.Action switch
    {
        RepairAction.RollForward => $"A save in place of '{outcome.Record.Path}' was interrupted, and was completed now.",
        RepairAction.RollBack =>
            $"A save in place of '{outcome.Record.Path}' was interrupted before it had changed a byte, and was dropped now.",
        RepairAction.Remove => $"'{outcome.Record.Journal}' was removed: {outcome.Record.Reason}.",
        _ => $"'{outcome.Record.Journal}' was passed by: {outcome.Record.Reason}.",
    };

    private static SnapshotException ToException(JournalOutcome outcome, string path) => outcome.Error switch
    {
        SnapshotError.JournalInvalid => Journal.Invalid(outcome.Record.Journal, "its bytes are not those that were written"),
        SnapshotError.JournalConflict => new SnapshotException(
            SnapshotError.JournalConflict,
            $"A save in place of '{path}' was interrupted, and it was not repaired: {outcome.Record.Reason}. Nothing was written. "
            + (outcome.ForcedAction == RepairAction.Remove
                ? "Look at the file, then remove the journal with Repair-MmapSnapshot -Force."
                : "Repair-MmapSnapshot -Force repairs it all the same."),
            path),
        _ => new SnapshotException(
            outcome.Error, $"A save in place of '{path}' was interrupted, and it was not repaired: {outcome.Record.Reason}.", path),
    };
}

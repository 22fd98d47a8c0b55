using System.Diagnostics;
using MmapSnapshot.Committing;
using MmapSnapshot.Content;

namespace MmapSnapshot;

/// <content>Several files saved as one.</content>
public sealed partial class Snapshot
{
    /// <summary>How often <see cref="CommitOptions.Force"/> begins again when another program changes a file in between.</summary>
    private const int ForcedGroupAttempts = 8;

    /// <summary>
    /// Puts the bytes of several snapshots into their files, all or none: all new files are complete, and on the disk, before the first
    /// file is replaced, and where one cannot be replaced those before it are as they were. After a crash, too, all are new or all are old,
    /// once <see cref="SnapshotRepair"/>, or the next opening or save of one of them, has completed or dropped the save. Readers can
    /// see new and old files side by side for a moment. The method is <see cref="CommitMethod.Replace"/>. O(the bytes), and a few
    /// flushes for all (man 2 syncfs, man 2 fsync) instead of some for each.
    /// </summary>
    /// <param name="snapshots">The snapshots; one that is given several times counts once.</param>
    /// <param name="options">
    /// How; null is durable, and keeps the snapshots open. <see cref="CommitOptions.Destination"/>, <see cref="CommitOptions.Backup"/>, and
    /// the methods Exchange and InPlace are NotSupported.
    /// </param>
    /// <param name="cancellation">Ends it; the files are then as they were.</param>
    /// <returns>What was done, for each snapshot in their order.</returns>
    /// <exception cref="SnapshotException">
    /// As of <see cref="Commit"/>, about the file of <see cref="SnapshotException.Path"/>, which stopped it; DuplicateTarget;
    /// NotSupported: a filesystem cannot exchange two names in one step. The files are then as they were, unless the message says
    /// otherwise; the snapshots have all their bytes.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IReadOnlyList<CommitResult> CommitAll(
        IReadOnlyList<Snapshot> snapshots, CommitOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(snapshots);
        options ??= new CommitOptions();
        ThrowUnlessForGroup(options);
        Snapshot[] distinct = [.. snapshots.Distinct()];
        var uses = new List<UseCount.Use>();
        var locked = new Stack<object>();
        Dictionary<Snapshot, CommitResult> results;
        try
        {
            // In one order, so that two groups do not wait for each other.
            foreach (var snapshot in distinct.OrderBy(snapshot => snapshot.Id))
            {
                if (Monitor.IsEntered(snapshot._committing))
                    throw new LockRecursionException("A listener of a commit has asked for another commit.");
                uses.Add(snapshot._uses.Enter(snapshot.Path));
                Monitor.Enter(snapshot._committing);
                locked.Push(snapshot._committing);
            }
            ThrowIfDuplicate(distinct);
            results = CommitLocked(distinct, options, cancellation);
        }
        finally
        {
            foreach (object held in locked) Monitor.Exit(held);
            foreach (var use in uses) use.Dispose();
        }
        if (options.Close) foreach (var snapshot in distinct) snapshot.Close();
        return [.. snapshots.Select(snapshot => results[snapshot])];
    }

    private static Dictionary<Snapshot, CommitResult> CommitLocked(
        Snapshot[] snapshots, CommitOptions options, CancellationToken cancellation)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return CommitOnce(snapshots, options, cancellation);
            }
            catch (SnapshotException exception) when (
                options.Force && exception.Error == SnapshotError.SnapshotConflict && attempt < ForcedGroupAttempts)
            {
                // The file as it is now is overwritten as well.
            }
        }
    }

    private static Dictionary<Snapshot, CommitResult> CommitOnce(
        Snapshot[] snapshots, CommitOptions options, CancellationToken cancellation)
    {
        long started = Stopwatch.GetTimestamp();
        long[] modifiedBytes = [.. snapshots.Select(snapshot => snapshot.ModifiedBytes)];
        PieceTable[] tables = [.. snapshots.Select(snapshot => snapshot._bytes.Current)];
        var progress = new GroupProgress(options.Progress, tables);
        var coordinators = new CommitCoordinator[snapshots.Length];
        var joined = new List<(int Index, GroupMember Member)>();
        for (int i = 0; i < snapshots.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            var snapshot = snapshots[i];
            snapshot.RepairFile(options, cancellation);
            var own = new CommitOptions
            {
                Force = options.Force,
                BreakHardLink = options.BreakHardLink,
                NoFlush = options.NoFlush,
                Close = options.Close,
                Progress = options.Progress is null ? null : progress.Of(i),
                Warnings = options.Warnings,
            };
            coordinators[i] = new CommitCoordinator(snapshot._file, snapshot._bytes, tables[i], own, cancellation);
            if (coordinators[i].TryJoinGroup() is { } member) joined.Add((i, member));
        }

        var published = new PublishedFile?[snapshots.Length];
        var members = new GroupMember?[snapshots.Length];
        if (joined.Count > 0)
        {
            using var group = new GroupCommit([.. joined.Select(join => join.Member)], options, cancellation);
            try
            {
                var files = group.Commit();
                for (int k = 0; k < files.Length; k++)
                    (members[joined[k].Index], published[joined[k].Index]) = (joined[k].Member, files[k]);
            }
            finally
            {
                foreach (var (k, status) in group.Reverted)
                    snapshots[joined[k].Index].TakeOver(coordinators[joined[k].Index].AfterReverted(status), saved: null);
            }
        }

        CommitOutcome[] outcomes = [.. coordinators.Select((coordinator, i) => coordinator.ToOutcome(members[i], published[i]))];
        for (int i = 0; i < snapshots.Length; i++) snapshots[i].TakeOver(outcomes[i].File!, tables[i]);
        foreach (var outcome in outcomes) outcome.Failure?.Throw();
        var elapsed = Stopwatch.GetElapsedTime(started);
        return snapshots.Select((snapshot, i) => (snapshot, i)).ToDictionary(
            pair => pair.snapshot,
            pair => outcomes[pair.i].ToResult(tables[pair.i].Length, modifiedBytes[pair.i], options, elapsed));
    }

    private static void ThrowUnlessForGroup(CommitOptions options)
    {
        string? refused = options.Destination is not null ? nameof(options.Destination)
            : options.Backup is not null ? nameof(options.Backup)
            : options.Method is CommitMethod.InPlace or CommitMethod.Exchange ? $"{nameof(options.Method)} {options.Method}"
            : options.AllowInPlace ? nameof(options.AllowInPlace)
            : options.NoJournal ? nameof(options.NoJournal)
            : null;
        if (refused is null) return;
        throw new SnapshotException(
            SnapshotError.NotSupported,
            $"Files that are saved as one are replaced in their places: {refused} is for a save of each for itself.");
    }

    private static void ThrowIfDuplicate(Snapshot[] snapshots)
    {
        var twice = snapshots.GroupBy(snapshot => snapshot._file.Path).FirstOrDefault(group => group.Skip(1).Any());
        if (twice is null) return;
        throw new SnapshotException(
            SnapshotError.DuplicateTarget,
            $"'{twice.Key}' has {twice.Count()} snapshots among those that are to be saved as one: "
            + $"{string.Join(", ", twice.Select(snapshot => snapshot.Id))}.",
            twice.Key,
            remedies: [SnapshotRemedy.SaveOne]);
    }

    /// <summary>The progress of all files as that of one operation.</summary>
    private sealed class GroupProgress(IProgress<SnapshotProgress>? listener, PieceTable[] tables)
    {
        private readonly long _total = Progress.Sum(tables.Select(table => table.Length));

        internal IProgress<SnapshotProgress> Of(int index) =>
            new Part(this, Progress.Sum(tables.Take(index).Select(table => table.Length)));

        private sealed class Part(GroupProgress whole, long before) : IProgress<SnapshotProgress>
        {
            public void Report(SnapshotProgress value) => whole.Report(Math.Min(before + value.BytesDone, whole._total));
        }

        private void Report(long done) => listener!.Report(new SnapshotProgress($"Saving {tables.Length} files", done, _total));
    }
}

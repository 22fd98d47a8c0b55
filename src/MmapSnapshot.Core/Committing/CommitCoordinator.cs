using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Content;
using MmapSnapshot.Native;
using MmapSnapshot.Source;

namespace MmapSnapshot.Committing;

/// <summary>Saves a table of a snapshot: selects the method and runs its phases.</summary>
/// <param name="own">The file that the snapshot belongs to.</param>
/// <param name="bytes">The snapshot's bytes.</param>
/// <param name="table">Those to save.</param>
/// <param name="options">How.</param>
/// <param name="cancellation">Ends a copy, or a wait.</param>
internal sealed class CommitCoordinator(
    SnapshotFile own, SnapshotBytes bytes, PieceTable table, CommitOptions options, CancellationToken cancellation)
{
    /// <summary>How often <see cref="CommitOptions.Force"/> begins again when another program replaces the file in between.</summary>
    private const int ForcedAttempts = 8;

    private const string AskedFor = "it was asked for";

    /// <summary>Saves it.</summary>
    /// <exception cref="SnapshotException">As of <see cref="Snapshot.Commit"/>: no file was changed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal CommitOutcome Commit()
    {
        using var destination = options.Destination is null ? null : Destination.Resolve(options.Destination);
        if (destination is not null && !IsOwnPath(destination)) return CommitElsewhere(destination);
        if (own.IsReadOnly) throw own.ToReadOnlyError();
        return own.Metadata is { } known ? CommitToOwnFile(known) : CommitNewFile();
    }

    /// <summary>Makes it one file of a group, by what <see cref="CommitMethod.Replace"/> does.</summary>
    /// <returns>The file; null: it has these bytes already.</returns>
    /// <exception cref="SnapshotException">As of <see cref="Snapshot.CommitAll"/>.</exception>
    internal GroupMember? TryJoinGroup()
    {
        if (own.IsReadOnly) throw own.ToReadOnlyError();
        var known = own.Metadata;
        var target = new CommitTarget(own.Directory, own.Name, own.Baseline, known is null ? null : HasBaselineBytes);
        if (IsSavedAlready(target)) return null;
        bytes.Reader.Base.EnsureAvailable();
        if (known is null && target.Find() is null)
        {
            return new GroupMember(
                target, place => new CreateCommit(target, isOwn: true, own.Mode, CreateWriter(), options, cancellation, place));
        }
        if (known is null && !options.Force) throw target.ToConflict(CreateCommit.CreatedSince);
        var mode = known is null ? own.Mode : default;
        return new GroupMember(
            target,
            place => new ReplaceCommit(
                target, known, mode, CreateWriter(), options, cancellation, isLeased: false, overridden: null, place))
        {
            Overridden = known is null ? CreateCommit.CreatedSince : null,
        };
    }

    /// <summary>The outcome for one file of a group.</summary>
    /// <param name="member">The file; null: it had these bytes already.</param>
    /// <param name="published">What it is now.</param>
    internal CommitOutcome ToOutcome(GroupMember? member, PublishedFile? published) => member is null || published is null
        ? Unchanged()
        : ToOutcome(member.Target, CommitMethod.Replace, "files that are saved as one are replaced", published) with
        {
            Overridden = published.Overridden ?? member.Overridden,
        };

    /// <summary>
    /// The snapshot's file after a save that was reverted: it had a new file for a moment, which has moved its change time.
    /// </summary>
    /// <param name="status">What it is now.</param>
    internal SnapshotFile AfterReverted(FileStatus status) =>
        own.Baseline is { } known && status == known.Status with { Changed = status.Changed, Allocated = status.Allocated }
            ? own with { Baseline = known with { Status = status, Freshness = null } }
            : own;

    /// <summary>Runs the phases for one file.</summary>
    /// <returns>What the commit made of the file; null: it met an obstacle, and the file is as it was.</returns>
    private PublishedFile? TryRun(IStagedCommit commit, out CommitObstacle obstacle)
    {
        using (commit)
        {
            var met = commit.Select() ?? commit.Stage();
            if (met is null)
            {
                if (!options.NoFlush) commit.Flush();
                met = commit.Validate() ?? commit.Publish();
            }
            obstacle = met.GetValueOrDefault();
            return met is null ? commit.Complete() : null;
        }
    }

    private CommitOutcome CommitToOwnFile(FileMetadata known)
    {
        var target = new CommitTarget(own.Directory, own.Name, own.Baseline, HasBaselineBytes);
        // The file has these bytes already, unless another process changed it; then it is a conflict as always.
        if (IsSavedAlready(target)) return Unchanged();
        bytes.Reader.Base.EnsureAvailable();
        using var backup = Backup.Of(target, options, cancellation);
        target = target with { Backup = backup };
        var content = CreateWriter();
        if (options.Method == CommitMethod.InPlace) return ToOutcome(target, CommitMethod.InPlace, AskedFor, WriteInPlace(target, known));

        string reason = AskedFor;
        bool isLeased = false;
        if (options.Method is CommitMethod.Auto or CommitMethod.Exchange)
        {
            var exchanged = TryExchangeRanges(target, known, content, out var unavailable);
            if (exchanged is null && unavailable.Kind != ObstacleKind.Leased)
                exchanged = TryRun(new ExchangeCommit(target, known, content, options, cancellation), out unavailable);
            if (exchanged is not null)
                return ToOutcome(target, CommitMethod.Exchange, "the filesystem exchanges the contents of files", exchanged);
            if (options.Method == CommitMethod.Exchange) throw Unavailable("by exchange", unavailable);
            (reason, isLeased) = (unavailable.Reason, unavailable.Kind == ObstacleKind.Leased);
        }
        if (options.AllowInPlace && target.DescribeWhyNotReplaceable(options) is { } notReplaceable)
            return ToOutcome(target, CommitMethod.InPlace, notReplaceable, WriteInPlace(target, known));
        try
        {
            return ToOutcome(target, CommitMethod.Replace, reason, Replace(target, known, mode: default, isLeased));
        }
        catch (SnapshotException failure) when (backup is { WasLinkedInVain: true })
        {
            backup.Remove();
            return AfterRemovedLink(target, failure);
        }
    }

    /// <summary>The file had a second name for a moment, which has moved its change time: that is no conflict later.</summary>
    private CommitOutcome AfterRemovedLink(CommitTarget target, SnapshotException failure)
    {
        var file = target.Find() is { } now ? AfterReverted(now) : own;
        return new CommitOutcome(
            target.Path, CommitMethod.None, "", Overridden: null, file, ExceptionDispatchInfo.Capture(failure))
        {
            IsRolledBack = true,
        };
    }

    /// <summary>Exchanges the blocks that were changed, if that is what the save comes to.</summary>
    private PublishedFile? TryExchangeRanges(CommitTarget target, FileMetadata known, ContentWriter content, out CommitObstacle obstacle)
    {
        obstacle = new CommitObstacle(ObstacleKind.Unavailable, "bytes have moved");
        if (own.IsMixed || SnapshotBytes.OverwrittenPlaces(bytes.Baseline, table) is not { Count: > 0 } places) return null;
        if (Progress.Sum(places.Select(place => place.Length)) > RangeExchangeCommit.MaxBytes) return null;
        return TryRun(new RangeExchangeCommit(target, known, content, places, options, cancellation), out obstacle);
    }

    private CommitOutcome CommitNewFile()
    {
        if (options.Method is CommitMethod.InPlace or CommitMethod.Exchange)
        {
            throw new SnapshotException(
                SnapshotError.NotSupported,
                $"'{own.Path}' does not exist yet, so there is nothing that the method {options.Method} could keep.",
                own.Path,
                remedies: [SnapshotRemedy.UseAutoMethod]);
        }
        var target = new CommitTarget(own.Directory, own.Name, Expected: null);
        const string Reason = "the file is new";
        while (target.Find() is null)
        {
            var commit = new CreateCommit(target, isOwn: true, own.Mode, CreateWriter(), options, cancellation);
            if (TryRun(commit, out var obstacle) is { } created) return ToOutcome(target, CommitMethod.Replace, Reason, created);
            if (!options.Force) throw target.ToConflict(obstacle.Reason);
        }
        if (!options.Force) throw target.ToConflict(CreateCommit.CreatedSince);
        using var backup = Backup.Of(target, options, cancellation);
        target = target with { Backup = backup };
        var replaced = Replace(target, known: null, own.Mode) with { Overridden = CreateCommit.CreatedSince };
        return ToOutcome(target, CommitMethod.Replace, Reason, replaced);
    }

    private CommitOutcome CommitElsewhere(Destination destination)
    {
        if (options.Method is CommitMethod.InPlace or CommitMethod.Exchange)
        {
            throw new SnapshotException(
                SnapshotError.NotSupported,
                $"A destination is always written as a new file, which the method {options.Method} cannot do.",
                options.Destination,
                remedies: [SnapshotRemedy.UseAutoMethod]);
        }
        var target = new CommitTarget(destination.Directory, destination.Name, Expected: null);
        bool exists = destination.Existing is not null;
        if (exists && !options.Force) throw StagedFile.Exists(target.Path);
        using var backup = exists ? Backup.Of(target, options, cancellation) : null;
        target = target with { Backup = backup };
        PublishedFile published;
        if (exists)
        {
            _ = InterruptedSave.Settle(target.Directory, target.Name, options.Force, cancellation);
            published = Replace(target, known: null, own.Mode);
        }
        else
        {
            var commit = new CreateCommit(target, isOwn: false, own.Mode, CreateWriter(), options, cancellation);
            published = TryRun(commit, out _) ?? throw StagedFile.Exists(target.Path);
        }
        return new CommitOutcome(
            target.Path,
            CommitMethod.Replace,
            "a destination is always written as a new file",
            exists ? "it existed" : null,
            File: null,
            published.Failure)
        {
            BackupPath = backup?.KeptPath,
        };
    }

    /// <summary>Replaces the target; with Force again, when another program has changed it in between.</summary>
    private PublishedFile Replace(CommitTarget target, FileMetadata? known, NewFileMode mode, bool isLeased = false)
    {
        string? overridden = null;
        for (int attempt = 1; ; attempt++)
        {
            var commit = new ReplaceCommit(target, known, mode, CreateWriter(), options, cancellation, isLeased, overridden);
            if (TryRun(commit, out var obstacle) is { } replaced) return replaced;
            if (!options.Force || attempt == ForcedAttempts) throw target.ToConflict(obstacle.Reason);
            overridden = obstacle.Reason;
        }
    }

    /// <summary>Writes into the target; with Force again, when another program has changed it in between.</summary>
    private PublishedFile WriteInPlace(CommitTarget target, FileMetadata known)
    {
        var places = own.IsMixed ? null : SnapshotBytes.ChangedPlaces(bytes.Baseline, table);
        string? overridden = null;
        for (int attempt = 1; ; attempt++)
        {
            var commit = new InPlaceCommit(target, known, CreateWriter(), places, options, cancellation, overridden);
            if (TryRun(commit, out var obstacle) is { } written) return written;
            if (!options.Force || attempt == ForcedAttempts) throw target.ToConflict(obstacle.Reason);
            overridden = obstacle.Reason;
        }
    }

    /// <summary>
    /// Whether a destination is the snapshot's own file under any name: overwriting it requires <see cref="CommitOptions.Force"/>, but is
    /// a save like any other.
    /// </summary>
    private bool IsOwnPath(Destination destination)
    {
        if (destination.FullPath != own.Path) return false;
        if (own.Directory.Find(own.Name) is not { } found) return own.Baseline is null && destination.Existing is null;
        if (destination.Existing?.IsSameFileAs(found) is not true) return false;
        if (!options.Force) throw StagedFile.Exists(own.Path);
        return true;
    }

    private SnapshotException Unavailable(string how, in CommitObstacle obstacle) => new(
        SnapshotError.NotSupported,
        $"'{own.Path}' cannot be saved {how}: {obstacle.Reason}.",
        own.Path,
        remedies: [SnapshotRemedy.UseAutoMethod, SnapshotRemedy.UseReplace]);

    private bool IsSavedAlready(CommitTarget target) =>
        own.Metadata is not null && !own.IsMixed && bytes.HasBaselineBytes(table) && IsUnchanged(target);

    private CommitOutcome Unchanged() =>
        new(own.Path, CommitMethod.None, "the file has these bytes already", Overridden: null, own, Failure: null);

    private static bool IsUnchanged(CommitTarget target)
    {
        using var found = target.Look();
        if (found is null || target.DescribeConflict(found.Status) is not null) return false;
        var errno = found.TryOpen(OpenMode.ReadOnly, out var file);
        using (file) return errno == 0 && target.DescribeMappedWrite(file) is null;
    }

    private bool HasBaselineBytes(SafeFileHandle file) => own.IsMixed || bytes.Reader.HasBytes(bytes.Baseline, file);

    private ContentWriter CreateWriter() => new(bytes.Reader, table, options.Progress, cancellation);

    private CommitOutcome ToOutcome(CommitTarget target, CommitMethod method, string reason, PublishedFile published)
    {
        var file = own.After(published, isExchangeable: bytes.Reader.Base.Backing is SnapshotBacking.Reflink or SnapshotBacking.Lease);
        // It is where it was unless that was overridden; and with a failure there is no result to have it.
        string path = published.Failure is null && published.Overridden is not null ? target.CurrentPath : target.Path;
        return new CommitOutcome(path, method, reason, published.Overridden, file, published.Failure)
        {
            BackupPath = target.Backup?.KeptPath,
            IsRolledBack = published.IsRolledBack,
            IsRecoverable = published.IsRecoverable,
            IsAtomicForReaders = published.IsAtomicForReaders,
        };
    }
}

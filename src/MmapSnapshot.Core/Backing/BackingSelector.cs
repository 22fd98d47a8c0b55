using System.Diagnostics;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Backing;

/// <summary>Chooses the kind of base for a file, and makes it.</summary>
internal static class BackingSelector
{
    /// <summary>How often a copy is begun anew when the source changes under it.</summary>
    private const int Attempts = 4;

    internal static SelectedBacking Open(SourceFile source, SnapshotOptions options, CancellationToken cancellation)
    {
        string? reason;
        return options.Backing switch
        {
            SnapshotBacking.Copy => Copy(source, options, BackingChoice.AskedFor, cancellation),
            SnapshotBacking.Reflink => TryReflink(source, BackingChoice.AskedFor, cancellation, out var obstacle) ?? throw Refused("be cloned", obstacle.ToString()),
            SnapshotBacking.Lease => TryLease(source, options, BackingChoice.AskedFor, cancellation, out reason) ?? throw Refused("be opened under a lease", reason),
            SnapshotBacking.Immutable =>
                TryImmutable(source, BackingChoice.AskedFor, cancellation) ?? throw Refused("be taken as immutable", "it is neither on erofs or squashfs nor under fs-verity"),
            // A scratch path asks for the bytes to lie there, and that takes a copy.
            _ when options.ScratchPath is not null => Copy(source, options, BackingChoice.AskedFor, cancellation),
            _ => SelectBest(source, options, cancellation),
        };

        SnapshotException Refused(string operation, string? why)
        {
            bool isLimited = why?.EndsWith(LeaseBudget.LimitedByOption, StringComparison.Ordinal) == true;
            return new SnapshotException(
                SnapshotError.NotSupported,
                $"'{source.Path}' cannot {operation}: {why}.",
                source.Path,
                remedies: [SnapshotRemedy.UseAutoBacking, isLimited ? SnapshotRemedy.AllowWriterDelay : SnapshotRemedy.UseCopy]);
        }
    }

    /// <summary>Not on filesystems that have no reflinks: trying it takes longer than all the rest of opening under a lease.</summary>
    private static bool CanTryClone(SourceFile source) => source.FileSystem.Type is not (FileSystem.Ext2 or FileSystem.Ext3 or FileSystem.Ext4 or FileSystem.Tmpfs);

    private static SelectedBacking SelectBest(SourceFile source, SnapshotOptions options, CancellationToken cancellation) =>
        TryWithoutCopy(source, options, cancellation, out var choice) ?? Copy(source, options, choice, cancellation);

    /// <summary>The best backing that reads none of the file; null, with the reasons, where a copy must be made.</summary>
    internal static SelectedBacking? TryWithoutCopy(SourceFile source, SnapshotOptions options, CancellationToken cancellation, out BackingChoice choice)
    {
        choice = default;
        if (TryImmutable(source, choice, cancellation) is { } immutable) return immutable;
        if (CanTryClone(source))
        {
            if (TryLeaseOfFragmented(source, options, cancellation) is { } lease) return lease;
            if (TryReflink(source, choice, cancellation, out var obstacle) is { } clone) return clone;
            choice = choice with { NoClone = obstacle };
        }
        var leased = TryLease(source, options, choice, cancellation, out string? noLease);
        choice = choice with { LeaseObstacle = noLease };
        return leased;
    }

    private static SelectedBacking? TryImmutable(SourceFile source, in BackingChoice choice, CancellationToken cancellation) =>
        ImmutableContent.TryTake(source, cancellation, out var baseline) is { } content ? new SelectedBacking(content, baseline, choice) : null;

    private static SelectedBacking? TryLease(SourceFile source, SnapshotOptions options, in BackingChoice choice, CancellationToken cancellation, out string? reason) =>
        LeasedContent.TryTake(source, options.ScratchPath, options.MaxWriterDelay, choice.CloneTime, cancellation, out var baseline, out reason) is { } content ? new SelectedBacking(content, baseline, choice) : null;

    /// <summary>A file in many pieces takes long to be cloned: under a lease the clone waits until it is needed, if it ever is.</summary>
    private static SelectedBacking? TryLeaseOfFragmented(SourceFile source, SnapshotOptions options, CancellationToken cancellation)
    {
        if (source.FileSystem.Type is not (FileSystem.Xfs or FileSystem.Btrfs)) return null;
        var cloneTime = Fragmentation.CloneTime(source.Handle, FileStatus.Of(source.Handle, source.Path));
        if (cloneTime is null) return null;
        // Without a clone the keeper would have to copy it all.
        var created = PrivateFile.TryCreateIn(source.Directory, out var trial);
        using (trial)
        {
            if (created != 0 || !FileClone.CanClone(source.Handle, trial.Handle)) return null;
        }
        return TryLease(source, options, new BackingChoice { CloneTime = cloneTime }, cancellation, out _);
    }

    /// <summary>A clone in the file's own directory; null, with what is in the way, where there can be none.</summary>
    private static SelectedBacking? TryReflink(SourceFile source, in BackingChoice choice, CancellationToken cancellation, out CloneObstacle obstacle)
    {
        var created = PrivateFile.TryCreateIn(source.Directory, out var file);
        obstacle = new CloneObstacle(created, IsTmpFileFailure: true);
        if (created != 0)
        {
            file.Dispose();
            if (PrivateFile.IsNoPlace(created)) return null;
            throw ErrnoErrors.ToException(created, $"create a private file in '{source.Directory.Path}'", source.Path, SnapshotError.WriteFailed);
        }
        try
        {
            // Baseline first: a write that comes between the two is then in the clone, but counts as a change when it is
            // committed. The other way round it would be lost.
            var baseline = Baseline.OfStable(source.Handle, source.Path, cancellation);
            var errno = FileClone.TryClone(source.Handle, file.Handle);
            if (errno == 0)
            {
                // The clone's own length: the file's may have changed since it was looked at.
                return new SelectedBacking(
                    new PrivateContent(file, SnapshotBacking.Reflink, FileStatus.Of(file.Handle, source.Path).Length, source.Path), baseline, choice);
            }
            if (!FileClone.IsUnavailable(errno)) throw ErrnoErrors.ToException(errno, $"clone '{source.Path}'", source.Path, SnapshotError.ReadFailed);
            obstacle = new CloneObstacle(errno, IsTmpFileFailure: false);
            file.Dispose();
            return null;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>A copy in the first place that has room for it. A read-only snapshot without one beside the file is rather a lease.</summary>
    private static SelectedBacking Copy(SourceFile source, SnapshotOptions options, in BackingChoice choice, CancellationToken cancellation)
    {
        long needed = FileStatus.Of(source.Handle, source.Path).DataLength;
        bool mayLease = options is { ReadOnly: true, Backing: SnapshotBacking.Auto, ScratchPath: null };
        var shortages = new List<string>();
        var exceeded = default(SnapshotException);
        foreach (var place in PrivateFile.EnumerateCandidates(source.Directory, options.ScratchPath))
        {
            if (place.HasRoomFor(needed, out long available))
            {
                try
                {
                    return CopyTo(place, source, options, choice, cancellation);
                }
                catch (SnapshotException full) when (full.Error == SnapshotError.NoSpace)
                {
                    exceeded = full; // others were quicker, or there is a quota
                }
            }
            place.Dispose();
            shortages.Add($"'{place.Location}' has {available}");
            if (mayLease && shortages.Count == 1 && LeaseWithoutRoom(TimeSpan.MaxValue, copyTime: null, choice) is { } lease) return lease;
        }
        if (shortages.Count == 0)
            return CopyTo(PrivateFile.Create(source.Directory, options.ScratchPath), source, options, choice, cancellation);
        // Without room for a copy no writer ever waits for one.
        if (mayLease && LeaseWithoutRoom(TimeSpan.MaxValue, TimeSpan.Zero, choice) is { } last) return last;
        throw NoRoom(source, options, needed, shortages, exceeded);

        SelectedBacking? LeaseWithoutRoom(TimeSpan maxWriterDelay, TimeSpan? copyTime, BackingChoice known) =>
            LeasedContent.TryTake(source, scratchPath: null, maxWriterDelay, copyTime, cancellation, out var baseline, out _) is { } content
                ? new SelectedBacking(content, baseline, known with { HasNoRoom = true })
                : null;
    }

    private static SnapshotException NoRoom(SourceFile source, SnapshotOptions options, long needed, List<string> shortages, SnapshotException? exceeded)
    {
        bool canLease = !options.ReadOnly && options.ScratchPath is null && CanLease(source);
        return new SnapshotException(
            SnapshotError.NoSpace,
            $"There is no room for a copy of '{source.Path}', which takes {needed} bytes: {string.Join(", ", shortages)} (ENOSPC).",
            source.Path,
            exceeded?.ErrorNumber ?? NativeConvert.FromErrno(Errno.ENOSPC),
            canLease
                ? [SnapshotRemedy.FreeSpace, SnapshotRemedy.OpenReadOnly, SnapshotRemedy.UseScratchPath]
                : [SnapshotRemedy.FreeSpace, SnapshotRemedy.UseScratchPath]);
    }

    private static bool CanLease(SourceFile source)
    {
        using var lease = ReadLease.TryTake(source.Handle, out _, source.FileSystem);
        return lease is not null;
    }

    /// <summary>Copies the source to a private file, which is disposed if that fails.</summary>
    private static SelectedBacking CopyTo(PrivateFile file, SourceFile source, SnapshotOptions options, in BackingChoice choice, CancellationToken cancellation)
    {
        try
        {
            for (int attempt = 0; attempt < Attempts; attempt++)
            {
                if (TryCopyOneInstant(source, file, options, cancellation) is { } baseline)
                {
                    PrivateContent.Flush(file, source.Path);
                    return new SelectedBacking(
                        new PrivateContent(file, SnapshotBacking.Copy, FileStatus.Of(file.Handle, source.Path).Length, source.Path), baseline, choice);
                }
                ErrnoErrors.ThrowIfError(Kernel.FTruncate(file.Handle, 0), $"empty the copy of '{source.Path}'", source.Path, SnapshotError.WriteFailed);
            }
        }
        catch
        {
            file.Dispose();
            throw;
        }
        file.Dispose();
        throw new SnapshotException(
            SnapshotError.SourceChanging,
            $"'{source.Path}' was written to each of the {Attempts} times it was copied, so no copy is of one instant.",
            source.Path,
            remedies: [SnapshotRemedy.StopWriter, SnapshotRemedy.UseReflinkFileSystem]);
    }

    /// <summary>
    /// Copies the source as it was at one moment, and returns a status of it from which later changes can be told; null when another
    /// process has changed what was copied.
    /// </summary>
    /// <remarks>
    /// Without a lease the file is read twice: bytes that are the same both times are those of the moment between the readings. A file
    /// that only grew is followed to its end first, so that the copy is all of what it was at that moment. If it grows too quickly for
    /// that, the copy is the beginning of it, up to a length that the file had.
    /// </remarks>
    private static Baseline? TryCopyOneInstant(SourceFile source, PrivateFile file, SnapshotOptions options, CancellationToken cancellation)
    {
        // Under a lease a writer waits until we have done. One that is forced through after lease-break-time moves the status.
        using var lease = ReadLease.TryTake(source.Handle, out _, source.FileSystem);
        if (lease is null)
        {
            // Another process may have the file mapped for writing. Written back, its pages are write-protected, and the next
            // store moves the timestamps. (Not every filesystem can: its errors mean nothing here.)
            _ = Kernel.FDataSync(source.Handle);
        }
        var before = FileStatus.OfStable(source.Handle, source.Path, cancellation);
        var copy = CopyOf(before.Length);
        long started = Stopwatch.GetTimestamp();
        long length = copy.CopyAll(before.Length);
        CopyThroughput.Record(before, Stopwatch.GetElapsedTime(started));
        if (lease is not null) return before.DifferenceTo(FileStatus.Of(source.Handle, source.Path)) is null ? new Baseline(before, Freshness: null) : null;

        if (source.FileSystem.IsGenerated) return new Baseline(before, Freshness: null);

        var copied = before;
        if (length == before.Length)
        {
            for (int round = 0; round < Attempts; round++)
            {
                var now = FileStatus.OfStable(source.Handle, source.Path, cancellation);
                if (now.Length < length) break;
                copied = now;
                if (now.Length == length) break;
                length = CopyOf(now.Length).CopyRange(ByteRange.Between(length, now.Length));
            }
        }
        // tmpfs never tells of stores through a mapping: only the second reading does.
        if (!copy.IsEqual(length, new Progress($"Checking the copy of '{source.Path}'", length, options.Progress, cancellation))) return null;
        var after = FileStatus.Of(source.Handle, source.Path);
        bool hasGrown = after.Length > before.Length && after.Length >= length;
        return hasGrown || before.DifferenceTo(after) is null ? new Baseline(copied, Freshness: null, MayBeMappedForWriting: true) : null;

        DataCopy CopyOf(long total) => new(
            source.Handle, file.Handle, source.Path, file.Location, new Progress($"Copying '{source.Path}'", total, options.Progress, cancellation));
    }
}

using System.Diagnostics;
using MmapSnapshot.Native;
using MmapSnapshot.Source;

namespace MmapSnapshot.Backing;

/// <summary>One instant of a source file, kept from changing.</summary>
/// <param name="Content">The bytes.</param>
/// <param name="Baseline">What the source was at that instant.</param>
/// <param name="Choice">Why the content is of this kind.</param>
internal sealed record PrivateBytes(SnapshotContent Content, Baseline Baseline, BackingChoice Choice)
{
    /// <summary>How often a copy is begun anew when the source changes under it.</summary>
    private const int Attempts = 4;

    internal static PrivateBytes Take(SourceFile source, SnapshotOptions options, CancellationToken cancellation)
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
            _ => TakeBest(source, options, cancellation),
        };

        SnapshotException Refused(string deed, string? why) => new(
            SnapshotError.NotSupported, $"'{source.Path}' cannot {deed}: {why}. Leave -Backing out, or give Copy.", source.Path);
    }

    /// <summary>Not on filesystems that have no reflinks: trying it takes longer than all the rest of opening under a lease.</summary>
    private static bool MayClone(SourceFile source) => source.FileSystem.Type is not (FileSystem.Ext2 or FileSystem.Ext3 or FileSystem.Ext4 or FileSystem.Tmpfs);

    private static PrivateBytes TakeBest(SourceFile source, SnapshotOptions options, CancellationToken cancellation)
    {
        var choice = default(BackingChoice);
        if (TryImmutable(source, choice, cancellation) is { } immutable) return immutable;
        if (MayClone(source))
        {
            if (TryLeaseOfFragmented(source, options, cancellation) is { } lease) return lease;
            if (TryReflink(source, choice, cancellation, out var obstacle) is { } clone) return clone;
            choice = choice with { NoClone = obstacle };
        }
        return TryLease(source, options, choice, cancellation, out string? noLease) ?? Copy(source, options, choice with { NoLease = noLease }, cancellation);
    }

    private static PrivateBytes? TryImmutable(SourceFile source, in BackingChoice choice, CancellationToken cancellation) =>
        ImmutableContent.TryTake(source, cancellation, out var baseline) is { } content ? new PrivateBytes(content, baseline, choice) : null;

    private static PrivateBytes? TryLease(SourceFile source, SnapshotOptions options, in BackingChoice choice, CancellationToken cancellation, out string? reason) =>
        LeasedContent.TryTake(source, options, choice.CloneTime, cancellation, out var baseline, out reason) is { } content ? new PrivateBytes(content, baseline, choice) : null;

    /// <summary>A file in many pieces takes long to be cloned: under a lease the clone waits until it is needed, if it ever is.</summary>
    private static PrivateBytes? TryLeaseOfFragmented(SourceFile source, SnapshotOptions options, CancellationToken cancellation)
    {
        if (source.FileSystem.Type is not (FileSystem.Xfs or FileSystem.Btrfs)) return null;
        var cloneTime = Fragmentation.CloneTime(source.Handle, FileStatus.Of(source.Handle, source.Path));
        if (cloneTime is null) return null;
        // Without a clone the keeper would have to copy it all.
        var created = PrivateFile.TryCreateIn(source.Folder, out var trial);
        using (trial)
        {
            if (created != 0 || !FileClone.CanClone(source.Handle, trial.Handle)) return null;
        }
        return TryLease(source, options, new BackingChoice { CloneTime = cloneTime }, cancellation, out _);
    }

    /// <summary>A clone in the file's own folder; null, with what is in the way, where there can be none.</summary>
    private static PrivateBytes? TryReflink(SourceFile source, in BackingChoice choice, CancellationToken cancellation, out CloneObstacle obstacle)
    {
        var created = PrivateFile.TryCreateIn(source.Folder, out var file);
        obstacle = new CloneObstacle(created, HasNoPlace: true);
        if (created != 0)
        {
            file.Dispose();
            if (PrivateFile.IsNoPlace(created)) return null;
            throw Failure.From(created, $"create a private file in '{source.Folder.Path}'", source.Path, SnapshotError.WriteFailed);
        }
        try
        {
            // Baseline first: a write that comes between the two is then in the clone, but counts as a change when it is
            // committed. The other way round it would be lost.
            var baseline = Baseline.SettledOf(source.Handle, source.Path, cancellation);
            var errno = FileClone.TryClone(source.Handle, file.Handle);
            if (errno == 0)
            {
                // The clone's own length: the file's may have changed since it was looked at.
                return new PrivateBytes(
                    new PrivateContent(file, SnapshotBacking.Reflink, FileStatus.Of(file.Handle, source.Path).Length, source.Path), baseline, choice);
            }
            if (!FileClone.IsUnavailable(errno)) throw Failure.From(errno, $"clone '{source.Path}'", source.Path, SnapshotError.ReadFailed);
            obstacle = new CloneObstacle(errno, HasNoPlace: false);
            file.Dispose();
            return null;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static PrivateBytes Copy(SourceFile source, SnapshotOptions options, in BackingChoice choice, CancellationToken cancellation)
    {
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            var file = PrivateFile.CreateAnywhere(source.Folder, options.ScratchPath);
            try
            {
                if (TryCopyOneInstant(source, file, options, cancellation) is { } baseline)
                {
                    return new PrivateBytes(
                        new PrivateContent(file, SnapshotBacking.Copy, FileStatus.Of(file.Handle, source.Path).Length, source.Path), baseline, choice);
                }
            }
            catch
            {
                file.Dispose();
                throw;
            }
            file.Dispose();
        }
        throw new SnapshotException(
            SnapshotError.SourceChanging,
            $"'{source.Path}' was written to each of the {Attempts} times it was copied, so no copy is of one instant. "
            + "Stop the writer for a moment, or move the file to XFS or btrfs, where a snapshot is a clone.",
            source.Path);
    }

    /// <summary>Copies the source and returns what it was, or null when somebody wrote to it meanwhile.</summary>
    private static Baseline? TryCopyOneInstant(SourceFile source, PrivateFile file, SnapshotOptions options, CancellationToken cancellation)
    {
        // Under a lease a writer waits until we have done. One that is forced through after lease-break-time moves the status.
        using var lease = ReadLease.TryTake(source.Handle, out _);
        if (lease is null)
        {
            // Somebody may have the file mapped for writing. Written back, its pages are write-protected, and the next
            // store moves the timestamps. (Not every filesystem can: its errors mean nothing here.)
            _ = Kernel.SyncData(source.Handle);
        }
        var before = FileStatus.SettledOf(source.Handle, source.Path, cancellation);
        var progress = new Progress($"Copying '{source.Path}'", before.Length, options.Progress, cancellation);
        var copy = new DataCopy(source.Handle, file.Handle, source.Path, file.Location, progress);
        long started = Stopwatch.GetTimestamp();
        long length = copy.CopyAll(before.Length);
        CopySpeed.Saw(before, Stopwatch.GetElapsedTime(started));

        // tmpfs never tells of stores through a mapping. Read twice alike, the bytes are those between the two readings.
        if (lease is null && !copy.IsEqual(length, new Progress($"Checking the copy of '{source.Path}'", length, options.Progress, cancellation))) return null;
        if (before.DifferenceTo(FileStatus.Of(source.Handle, source.Path)) is not null) return null;
        return new Baseline(before, Freshness: null, MayChangeUnseen: lease is null);
    }
}

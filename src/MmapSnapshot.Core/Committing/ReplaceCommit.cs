using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Puts a new file in the place of the old one: made without a name, given all that the old one has, made durable, and renamed
/// over it. At every instant, and after a crash, the name stands for the old file or the new one, whole.
/// </summary>
/// <param name="content">The bytes.</param>
/// <param name="length">How many.</param>
/// <param name="options">How.</param>
/// <param name="cancellation">Ends a copy.</param>
/// <param name="giveAway">Whether the private file itself may become the new file, as nobody will write to it any more.</param>
internal sealed class ReplaceCommit(PrivateFile content, long length, CommitOptions options, CancellationToken cancellation, bool giveAway = false)
{
    /// <summary>What <see cref="CommitOptions.Force"/> overrode.</summary>
    internal string? Overridden { get; private set; }

    /// <summary>What the committed file has besides its bytes; null: what it had when it was opened.</summary>
    internal FileMetadata? Metadata { get; private set; }

    /// <summary>Why the new name may not survive a power cut although it is in place; 0 when it will.</summary>
    internal Errno FolderSync { get; private set; }

    /// <summary>Replaces the target, and returns what the file is that bears its name then.</summary>
    /// <param name="target">The file to replace.</param>
    /// <param name="known">The metadata of the expected file, to be carried over as long as it still is that file.</param>
    internal Baseline Replace(CommitTarget target, FileMetadata known)
    {
        var now = target.Find();
        CheckConflict(target, now);
        if (now is { IsRegular: false } other) throw SourceFile.NotRegular(target.Path, other.Mode);
        if (now is { Links: > 1 } linked && !options.BreakHardLink) throw HardLinked(target, linked.Links);
        var metadata = now is null || target.Expected?.Status.DifferenceTo(now.Value) is null ? known : Reread(target);

        Metadata = metadata;
        bool noLeftovers = Leftovers.Remove(target.Folder);
        using var staged = Stage(target, metadata);
        // Settled, so that the next write moves its timestamps; but nobody will ask for them once the snapshot is closed.
        var before = options.Close ? FileStatus.Of(staged.Handle, target.Path) : FileStatus.SettledOf(staged.Handle, target.Path);

        ReplaceUnlessChanged(target, staged);
        SyncFolder(target.Folder, staged.Handle);
        if (noLeftovers) Leftovers.RememberNone(target.Folder);
        return options.Close ? new Baseline(before, Freshness: null) : BaselineAfter(staged.Handle, before);
    }

    /// <summary>Creates a file that must not exist yet, the caller's own.</summary>
    /// <param name="target">The new file.</param>
    /// <param name="mode">Its rights, of which the umask, or the folder's default ACL, takes its part, as with every new file.</param>
    internal void Create(CommitTarget target, FilePermissions mode)
    {
        using var staged = StagedFile.Create(target.Folder, target.Name, mode);
        Fill(staged.Handle, target.Path);
        Flush(staged.Handle, target.Path);
        Publish(target, staged);
        SyncFolder(target.Folder, staged.Handle);
    }

    /// <summary>As <see cref="Create"/>, for a snapshot that goes on belonging to the new file; returns what that is then.</summary>
    internal (Baseline Baseline, FileMetadata Metadata) CreateExpected(CommitTarget target, FilePermissions mode)
    {
        using var staged = StagedFile.Create(target.Folder, target.Name, mode);
        Fill(staged.Handle, target.Path);
        Flush(staged.Handle, target.Path);
        var before = FileStatus.SettledOf(staged.Handle, target.Path);
        var metadata = FileMetadata.Of(staged.Handle, before, target.Path);
        try
        {
            Publish(target, staged);
        }
        catch (SnapshotException exception) when (exception.Error == SnapshotError.DestinationExists)
        {
            throw target.Refused("somebody has made it meanwhile");
        }
        SyncFolder(target.Folder, staged.Handle);
        return (BaselineAfter(staged.Handle, before), metadata);
    }

    /// <summary>Where this takes two steps the look comes as late as can be, and the lock keeps other savers away.</summary>
    private void Publish(CommitTarget target, StagedFile staged)
    {
        if (staged.TryPublish()) return;
        using var alone = SaverLock.Take(target, cancellation);
        if (target.Find() is not null) throw StagedFile.Exists(target.Path);
        staged.Replace();
    }

    /// <summary>
    /// Last look and rename under a read lease where one can be had: no writer can slip in between. (man 2 rename is not held up
    /// by a lease.) The lock is for other savers.
    /// </summary>
    private void ReplaceUnlessChanged(CommitTarget target, StagedFile staged)
    {
        using var alone = SaverLock.Take(target, cancellation);
        CheckConflict(target, target.Find()); // before it is opened: by now it may be something else than a file
        var errno = target.Open(OpenMode.ReadOnly, out var current);
        using (current)
        {
            bool opened = errno == 0;
            using var lease = opened ? ReadLease.TryTake(current, out errno) : null;
            CheckConflict(target, target.Find(), openForWriting: opened && errno == Errno.EAGAIN);
            if (opened && Overridden is null && target.UnseenConflict(current) is { } unseen) Override(target, unseen);
            staged.Replace();
        }
    }

    /// <summary>
    /// Taking its name moved the change time, but not the modification time: if that moved too, somebody has written to the new
    /// file already, and the status from before will show it as changed.
    /// </summary>
    private static Baseline BaselineAfter(SafeFileHandle file, in FileStatus before) =>
        Baseline.TryOf(file) is { } after && after.Status.Modified.Equals(before.Modified) && after.Status.Length == before.Length
            ? after
            : new Baseline(before, Freshness: null);

    private static SnapshotException HardLinked(CommitTarget target, ulong links) => new(
        SnapshotError.HardLinked,
        $"'{target.Path}' was not saved: it has {links} names (hard links), and a new file would take only this one. Save with -BreakHardLink to "
        + (target.Expected is null ? "leave the other names with the old bytes." : "leave the other names with the old bytes, or with -Method InPlace to keep them together (not atomic)."),
        target.Path);

    private void CheckConflict(CommitTarget target, FileStatus? now, bool openForWriting = false)
    {
        string? conflict = target.Conflict(now);
        if (conflict is null && openForWriting && target.Expected is not null)
            conflict = "another process has it open for writing, and would go on writing to the old file";
        if (conflict is not null) Override(target, conflict);
    }

    private void Override(CommitTarget target, string conflict)
    {
        if (!options.Force) throw target.Refused(conflict);
        Overridden = conflict;
    }

    /// <summary>The new file, complete and (unless that is waived) on the disk, but without the target's name.</summary>
    private StagedFile Stage(CommitTarget target, FileMetadata metadata)
    {
        string path = target.Path;
        bool given = giveAway && content.CanBeLinkedIn(target.Folder) && HasFlagOf(metadata);
        var staged = given ? StagedFile.GiveAway(content, target.Folder, target.Name) : StagedFile.Create(target.Folder, target.Name, Kernel.PrivateMode);
        try
        {
            metadata.ApplyOwner(staged.Handle, path);
            if (!given) FileClone.TrySetNoCopyOnWrite(staged.Handle, metadata.IsNoCopyOnWrite);
            if (!given) Fill(staged.Handle, path);
            metadata.ApplyRest(staged.Handle, path);
            Flush(staged.Handle, path);
            return staged;
        }
        catch
        {
            staged.Dispose();
            throw;
        }
    }

    /// <summary>Whether the private file is NOCOW, or not, as the new file is to be: it has its bytes already, and cannot change.</summary>
    private bool HasFlagOf(FileMetadata metadata) =>
        Kernel.GetInodeFlags(content.Handle, out var flags) == 0 && flags.HasFlag(InodeFlags.NoCopyOnWrite) == metadata.IsNoCopyOnWrite;

    private void Fill(SafeFileHandle staged, string path)
    {
        var errno = Kernel.Clone(content.Handle, staged);
        if (errno == 0) return;
        if (!FileClone.IsUnavailable(errno)) throw Failure.From(errno, $"clone the snapshot of '{path}'", path, SnapshotError.WriteFailed);
        var progress = new Progress($"Saving '{path}'", length, options.Progress, cancellation);
        new DataCopy(content.Handle, staged, path, path, progress).CopyAll(length);
    }

    /// <summary>The metadata of the file that -Force is about to overwrite, which is not the one that was opened.</summary>
    private static FileMetadata Reread(CommitTarget target)
    {
        Failure.Check(target.Open(OpenMode.ReadOnly, out var file), $"open '{target.Path}'", target.Path, SnapshotError.ReadFailed);
        using (file)
            return FileMetadata.Of(file, FileStatus.Of(file, target.Path), target.Path);
    }

    private void Flush(SafeFileHandle staged, string path)
    {
        if (!options.NoFlush) Failure.Check(Kernel.Sync(staged), $"flush the new '{path}' to the disk", path, SnapshotError.WriteFailed);
    }

    private void SyncFolder(ParentFolder folder, SafeFileHandle staged)
    {
        if (!options.NoFlush) FolderSync = folder.Sync(staged);
    }
}

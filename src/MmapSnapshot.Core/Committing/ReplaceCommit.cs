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
/// <param name="content">The bytes.</param>
/// <param name="options">How.</param>
/// <param name="cancellation">Ends a copy, or the wait for another saver.</param>
/// <param name="isLeased">
/// Whether another process holds a lease on the target that this one has asked it to release: that no lease can be had then is not
/// taken for an open file. A write lease still is.
/// </param>
internal sealed class ReplaceCommit(ContentWriter content, CommitOptions options, CancellationToken cancellation, bool isLeased = false)
{
    /// <summary>How often <see cref="CommitOptions.Force"/> begins again when another program replaces the file in between.</summary>
    private const int ForcedAttempts = 8;

    /// <summary>What <see cref="CommitOptions.Force"/> overrode.</summary>
    internal string? Overridden { get; private set; }

    /// <summary>What the committed file has besides its bytes; null: what it had when it was opened.</summary>
    internal FileMetadata? Metadata { get; private set; }

    /// <summary>Why the new name may not survive a power cut although it is in place; 0 when it will.</summary>
    internal Errno FolderSync { get; private set; }

    /// <summary>Replaces the target, and returns what the file is that has its name then.</summary>
    /// <param name="target">The file to replace.</param>
    /// <param name="known">The metadata of the expected file, carried over while it still is that file; null: none is expected.</param>
    /// <param name="mode">If exact, the permissions that the new file gets instead of those of the old one.</param>
    internal Baseline Replace(CommitTarget target, FileMetadata? known, NewFileMode mode = default)
    {
        for (int attempt = 1; ; attempt++)
        {
            if (TryReplace(target, known, mode, out string? conflict) is { } replaced) return replaced;
            if (!options.Force || attempt == ForcedAttempts) throw target.ToConflict(conflict!);
            Overridden = conflict;
        }
    }

    /// <summary>Creates a file that must not exist yet, the caller's own.</summary>
    /// <param name="target">The new file.</param>
    /// <param name="mode">Its permissions.</param>
    internal void Create(CommitTarget target, NewFileMode mode)
    {
        using var staged = StageNew(target, mode);
        PublishNew(target, staged);
        SyncFolder(target.Folder, staged.Handle);
    }

    /// <summary>As <see cref="Create"/>, for a snapshot that continues as that of the new file; returns what that is then.</summary>
    internal (Baseline Baseline, FileMetadata Metadata) CreateExpected(CommitTarget target, NewFileMode mode)
    {
        using var staged = StageNew(target, mode);
        var before = FileStatus.SettledOf(staged.Handle, target.Path);
        var metadata = FileMetadata.Of(staged.Handle, before, target.Path);
        try
        {
            PublishNew(target, staged);
        }
        catch (SnapshotException exception) when (exception.Error == SnapshotError.DestinationExists)
        {
            throw target.ToConflict("another process has created it since");
        }
        var after = BaselineAfter(staged.Handle, before);
        SyncFolder(target.Folder, staged.Handle);
        return (after, metadata);
    }

    private Baseline? TryReplace(CommitTarget target, FileMetadata? known, NewFileMode mode, out string? conflict)
    {
        using var found = target.Look();
        CheckConflict(target, found?.Status);
        found?.ThrowUnlessRegular();
        if (found is { Status.Links: > 1 } linked && !options.BreakHardLink) throw HardLinked(target, linked.Status.Links);
        if (target.Expected is not null && found is not null) target.ThrowIfWriteProtected(found, options);
        if (found is null && known is null)
        {
            conflict = "another process has deleted it in the moment it was saved";
            return null;
        }
        // From the file that is replaced and from no other, by its descriptor.
        bool isKnown = known is not null && (found is null || target.Expected?.Status.DifferenceTo(found.Status) is null);
        Metadata = isKnown ? known! : ReadCurrentMetadata(target, found!);
        if (mode.IsExact) Metadata = Metadata.WithPermissions(mode.Permissions);

        using var staged = Stage(target, found, Metadata);
        using var ownLease = staged.TryLease();
        // Settled, so that the next write moves its timestamps; but they do not matter once the snapshot is closed.
        var before = options.Close ? FileStatus.Of(staged.Handle, target.Path) : FileStatus.SettledOf(staged.Handle, target.Path);
        using var marker = TakeMarker(target, staged, found);
        try
        {
            conflict = found is null ? PublishForced(target, staged) : Publish(target, staged, found, marker);
            if (conflict is not null) return null;
            var after = options.Close ? new Baseline(before, Freshness: null) : BaselineAfter(staged.Handle, before);
            ownLease?.Dispose(); // a process that wants to write to the new file need not wait for the directory's flush
            SyncFolder(target.Folder, staged.Handle);
            return after;
        }
        finally
        {
            staged.RemoveTemporaryName(); // before the marker goes: if this process is killed in between, the next saver finds both
        }
    }

    private SaveMarker TakeMarker(CommitTarget target, StagedFile staged, TargetFile? replaced)
    {
        var status = FileStatus.Of(staged.Handle, target.Path);
        var record = new SaveRecord(staged.Token, FileIdentity.Of(staged.Handle, status), replaced is null ? null : Identify(replaced));
        return SaveMarker.Take(target, replaced?.Status.User ?? Syscall.geteuid(), record, options, cancellation);
    }

    private static FileIdentity Identify(TargetFile file)
    {
        var errno = file.TryOpen(OpenMode.ReadOnly, out var readable);
        using (readable)
            return errno == 0 ? FileIdentity.Of(readable, file.Status) : new FileIdentity(file.Status.Inode, Generation: 0, file.Status.Length);
    }

    /// <summary>
    /// The last look, and the exchange of names, under a read lease where one can be had: no process opens the file for writing in
    /// between. (man 2 rename does not wait for a lease.)
    /// </summary>
    /// <returns>Null when the staged file has the name; else the conflict.</returns>
    private string? Publish(CommitTarget target, StagedFile staged, TargetFile found, SaveMarker marker)
    {
        staged.LinkTemporary(marker);
        using var now = target.Look();
        CheckConflict(target, now?.Status);
        if (now is null) return "it was deleted in the moment it was saved";
        if (!now.Status.IsSameFileAs(found.Status)) return "it was replaced by another file in the moment it was saved"; // -Force: with other metadata

        // Another process's write lease is a conflict, as its open file would be.
        var errno = isLeased
            ? now.TryOpen(OpenMode.ReadOnly, out var current)
            : now.TryOpenSoon(OpenMode.ReadOnly, cancellation, out current);
        using (current)
        {
            bool isOpen = errno == 0, isLocal = isOpen && FileSystem.Of(current).IsLocal;
            using var lease = isLocal ? ReadLease.TryTake(current, out errno) : null;
            var status = now.CurrentStatus();
            CheckConflict(target, status, openForWriting: errno == Errno.EAGAIN && (!isOpen || (isLocal && !isLeased)));
            if (isOpen && Overridden is null && target.DescribeMappedWrite(current) is { } unseen) Override(target, unseen);
            return new NameExchange(target, staged, now, status, Overridden is null ? lease : null, marker, options).TryPublish();
        }
    }

    /// <summary>The target was deleted, and <see cref="CommitOptions.Force"/> makes it again.</summary>
    private static string? PublishForced(CommitTarget target, StagedFile staged)
    {
        try
        {
            PublishInDirectory(target, staged);
            return null;
        }
        catch (SnapshotException exception) when (exception.Error == SnapshotError.DestinationExists)
        {
            return "another process has created it since";
        }
    }

    private void PublishNew(CommitTarget target, StagedFile staged)
    {
        using (TakeMarker(target, staged, replaced: null)) PublishInDirectory(target, staged);
    }

    /// <summary>Where this takes two steps the look comes as late as can be, and the marker excludes other savers.</summary>
    private static void PublishInDirectory(CommitTarget target, StagedFile staged)
    {
        if (staged.TryLinkNew()) return;
        if (target.Find() is not null) throw StagedFile.Exists(target.Path);
        Failure.Check(staged.Rename(), $"create '{target.Path}'", target.Path, SnapshotError.WriteFailed);
    }

    /// <summary>
    /// Taking its name moved the change time, but not the modification time: if that moved too, another process has written to the
    /// new file already, and the status from before will show it as changed.
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
        string? conflict = target.DescribeConflict(now);
        if (conflict is null && openForWriting && target.Expected is not null)
            conflict = "another process has it open for writing, and would continue to write to the old file";
        if (conflict is not null) Override(target, conflict);
    }

    private void Override(CommitTarget target, string conflict)
    {
        if (!options.Force) throw target.ToConflict(conflict);
        Overridden = conflict;
    }

    /// <summary>As <see cref="Stage"/>, for a file that replaces none.</summary>
    private StagedFile StageNew(CommitTarget target, NewFileMode mode)
    {
        var staged = StagedFile.Create(target, replaced: null, mode.Initial);
        try
        {
            content.Fill(staged.Handle, target.Path);
            mode.Apply(staged.Handle, target.Path);
            Flush(staged.Handle, target.Path);
            return staged;
        }
        catch
        {
            staged.Dispose();
            throw;
        }
    }

    /// <summary>The new file, complete and (unless that is waived) on the disk, but without the target's name.</summary>
    private StagedFile Stage(CommitTarget target, TargetFile? replaced, FileMetadata metadata)
    {
        string path = target.Path;
        var staged = StagedFile.Create(target, replaced, Kernel.PrivateMode);
        try
        {
            metadata.ApplyOwner(staged.Handle, path, () => target.RemedyWithoutReplacing(replaced));
            FileClone.TrySetNoCopyOnWrite(staged.Handle, metadata.IsNoCopyOnWrite);
            content.Fill(staged.Handle, path);
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

    /// <summary>
    /// The metadata of the file that -Force is about to overwrite, which has changed since it was opened; without its privileges if it
    /// is another file than the one that the bytes come from.
    /// </summary>
    private FileMetadata ReadCurrentMetadata(CommitTarget target, TargetFile found)
    {
        Failure.Check(found.Open(OpenMode.ReadOnly, cancellation, out var file), $"open '{target.Path}'", target.Path, SnapshotError.ReadFailed);
        using (file)
        {
            var metadata = FileMetadata.Of(file, FileStatus.Of(file, target.Path), target.Path);
            return target.Expected?.Status.IsSameFileAs(found.Status) is true ? metadata : metadata.WithoutPrivileges();
        }
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

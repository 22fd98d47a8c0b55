using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Gives the staged file the target's name (man 2 renameat2, RENAME_EXCHANGE), and looks at the file that this displaced. If it is
/// not the expected one, another program has replaced the target in between: its file gets the name back. No file is lost,
/// whatever other programs rename at the same time. tests/models checks these steps; change both together.
/// </summary>
/// <param name="target">The name.</param>
/// <param name="staged">The new file; it has its temporary name.</param>
/// <param name="expected">The file that the name is expected to refer to.</param>
/// <param name="before">Its status when it was last compared.</param>
/// <param name="lease">A read lease on it, or null.</param>
/// <param name="leave">Leaves what has the temporary name to the next saver, where this one cannot clean up.</param>
/// <param name="options">Whose <see cref="CommitOptions.Warnings"/> receives what the user should know.</param>
/// <param name="isInGroup">Whether the old file keeps the temporary name: the exchange may have to be reverted.</param>
internal sealed class NameExchange(
    CommitTarget target,
    StagedFile staged,
    TargetFile expected,
    FileStatus before,
    ReadLease? lease,
    Action leave,
    CommitOptions options,
    bool isInGroup = false)
{
    /// <summary>How often <see cref="PutBack"/> exchanges again, when other programs never stop to rename.</summary>
    private const int MaxExchanges = 1000;

    /// <summary>Whether the filesystem has no RENAME_EXCHANGE: the look before the rename then has to do.</summary>
    private static bool IsUnavailable(Errno errno) => errno is Errno.EINVAL or Errno.ENOSYS or Errno.EOPNOTSUPP;

    /// <summary>Makes the exchange.</summary>
    /// <returns>Null when the staged file has the target's name; else what another program did, as a clause.</returns>
    /// <exception cref="SnapshotException">NotSupported, NotARegularFile, AccessDenied, NoSpace, WriteFailed: all is as it was.</exception>
    internal string? TryPublish()
    {
        var errno = staged.ExchangeNames();
        if (IsUnavailable(errno)) return isInGroup ? throw HasNoExchange(errno) : TryRename();
        if (errno == Errno.ENOENT) return "it was deleted in the moment it was saved";
        if (errno != 0) throw CannotReplace(errno);

        FileStatus after;
        TargetFile? displaced = null;
        try
        {
            displaced = staged.FindDisplaced();
            after = expected.CurrentStatus(); // its descriptor was open throughout: no other file has its inode number
        }
        catch (SnapshotException)
        {
            displaced?.Dispose();
            // Another program's file that came out instead is left to the next saver, which keeps it.
            if (staged.ExchangeNames() != 0 || !staged.HasTemporaryName()) leave();
            throw;
        }
        using (displaced)
            return displaced is null ? ForgetName("its temporary name was removed in the moment it was saved") : Complete(displaced, after);
    }

    /// <summary>
    /// Gives the target the old file again, which has the temporary name: <paramref name="old"/>. The expected one is the new one.
    /// </summary>
    /// <returns>Null: it has it; else what another process did, as a clause: the target has what it had.</returns>
    /// <exception cref="SnapshotException">AccessDenied, NoSpace, ReadFailed, WriteFailed.</exception>
    internal string? TryRevert(FileStatus? old)
    {
        if (old is not { } putIn) return "its old file was removed by another process";
        var errno = staged.ExchangeNames();
        if (errno == Errno.ENOENT) return "it was deleted since";
        if (errno != 0) throw CannotReplace(errno);
        using var displaced = staged.FindDisplaced();
        if (displaced is null) return "its new file was removed by another process";
        var after = expected.CurrentStatus();
        if (!displaced.Status.IsSameFileAs(after)) return PutBack(putIn, displaced, "it was replaced by another file since");
        if (before.Length != after.Length || !before.Modified.Equals(after.Modified))
            return PutBack(putIn, displaced, "it was written to since");
        return lease is { IsUnbroken: false } ? PutBack(putIn, displaced, "another process has opened it for writing since") : null;
    }

    private string? Complete(TargetFile displaced, in FileStatus after)
    {
        if (!displaced.Status.IsSameFileAs(after))
            return PutBack(staged.Status, displaced, "it was replaced by another file in the moment it was saved");
        if (before.Length != after.Length || !before.Modified.Equals(after.Modified))
            return PutBack(staged.Status, displaced, "it was written to in the moment it was saved");
        // A process that opened it before the exchange waits for the lease, and would write to a file without a name.
        if (lease is { IsUnbroken: false })
            return PutBack(staged.Status, displaced, "another process opened it for writing in the moment it was saved");

        if (isInGroup) return null;
        if (staged.UnlinkTemporary() is not 0 and var errno)
        {
            options.Warnings?.Report(new SnapshotWarning(
                $"The old file is still there as '{target.Directory.Combine(staged.TemporaryName)}' ({ErrnoErrors.Describe(errno)}). "
                + $"The next save of '{target.Path}' removes it."));
            leave();
        }
        staged.ForgetTemporaryName();
        return null;
    }

    /// <summary>For NFS and others: the last look comes as late as can be.</summary>
    private string? TryRename()
    {
        if (target.Find() is not { } now || before.DifferenceTo(now) is not null) return "it was changed in the moment it was saved";
        var errno = staged.Rename();
        return errno == 0 ? null : throw CannotReplace(errno);
    }

    /// <summary>
    /// Exchanges again, until what comes out is what was put in last: other programs may rename files to the target's name
    /// between any two steps, and the last of them keeps it.
    /// </summary>
    /// <param name="back">The file that is to have the temporary name in the end: it has the target's now, or had it.</param>
    /// <param name="displaced">The file that came out.</param>
    /// <param name="conflict">What is returned.</param>
    private string PutBack(FileStatus back, TargetFile displaced, string conflict)
    {
        var open = new List<TargetFile>(); // no inode number is used again before the end
        try
        {
            var (putIn, cameOut) = (back, displaced.Status);
            while (open.Count < MaxExchanges && staged.ExchangeNames() == 0 && staged.FindDisplaced() is { } found)
            {
                open.Add(found);
                if (found.Status.IsSameFileAs(putIn)) break;
                (putIn, cameOut) = (cameOut, found.Status);
            }
            // The staged file came out, unless the target's name was removed or taken by more than one other file in between.
            if (staged.Place.Find(staged.TemporaryName)?.IsSameFileAs(back) is true) return conflict;
            if (staged.Place.Find(staged.TemporaryName) is not null)
                _ = RecoveredFile.TryKeep(target, staged.Place, staged.TemporaryName, options.Warnings);
            return ForgetName(conflict);
        }
        catch (SnapshotException)
        {
            leave(); // the temporary name may be another program's file: the next saver keeps it
            throw;
        }
        finally
        {
            foreach (var file in open) file.Dispose();
        }
    }

    private string ForgetName(string conflict)
    {
        staged.ForgetTemporaryName();
        return conflict;
    }

    private SnapshotException HasNoExchange(Errno errno) => new(
        SnapshotError.NotSupported,
        $"'{target.Path}' was not saved: its filesystem cannot exchange two names in one step ({ErrnoErrors.Describe(errno)}), "
        + "which a save of several files as one needs.",
        target.Path,
        NativeConvert.FromErrno(errno),
        [SnapshotRemedy.SaveSeparately]);

    private SnapshotException CannotReplace(Errno errno) => errno switch
    {
        Errno.EBUSY => new SnapshotException(
            SnapshotError.NotSupported,
            $"Cannot replace '{target.Path}': it is a mount point ({ErrnoErrors.Describe(errno)}).",
            target.Path,
            NativeConvert.FromErrno(errno),
            target.RemediesWithoutReplacing(expected)),
        Errno.EISDIR => new SnapshotException(
            SnapshotError.NotARegularFile,
            $"Cannot replace '{target.Path}': it is a directory now.",
            target.Path,
            NativeConvert.FromErrno(errno)),
        _ => ErrnoErrors.ToException(
            errno,
            errno == Errno.EPERM
                ? $"replace '{target.Path}', which is immutable or append-only (man 1 lsattr), or another user's in a sticky directory"
                : $"replace '{target.Path}'",
            target.Path,
            SnapshotError.WriteFailed),
    };
}

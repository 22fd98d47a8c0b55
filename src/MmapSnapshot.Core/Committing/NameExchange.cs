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
/// <param name="marker">Left to the next saver, to clean up, where this one cannot.</param>
/// <param name="options">Whose <see cref="CommitOptions.Warnings"/> receives what the user should know.</param>
internal sealed class NameExchange(
    CommitTarget target, StagedFile staged, TargetFile expected, FileStatus before, ReadLease? lease, SaveMarker marker, CommitOptions options)
{
    /// <summary>Whether the filesystem has no RENAME_EXCHANGE: the look before the rename then has to do.</summary>
    private static bool IsUnavailable(Errno errno) => errno is Errno.EINVAL or Errno.ENOSYS or Errno.EOPNOTSUPP;

    /// <summary>Makes the exchange.</summary>
    /// <returns>Null when the staged file has the target's name; else what another program did, as a clause.</returns>
    /// <exception cref="SnapshotException">NotSupported, NotARegularFile, AccessDenied, NoSpace, WriteFailed: all is as it was.</exception>
    internal string? TryPublish()
    {
        var errno = staged.ExchangeNames();
        if (IsUnavailable(errno)) return TryRename();
        if (errno == Errno.ENOENT) return "it was deleted in the moment it was saved";
        if (errno != 0) throw CannotReplace(errno);

        FileStatus after;
        TargetFile? displaced = null;
        try
        {
            displaced = TargetFile.Find(target.Directory, staged.TemporaryName);
            after = expected.CurrentStatus(); // its descriptor was open throughout: no other file has its inode number
        }
        catch (SnapshotException)
        {
            displaced?.Dispose();
            // Another program's file that came out instead is left to the next saver, which keeps it.
            if (staged.ExchangeNames() != 0 || !staged.Has(staged.TemporaryName)) marker.Abandon();
            throw;
        }
        using (displaced)
            return displaced is null ? ForgetName("its temporary name was removed in the moment it was saved") : Complete(displaced, after);
    }

    private string? Complete(TargetFile displaced, in FileStatus after)
    {
        if (!displaced.Status.IsSameFileAs(after)) return PutBack(displaced, "it was replaced by another file in the moment it was saved");
        if (before.Length != after.Length || !before.Modified.Equals(after.Modified)) return PutBack(displaced, "it was written to in the moment it was saved");
        // A process that opened it before the exchange waits for the lease, and would write to a file without a name.
        if (lease is { Stands: false }) return PutBack(displaced, "another process opened it for writing in the moment it was saved");

        if (Kernel.UnlinkAt(target.Directory.Handle, staged.TemporaryName) is not 0 and var errno)
        {
            options.Warnings?.Report(
                $"The old file is still there as '{target.Directory.Combine(staged.TemporaryName)}' ({Failure.Describe(errno)}). "
                + $"The next save of '{target.Path}' removes it.");
            marker.Abandon();
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
    private string PutBack(TargetFile displaced, string conflict)
    {
        var open = new List<TargetFile>(); // no inode number is used again before the end
        try
        {
            var putIn = FileStatus.Of(staged.Handle, target.Path);
            var cameOut = displaced.Status;
            while (staged.ExchangeNames() == 0 && TargetFile.Find(target.Directory, staged.TemporaryName) is { } found)
            {
                open.Add(found);
                if (found.Status.IsSameFileAs(putIn)) break;
                (putIn, cameOut) = (cameOut, found.Status);
            }
            // The staged file came out, unless the target's name was removed or taken by more than one other file in between.
            if (staged.Has(staged.TemporaryName)) return conflict;
            if (target.Directory.Find(staged.TemporaryName) is not null) _ = RecoveredFile.TryKeep(target, staged.TemporaryName, options);
            return ForgetName(conflict);
        }
        catch (SnapshotException)
        {
            marker.Abandon(); // the temporary name may be another program's file: the next saver keeps it
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

    private SnapshotException CannotReplace(Errno errno) => errno switch
    {
        Errno.EBUSY => new SnapshotException(
            SnapshotError.NotSupported,
            $"Cannot replace '{target.Path}': it is a mount point ({Failure.Describe(errno)}). {target.RemedyWithoutReplacing(expected)}",
            target.Path,
            NativeConvert.FromErrno(errno)),
        Errno.EISDIR => new SnapshotException(
            SnapshotError.NotARegularFile,
            $"Cannot replace '{target.Path}': it is a directory now.",
            target.Path,
            NativeConvert.FromErrno(errno)),
        _ => Failure.From(
            errno,
            $"replace '{target.Path}'",
            target.Path,
            SnapshotError.WriteFailed,
            errno == Errno.EPERM ? "It is immutable or append-only (man 1 lsattr), or another user's in a sticky directory." : null),
    };
}

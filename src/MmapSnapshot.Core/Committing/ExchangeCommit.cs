using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Exchanges the contents of the file with those of a new one (man 2 ioctl_xfs_commit_range). It stays the same
/// inode, with its links and open descriptors; readers, and a crash, see the old bytes or the new ones; and the kernel itself
/// refuses if the file was changed since it was opened.
/// </summary>
internal sealed class ExchangeCommit(ContentWriter content, CommitOptions options, CancellationToken cancellation)
{
    /// <summary>What <see cref="CommitOptions.Force"/> overrode.</summary>
    internal string? Overridden { get; private set; }

    /// <summary>What the committed file has besides its bytes; null: what it had when it was opened.</summary>
    internal FileMetadata? Metadata { get; private set; }

    /// <summary>Whether there was no exchange because another process holds a lease on the file.</summary>
    internal bool IsLeased { get; private set; }

    /// <summary>Why there was no exchange; null when there was one.</summary>
    internal string? Unavailable { get; private set; }

    /// <summary>Commits by exchange, or reports why that cannot be (<see cref="Unavailable"/>); the file is then as it was.</summary>
    /// <param name="target">The file.</param>
    /// <param name="known">The metadata of the expected file.</param>
    /// <returns>What the file is then, or null.</returns>
    internal Baseline? TryExchange(CommitTarget target, FileMetadata known)
    {
        if (target.Expected is not { Freshness: { } sampled } expected)
            return Refuse("the filesystem does not exchange the contents of files, or the snapshot is no clone beside its file");
        // The kernel takes them off, and until they were given back the file would lack them.
        if (known.LosesPrivilegesOnWrite) return Refuse("the file has capabilities, or is setuid or setgid, which an exchange takes off");

        string path = target.Path;
        using var found = target.Look();
        CheckConflict(target, found?.Status); // before it is opened: by now it may be something else than a file
        if (found is null) return Refuse("the file was deleted");
        target.ThrowIfWriteProtected(found, options);
        if (!expected.Status.IsSameFileAs(found.Status)) return Refuse("another file has its name now");
        content.MakeBasePrivate(); // a lease of ours would end when the file is opened for writing
        var errno = found.TryOpenSoon(OpenMode.ReadWrite, cancellation, out var file);
        using (file)
        {
            IsLeased = errno == Errno.EAGAIN;
            if (IsLeased) return Refuse("another process holds a lease on the file");
            if (errno != 0) return Refuse($"the file cannot be opened for writing ({Failure.Describe(errno)})");
            var now = FileStatus.Of(file, path);
            CheckConflict(target, now);
            if (Overridden is not null) Metadata = FileMetadata.Of(file, now, path);
            if (Metadata?.LosesPrivilegesOnWrite is true) return Refuse("the file has capabilities, or is setuid or setgid, which an exchange takes off");

            // A file of its own: it will hold the old bytes.
            if (Kernel.OpenTmpFile(target.Folder.Handle, out var clone) is not 0 and var created)
            {
                clone.Dispose();
                return Refuse($"no new file can be made in its folder ({Failure.Describe(created)})");
            }
            SafeFileHandle? witness = null;
            try
            {
                using (clone)
                {
                    content.Fill(clone, path);
                    if (!options.NoFlush) Failure.Check(Kernel.Sync(clone), $"flush the new bytes of '{path}' to the disk", path, SnapshotError.WriteFailed);
                    witness = options.Close ? null : TryCloneStaged(clone, target);
                    using var marker = SaveMarker.Take(target, now.User, default, options, cancellation);
                    if (Overridden is not null && target.Find()?.IsSameFileAs(now) is not true) return Refuse("the file was replaced in the moment it was saved");
                    errno = Exchange(clone, file, sampled);
                    if (errno == Errno.EBUSY)
                    {
                        const string Conflict = "it was written to in the moment it was saved";
                        if (!options.Force) throw target.ToConflict(Conflict);
                        Overridden = Conflict;
                        errno = Exchange(clone, file, sampled);
                    }
                }
                if (errno is Errno.EOPNOTSUPP or Errno.ENOTTY or Errno.EINVAL or Errno.EPERM or Errno.EXDEV) return Refuse($"the filesystem does not exchange these files ({Failure.Describe(errno)})");
                Failure.Check(errno, $"exchange the contents of '{path}'", path, SnapshotError.WriteFailed);
                // What LosesPrivilegesOnWrite cannot know: in a user namespace the kernel asks for a capability in the first one.
                (Metadata ?? known).RestoreAfterWrite(file, path);

                if (options.Close) return new Baseline(now, Freshness: null); // nobody will ask
                // Another process that has the file open may have written to it since. What was written before the sample is in no
                // extent of the witness; what is written after it the kernel reports at the next commit: before Linux 6.13 only if
                // the clock behind timestamps has advanced since the exchange.
                var after = Baseline.TrySettledOf(file, path);
                return after is not null && witness is not null && ExtentMap.AreSame(file, witness) ? after : new Baseline(now, Freshness: null);
            }
            finally
            {
                witness?.Dispose();
            }
        }
    }

    private void CheckConflict(CommitTarget target, FileStatus? now)
    {
        Overridden = target.DescribeConflict(now);
        if (Overridden is not null && !options.Force) throw target.ToConflict(Overridden);
    }

    private Errno Exchange(SafeFileHandle clone, SafeFileHandle file, in XfsFreshness sampled)
    {
        ulong flags = Constants.ExchangeToEnd | (options.NoFlush ? 0 : Constants.ExchangeDurably);
        return Overridden is null ? Kernel.CommitRange(clone, file, flags, sampled) : Kernel.ExchangeRange(clone, file, flags);
    }

    /// <summary>
    /// A clone that shares all blocks with the new bytes, so that a write to them goes to other blocks; null if there can be none.
    /// </summary>
    private static SafeFileHandle? TryCloneStaged(SafeFileHandle staged, CommitTarget target)
    {
        if (Kernel.OpenTmpFile(target.Folder.Handle, out var witness) == 0 && Kernel.Clone(staged, witness) == 0) return witness;
        witness.Dispose();
        return null;
    }

    private Baseline? Refuse(string why)
    {
        Unavailable = why;
        return null;
    }
}

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
/// <param name="target">The file.</param>
/// <param name="known">The metadata of the expected file.</param>
/// <param name="content">The bytes.</param>
/// <param name="options">How.</param>
/// <param name="cancellation">Ends a copy, or the wait for another saver.</param>
internal sealed class ExchangeCommit(
    CommitTarget target, FileMetadata known, ContentWriter content, CommitOptions options, CancellationToken cancellation) : IStagedCommit
{
    /// <summary>How often a file that other processes write to is copied to its backup again.</summary>
    private const int BackupAttempts = 8;

    private const string LosesPrivileges = "the file has capabilities, or is setuid or setgid, which an exchange takes off";

    /// <summary>The file as it was found, and open for writing, with its status then.</summary>
    private TargetFile? _found;

    private SafeFileHandle? _file;

    private FileStatus _now;

    /// <summary>What Force overrode, and the metadata of the file that was changed.</summary>
    private string? _overridden;

    private FileMetadata? _metadata;

    /// <summary>A file of its own with the new bytes; after the exchange it has the old ones.</summary>
    private SafeFileHandle? _staged;

    private SafeFileHandle? _witness;

    private SaveMarker? _marker;

    public CommitObstacle? Select()
    {
        if (target.Expected is not { Freshness: not null } expected)
            return Refuse("the filesystem does not exchange the contents of files, or the snapshot is no clone beside its file");
        // The kernel takes them off, and until they were given back the file would lack them.
        if (known.LosesPrivilegesOnWrite) return Refuse(LosesPrivileges);

        _found = target.Look();
        CheckConflict(_found?.Status); // before it is opened: by now it may be something else than a file
        if (_found is null) return Refuse("the file was deleted");
        target.ThrowIfWriteProtected(_found, options);
        if (!expected.Status.IsSameFileAs(_found.Status)) return Refuse("another file has its name now");
        content.MakeBasePrivate(); // a lease of ours would end when the file is opened for writing
        var errno = _found.TryOpenSoon(OpenMode.ReadWrite, cancellation, out _file);
        if (errno == Errno.EAGAIN) return new CommitObstacle(ObstacleKind.Leased, "another process holds a lease on the file");
        if (errno != 0) return Refuse($"the file cannot be opened for writing ({ErrnoErrors.Describe(errno)})");
        _now = FileStatus.Of(_file, target.Path);
        CheckConflict(_now);
        if (_overridden is not null) _metadata = FileMetadata.Of(_file, _now, target.Path);
        return _metadata?.LosesPrivilegesOnWrite is true ? Refuse(LosesPrivileges) : null;
    }

    public CommitObstacle? Stage()
    {
        var errno = Kernel.OpenTmpFile(target.Directory.Handle, out _staged);
        if (errno != 0) return Refuse($"no new file can be made in its directory ({ErrnoErrors.Describe(errno)})");
        content.Fill(_staged, target.Path);
        return null;
    }

    public void Flush() =>
        ErrnoErrors.ThrowIfError(Kernel.FSync(_staged!), $"flush the new bytes of '{target.Path}' to the disk", target.Path, SnapshotError.WriteFailed);

    public CommitObstacle? Validate()
    {
        _witness = options.Close ? null : TryCloneStaged();
        _marker = SaveMarker.Take(target, _now.User, default, options, cancellation);
        bool isReplaced = _overridden is not null && target.Find()?.IsSameFileAs(_now) is not true;
        if (isReplaced) return Refuse("the file was replaced in the moment it was saved");
        // The kernel exchanges nothing if the file is another one by then.
        if (_overridden is null) target.Backup?.Copy(_file!);
        return null;
    }

    public CommitObstacle? Publish()
    {
        var errno = Exchange();
        if (errno == Errno.EBUSY)
        {
            const string Conflict = "it was written to in the moment it was saved";
            if (!options.Force) throw target.ToConflict(Conflict);
            _overridden = Conflict;
            errno = Exchange();
        }
        if (errno is Errno.EOPNOTSUPP or Errno.ENOTTY or Errno.EINVAL or Errno.EPERM or Errno.EXDEV)
            return Refuse($"the filesystem does not exchange these files ({ErrnoErrors.Describe(errno)})");
        ErrnoErrors.ThrowIfError(errno, $"exchange the contents of '{target.Path}'", target.Path, SnapshotError.WriteFailed);
        target.Backup?.Keep();
        return null;
    }

    public PublishedFile Complete()
    {
        ReleaseStaged();
        // What LosesPrivilegesOnWrite cannot know: in a user namespace the kernel asks for a capability in the first one.
        (_metadata ?? known).RestoreAfterWrite(_file!, target.Path);
        return new PublishedFile(BaselineAfter(), _metadata, _overridden);
    }

    public void Dispose()
    {
        ReleaseStaged();
        _witness?.Dispose();
        _file?.Dispose();
        _found?.Dispose();
    }

    private void CheckConflict(FileStatus? now)
    {
        _overridden = target.DescribeConflict(now);
        if (_overridden is not null && !options.Force) throw target.ToConflict(_overridden);
    }

    private Errno Exchange()
    {
        ulong flags = Constants.XFS_EXCHANGE_RANGE_TO_EOF | (options.NoFlush ? 0 : Constants.XFS_EXCHANGE_RANGE_DSYNC);
        if (_overridden is null) return Kernel.CommitRange(_staged!, _file!, flags, target.Expected!.Value.Freshness!.Value);
        if (target.Backup is not { } backup) return Kernel.ExchangeRange(_staged!, _file!, flags);
        // What is overwritten is what the backup has.
        for (int attempt = 1; ; attempt++)
        {
            var now = Baseline.OfStable(_file!, target.Path, cancellation);
            backup.Copy(_file!);
            var errno = now.Freshness is { } sampled ? Kernel.CommitRange(_staged!, _file!, flags, sampled) : Errno.EOPNOTSUPP;
            if (errno != Errno.EBUSY || attempt == BackupAttempts) return errno;
        }
    }

    /// <summary>
    /// A clone that shares all blocks with the new bytes, so that a write to them goes to other blocks; null if there can be none.
    /// </summary>
    private SafeFileHandle? TryCloneStaged()
    {
        if (Kernel.OpenTmpFile(target.Directory.Handle, out var witness) == 0 && Kernel.FiClone(_staged!, witness) == 0) return witness;
        witness.Dispose();
        return null;
    }

    private Baseline BaselineAfter()
    {
        if (options.Close) return new Baseline(_now, Freshness: null); // nobody will ask
        // Another process that has the file open may have written to it since. What was written before the sample is in no
        // extent of the witness; what is written after it the kernel reports at the next commit: before Linux 6.13 only if
        // the clock behind timestamps has advanced since the exchange.
        var after = Baseline.TrySettledOf(_file!, target.Path);
        return after is not null && _witness is not null && ExtentMap.AreSame(_file!, _witness)
            ? after.Value
            : new Baseline(_now, Freshness: null);
    }

    private void ReleaseStaged()
    {
        _marker?.Dispose();
        _staged?.Dispose();
    }

    private static CommitObstacle Refuse(string why) => new(ObstacleKind.Unavailable, why);
}

using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot;

/// <summary>What a path's filesystem can do for a snapshot, found out by trying it on nameless files.</summary>
/// <param name="Path">The file or directory asked about, symbolic links resolved.</param>
/// <param name="FileSystem">The type of filesystem, as in /proc/self/mountinfo.</param>
/// <param name="MountPoint">Where it is mounted.</param>
/// <param name="Reflink">Whether FICLONE works there: a snapshot shares the file's extents.</param>
/// <param name="TmpFile">Whether O_TMPFILE works there: the private bytes lie beside the file, without a name.</param>
/// <param name="ExchangeRange">Whether XFS exchanges the contents of files there: a save keeps the inode and is atomic all the same.</param>
/// <param name="Lease">Whether this process may take a read lease there: writers can be held off while a copy or a commit goes on.</param>
/// <param name="OpenCost">What opening a snapshot costs: O(1) under a lease or where nobody can write, O(extents) or O(data).</param>
/// <param name="CommitCost">What saving one costs, by default.</param>
/// <param name="Reason">In words, why it is not better; null when it is as good as it gets.</param>
public sealed record ReflinkSupport(
    string Path,
    string FileSystem,
    string MountPoint,
    bool Reflink,
    bool TmpFile,
    bool ExchangeRange,
    bool Lease,
    string OpenCost,
    string CommitCost,
    string? Reason)
{
    private const string ByExtent = "O(extents)";

    private const string ByData = "O(data)";

    private const string Constant = "O(1)";

    /// <summary>How much of a file is cloned to see whether it can be: some blocks of any size, few extents.</summary>
    private const int ProbeLength = 1 << 20;

    /// <summary>Tries out what can be done with a file, or with files in a directory. Nothing that has a name is made or changed.</summary>
    /// <param name="path">The file or directory; a symbolic link is followed.</param>
    /// <param name="cancellation">Ends the wait for another process's lease on the file.</param>
    /// <exception cref="SnapshotException">FileNotFound, NotARegularFile, AccessDenied, ReadFailed, WriteFailed, NoSpace.</exception>
    public static ReflinkSupport Probe(string path, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Directory.Exists(path)) return ProbeDirectory(path);
        using var source = SourceFile.Open(path, trustedLinksOnly: false, cancellation);
        return Probe(source.Path, source.Directory, source, cancellation);
    }

    private static ReflinkSupport ProbeDirectory(string path)
    {
        var errno = ParentDirectory.OpenResolved(path, out var directory);
        using (directory)
        {
            ErrnoErrors.ThrowIfError(errno, $"open the directory '{path}'", path, SnapshotError.ReadFailed);
            return Probe(directory.Path, directory, source: null, CancellationToken.None);
        }
    }

    private static ReflinkSupport Probe(string path, ParentDirectory directory, SourceFile? source, CancellationToken cancellation)
    {
        var mount = Mount.Of(source?.Handle ?? directory.Handle);
        var created = PrivateFile.TryCreateIn(directory, out var tmpFile);
        using (tmpFile)
        {
            bool hasTmpFile = created == 0;
            var cloned = hasTmpFile ? TryClone(directory, tmpFile, source?.Handle) : created;
            bool exchange = cloned == 0 && TryExchange(directory, tmpFile);
            var (opened, lease, obstacle) = source is null
                ? ExpectBacking(directory, tmpFile, cloned)
                : TryBacking(source, cancellation);
            return new ReflinkSupport(
                path,
                mount?.Type ?? "unknown",
                mount?.MountPoint ?? "unknown",
                Reflink: cloned == 0,
                hasTmpFile,
                exchange,
                lease,
                OpenCost: opened switch { SnapshotBacking.Reflink => ByExtent, SnapshotBacking.Copy => ByData, _ => Constant },
                CommitCost: cloned == 0 ? ByExtent : ByData,
                cloned == 0 ? null : Explain(hasTmpFile, cloned, directory.Path, opened != SnapshotBacking.Copy, obstacle));
        }
    }

    /// <summary>What opening the file does, by doing it, except for a copy; and why it takes no lease.</summary>
    private static (SnapshotBacking Opened, bool Lease, string? Obstacle) TryBacking(SourceFile source, CancellationToken cancellation)
    {
        SnapshotBacking opened;
        BackingChoice choice;
        using (var content = BackingSelector.TryWithoutCopy(source, new SnapshotOptions(), cancellation, out choice)?.Content)
            opened = content?.Backing ?? SnapshotBacking.Copy;
        return (opened, opened == SnapshotBacking.Lease || TryLease(source.Handle), opened == SnapshotBacking.Copy ? choice.LeaseObstacle : null);
    }

    /// <summary>The same for a file of this user in a directory that may not have any.</summary>
    private static (SnapshotBacking Opened, bool Lease, string? Obstacle) ExpectBacking(
        ParentDirectory directory,
        PrivateFile tmpFile,
        Errno cloned)
    {
        var fileSystem = Source.FileSystem.Of(directory.Handle);
        bool lease = fileSystem.IsLocal && (tmpFile.Handle.IsInvalid ? MayLeaseIn(directory) : TryLeaseOf(tmpFile));
        if (ImmutableContent.IsImmutable(directory.Handle, fileSystem)) return (SnapshotBacking.Immutable, lease, null);
        if (cloned == 0) return (SnapshotBacking.Reflink, lease, null);
        return (lease ? SnapshotBacking.Lease : SnapshotBacking.Copy, lease, lease ? null : fileSystem.IsLocal ? LeasedContent.NotOwnerReason : Source.FileSystem.NotLocalReason);
    }

    /// <summary>
    /// Whether this user is one who may take leases on the files in a directory: that of its owner, or any with CAP_LEASE.
    /// </summary>
    private static bool MayLeaseIn(ParentDirectory directory) =>
        FileStatus.Of(directory.Handle, directory.Path).User == Kernel.EffectiveUser() || Kernel.HasLeaseCapability();

    private static string Explain(bool hasTmpFile, Errno errno, string directory, bool atOnce, string? obstacle)
    {
        string why = (hasTmpFile, errno) switch
        {
            (true, _) => $"The filesystem does not clone here ({ErrnoErrors.Describe(errno)}), so {(atOnce ? "a save is" : "a snapshot is")} a copy.",
            (false, Errno.EACCES or Errno.EPERM or Errno.EROFS) =>
                $"'{directory}' cannot be written to ({ErrnoErrors.Describe(errno)}), so what is changed lies in $TMPDIR, /tmp or memory, "
                + "and cannot replace its file.",
            _ =>
                $"No nameless file can be made in '{directory}' ({ErrnoErrors.Describe(errno)}), so what is changed lies in $TMPDIR, /tmp or memory.",
        };
        return obstacle is null ? why : $"{why} A snapshot is copied when it is opened, and takes no lease: {obstacle}.";
    }

    private static Errno TryClone(ParentDirectory directory, PrivateFile target, SafeFileHandle? file)
    {
        if (file is not null)
        {
            // FileClone.TryClone would share all extents, which can be a hundred thousand: a part shows it as well.
            long length = FileStatus.Of(file, directory.Path).Length;
            var errno = Kernel.FiCloneRange(file, target.Handle, length > ProbeLength ? (ulong)ProbeLength : 0);
            return errno == Errno.EINVAL ? FileClone.TryClone(file, target.Handle) : errno;
        }

        var created = PrivateFile.TryCreateIn(directory, out var source);
        using (source)
        {
            if (created != 0) return created;
            var written = Kernel.Write(source.Handle, new byte[1], 0, out _);
            return written != 0 ? written : FileClone.TryClone(source.Handle, target.Handle);
        }
    }

    /// <summary>A dry run: nothing is exchanged.</summary>
    private static bool TryExchange(ParentDirectory directory, PrivateFile one)
    {
        var created = PrivateFile.TryCreateIn(directory, out var other);
        using (other)
        {
            return created == 0
                && Kernel.ExchangeRange(one.Handle, other.Handle, Constants.XFS_EXCHANGE_RANGE_TO_EOF | Constants.XFS_EXCHANGE_RANGE_DRY_RUN) == 0;
        }
    }

    private static bool TryLease(SafeFileHandle file)
    {
        using var lease = ReadLease.TryTake(file, out var errno);
        return lease is not null || errno == Errno.EAGAIN; // somebody writes just now: on another day there is one
    }

    /// <summary>A lease is for a file nobody has open for writing, so the nameless one is reopened and its first descriptor closed.</summary>
    private static bool TryLeaseOf(PrivateFile file)
    {
        var errno = Kernel.Reopen(file.Handle, OpenMode.ReadOnly, out var readable);
        using (readable)
        {
            file.Dispose();
            return errno == 0 && TryLease(readable);
        }
    }
}

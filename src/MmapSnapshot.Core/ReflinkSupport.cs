using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot;

/// <summary>What a path's filesystem can do for a snapshot, found out by trying it on nameless files.</summary>
/// <param name="Path">The file or folder asked about, symbolic links resolved.</param>
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

    private const string AtOnce = "O(1)";

    /// <summary>How much of a file is cloned to see whether it can be: some blocks of any size, few extents.</summary>
    private const int Trial = 1 << 20;

    /// <summary>Tries out what can be done with a file, or with files in a folder. Nothing that has a name is made or changed.</summary>
    /// <param name="path">The file or folder; a symbolic link is followed.</param>
    /// <param name="cancellation">Ends the wait for another process's lease on the file.</param>
    /// <exception cref="SnapshotException">FileNotFound, NotARegularFile, AccessDenied, ReadFailed, WriteFailed, NoSpace.</exception>
    public static ReflinkSupport Probe(string path, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (Directory.Exists(path)) return ProbeFolder(path);
        using var source = SourceFile.Open(path, cancellation);
        return Probe(source.Path, source.Folder, source);
    }

    private static ReflinkSupport ProbeFolder(string path)
    {
        var errno = ParentFolder.OpenResolved(path, out var folder);
        using (folder)
        {
            Failure.Check(errno, $"open the folder '{path}'", path, SnapshotError.ReadFailed);
            return Probe(folder.Path, folder, source: null);
        }
    }

    private static ReflinkSupport Probe(string path, ParentFolder folder, SourceFile? source)
    {
        var mount = Mount.Of(folder.Handle);
        var file = source?.Handle;
        var created = PrivateFile.TryCreateIn(folder, out var tmpFile);
        using (tmpFile)
        {
            bool hasTmpFile = created == 0;
            var cloned = hasTmpFile ? TryClone(folder, tmpFile, file) : created;
            bool exchange = cloned == 0 && TryExchange(folder, tmpFile);
            bool lease = file is not null ? TryLease(file) : hasTmpFile && TryLeaseOf(tmpFile);
            bool atOnce = OpensAtOnce(folder, source, lease, out string? obstacle);
            return new ReflinkSupport(
                path,
                mount?.Type ?? "unknown",
                mount?.MountPoint ?? "unknown",
                Reflink: cloned == 0,
                hasTmpFile,
                exchange,
                lease,
                OpenCost: cloned == 0 ? ByExtent : atOnce ? AtOnce : ByData,
                CommitCost: cloned == 0 ? ByExtent : ByData,
                cloned == 0 ? null : Explain(hasTmpFile, cloned, folder.Path, atOnce, obstacle));
        }
    }

    /// <summary>Whether a snapshot is the file itself, so that opening it reads nothing; else <paramref name="obstacle"/> says why not.</summary>
    private static bool OpensAtOnce(ParentFolder folder, SourceFile? source, bool lease, out string? obstacle)
    {
        obstacle = null;
        if (ImmutableContent.IsImmutable(source?.Handle ?? folder.Handle, source?.FileSystem ?? Source.FileSystem.Of(folder.Handle))) return true;
        if (source is null)
        {
            bool local = Source.FileSystem.Of(folder.Handle).IsLocal;
            if (!local) obstacle = Source.FileSystem.NotLocalReason;
            return lease && local;
        }
        using var content = LeasedContent.TryTake(source, scratchPath: null, new SnapshotOptions().MaxWriterDelay, copyTime: null, CancellationToken.None, out _, out obstacle);
        return content is not null;
    }

    private static string Explain(bool hasTmpFile, Errno errno, string folder, bool atOnce, string? obstacle)
    {
        string why = (hasTmpFile, errno) switch
        {
            (true, _) => $"The filesystem does not clone here ({Failure.Describe(errno)}), so {(atOnce ? "a save is" : "a snapshot is")} a copy.",
            (false, Errno.EACCES or Errno.EPERM or Errno.EROFS) =>
                $"'{folder}' cannot be written to ({Failure.Describe(errno)}), so what is changed lies in $TMPDIR, /tmp or memory, and cannot replace its file.",
            _ => $"No nameless file can be made in '{folder}' ({Failure.Describe(errno)}), so what is changed lies in $TMPDIR, /tmp or memory.",
        };
        return obstacle is null ? why : $"{why} A snapshot is copied when it is opened, and takes no lease: {obstacle}.";
    }

    private static Errno TryClone(ParentFolder folder, PrivateFile target, SafeFileHandle? file)
    {
        if (file is not null)
        {
            // FileClone.TryClone would share all extents, which can be a hundred thousand: a part shows it as well.
            long length = FileStatus.Of(file, folder.Path).Length;
            var errno = Kernel.CloneStart(file, target.Handle, length > Trial ? (ulong)Trial : 0);
            return errno == Errno.EINVAL ? FileClone.TryClone(file, target.Handle) : errno;
        }

        var created = PrivateFile.TryCreateIn(folder, out var source);
        using (source)
        {
            if (created != 0) return created;
            var written = Kernel.Write(source.Handle, new byte[1], 0, out _);
            return written != 0 ? written : FileClone.TryClone(source.Handle, target.Handle);
        }
    }

    /// <summary>A dry run: nothing is exchanged.</summary>
    private static bool TryExchange(ParentFolder folder, PrivateFile one)
    {
        var created = PrivateFile.TryCreateIn(folder, out var other);
        using (other)
        {
            return created == 0
                && Kernel.ExchangeRange(one.Handle, other.Handle, Constants.ExchangeToEnd | Constants.ExchangeDryRun) == 0;
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

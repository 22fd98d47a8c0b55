using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Backing;

/// <summary>A file without a name, which only the holder of its descriptor can reach: where a snapshot's bytes live.</summary>
internal sealed class PrivateFile : IDisposable
{
    private const string InMemory = "memory", MemoryName = "mmap-snapshot";

    /// <summary>The first error of writing its bytes to the disk. Since then, any of them may be an older one, so it stays.</summary>
    private volatile int _writeBackError;

    private PrivateFile(SafeFileHandle handle, string location)
    {
        Handle = handle;
        Location = location;
    }

    /// <summary>Open for reading and writing; close-on-exec.</summary>
    internal SafeFileHandle Handle { get; }

    /// <summary>The directory whose filesystem holds the bytes, or "memory".</summary>
    internal string Location { get; }

    /// <summary>
    /// Throws if the kernel has failed to write any of the file's bytes to the disk, now or before. It reports that once, marks the
    /// pages as clean all the same, and reads older bytes from the disk when it has dropped them.
    /// </summary>
    /// <param name="path">The path of the snapshot.</param>
    /// <exception cref="SnapshotException">SnapshotLost.</exception>
    internal void ThrowIfWriteBackFailed(string path)
    {
        var errno = Kernel.WaitForWriteBack(Handle);
        if (errno != 0) _writeBackError = (int)errno;
        ThrowIfLost(path);
    }

    /// <summary>As <see cref="ThrowIfWriteBackFailed"/>, if that has thrown before. It asks the kernel for nothing.</summary>
    internal void ThrowIfLost(string path)
    {
        if (_writeBackError == 0) return;
        var errno = (Errno)_writeBackError;
        throw new SnapshotException(
            SnapshotError.SnapshotLost,
            $"The snapshot of '{path}' is lost: its bytes could not be written to the disk in '{Location}' "
            + $"({ErrnoErrors.Describe(errno)}), so some may be older ones.",
            path,
            NativeConvert.FromErrno(errno),
            [SnapshotRemedy.FreeSpaceAndReopen]);
    }

    /// <summary>
    /// Whether there is room for so many bytes more, and what else the filesystem needs for them. Where that cannot be asked there is.
    /// </summary>
    internal bool HasRoomFor(long bytes, out long available)
    {
        available = Location == InMemory ? Kernel.AvailableMemory() / 2 : Kernel.AvailableSpace(Handle);
        return bytes + (bytes / 128) <= available;
    }

    /// <summary>man 2 open, O_TMPFILE in <paramref name="directory"/>.</summary>
    internal static Errno TryCreateIn(ParentDirectory directory, out PrivateFile file)
    {
        var errno = Kernel.OpenTmpFile(directory.Handle, out var handle);
        file = new PrivateFile(handle, directory.Path);
        return errno;
    }

    /// <summary>
    /// Wherever there is a place: in <paramref name="scratchPath"/> if one is named (and nowhere else), else beside the file,
    /// else in $TMPDIR or /tmp, else in memory.
    /// </summary>
    internal static PrivateFile Create(ParentDirectory beside, string? scratchPath)
    {
        if (scratchPath is not null)
        {
            var scratchErrno = TryCreateIn(scratchPath, out var scratch);
            if (scratchErrno == 0) return scratch;
            throw ErrnoErrors.ToException(scratchErrno, $"create a private file in '{scratchPath}'", scratchPath, SnapshotError.WriteFailed);
        }

        var errno = TryCreateIn(beside, out var file);
        if (errno == 0) return file;
        file.Dispose();
        if (!IsNoPlace(errno)) throw ErrnoErrors.ToException(errno, $"create a private file in '{beside.Path}'", beside.Path, SnapshotError.WriteFailed);

        foreach (string directory in TemporaryDirectories())
        {
            if (TryCreateIn(directory, out var elsewhere) == 0) return elsewhere;
            elsewhere.Dispose();
        }

        ErrnoErrors.ThrowIfError(Kernel.MemfdCreate(MemoryName, out var memory), "create a private file in memory", beside.Path, SnapshotError.WriteFailed);
        return new PrivateFile(memory, InMemory);
    }

    /// <summary>A file in each of those places in turn, for a caller who may find one too small.</summary>
    internal static IEnumerable<PrivateFile> EnumerateCandidates(ParentDirectory beside, string? scratchPath)
    {
        if (scratchPath is not null)
        {
            if (TryCreateIn(scratchPath, out var scratch) == 0) yield return scratch;
            yield break;
        }
        if (TryCreateIn(beside, out var file) == 0) yield return file;
        foreach (string directory in TemporaryDirectories())
        {
            if (TryCreateIn(directory, out var elsewhere) == 0) yield return elsewhere;
        }
        if (Kernel.MemfdCreate(MemoryName, out var memory) == 0) yield return new PrivateFile(memory, InMemory);
    }

    /// <summary>Whether an errno of <see cref="TryCreateIn(ParentDirectory, out PrivateFile)"/> says that another place may do.</summary>
    internal static bool IsNoPlace(Errno errno) => errno is
        Errno.EACCES or Errno.EPERM or Errno.EROFS // not ours to write to
        or Errno.EOPNOTSUPP or Errno.EISDIR or Errno.ENOENT; // no O_TMPFILE here (man 2 open), or the directory is gone

    public void Dispose() => Handle.Dispose();

    private static IEnumerable<string> TemporaryDirectories()
    {
        if (Environment.GetEnvironmentVariable("TMPDIR") is { Length: > 0 } directory) yield return directory;
        yield return "/tmp";
    }

    private static Errno TryCreateIn(string path, out PrivateFile file)
    {
        var errno = ParentDirectory.OpenResolved(path, out var directory);
        using (directory)
        {
            if (errno == 0) return TryCreateIn(directory, out file);
            file = new PrivateFile(new SafeFileHandle(), path);
            return errno;
        }
    }
}

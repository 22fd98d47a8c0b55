using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Source;

/// <summary>
/// A write lease (man 2 fcntl, F_SETLEASE with F_WRLCK). While it is held no other descriptor of the file exists; a process that opens
/// the file, for reading too, waits until the lease is released, or until /proc/sys/fs/lease-break-time is over.
/// </summary>
internal sealed class WriteLease : IDisposable
{
    private readonly SafeFileHandle _file;

    private WriteLease(SafeFileHandle file) => _file = file;

    /// <summary>Takes a lease, on a local filesystem only, for the reason that <see cref="ReadLease.TryTake"/> has.</summary>
    /// <param name="file">Open for reading and writing; the lease is its owner's or a CAP_LEASE holder's to take.</param>
    /// <param name="errno">
    /// Why there is none; EAGAIN: another process has the file open or mapped; EOPNOTSUPP: the filesystem is not local.
    /// </param>
    internal static WriteLease? TryTake(SafeFileHandle file, out Errno errno)
    {
        errno = FileSystem.Of(file).IsLocal ? Kernel.SetWriteLease(file) : Errno.EOPNOTSUPP;
        return errno == 0 ? new WriteLease(file) : null;
    }

    /// <summary>Releases it.</summary>
    /// <returns>Whether it was held until now, so that no other process had the file open.</returns>
    internal bool TryRelease() => Kernel.ReleaseLease(_file) == 0;

    public void Dispose() => _ = Kernel.ReleaseLease(_file);
}

using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Source;

/// <summary>
/// A read lease (man 2 fcntl, F_SETLEASE). While it is held nobody has the file open for writing; whoever tries waits until it
/// is released, or until /proc/sys/fs/lease-break-time is over, so a holder that may be slow checks the file's status too.
/// </summary>
internal sealed class ReadLease : IDisposable
{
    private readonly SafeFileHandle _file;

    private ReadLease(SafeFileHandle file) => _file = file;

    /// <summary>Whether it is held, and nobody waits for its end.</summary>
    internal bool IsUnbroken => Kernel.HasReadLease(_file);

    /// <summary>Takes a lease, on a local filesystem only: elsewhere it would not keep every writer out, and EAGAIN can mean anything.</summary>
    /// <param name="file">Open read-only; the lease is its owner's or a CAP_LEASE holder's to take.</param>
    /// <param name="errno">Why there is none; EAGAIN: somebody has the file open, or mapped, for writing; EOPNOTSUPP: the filesystem is not local.</param>
    /// <param name="fileSystem">The filesystem that it is on, where that is known already.</param>
    /// <param name="listener">The thread that is told by SIGURG when somebody wants to write; 0: nobody is.</param>
    /// <returns>The lease, or null.</returns>
    internal static ReadLease? TryTake(SafeFileHandle file, out Errno errno, FileSystem? fileSystem = null, int listener = 0)
    {
        errno = (fileSystem ?? FileSystem.Of(file)).IsLocal ? Kernel.SetReadLease(file, listener) : Errno.EOPNOTSUPP;
        return errno == 0 ? new ReadLease(file) : null;
    }

    /// <summary>Releases it.</summary>
    /// <returns>
    /// Whether it was held until now. If so, nobody has written to the file since it was taken; else the kernel has taken it by
    /// force. Closing the file, which releases it for certain, is the caller's: the kernel lets only the file's owner release
    /// a lease (EACCES), and that may have become somebody else.
    /// </returns>
    internal bool TryRelease()
    {
        var errno = Kernel.ReleaseLease(_file);
        return errno == 0 || (errno != Errno.EAGAIN && Kernel.HoldsLease(_file));
    }

    public void Dispose() => _ = Kernel.ReleaseLease(_file);
}

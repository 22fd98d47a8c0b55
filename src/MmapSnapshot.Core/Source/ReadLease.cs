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

    /// <param name="file">Open read-only; the lease is its owner's or a CAP_LEASE holder's to take.</param>
    /// <param name="openForWriting">Whether there is no lease because somebody has the file open, or mapped, for writing.</param>
    /// <returns>The lease, or null.</returns>
    internal static ReadLease? TryTake(SafeFileHandle file, out bool openForWriting)
    {
        var errno = Kernel.TakeReadLease(file);
        openForWriting = errno == Errno.EAGAIN;
        return errno == 0 ? new ReadLease(file) : null;
    }

    public void Dispose() => Kernel.ReleaseLease(_file);
}

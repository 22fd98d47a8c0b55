using System.Globalization;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace MmapSnapshot.Native;

/// <content>Opening files on which another process holds a lease.</content>
internal static unsafe partial class Kernel
{
    /// <summary>The longest pause between two attempts, in milliseconds; the first ones are shorter.</summary>
    private const int LongestPause = 16;

    /// <summary>
    /// As <see cref="OpenAt"/>, for a file that others can see: if another process holds a lease that this open conflicts with, its
    /// holder gets a signal, and this waits until the lease is released or, /proc/sys/fs/lease-break-time later, removed by the kernel
    /// (man 2 fcntl). Unlike the kernel's own wait this one can be cancelled.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was cancelled; no file is open.</exception>
    internal static Errno OpenWaitingForLease(
        SafeFileHandle? directory, string path, int flags, CancellationToken cancellation, out SafeFileHandle file, FilePermissions mode = PrivateMode)
    {
        for (int pause = 1; ; pause = Math.Min(2 * pause, LongestPause))
        {
            // Each attempt also removes a lease whose time is over.
            var errno = OpenAt(directory, path, flags | OpenMode.NonBlocking, out file, mode);
            if (errno != Errno.EAGAIN) return errno;
            file.Dispose();
            _ = cancellation.WaitHandle.WaitOne(pause);
            cancellation.ThrowIfCancellationRequested();
        }
    }

    /// <summary>man 2 fcntl, F_GETLEASE: whether there is a write lease, and no process waits for its end.</summary>
    internal static bool HasWriteLease(SafeFileHandle file)
    {
        using var fd = new HandleReference(file);
        return Syscall.fcntl(fd.Number, FcntlCommand.F_GETLEASE) == Constants.F_WRLCK;
    }

    /// <summary>man 7 capabilities: whether this thread has CAP_LEASE, so that it may take leases on files of other users.</summary>
    internal static bool HasLeaseCapability()
    {
        const string Field = "CapEff:";
        const int Lease = 28;
        try
        {
            string? line = System.IO.File.ReadLines("/proc/thread-self/status").FirstOrDefault(line => line.StartsWith(Field, StringComparison.Ordinal));
            return line is not null && ulong.TryParse(line[Field.Length..], NumberStyles.HexNumber | NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture, out ulong set) && (set >> Lease & 1) != 0;
        }
        catch (IOException)
        {
            return false; // no /proc
        }
    }

    /// <summary>As <see cref="Reopen"/>, with the wait of <see cref="OpenWaitingForLease"/>.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled; no file is open.</exception>
    internal static Errno ReopenWaitingForLease(SafeFileHandle place, int flags, CancellationToken cancellation, out SafeFileHandle file)
    {
        using var fd = new HandleReference(place);
        return OpenWaitingForLease(null, ProcPath(fd.Number), flags, cancellation, out file);
    }
}

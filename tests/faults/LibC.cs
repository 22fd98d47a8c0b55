using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace MmapSnapshot.Faults;

/// <summary>System calls that neither .NET nor Mono.Posix has. The numbers are the same on x64 and arm64.</summary>
internal static partial class LibC
{
    /// <summary>man 2 flock.</summary>
    internal const int LockShared = 1, LockExclusive = 2, LockNonBlocking = 4;

    private const int AtCurrentDirectory = -100, RenameExchange = 2;

    /// <summary>man 2 fcntl: F_SETLEASE, F_OFD_SETLK.</summary>
    private const int SetLease = 1024, SetOpenFileLock = 37;

    private const short ReadLock = 0, WriteLock = 1;

    /// <summary>Exchanges two names (man 2 renameat2, RENAME_EXCHANGE).</summary>
    /// <returns>0, or the errno.</returns>
    internal static int Exchange(string one, string other) =>
        RenameAt2(AtCurrentDirectory, one, AtCurrentDirectory, other, RenameExchange) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>Takes a lock (man 2 flock) without waiting.</summary>
    internal static int Lock(SafeFileHandle file, int operation) => FLock(file, operation | LockNonBlocking) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>Takes a lock on a whole file that belongs to the open file description (man 2 fcntl, F_OFD_SETLK).</summary>
    internal static unsafe int LockOpenFile(SafeFileHandle file, bool exclusive)
    {
        var range = new FileRange { Type = exclusive ? WriteLock : ReadLock };
        // SAFETY: the kernel reads the structure during the call only.
        return FControl(file, SetOpenFileLock, (nint)(&range)) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>Takes a lease (man 2 fcntl, F_SETLEASE) and ignores the signal of its break (SIGIO).</summary>
    internal static int Lease(SafeFileHandle file, bool exclusive)
    {
        Stdlib.SetSignalAction(Signum.SIGIO, SignalAction.Ignore);
        return FControl(file, SetLease, exclusive ? WriteLock : ReadLock) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int oldDirectory, string oldPath, int newDirectory, string newPath, uint flags);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FLock(SafeFileHandle file, int operation);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int FControl(SafeFileHandle file, int command, nint argument);

    /// <summary>struct flock: the whole file.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct FileRange
    {
        internal short Type, Whence;

        internal long Start, Length;

        internal int ProcessId;
    }
}

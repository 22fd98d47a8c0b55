using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace MmapSnapshot.Native;

/// <summary>
/// The libc calls that Mono.Posix lacks, declared as their man pages have them. The variadic ones (openat, ioctl) may be
/// declared with fixed arguments: the calling conventions of Linux on x64 and arm64 pass both alike.
/// </summary>
internal static unsafe partial class LibC
{
    private const string Library = "libc";

    /// <summary>man 2 openat. Mono.Posix has it too, but drops O_TMPFILE.</summary>
    [LibraryImport(Library, EntryPoint = "openat", SetLastError = true)]
    internal static partial int OpenAt(int directory, byte* path, int flags, uint mode);

    /// <summary>man 2 ioctl, with a number as its argument (FICLONE).</summary>
    [LibraryImport(Library, EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int Ioctl(SafeFileHandle file, nuint request, int argument);

    /// <summary>man 2 ioctl, with a buffer as its argument.</summary>
    [LibraryImport(Library, EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int Ioctl(SafeFileHandle file, nuint request, void* argument);

    /// <summary>man 2 copy_file_range.</summary>
    [LibraryImport(Library, EntryPoint = "copy_file_range", SetLastError = true)]
    internal static partial nint CopyFileRange(
        SafeFileHandle source, long* sourceOffset, SafeFileHandle target, long* targetOffset, nuint count, uint flags);

    /// <summary>man 2 lseek. Mono.Posix has it too, but without SEEK_DATA and SEEK_HOLE.</summary>
    [LibraryImport(Library, EntryPoint = "lseek", SetLastError = true)]
    internal static partial long Seek(SafeFileHandle file, long offset, int whence);

    /// <summary>man 2 fallocate (FALLOC_FL_PUNCH_HOLE). Mono.Posix has only posix_fallocate.</summary>
    [LibraryImport(Library, EntryPoint = "fallocate", SetLastError = true)]
    internal static partial int Allocate(SafeFileHandle file, int mode, long offset, long length);

    /// <summary>man 2 renameat2 (RENAME_NOREPLACE).</summary>
    [LibraryImport(Library, EntryPoint = "renameat2", SetLastError = true)]
    internal static partial int RenameAt2(
        SafeFileHandle oldDirectory,
        byte* oldName,
        SafeFileHandle newDirectory,
        byte* newName,
        uint flags);

    /// <summary>man 2 madvise.</summary>
    [LibraryImport(Library, EntryPoint = "madvise", SetLastError = true)]
    internal static partial int Advise(void* address, nuint length, int advice);

    /// <summary>man 2 memfd_create.</summary>
    [LibraryImport(Library, EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int MemfdCreate(string name, uint flags);

    /// <summary>man 2 clock_gettime.</summary>
    [LibraryImport(Library, EntryPoint = "clock_gettime", SetLastError = true)]
    internal static partial int ClockGetTime(int clock, long* time);

    /// <summary>man 2 sync_file_range.</summary>
    [LibraryImport(Library, EntryPoint = "sync_file_range", SetLastError = true)]
    internal static partial int SyncFileRange(SafeFileHandle file, long offset, long count, uint flags);

    /// <summary>man 2 fcntl, with a buffer as its argument (F_SETOWN_EX).</summary>
    [LibraryImport(Library, EntryPoint = "fcntl", SetLastError = true)]
    internal static partial int Fcntl(SafeFileHandle file, int command, void* argument);

    /// <summary>man 2 syscall, of a call without arguments: the C library has gettid only since glibc 2.30.</summary>
    [LibraryImport(Library, EntryPoint = "syscall")]
    internal static partial nint SystemCall(nint number);

    /// <summary>man 3 pthread_sigmask: of the calling thread. A sigset_t has 128 bytes; the old one is not asked for.</summary>
    [LibraryImport(Library, EntryPoint = "pthread_sigmask")]
    internal static partial int ChangeSignalMask(int how, ulong* set, void* old);

    /// <summary>man 2 sigwaitinfo; what else is known of the signal is not asked for.</summary>
    [LibraryImport(Library, EntryPoint = "sigwaitinfo")]
    internal static partial int WaitForSignal(ulong* set, void* information);

    /// <summary>man 2 statx. The buffer has room for struct statx, 256 bytes.</summary>
    [LibraryImport(Library, EntryPoint = "statx")]
    internal static partial int StatX(SafeFileHandle directory, byte* path, int flags, uint mask, ulong* buffer);

    /// <summary>man 2 syncfs.</summary>
    [LibraryImport(Library, EntryPoint = "syncfs", SetLastError = true)]
    internal static partial int SyncFs(SafeFileHandle file);

    /// <summary>man 2 syscall, for man 2 openat2, which the C library does not have.</summary>
    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    internal static partial nint SystemCall(nint number, nint directory, byte* path, ulong* how, nuint size);

    /// <summary>man 2 faccessat.</summary>
    [LibraryImport(Library, EntryPoint = "faccessat", SetLastError = true)]
    internal static partial int FAccessAt(int directory, byte* path, int mode, int flags);

    /// <summary>man 2 readlinkat.</summary>
    [LibraryImport(Library, EntryPoint = "readlinkat", SetLastError = true)]
    internal static partial nint ReadLinkAt(SafeFileHandle directory, byte* path, byte* buffer, nuint size);

    /// <summary>man 2 capget.</summary>
    [LibraryImport(Library, EntryPoint = "capget", SetLastError = true)]
    internal static partial int CapGet(uint* header, uint* data);
}

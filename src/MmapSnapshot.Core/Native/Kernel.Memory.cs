using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace MmapSnapshot.Native;

/// <content>Files in memory.</content>
internal static unsafe partial class Kernel
{
    /// <summary>
    /// man 2 mmap, PROT_READ and MAP_SHARED, from the start of the file. A core dump does not hold the mapping, nor does a child process;
    /// both are only advice (man 2 madvise).
    /// </summary>
    internal static Errno Map(SafeFileHandle file, long length, out nint address)
    {
        using var fd = new HandleReference(file);
        address = Syscall.mmap(0, (ulong)length, MmapProts.PROT_READ, MmapFlags.MAP_SHARED, fd.Number, 0);
        // Before Syscall.MAP_FAILED is looked at: that can run a static constructor which makes other calls.
        var errno = LastPInvokeErrno();
        if (address == Syscall.MAP_FAILED) return errno;
        _ = LibC.Advise((void*)address, (nuint)length, Constants.MADV_DONTDUMP);
        _ = LibC.Advise((void*)address, (nuint)length, Constants.MADV_DONTFORK);
        return 0;
    }

    /// <summary>man 2 munmap.</summary>
    internal static void Unmap(nint address, long length) => _ = Syscall.munmap(address, (ulong)length);

    /// <summary>
    /// man 2 madvise, MADV_POPULATE_READ, since Linux 5.14 (before: EINVAL): brings pages into memory. EFAULT where touching a page would
    /// be a SIGBUS.
    /// </summary>
    internal static Errno Populate(byte* pageStart, long length)
    {
        Errno errno;
        do
        {
            errno = LibC.Advise(pageStart, (nuint)length, Constants.MADV_POPULATE_READ) == 0 ? 0 : LastPInvokeErrno();
        }
        while (errno is Errno.EINTR or Errno.EAGAIN);
        return errno;
    }

    /// <summary>
    /// man 2 mincore: whether all pages from <paramref name="pageStart"/> on are in memory. Of a file that is neither ours nor writable for
    /// us the kernel says that all of it is.
    /// </summary>
    /// <param name="pageStart">The first page.</param>
    /// <param name="length">How many bytes.</param>
    /// <param name="pages">A byte for each page.</param>
    internal static bool AreResident(byte* pageStart, long length, byte[] pages) =>
        // Bit 0 is the page's; the others are reserved.
        Syscall.mincore((nint)pageStart, (ulong)length, pages) == 0 && Array.TrueForAll(pages, page => (page & 1) != 0);
}

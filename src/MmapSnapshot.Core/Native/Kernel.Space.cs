using System.Buffers.Text;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace MmapSnapshot.Native;

/// <content>How much can still be written.</content>
internal static unsafe partial class Kernel
{
    /// <summary>man 3 fstatvfs: the bytes that this user may still write to the filesystem of a file; long.MaxValue where it does not tell.</summary>
    internal static long AvailableSpace(SafeFileHandle file)
    {
        using var fd = new HandleReference(file);
        if (Syscall.fstatvfs(fd.Number, out var status) != 0 || status.f_blocks == 0) return long.MaxValue;
        ulong blocks = Syscall.geteuid() == 0 ? status.f_bfree : status.f_bavail; // root may use the reserved ones
        return (long)UInt128.Min(long.MaxValue, (UInt128)blocks * status.f_frsize);
    }

    /// <summary>
    /// man 5 proc_meminfo, MemAvailable: the bytes of memory that are available without swapping, at most what the cgroup allows this
    /// process; long.MaxValue where the kernel does not tell.
    /// </summary>
    internal static long AvailableMemory()
    {
        long limit = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        Span<byte> text = stackalloc byte[1024];
        var errno = OpenAt(null, "/proc/meminfo", OpenMode.ReadOnly, out var file);
        using (file)
        {
            if (errno != 0 || Read(file, text, 0, out int length) != 0) return limit;
            text = text[..length];
            int at = text.IndexOf("MemAvailable:"u8);
            if (at < 0) return limit;
            text = text[(at + "MemAvailable:"u8.Length)..].TrimStart((byte)' ');
            return Utf8Parser.TryParse(text, out long kibibytes, out _) ? Math.Min(limit, kibibytes << 10) : limit;
        }
    }
}

using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Mapping;

/// <summary>
/// A shared, read-only mapping of a private file, to which nothing is written (man 2 mmap). It is unmapped when disposed, or, while
/// there are references, with the last one. Neither a core dump nor a child process has it.
/// </summary>
internal sealed unsafe class MappedRegion : SafeHandle
{
    private readonly object _mapping = new();

    /// <summary>An empty region; see <see cref="EnsureMapped"/>.</summary>
    public MappedRegion()
        : base(invalidHandleValue: 0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>How many bytes are mapped; 0 for an empty file, which cannot be.</summary>
    internal long Length { get; private set; }

    /// <summary>The first byte. Valid only while a reference is held (DangerousAddRef).</summary>
    internal byte* Address => (byte*)handle;

    /// <summary>Maps a file unless one is mapped already. Several threads may ask at once.</summary>
    /// <exception cref="SnapshotException">TooLarge: there are not as many addresses left.</exception>
    internal void EnsureMapped(SafeFileHandle file, long length, string path)
    {
        lock (_mapping)
        {
            if (IsInvalid && length > 0) SetMapping(file, length, path);
        }
    }

    /// <summary>As <see cref="EnsureMapped"/>; false where there are not as many addresses left.</summary>
    internal bool TryMap(SafeFileHandle file, long length, string path)
    {
        try
        {
            EnsureMapped(file, length, path);
            return true;
        }
        catch (SnapshotException exception) when (exception.Error == SnapshotError.TooLarge)
        {
            return false;
        }
    }

    /// <summary>
    /// Brings the pages of a range into memory, so that a bad sector is an error here and not a SIGBUS later. The caller holds
    /// a reference and has checked the range.
    /// </summary>
    internal void Populate(SafeFileHandle file, long offset, long count, string path)
    {
        if (count == 0) return;
        long pageStart = offset / Environment.SystemPageSize * Environment.SystemPageSize;
        var errno = Kernel.Populate(Address + pageStart, offset + count - pageStart);
        if (errno == Errno.EINVAL) errno = ReadThrough(file, offset, count); // before Linux 5.14
        // EFAULT is madvise's word for the SIGBUS that touching the page would have been.
        if (errno == Errno.EFAULT) errno = Errno.EIO;
        ErrnoErrors.ThrowIfError(errno, $"read '{path}' between offset 0x{offset:X} and 0x{offset + count:X}", path, SnapshotError.ReadFailed);
    }

    /// <summary>
    /// Whether a range is in memory, so that it need not be populated: telling takes a fiftieth of the time. The caller holds a
    /// reference and has checked the range.
    /// </summary>
    internal bool IsResident(long offset, int count)
    {
        long pageStart = offset / Environment.SystemPageSize * Environment.SystemPageSize;
        var pages = new byte[((offset + count - 1) / Environment.SystemPageSize) - (offset / Environment.SystemPageSize) + 1];
        return Kernel.AreResident(Address + pageStart, offset + count - pageStart, pages);
    }

    protected override bool ReleaseHandle()
    {
        Kernel.Unmap(handle, Length);
        return true;
    }

    private static Errno ReadThrough(SafeFileHandle file, long offset, long count)
    {
        var buffer = new byte[64 << 10];
        for (long end = offset + count; offset < end; offset += buffer.Length)
        {
            var errno = Kernel.Read(file, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - offset)), offset, out _);
            if (errno != 0) return errno;
        }
        return 0;
    }

    private static SnapshotException Refused(Errno errno, long length, string path) => new(
        errno is Errno.ENOMEM or Errno.EINVAL or Errno.EOVERFLOW ? SnapshotError.TooLarge : SnapshotError.NotSupported,
        $"Cannot map the {length} bytes of '{path}' into memory: {ErrnoErrors.Describe(errno)}.",
        path,
        NativeConvert.FromErrno(errno));

    private void SetMapping(SafeFileHandle file, long length, string path)
    {
        var errno = Kernel.Map(file, length, out nint address);
        if (errno != 0) throw Refused(errno, length, path);
        Length = length;
        SetHandle(address);
    }
}

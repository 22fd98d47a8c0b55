using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Mono.Unix;
using Mono.Unix.Native;

namespace MmapSnapshot.Native;

/// <summary>
/// Every call the engine makes to the kernel, by its man-page name. Each returns the errno, 0 when it worked, retries EINTR,
/// and holds a reference to the descriptor while the kernel uses it. Names are strings in Mono's UnixEncoding, which carries
/// bytes that are no UTF-8.
/// </summary>
internal static unsafe partial class Kernel
{
    /// <summary>0600: nobody else's, until a commit gives the file its own mode.</summary>
    internal const FilePermissions PrivateMode = FilePermissions.S_IRUSR | FilePermissions.S_IWUSR;

    /// <summary>
    /// man 2 openat, always with O_CLOEXEC. A null <paramref name="directory"/> is the current one. The umask, or the directory's
    /// default ACL, takes its part of <paramref name="mode"/>, which counts only with O_CREAT.
    /// </summary>
    internal static Errno OpenAt(
        SafeFileHandle? directory, string path, int flags, out SafeFileHandle file, FilePermissions mode = PrivateMode)
    {
        bool added = false;
        try
        {
            directory?.DangerousAddRef(ref added);
            int start = directory is null ? Constants.AT_FDCWD : (int)directory.DangerousGetHandle();
            fixed (byte* native = ToNative(path))
            {
                while (true)
                {
                    int descriptor = LibC.OpenAt(start, native, flags | OpenMode.CloseOnExec, NativeConvert.FromFilePermissions(mode));
                    var errno = descriptor < 0 ? LastPInvokeErrno() : 0;
                    if (errno == Errno.EINTR) continue;
                    file = new SafeFileHandle(descriptor, ownsHandle: true);
                    return errno;
                }
            }
        }
        finally
        {
            if (added) directory!.DangerousRelease();
        }
    }

    /// <summary>man 5 proc: opens anew what <paramref name="place"/> is a descriptor of, whatever its name stands for by now.</summary>
    internal static Errno Reopen(SafeFileHandle place, int flags, out SafeFileHandle file)
    {
        using var fd = new HandleReference(place);
        return OpenAt(null, ProcPath(fd.Number), flags, out file);
    }

    /// <summary>man 2 open, O_TMPFILE: a file without a name in <paramref name="directory"/>, readable and writable for us.</summary>
    internal static Errno OpenTmpFile(SafeFileHandle directory, out SafeFileHandle file, FilePermissions mode = PrivateMode) =>
        OpenAt(directory, ".", OpenMode.TmpFile | OpenMode.ReadWrite, out file, mode);

    /// <summary>man 2 memfd_create, close-on-exec.</summary>
    internal static Errno MemfdCreate(string name, out SafeFileHandle file)
    {
        int descriptor = LibC.MemfdCreate(name, Constants.MFD_CLOEXEC);
        file = new SafeFileHandle(descriptor, ownsHandle: true);
        return descriptor < 0 ? LastPInvokeErrno() : 0;
    }

    /// <summary>man 2 fstat.</summary>
    internal static Errno Stat(SafeFileHandle file, out Stat status)
    {
        using var fd = new HandleReference(file);
        return Syscall.fstat(fd.Number, out status) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>man 2 fstatat. A symbolic link is looked at, not followed.</summary>
    internal static Errno StatAt(SafeFileHandle directory, string name, out Stat status)
    {
        using var fd = new HandleReference(directory);
        return Syscall.fstatat(fd.Number, name, out status, AtFlags.AT_SYMLINK_NOFOLLOW) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>man 5 proc: the path the kernel knows a descriptor by, as /proc/self/fd shows it.</summary>
    internal static Errno ReadProcFdLink(SafeFileHandle file, out string path)
    {
        using var fd = new HandleReference(file);
        var buffer = new byte[4096 + 16]; // PATH_MAX and " (deleted)"
        long length = Syscall.readlink(ProcPath(fd.Number), buffer);
        path = length < 0 ? "" : UnixEncoding.Instance.GetString(buffer, 0, (int)length);
        return length < 0 ? Stdlib.GetLastError() : 0;
    }

    /// <summary>man 2 pread, until <paramref name="destination"/> is full or the file ends; <paramref name="done"/> is what was read.</summary>
    internal static Errno Read(SafeFileHandle file, Span<byte> destination, long offset, out int done)
    {
        using var fd = new HandleReference(file);
        done = 0;
        fixed (byte* buffer = destination) // pinned until the kernel has returned
        {
            while (done < destination.Length)
            {
                long count = Syscall.pread(fd.Number, buffer + done, (ulong)(destination.Length - done), offset + done);
                if (count == 0) break;
                if (count > 0)
                {
                    done += (int)count;
                    continue;
                }
                var errno = Stdlib.GetLastError();
                if (errno != Errno.EINTR) return errno;
            }
        }
        return 0;
    }

    /// <summary>
    /// As <see cref="Read"/>, for a few bytes that nothing is read behind: man 2 posix_fadvise, POSIX_FADV_RANDOM has the kernel
    /// fetch only their pages, and not 32 or more.
    /// </summary>
    internal static Errno PReadNoReadahead(SafeFileHandle file, Span<byte> destination, long offset, out int done)
    {
        using var fd = new HandleReference(file);
        _ = Syscall.posix_fadvise(fd.Number, 0, 0, PosixFadviseAdvice.POSIX_FADV_RANDOM); // no more than advice
        var errno = Read(file, destination, offset, out done);
        _ = Syscall.posix_fadvise(fd.Number, 0, 0, PosixFadviseAdvice.POSIX_FADV_NORMAL);
        return errno;
    }

    /// <summary>man 2 pwrite, until all is written or the kernel refuses; <paramref name="done"/> is what was written even then.</summary>
    internal static Errno Write(SafeFileHandle file, ReadOnlySpan<byte> source, long offset, out int done)
    {
        using var fd = new HandleReference(file);
        done = 0;
        fixed (byte* buffer = source) // pinned until the kernel has returned
        {
            while (done < source.Length)
            {
                long count = Syscall.pwrite(fd.Number, buffer + done, (ulong)(source.Length - done), offset + done);
                if (count > 0)
                {
                    done += (int)count;
                    continue;
                }
                var errno = count == 0 ? Errno.EIO : Stdlib.GetLastError(); // a write of nothing would never end
                if (errno != Errno.EINTR) return errno;
            }
        }
        return 0;
    }

    /// <summary>man 2 ftruncate.</summary>
    internal static Errno FTruncate(SafeFileHandle file, long length)
    {
        using var fd = new HandleReference(file);
        return Retry(Syscall.ftruncate, fd.Number, length);
    }

    /// <summary>man 2 fsync.</summary>
    internal static Errno FSync(SafeFileHandle file)
    {
        using var fd = new HandleReference(file);
        return Syscall.fsync(fd.Number) == 0 ? 0 : Stdlib.GetLastError(); // never repeated: a second fsync forgets the error
    }

    /// <summary>man 2 fdatasync.</summary>
    internal static Errno FDataSync(SafeFileHandle file)
    {
        using var fd = new HandleReference(file);
        return Syscall.fdatasync(fd.Number) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>man 2 syncfs: everything on the filesystem that <paramref name="file"/> is on.</summary>
    internal static Errno SyncFs(SafeFileHandle file) => LibC.SyncFs(file) == 0 ? 0 : LastPInvokeErrno();

    /// <summary>man 2 ioctl_ficlone: <paramref name="target"/> shares all extents of <paramref name="source"/>.</summary>
    internal static Errno FiClone(SafeFileHandle source, SafeFileHandle target)
    {
        using var fd = new HandleReference(source);
        while (true)
        {
            if (LibC.Ioctl(target, Constants.FICLONE, fd.Number) == 0) return 0;
            var errno = LastPInvokeErrno();
            if (errno != Errno.EINTR) return errno;
        }
    }

    /// <summary>man 2 ioctl_ficlonerange: the first <paramref name="length"/> bytes (0: all) are shared.</summary>
    internal static Errno FiCloneRange(SafeFileHandle source, SafeFileHandle target, ulong length)
    {
        using var fd = new HandleReference(source);
        var range = stackalloc ulong[4]; // struct file_clone_range: s64 src_fd; u64 src_offset, src_length, dest_offset
        range[0] = (ulong)fd.Number;
        range[2] = length;
        return LibC.Ioctl(target, Constants.FICLONERANGE, range) == 0 ? 0 : LastPInvokeErrno();
    }

    /// <summary>
    /// ioctl FS_IOC_FIEMAP (linux/fiemap.h): extents that begin at or behind <paramref name="start"/>, as many as fit into
    /// <paramref name="extents"/>; with <paramref name="sync"/>, what is yet to be written to the disk is written there first.
    /// </summary>
    internal static Errno FieMap(SafeFileHandle file, ulong start, bool sync, Span<Source.Extent> extents, out int count, out bool last)
    {
        // struct fiemap: u64 start, length; u32 flags, mapped_extents, extent_count, reserved; then struct fiemap_extent[]:
        // u64 logical, physical, length, reserved[2]; u32 flags, reserved[3].
        const int Head = 32, Each = 56;
        (count, last) = (0, true);
        byte[] request = new byte[Head + (extents.Length * Each)];
        fixed (byte* buffer = request)
        {
            ulong* head = (ulong*)buffer;
            head[0] = start;
            head[1] = ulong.MaxValue - start;
            ((uint*)buffer)[4] = sync ? Constants.FIEMAP_FLAG_SYNC : 0;
            ((uint*)buffer)[6] = (uint)extents.Length;
            if (LibC.Ioctl(file, Constants.FS_IOC_FIEMAP, buffer) != 0) return LastPInvokeErrno();
            count = (int)((uint*)buffer)[5];
            for (int i = 0; i < count; i++)
            {
                byte* each = buffer + Head + (i * Each);
                var fields = (ulong*)each;
                uint flags = ((uint*)each)[10];
                extents[i] = new Source.Extent(fields[0], fields[1], fields[2], IsWritten: (flags & Constants.FieMapExtentNotWritten) == 0);
                last = (flags & Constants.FIEMAP_EXTENT_LAST) != 0;
            }
        }
        return 0;
    }

    /// <summary>Whether a file is on an XFS that exchanges the contents of files.</summary>
    internal static bool ExchangesRanges(SafeFileHandle file) => TryGetXfsFlags(file, out uint flags) && (flags & Constants.XFS_FSOP_GEOM_FLAGS_EXCHANGE_RANGE) != 0;

    /// <summary>
    /// man 2 ioctl_xfs_fsgetxattr: the size of the blocks that a file of an XFS consists of, in bytes; 0 where they are not those of the
    /// filesystem: a file on the realtime device, or on no XFS.
    /// </summary>
    internal static int GetXfsBlockSize(SafeFileHandle file)
    {
        var attributes = stackalloc uint[Constants.FsxattrSize / sizeof(uint)];
        if (LibC.Ioctl(file, Constants.FS_IOC_FSGETXATTR, attributes) != 0 || (attributes[0] & Constants.FS_XFLAG_REALTIME) != 0) return 0;
        return TryGetXfsGeometry(file, out uint size, out _) ? (int)size : 0;
    }

    /// <summary>
    /// man 2 ioctl_xfs_start_commit: samples what man 2 ioctl_xfs_commit_range compares. A descriptor open for reading will do; and
    /// an XFS that does not exchange will, too.
    /// </summary>
    internal static Errno StartCommit(SafeFileHandle target, out XfsFreshness freshness)
    {
        var request = default(XfsCommitRange);
        int result = LibC.Ioctl(target, Constants.XFS_IOC_START_COMMIT, &request);
        freshness = request.Freshness;
        return result == 0 ? 0 : LastPInvokeErrno();
    }

    /// <summary>
    /// man 2 ioctl_xfs_commit_range: exchanges the contents of both files, whole and atomically, unless the target was changed
    /// since <paramref name="freshness"/> was sampled (EBUSY). Both are open for writing.
    /// </summary>
    internal static Errno CommitRange(SafeFileHandle source, SafeFileHandle target, ulong flags, in XfsFreshness freshness) =>
        CommitRange(source, target, sourceOffset: 0, new ByteRange(0, 0), flags, freshness);

    /// <summary>As the other, for a range of the target and as many bytes of the source.</summary>
    internal static Errno CommitRange(
        SafeFileHandle source, SafeFileHandle target, long sourceOffset, ByteRange range, ulong flags, in XfsFreshness freshness)
    {
        using var fd = new HandleReference(source);
        var request = new XfsCommitRange
        {
            Source = fd.Number,
            SourceOffset = (ulong)sourceOffset,
            TargetOffset = (ulong)range.Offset,
            Length = (ulong)range.Length,
            Flags = flags,
            Freshness = freshness,
        };
        return LibC.Ioctl(target, Constants.XFS_IOC_COMMIT_RANGE, &request) == 0 ? 0 : LastPInvokeErrno();
    }

    /// <summary>man 2 ioctl_xfs_exchange_range: the same without the condition.</summary>
    internal static Errno ExchangeRange(SafeFileHandle source, SafeFileHandle target, ulong flags)
    {
        using var fd = new HandleReference(source);
        var request = new XfsCommitRange { Source = fd.Number, Flags = flags }; // of which this call reads the first part
        return LibC.Ioctl(target, Constants.XFS_IOC_EXCHANGE_RANGE, &request) == 0 ? 0 : LastPInvokeErrno();
    }

    /// <summary>man 2 copy_file_range, one call; <paramref name="done"/> may be less than <paramref name="count"/>.</summary>
    internal static Errno CopyFileRange(SafeFileHandle source, long from, SafeFileHandle target, long to, long count, out long done)
    {
        done = LibC.CopyFileRange(source, &from, target, &to, (nuint)count, 0);
        if (done >= 0) return 0;
        done = 0;
        return LastPInvokeErrno();
    }

    /// <summary>man 2 lseek, SEEK_DATA: where the next data at or after <paramref name="offset"/> begins. ENXIO: there is none.</summary>
    internal static Errno SeekData(SafeFileHandle file, long offset, out long found) => Seek(file, offset, Constants.SEEK_DATA, out found);

    /// <summary>man 2 lseek, SEEK_HOLE: where the next hole at or after <paramref name="offset"/> begins; the end of the file counts as one.</summary>
    internal static Errno SeekHole(SafeFileHandle file, long offset, out long found) => Seek(file, offset, Constants.SEEK_HOLE, out found);

    /// <summary>man 2 fallocate, FALLOC_FL_PUNCH_HOLE: the range reads as zeros and takes no space.</summary>
    internal static Errno PunchHole(SafeFileHandle file, long offset, long length) =>
        LibC.Allocate(file, Constants.PunchHoleKeepSize, offset, length) == 0 ? 0 : LastPInvokeErrno();

    /// <summary>man 2 linkat, of an open file through /proc/self/fd: AT_EMPTY_PATH would need a capability before Linux 6.10.</summary>
    internal static Errno LinkAt(SafeFileHandle file, SafeFileHandle directory, string name)
    {
        using var fd = new HandleReference(file);
        using var to = new HandleReference(directory);
        return Syscall.linkat(Constants.AT_FDCWD, ProcPath(fd.Number), to.Number, name, AtFlags.AT_SYMLINK_FOLLOW) == 0
            ? 0
            : Stdlib.GetLastError();
    }

    /// <summary>man 2 renameat.</summary>
    internal static Errno RenameAt(SafeFileHandle oldDirectory, string oldName, SafeFileHandle newDirectory, string newName)
    {
        using var from = new HandleReference(oldDirectory);
        using var to = new HandleReference(newDirectory);
        return Syscall.renameat(from.Number, oldName, to.Number, newName) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>man 2 renameat2, RENAME_NOREPLACE: EEXIST when <paramref name="newName"/> is taken.</summary>
    internal static Errno RenameAtNoReplace(SafeFileHandle oldDirectory, string oldName, SafeFileHandle newDirectory, string newName) =>
        RenameAt2(oldDirectory, oldName, newDirectory, newName, Constants.RENAME_NOREPLACE);

    /// <summary>man 2 renameat2, RENAME_EXCHANGE: both names change places in one step.</summary>
    internal static Errno RenameAtExchange(SafeFileHandle oldDirectory, string oldName, SafeFileHandle newDirectory, string newName) =>
        RenameAt2(oldDirectory, oldName, newDirectory, newName, Constants.RENAME_EXCHANGE);

    /// <summary>man 2 unlinkat.</summary>
    internal static Errno UnlinkAt(SafeFileHandle directory, string name)
    {
        using var fd = new HandleReference(directory);
        return Syscall.unlinkat(fd.Number, name, 0) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>man 2 clock_gettime, CLOCK_REALTIME_COARSE: the clock that coarse timestamps are read from.</summary>
    internal static (long Seconds, long Nanoseconds) CoarseTime()
    {
        var time = stackalloc long[2];
        _ = LibC.ClockGetTime(Constants.CLOCK_REALTIME_COARSE, time);
        return (time[0], time[1]);
    }

    /// <summary>man 2 fchown.</summary>
    internal static Errno FChown(SafeFileHandle file, uint user, uint group)
    {
        using var fd = new HandleReference(file);
        return Syscall.fchown(fd.Number, user, group) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>man 2 fchmod.</summary>
    internal static Errno FChmod(SafeFileHandle file, FilePermissions mode)
    {
        using var fd = new HandleReference(file);
        return Syscall.fchmod(fd.Number, mode) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>man 3 futimens: gives a file the times of the last access to and the last change of another one's bytes.</summary>
    internal static Errno CopyTimes(SafeFileHandle source, SafeFileHandle target)
    {
        var errno = Stat(source, out var status);
        if (errno != 0) return errno;
        using var fd = new HandleReference(target);
        return Syscall.futimens(fd.Number, [status.st_atim, status.st_mtim]) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>man 2 flistxattr. A filesystem without extended attributes has none.</summary>
    internal static Errno FListXattr(SafeFileHandle file, out string[] names)
    {
        using var fd = new HandleReference(file);
        // (Mono.Posix's own list counts on as many bytes as the kernel asked for; overlayfs asks for more than it fills.)
        int number = fd.Number;
        var errno = ReadAttribute((buffer, size) => Syscall.flistxattr(number, buffer, size), out byte[] list);
        names = UnixEncoding.Instance.GetString(list).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        return errno is Errno.EOPNOTSUPP or Errno.ENOSYS ? 0 : errno;
    }

    /// <summary>man 2 fgetxattr.</summary>
    internal static Errno FGetXattr(SafeFileHandle file, string name, out byte[] value)
    {
        using var fd = new HandleReference(file);
        int number = fd.Number;
        return ReadAttribute((buffer, size) => Syscall.fgetxattr(number, name, buffer, size), out value);
    }

    /// <summary>man 2 fsetxattr.</summary>
    internal static Errno FSetXattr(SafeFileHandle file, string name, byte[] value)
    {
        using var fd = new HandleReference(file);
        return Syscall.fsetxattr(fd.Number, name, value) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>man 2 fremovexattr.</summary>
    internal static Errno FRemoveXattr(SafeFileHandle file, string name)
    {
        using var fd = new HandleReference(file);
        return Syscall.fremovexattr(fd.Number, name) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>man 2 ioctl_iflags, FS_IOC_GETFLAGS. A filesystem without inode flags has none set.</summary>
    internal static Errno GetInodeFlags(SafeFileHandle file, out InodeFlags flags)
    {
        long value = 0; // the kernel writes an int; the request's size says long
        int result = LibC.Ioctl(file, Constants.FS_IOC_GETFLAGS, &value);
        flags = (InodeFlags)(int)value;
        if (result == 0) return 0;
        flags = InodeFlags.None;
        var errno = LastPInvokeErrno();
        return errno is Errno.ENOTTY or Errno.EOPNOTSUPP or Errno.ENOSYS or Errno.EINVAL ? 0 : errno;
    }

    /// <summary>man 2 ioctl_iflags, FS_IOC_SETFLAGS.</summary>
    internal static Errno SetInodeFlags(SafeFileHandle file, InodeFlags flags)
    {
        long value = (int)flags;
        return LibC.Ioctl(file, Constants.FS_IOC_SETFLAGS, &value) == 0 ? 0 : LastPInvokeErrno();
    }

    /// <summary>man 2 fcntl, F_SETLEASE with F_RDLCK, announced by SIGURG instead of the SIGIO that would kill the process.</summary>
    /// <param name="file">Open for reading only.</param>
    /// <param name="listener">The thread (man 2 gettid) that the signal goes to and no other; 0: it goes to the process, which ignores it.</param>
    internal static Errno SetReadLease(SafeFileHandle file, int listener = 0)
    {
        using var fd = new HandleReference(file);
        if (Syscall.fcntl(fd.Number, FcntlCommand.F_SETSIG, Constants.SIGURG) != 0) return Stdlib.GetLastError();
        if (listener != 0)
        {
            var owner = stackalloc int[2]; // struct f_owner_ex: int type; pid_t pid
            owner[0] = Constants.F_OWNER_TID;
            owner[1] = listener;
            if (LibC.Fcntl(file, Constants.F_SETOWN_EX, owner) != 0) return LastPInvokeErrno();
        }
        return Syscall.fcntl(fd.Number, FcntlCommand.F_SETLEASE, Constants.F_RDLCK) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>
    /// man 2 fcntl, F_SETLEASE with F_WRLCK, announced by SIGURG, which this process ignores. EAGAIN: the file is open, or mapped, by
    /// another descriptor; EACCES: this user is not its owner and has no CAP_LEASE.
    /// </summary>
    /// <param name="file">Open for reading and writing.</param>
    internal static Errno SetWriteLease(SafeFileHandle file)
    {
        using var fd = new HandleReference(file);
        if (Syscall.fcntl(fd.Number, FcntlCommand.F_SETSIG, Constants.SIGURG) != 0) return Stdlib.GetLastError();
        return Syscall.fcntl(fd.Number, FcntlCommand.F_SETLEASE, Constants.F_WRLCK) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>man 2 fcntl, F_GETLEASE: whether there is a read lease, and nobody waits for its end.</summary>
    internal static bool HasReadLease(SafeFileHandle file)
    {
        using var fd = new HandleReference(file);
        return Syscall.fcntl(fd.Number, FcntlCommand.F_GETLEASE) == Constants.F_RDLCK;
    }

    /// <summary>man 2 fcntl, F_SETLEASE with F_UNLCK. EAGAIN: there was none, or none any more.</summary>
    internal static Errno ReleaseLease(SafeFileHandle file)
    {
        using var fd = new HandleReference(file);
        return Syscall.fcntl(fd.Number, FcntlCommand.F_SETLEASE, Constants.F_UNLCK) == 0 ? 0 : Stdlib.GetLastError();
    }

    /// <summary>
    /// man 5 proc_pid_fdinfo: whether the kernel has a lease of this open file in its books, even if somebody waits for its end.
    /// </summary>
    internal static bool HoldsLease(SafeFileHandle file)
    {
        using var fd = new HandleReference(file);
        try
        {
            return System.IO.File.ReadLines($"/proc/self/fdinfo/{fd.Number}")
                .Any(line => line.StartsWith("lock:", StringComparison.Ordinal) && line.Contains("LEASE", StringComparison.Ordinal));
        }
        catch (IOException)
        {
            return false; // no /proc
        }
    }

    /// <summary>man 2 geteuid: the user that this thread acts as.</summary>
    internal static uint EffectiveUser() => Syscall.geteuid();

    /// <summary>man 2 getuid.</summary>
    internal static uint RealUser() => Syscall.getuid();

    /// <summary>man 2 gettid.</summary>
    internal static int CurrentThread() => (int)LibC.SystemCall(RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 178 : 186);

    /// <summary>
    /// Makes this thread the one that SIGURG waits for until <see cref="WaitForSigUrg"/> takes it: man 7 signal, a blocked
    /// signal stays pending even if it would be ignored.
    /// </summary>
    internal static void BlockSigUrg()
    {
        var set = SigUrgSet();
        _ = LibC.ChangeSignalMask(Constants.SIG_BLOCK, (ulong*)&set, null); // man 3 pthread_sigmask: it fails only for a wrong first argument
    }

    /// <summary>man 2 sigwaitinfo: sleeps until SIGURG was sent to this thread (or process), or something else woke it.</summary>
    internal static void WaitForSigUrg()
    {
        var set = SigUrgSet();
        _ = LibC.WaitForSignal((ulong*)&set, null);
    }

    /// <summary>
    /// man 2 fcntl, F_OFD_SETLK with F_WRLCK on the whole file, without waiting. EAGAIN or EACCES: another open file holds a lock.
    /// It is released with the last descriptor of this open file, and has nothing to do with the locks of man 2 flock.
    /// </summary>
    /// <param name="file">Open for writing.</param>
    internal static Errno SetOfdWriteLock(SafeFileHandle file)
    {
        var range = stackalloc long[4]; // struct flock: short l_type, l_whence; off_t l_start, l_len; pid_t l_pid, which must be 0
        ((short*)range)[0] = Constants.F_WRLCK;
        return LibC.Fcntl(file, Constants.F_OFD_SETLK, range) == 0 ? 0 : LastPInvokeErrno();
    }

    /// <summary>man 2 fcntl, F_OFD_GETLK: the type of a lock that would keep this open file from a write lock; F_UNLCK: none would.</summary>
    internal static Errno GetOfdLock(SafeFileHandle file, out int type)
    {
        var range = stackalloc long[4]; // struct flock, as for SetOfdWriteLock
        ((short*)range)[0] = Constants.F_WRLCK;
        int result = LibC.Fcntl(file, Constants.F_OFD_GETLK, range);
        type = ((short*)range)[0];
        return result == 0 ? 0 : LastPInvokeErrno();
    }

    /// <summary>FS_IOC_GETVERSION (linux/fs.h): the generation of an inode, which tells it from an earlier file with its number.</summary>
    internal static Errno GetInodeGeneration(SafeFileHandle file, out uint generation)
    {
        long value = 0; // the kernel writes an int; the request's size says long
        int result = LibC.Ioctl(file, Constants.FS_IOC_GETVERSION, &value);
        generation = (uint)value;
        return result == 0 ? 0 : LastPInvokeErrno();
    }

    /// <summary>
    /// man 2 sync_file_range, SYNC_FILE_RANGE_WRITE on the whole file: begins to write it to the disk, and does not wait.
    /// </summary>
    internal static void StartWriteBack(SafeFileHandle file) => _ = LibC.SyncFileRange(file, 0, 0, Constants.SYNC_FILE_RANGE_WRITE);

    /// <summary>
    /// man 2 sync_file_range, SYNC_FILE_RANGE_WAIT_BEFORE on the whole file: waits for what is being written to the disk, begins no
    /// write itself, and reports, once, an error of any write-back since the file was opened.
    /// </summary>
    internal static Errno WaitForWriteBack(SafeFileHandle file)
    {
        while (true)
        {
            if (LibC.SyncFileRange(file, 0, 0, Constants.SYNC_FILE_RANGE_WAIT_BEFORE) == 0) return 0;
            var errno = LastPInvokeErrno();
            if (errno != Errno.EINTR) return errno;
        }
    }

    private static Errno RenameAt2(SafeFileHandle oldDirectory, string oldName, SafeFileHandle newDirectory, string newName, uint flags)
    {
        fixed (byte* from = ToNative(oldName), to = ToNative(newName))
            return LibC.RenameAt2(oldDirectory, from, newDirectory, to, flags) == 0 ? 0 : LastPInvokeErrno();
    }

    /// <summary>Reads a list or value whose size is asked for first, and may have changed by then (ERANGE).</summary>
    private static Errno ReadAttribute(Func<byte[], ulong, long> call, out byte[] value)
    {
        value = [];
        while (true)
        {
            long size = call([], 0);
            if (size < 0) return Stdlib.GetLastError();
            if (size == 0) return 0;
            var buffer = new byte[size];
            long length = call(buffer, (ulong)size);
            if (length >= 0)
            {
                value = buffer[..(int)length];
                return 0;
            }
            var errno = Stdlib.GetLastError();
            if (errno != Errno.ERANGE) return errno;
        }
    }

    /// <summary>man 2 ioctl_xfs_fsgeometry: the flags of the XFS that a file is on; false where it is on none.</summary>
    private static bool TryGetXfsFlags(SafeFileHandle file, out uint flags) => TryGetXfsGeometry(file, out _, out flags);

    private static bool TryGetXfsGeometry(SafeFileHandle file, out uint blockSize, out uint flags)
    {
        var geometry = stackalloc uint[Constants.XfsGeometrySize / sizeof(uint)];
        bool isXfs = LibC.Ioctl(file, Constants.XFS_IOC_FSGEOMETRY, geometry) == 0;
        (blockSize, flags) = isXfs ? (geometry[0], geometry[Constants.XfsGeometryFlags]) : (0, 0);
        return isXfs;
    }

    private static Errno Seek(SafeFileHandle file, long offset, int whence, out long found)
    {
        found = LibC.Seek(file, offset, whence);
        return found < 0 ? LastPInvokeErrno() : 0;
    }

    private static Errno Retry(Func<int, long, int> call, int descriptor, long argument)
    {
        while (true)
        {
            if (call(descriptor, argument) == 0) return 0;
            var errno = Stdlib.GetLastError();
            if (errno != Errno.EINTR) return errno;
        }
    }

    private static SignalSet SigUrgSet()
    {
        var set = default(SignalSet);
        set.First = 1UL << (Constants.SIGURG - 1);
        return set;
    }

    private static Errno LastPInvokeErrno() => NativeConvert.ToErrno(Marshal.GetLastPInvokeError());

    private static string ProcPath(int descriptor) => $"/proc/self/fd/{descriptor}";

    private static byte[] ToNative(string path)
    {
        var bytes = new byte[UnixEncoding.Instance.GetByteCount(path) + 1]; // the last stays 0
        UnixEncoding.Instance.GetBytes(path, 0, path.Length, bytes, 0);
        return bytes;
    }

    /// <summary>sigset_t of glibc: 1024 bits, of which the kernel knows 64.</summary>
    private struct SignalSet
    {
        internal ulong First;

        private fixed ulong _others[15];
    }

    /// <summary>The number of a descriptor, kept open until disposed: nobody can close it, and the kernel reuse it, meanwhile.</summary>
    private readonly ref struct HandleReference
    {
        private readonly SafeFileHandle _handle;

        internal HandleReference(SafeFileHandle handle)
        {
            bool added = false;
            handle.DangerousAddRef(ref added);
            _handle = handle;
        }

        internal int Number => (int)_handle.DangerousGetHandle();

        public void Dispose() => _handle.DangerousRelease();
    }
}

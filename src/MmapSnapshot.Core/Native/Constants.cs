namespace MmapSnapshot.Native;

/// <summary>Numbers of the kernel's interface that neither .NET nor Mono.Posix names. All are the same on x64 and arm64.</summary>
internal static class Constants
{
    /// <summary>man 2 openat: the directory that relative paths start from is the current one.</summary>
    internal const int AT_FDCWD = -100;

    /// <summary>man 2 statx: AT_EMPTY_PATH, and AT_STATX_DONT_SYNC, which asks no server.</summary>
    internal const int AT_EMPTY_PATH = 0x1000, AT_STATX_DONT_SYNC = 0x4000;

    /// <summary>man 2 statx: STATX_MNT_ID, since Linux 5.8.</summary>
    internal const uint STATX_MNT_ID = 0x1000;

    /// <summary>man 2 ioctl_ficlone.</summary>
    internal const uint FICLONE = 0x40049409;

    /// <summary>man 2 ioctl_ficlonerange.</summary>
    internal const uint FICLONERANGE = 0x4020940d;

    /// <summary>FS_IOC_FIEMAP (linux/fs.h, linux/fiemap.h); FIEMAP_FLAG_SYNC and FIEMAP_EXTENT_LAST.</summary>
    internal const uint FS_IOC_FIEMAP = 0xC020660B, FIEMAP_FLAG_SYNC = 1, FIEMAP_EXTENT_LAST = 1;

    /// <summary>linux/fiemap.h: FIEMAP_EXTENT_UNKNOWN, _DELALLOC, _DATA_INLINE and _UNWRITTEN: no written block.</summary>
    internal const uint FieMapExtentNotWritten = 2 | 4 | 0x200 | 0x800;

    /// <summary>man 2 ioctl_xfs_fsgetxattr: FS_IOC_FSGETXATTR; the size of struct fsxattr; FS_XFLAG_REALTIME in its first field.</summary>
    internal const uint FS_IOC_FSGETXATTR = 0x801C581F, FS_XFLAG_REALTIME = 1;

    /// <inheritdoc cref="FS_IOC_FSGETXATTR"/>
    internal const int FsxattrSize = 28;

    /// <summary>man 2 ioctl_iflags: FS_IOC_GETFLAGS and FS_IOC_SETFLAGS.</summary>
    internal const uint FS_IOC_GETFLAGS = 0x80086601, FS_IOC_SETFLAGS = 0x40086602;

    /// <summary>man 2 ioctl_xfs_exchange_range, ioctl_xfs_start_commit, ioctl_xfs_commit_range (linux/fs/xfs/libxfs/xfs_fs.h).</summary>
    internal const uint XFS_IOC_EXCHANGE_RANGE = 0x40285881, XFS_IOC_START_COMMIT = 0x80585882, XFS_IOC_COMMIT_RANGE = 0x40585883;

    /// <summary>
    /// man 2 ioctl_xfs_fsgeometry: XFS_IOC_FSGEOMETRY; the size of struct xfs_fsop_geom; the index of its flags, taken as 32-bit
    /// numbers; and XFS_FSOP_GEOM_FLAGS_EXCHANGE_RANGE, which kernels know that can exchange.
    /// </summary>
    internal const uint XFS_IOC_FSGEOMETRY = 0x8100587E, XFS_FSOP_GEOM_FLAGS_EXCHANGE_RANGE = 1 << 24;

    /// <inheritdoc cref="XFS_IOC_FSGEOMETRY"/>
    internal const int XfsGeometrySize = 256, XfsGeometryFlags = 23;

    /// <summary>XFS_EXCHANGE_RANGE_TO_EOF: up to the ends of both files, whose lengths are exchanged too.</summary>
    internal const ulong XFS_EXCHANGE_RANGE_TO_EOF = 1;

    /// <summary>XFS_EXCHANGE_RANGE_DSYNC: on the disk before the call returns.</summary>
    internal const ulong XFS_EXCHANGE_RANGE_DSYNC = 2;

    /// <summary>XFS_EXCHANGE_RANGE_DRY_RUN: only tell whether it would work.</summary>
    internal const ulong XFS_EXCHANGE_RANGE_DRY_RUN = 4;

    /// <summary>XFS_EXCHANGE_RANGE_FILE1_WRITTEN: only where the first file has written blocks.</summary>
    internal const ulong XFS_EXCHANGE_RANGE_FILE1_WRITTEN = 8;

    /// <summary>man 2 lseek.</summary>
    internal const int SEEK_DATA = 3, SEEK_HOLE = 4;

    /// <summary>man 2 fallocate: FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE.</summary>
    internal const int PunchHoleKeepSize = 2 | 1;

    /// <summary>man 2 madvise: MADV_DONTFORK and MADV_DONTDUMP.</summary>
    internal const int MADV_DONTFORK = 10, MADV_DONTDUMP = 16;

    /// <summary>man 2 madvise, since Linux 5.14.</summary>
    internal const int MADV_POPULATE_READ = 22;

    /// <summary>man 2 memfd_create: MFD_CLOEXEC.</summary>
    internal const uint MFD_CLOEXEC = 1;

    /// <summary>man 2 renameat2: RENAME_NOREPLACE.</summary>
    internal const uint RENAME_NOREPLACE = 1;

    /// <summary>man 2 renameat2.</summary>
    internal const uint RENAME_EXCHANGE = 2;

    /// <summary>man 2 fcntl: locks of open file descriptions; the types of locks and leases.</summary>
    internal const int F_OFD_GETLK = 36, F_OFD_SETLK = 37, F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2;

    /// <summary>linux/fs.h.</summary>
    internal const uint FS_IOC_GETVERSION = 0x80087601;

    /// <summary>man 2 sync_file_range.</summary>
    internal const uint SYNC_FILE_RANGE_WAIT_BEFORE = 1, SYNC_FILE_RANGE_WRITE = 2;

    /// <summary>man 2 clock_gettime: CLOCK_REALTIME_COARSE.</summary>
    internal const int CLOCK_REALTIME_COARSE = 5;

    /// <summary>man 2 fcntl: F_SETOWN_EX, and F_OWNER_TID, which makes one thread the owner.</summary>
    internal const int F_SETOWN_EX = 15, F_OWNER_TID = 0;

    /// <summary>man 7 signal: SIGURG, whose default action is to be ignored.</summary>
    internal const int SIGURG = 23;

    /// <summary>man 3 pthread_sigmask: SIG_BLOCK.</summary>
    internal const int SIG_BLOCK = 0;

    /// <summary>man 2 openat2: its number, the same on all architectures, and RESOLVE_NO_SYMLINKS.</summary>
    internal const int SYS_openat2 = 437, RESOLVE_NO_SYMLINKS = 4;

    /// <summary>man 2 faccessat: W_OK, and AT_EACCESS, which asks for the effective user.</summary>
    internal const int W_OK = 2, AT_EACCESS = 0x200;

    /// <summary>man 2 capget: _LINUX_CAPABILITY_VERSION_3; man 7 capabilities: CAP_FSETID.</summary>
    internal const int LINUX_CAPABILITY_VERSION_3 = 0x20080522, CAP_FSETID = 4;

    /// <summary>man 2 open: O_NOATIME.</summary>
    internal const int O_NOATIME = 0x40000;
}

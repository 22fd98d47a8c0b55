namespace MmapSnapshot.Native;

/// <summary>Inode flags (man 2 ioctl_iflags, man 1 chattr): those that a new file can take over, and one that tells something.</summary>
[Flags]
internal enum InodeFlags
{
    None = 0,

    /// <summary>FS_SECRM_FL and FS_UNRM_FL, <c>chattr +s</c> and <c>+u</c>.</summary>
    SecureRemoval = 0x1, Undelete = 0x2,

    /// <summary>FS_COMPR_FL, <c>chattr +c</c>.</summary>
    Compress = 0x4,

    /// <summary>FS_SYNC_FL, <c>chattr +S</c>.</summary>
    Synchronous = 0x8,

    /// <summary>FS_NODUMP_FL, <c>chattr +d</c>.</summary>
    NoDump = 0x40,

    /// <summary>FS_NOATIME_FL, <c>chattr +A</c>.</summary>
    NoAccessTime = 0x80,

    /// <summary>FS_NOCOMP_FL, <c>chattr +m</c>.</summary>
    NoCompress = 0x400,

    /// <summary>FS_VERITY_FL: fs-verity (man 1 fsverity) has made the file's bytes unchangeable, for good.</summary>
    Verity = 0x100000,

    /// <summary>FS_NOCOW_FL, <c>chattr +C</c>. Only an empty file takes it.</summary>
    NoCopyOnWrite = 0x800000,

    /// <summary>FS_DAX_FL, <c>chattr +x</c>.</summary>
    DirectAccess = 0x2000000,

    /// <summary>The flags a commit carries over from the old file to the new one.</summary>
    CarriedOver = SecureRemoval | Undelete | DirectAccess | Compress | Synchronous | NoDump | NoAccessTime | NoCompress | NoCopyOnWrite,
}

namespace MmapSnapshot.Source;

/// <summary>The magic numbers of filesystems, as man 2 statfs has them.</summary>
internal static class FileSystemType
{
    internal const long Xfs = 0x58465342, Btrfs = 0x9123683e, Tmpfs = 0x01021994, Overlay = 0x794c7630, F2fs = 0xf2f52010;

    /// <summary>ext2, ext3 and ext4 alike.</summary>
    internal const long Ext = 0xef53;

    /// <summary>Filesystems that are written once, as images (linux/magic.h).</summary>
    internal const long Erofs = 0xe0f5e1e2, Squashfs = 0x73717368;
}

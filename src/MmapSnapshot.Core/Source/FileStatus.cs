using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Source;

/// <summary>
/// What fstat says of a file, and with it its identity: as long as two of these agree, nobody changed the file in between.
/// The change time settles it: unlike the modification time nobody can set it back.
/// </summary>
internal readonly record struct FileStatus(
    ulong Device, ulong Inode, long Length, Timespec Modified, Timespec Changed, FilePermissions Mode, uint User, uint Group, ulong Links, long Allocated)
{
    /// <summary>The longest step of the clock behind timestamps before Linux 6.13: one tick at 100 Hz.</summary>
    private static readonly TimeSpan _tick = TimeSpan.FromMilliseconds(10);

    /// <summary>How many of its bytes are no holes, about.</summary>
    internal long DataLength => Math.Min(Length, Allocated);

    internal bool IsRegular => (Mode & FilePermissions.S_IFMT) == FilePermissions.S_IFREG;

    internal bool IsLink => (Mode & FilePermissions.S_IFMT) == FilePermissions.S_IFLNK;

    /// <summary>The rights, setuid, setgid and sticky bits.</summary>
    internal FilePermissions Permissions => Mode & FilePermissions.ALLPERMS;

    internal static FileStatus From(in Stat stat) => new(
        stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtim, stat.st_ctim, stat.st_mode, stat.st_uid, stat.st_gid, stat.st_nlink, stat.st_blocks * 512);

    internal static FileStatus Of(SafeFileHandle file, string path)
    {
        Failure.Check(Kernel.Stat(file, out var stat), $"examine '{path}'", path, SnapshotError.ReadFailed);
        return From(stat);
    }

    /// <summary>
    /// The status of <paramref name="file"/>, taken at a moment from which any further change moves the timestamps. Where
    /// they are coarse and the file was changed within the current step of the clock, this waits until the step is over.
    /// </summary>
    internal static FileStatus SettledOf(SafeFileHandle file, string path)
    {
        var status = Of(file, path);
        // Filesystems that keep whole seconds (ext3's inodes, FAT) show nothing finer.
        bool wholeSeconds = status.Changed.tv_nsec == 0 && status.Modified.tv_nsec == 0;
        var step = wholeSeconds ? TimeSpan.FromSeconds(2) : _tick;
        var changed = DateTimeOffset.FromUnixTimeSeconds(status.Changed.tv_sec).AddTicks(status.Changed.tv_nsec / 100);
        var age = DateTimeOffset.UtcNow - changed;
        if (age < TimeSpan.Zero || age >= step) return status; // from the future: no waiting helps
        if (!wholeSeconds && FileSystem.Of(file).HasMultigrainTimestamps) return status;
        if (wholeSeconds) Thread.Sleep(step - age);
        // The clock itself tells when it has gone on: on a busy machine its steps can be longer than a tick.
        else while (Kernel.CoarseTime().CompareTo((status.Changed.tv_sec, status.Changed.tv_nsec)) <= 0) Thread.Sleep(1);
        return Of(file, path);
    }

    internal bool IsSameFileAs(in FileStatus other) => Device == other.Device && Inode == other.Inode;

    /// <summary>What tells <paramref name="now"/> from this earlier status, in words for the user; null when nothing does.</summary>
    internal string? DifferenceTo(in FileStatus now)
    {
        if (!IsSameFileAs(now)) return "it was replaced by another file";
        if (Length != now.Length) return $"its length changed from {Length} to {now.Length} bytes";
        if (!Modified.Equals(now.Modified)) return "it was written to";
        if (!Changed.Equals(now.Changed)) return "it was written to or its attributes (mode, owner, links, ...) were changed";
        return null;
    }
}

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
    private const long NanosecondsPerSecond = 1_000_000_000;

    /// <summary>How often a file that is written to all the time is waited for.</summary>
    private const int Attempts = 4;

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
        ErrnoErrors.ThrowIfError(Kernel.Stat(file, out var stat), $"examine '{path}'", path, SnapshotError.ReadFailed);
        return From(stat);
    }

    /// <summary>
    /// The status of <paramref name="file"/>, taken at a moment from which any further change moves the timestamps. If the file
    /// was changed within the current step of its timestamps, this waits until the step is over: a tick of the clock, and 2 s at most.
    /// Of a file that is written to all the time it is a status from before the last write, so that each later comparison shows a change.
    /// </summary>
    internal static FileStatus OfStable(SafeFileHandle file, string path, CancellationToken cancellation = default)
    {
        FileStatus earlier, status = Of(file, path);
        int attempt = 0;
        do
        {
            if (IsSettled(status.Changed, Kernel.CoarseTime()) || IsFromTheFuture(status.Changed)) return status;
            // Timestamps as coarse as a second are so everywhere (FAT, inodes of 128 bytes on ext4).
            if (status.Changed.tv_nsec != 0 && FileSystem.Of(file).HasMultigrainTimestamps) return status;
            while (!IsSettled(status.Changed, Kernel.CoarseTime()))
            {
                _ = cancellation.WaitHandle.WaitOne(1);
                cancellation.ThrowIfCancellationRequested();
            }
            earlier = status;
            status = Of(file, path);
        }
        while (earlier.DifferenceTo(status) is not null && ++attempt < Attempts);
        return earlier;
    }

    /// <summary>Whether a change that is made now gets another timestamp.</summary>
    /// <param name="changed">The last timestamp given.</param>
    /// <param name="now">The clock that timestamps are read from (CLOCK_REALTIME_COARSE).</param>
    internal static bool IsSettled(Timespec changed, (long Seconds, long Nanoseconds) now)
    {
        long granularity = GranularityOf(changed);
        long seconds = changed.tv_sec + ((changed.tv_nsec + granularity) / NanosecondsPerSecond);
        long nanoseconds = (changed.tv_nsec + granularity) % NanosecondsPerSecond;
        return now.CompareTo((seconds, nanoseconds)) >= 0;
    }

    /// <summary>
    /// The coarsest granularity that a timestamp can have, in nanoseconds. Filesystems cut it to a power of ten (exfat 10 ms, udf 1
    /// microsecond, ntfs3 and SMB 100 ns, ext3 1 s) or to 2 s (FAT), so that its own digits tell, on filesystems not known here too.
    /// </summary>
    internal static long GranularityOf(Timespec timestamp)
    {
        if (timestamp.tv_nsec == 0) return 2 * NanosecondsPerSecond;
        long granularity = 1;
        while (timestamp.tv_nsec % (granularity * 10) == 0) granularity *= 10;
        return granularity;
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

    /// <summary>No waiting helps then: the clock was set back, or is another machine's.</summary>
    private static bool IsFromTheFuture(Timespec time) =>
        DateTimeOffset.UtcNow < DateTimeOffset.FromUnixTimeSeconds(time.tv_sec).AddTicks(time.tv_nsec / 100);
}

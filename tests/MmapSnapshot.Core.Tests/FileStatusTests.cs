using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Source;
using MmapSnapshot.Tests.Support;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests;

/// <summary>A status from which every later change can be told, whatever the granularity of the filesystem's timestamps.</summary>
public sealed class FileStatusTests
{
    private const long Second = 1_000_000_000;

    [Theory]
    [InlineData("FAT", 0, 2 * Second)]
    [InlineData("exfat", 120_000_000, 10_000_000)]
    [InlineData("exfat, a tenth", 300_000_000, 100_000_000)]
    [InlineData("udf", 123_456_000, 1000)]
    [InlineData("ntfs3", 123_456_700, 100)]
    [InlineData("ext4", 123_456_789, 1)]
    public void Granularity_is_at_most_what_the_digits_allow(string fileSystem, long nanoseconds, long granularity)
    {
        _ = fileSystem;
        Assert.Equal(granularity, FileStatus.GranularityOf(new Timespec { tv_sec = 1000, tv_nsec = nanoseconds }));
    }

    [Theory]
    [InlineData("FAT", 0, 1001, 999_999_999, false)]
    [InlineData("FAT", 0, 1002, 0, true)]
    [InlineData("exfat", 120_000_000, 1000, 129_999_999, false)]
    [InlineData("exfat", 120_000_000, 1000, 130_000_000, true)]
    [InlineData("exfat, end of a second", 990_000_000, 1000, 999_999_999, false)]
    [InlineData("exfat, end of a second", 990_000_000, 1001, 0, true)]
    [InlineData("udf", 123_456_000, 1000, 123_456_999, false)]
    [InlineData("ntfs3", 123_456_700, 1000, 123_456_799, false)]
    [InlineData("ext4", 123_456_789, 1000, 123_456_789, false)]
    [InlineData("ext4", 123_456_789, 1000, 123_456_790, true)]
    public void Status_is_settled_once_the_next_change_gets_another_timestamp(string fileSystem, long nanoseconds, long nowSeconds, long nowNanoseconds, bool settled)
    {
        _ = fileSystem;
        Assert.Equal(settled, FileStatus.IsSettled(new Timespec { tv_sec = 1000, tv_nsec = nanoseconds }, (nowSeconds, nowNanoseconds)));
    }

    /// <summary>The types ext2 and ext3 have no multigrain timestamps on any kernel, though the ext4 driver serves them.</summary>
    [Theory]
    [InlineData("ext2", "-I 128")] // whole seconds
    [InlineData("ext3", "-I 128")]
    [InlineData("ext2", "-I 256")]
    [InlineData("ext3", "-I 256")]
    public void Write_right_after_opening_is_a_conflict(string type, string inodes)
    {
        Tools.Require($"mkfs.{type}");
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        string image = workspace.WriteSparse("image", 8 << 20), place = workspace.MakeFolder("place"), path = Path.Join(place, "file");
        Shell.Run("mkfs.\"$2\" -q $3 \"$1\"", image, type, inodes);
        using var mount = Mounts.Image(image, place);
        for (int round = 0; round < (inodes == "-I 128" ? 2 : 50); round++)
        {
            File.WriteAllText(path, "old text");
            using var snapshot = Snapshot.Open(path, new SnapshotOptions { Backing = SnapshotBacking.Copy });
            using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) RandomAccess.Write(file, "OLD"u8, 0);
            snapshot.Write(0, "new"u8);
            Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        }
    }

    [Fact]
    public void Waiting_for_a_coarse_timestamp_can_be_cancelled()
    {
        Tools.Require("mkfs.ext2");
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        string image = workspace.WriteSparse("image", 8 << 20), place = workspace.MakeFolder("place"), path = Path.Join(place, "file");
        Shell.Run("mkfs.ext2 -q -I 128 \"$1\"", image);
        using var mount = Mounts.Image(image, place);
        File.WriteAllText(path, "text");
        using var cancellation = new CancellationTokenSource(100);
        var started = DateTime.UtcNow;
        Assert.ThrowsAny<OperationCanceledException>(() => Snapshot.Open(path, cancellation: cancellation.Token));
        Assert.InRange(DateTime.UtcNow - started, TimeSpan.Zero, TimeSpan.FromSeconds(0.5));
        Assert.Empty(Descriptors.In(place));
    }

    [Fact]
    public void Status_of_a_file_that_is_written_to_all_the_time_is_older_than_the_last_write()
    {
        Tools.Require("mkfs.ext3");
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        string image = workspace.WriteSparse("image", 8 << 20), place = workspace.MakeFolder("place"), path = Path.Join(place, "file");
        Shell.Run("mkfs.ext3 -q -I 256 \"$1\"", image);
        using var mount = Mounts.Image(image, place);
        using SafeFileHandle file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite);
        using var stop = new ManualResetEventSlim();
        long writes = 0;
        var writer = new Thread(() =>
        {
            while (!stop.IsSet)
            {
                RandomAccess.Write(file, "x"u8, 0);
                Interlocked.Increment(ref writes);
            }
        });
        writer.Start();
        try
        {
            for (int round = 0; round < 5; round++)
            {
                var settled = FileStatus.OfStable(file, path);
                long before = Interlocked.Read(ref writes);
                Assert.True(SpinWait.SpinUntil(() => Interlocked.Read(ref writes) >= before + 2, TimeSpan.FromSeconds(10)), "nothing was written");
                Assert.NotNull(settled.DifferenceTo(FileStatus.Of(file, path)));
            }
        }
        finally
        {
            stop.Set();
            writer.Join();
        }
    }
}

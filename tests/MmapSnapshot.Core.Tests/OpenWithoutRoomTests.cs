using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>A file that takes too long to be copied for a lease, on a disk that has no room for a copy of it.</summary>
public sealed class OpenWithoutRoomTests
{
    private const int Size = 40 << 20;

    private static readonly TimeSpan _shorterThanACopy = TimeSpan.FromMilliseconds(1);

    [Fact]
    public void Read_only_snapshot_is_the_file_under_a_lease_and_writes_nothing_to_the_disk()
    {
        using var disk = new FullDisk();
        bool copied = false;
        var options = new SnapshotOptions { ReadOnly = true, MaxWriterDelay = _shorterThanACopy, Progress = new ProgressRecorder(_ => copied = true) };
        using var snapshot = Snapshot.Open(disk.Path, options);
        Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
        Assert.Contains("no room", snapshot.BackingReason, StringComparison.Ordinal);
        Assert.False(copied);
        Assert.Equal(disk.Bytes, Bytes.In(snapshot));
    }

    [Fact]
    public void Lease_asked_for_that_would_delay_writers_too_long_is_refused_without_the_advice_to_copy()
    {
        using var disk = new FullDisk();
        var options = new SnapshotOptions { Backing = SnapshotBacking.Lease, MaxWriterDelay = _shorterThanACopy };
        var error = Expect.Error(SnapshotError.NotSupported, () => Snapshot.Open(disk.Path, options));
        Assert.Equal([SnapshotRemedy.UseAutoBacking, SnapshotRemedy.AllowWriterDelay], error.Remedies);
    }

    [Fact]
    public void Writer_to_a_leased_file_without_room_beside_it_waits_for_a_copy_in_TMPDIR()
    {
        using var disk = new FullDisk();
        using var elsewhere = new TemporaryDirectory();
        using var snapshot = Snapshot.Open(disk.Path, new SnapshotOptions { ReadOnly = true, MaxWriterDelay = _shorterThanACopy });
        Shell.Run("printf X | dd of=\"$1\" conv=notrunc status=none", disk.Path);
        Assert.Equal(elsewhere.Path, snapshot.BackingLocation);
        Assert.Equal(disk.Bytes, Bytes.In(snapshot));
    }

    [Fact]
    public void Writable_snapshot_is_copied_to_TMPDIR()
    {
        using var disk = new FullDisk();
        using var elsewhere = new TemporaryDirectory();
        using var snapshot = Snapshot.Open(disk.Path, new SnapshotOptions { MaxWriterDelay = _shorterThanACopy });
        Assert.Equal(SnapshotBacking.Copy, snapshot.Backing);
        Assert.Equal(elsewhere.Path, snapshot.BackingLocation);
        Assert.Equal(disk.Bytes, Bytes.In(snapshot));
    }

    [Fact]
    public void Scratch_directory_without_room_is_refused_before_anything_is_copied()
    {
        using var disk = new FullDisk();
        bool copied = false;
        var options = new SnapshotOptions { ScratchPath = System.IO.Path.GetDirectoryName(disk.Path), Progress = new ProgressRecorder(_ => copied = true) };
        var error = Expect.Error(SnapshotError.NoSpace, () => Snapshot.Open(disk.Path, options));
        Assert.Contains($"takes {Size} bytes", error.Message, StringComparison.Ordinal);
        Assert.Equal([SnapshotRemedy.FreeSpace, SnapshotRemedy.UseScratchPath], error.Remedies);
        Assert.False(copied);
        Assert.Empty(Descriptors.Nameless(System.IO.Path.GetDirectoryName(disk.Path)!));
    }

    /// <summary>Neither beside the file nor in $TMPDIR, /tmp or memory, of which the process may have little.</summary>
    [Fact]
    public void Snapshot_with_room_nowhere_is_refused()
    {
        using var disk = new FullDisk();
        PrivateMounts.Run(() =>
        {
            Shell.Run("mount --rbind /tmp /tmp; mount -o remount,bind,ro /tmp");
            const string Open = "echo \"open $1 $2\" | DOTNET_GCHeapHardLimit=0x4000000 TMPDIR=/tmp \"$3\" \"$4\"";
            Assert.Equal("NoSpace", Shell.Run(Open, "Copy", disk.Path, Environment.ProcessPath!, SnapshotHolder.Role));
        });
    }

    private sealed class TemporaryDirectory : IDisposable
    {
        private readonly Workspace _workspace = Workspace.On(FileSystems.Tmpfs);

        private readonly string? _before = Environment.GetEnvironmentVariable("TMPDIR");

        public TemporaryDirectory() => Environment.SetEnvironmentVariable("TMPDIR", Path);

        public string Path => _workspace.Folder;

        public void Dispose()
        {
            Environment.SetEnvironmentVariable("TMPDIR", _before);
            _workspace.Dispose();
        }
    }

    /// <summary>An ext4 disk that holds one file, and has less free than that takes.</summary>
    private sealed class FullDisk : IDisposable
    {
        private readonly Workspace _workspace = Workspace.On(FileSystems.Tmpfs);

        private readonly Mounts _mount;

        public FullDisk()
        {
            Tools.Require("mkfs.ext4");
            string image = _workspace.WriteSparse("image", 64 << 20), place = _workspace.MakeFolder("place");
            Shell.Run("mkfs.ext4 -q -m 0 \"$1\"", image);
            _mount = Mounts.Image(image, place);
            Path = System.IO.Path.Join(place, "file");
            File.WriteAllBytes(Path, Bytes);
        }

        public string Path { get; }

        public byte[] Bytes { get; } = Support.Bytes.Random(Size);

        public void Dispose()
        {
            _mount.Dispose();
            _workspace.Dispose();
        }
    }
}

using System.Text;
using System.Text.RegularExpressions;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>
/// What the crate that this project descends from gets wrong, by the number of the defect in the design's table. Row 1 (killed
/// in the middle) and row 19 (a capability that old kernels ask for) are tested by other means.
/// </summary>
public sealed partial class AncestorDefectsTests
{
    public static MatrixTheoryData<string, int> Shrinks => new(FileSystems.Names, [0, 1, 4096, 5000, 8192]);

    [Theory]
    [MemberData(nameof(Shrinks))]
    public void Row02_a_shrink_is_committed(string fileSystem, int length)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(20_480);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(length);
        Assert.Equal(length, snapshot.Commit().Length);
        Assert.Equal(bytes[..length], File.ReadAllBytes(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Row03_a_commit_carries_owner_mode_attributes_and_capabilities_over(string fileSystem)
    {
        Tools.RequireRoot();
        Tools.Require("setfattr", "setcap");
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        Shell.Run("chown 1000:1000 \"$1\"; chmod 4755 \"$1\"; setfattr -n user.mark -v some \"$1\"; setcap cap_net_raw+ep \"$1\"", path);
        string before = Metadata.Of(path);
        Save(path);
        var facts = FileStat.Of(path);
        Assert.Equal(("4755", 1000u, 1000u), (facts.Permissions, facts.User, facts.Group));
        Assert.Equal(before, Metadata.Of(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Row04_a_commit_in_place_gives_capabilities_back(string fileSystem)
    {
        Tools.Require("setcap");
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        Shell.Run("setcap cap_net_raw+ep \"$1\"", path);
        string before = Metadata.Of(path);
        Assert.Contains("security.capability", before, StringComparison.Ordinal);
        Save(path, new CommitOptions { Method = CommitMethod.InPlace });
        Assert.Equal(before, Metadata.Of(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Row04_a_commit_in_place_by_others_than_root_gives_setuid_back(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        FileStat.Chown(path, UnprivilegedUser.Id, UnprivilegedUser.Id);
        FileStat.Chmod(path, "4755");
        UnprivilegedUser.Run(() => Save(path, new CommitOptions { Method = CommitMethod.InPlace }));
        Assert.Equal("4755", FileStat.Of(path).Permissions);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Row05_a_bare_file_name_is_opened_and_saved(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text"), before = Environment.CurrentDirectory;
        try
        {
            Environment.CurrentDirectory = workspace.Folder;
            Save("file");
        }
        finally
        {
            Environment.CurrentDirectory = before;
        }
        Assert.Equal("new text", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Row06_a_symbolic_link_stays_one(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text"), link = workspace.PathOf("link");
        File.CreateSymbolicLink(link, "file");
        Save(link);
        Assert.Equal("file", new FileInfo(link).LinkTarget);
        Assert.Null(new FileInfo(path).LinkTarget);
        Assert.Equal("new text", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Replacing), MemberType = typeof(FileSystems))]
    public void Row07_hard_links_are_not_broken_silently(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text"), second = workspace.PathOf("second");
        FileStat.HardLink(path, second);
        var error = Expect.Error(SnapshotError.HardLinked, () => Save(path));
        Assert.Equal([SnapshotRemedy.BreakHardLink, SnapshotRemedy.UseInPlace], error.Remedies);
        Assert.Equal(FileStat.InodeOf(path), FileStat.InodeOf(second));
        Assert.Equal("old text", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Row08_a_snapshot_is_never_torn(string fileSystem)
    {
        const int Size = 4 << 20;
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", new byte[Size]);
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        using var stop = new ManualResetEventSlim();
        var writer = new Thread(() =>
        {
            for (byte round = 0; !stop.IsSet; round++) RandomAccess.Write(file, Bytes.Of((char)round, Size), 0);
        });
        writer.Start();
        try
        {
            for (int open = 0; open < 6; open++)
            {
                try
                {
                    using var snapshot = Snapshot.Open(path);
                    byte[] bytes = Bytes.In(snapshot);
                    Assert.Equal(-1, bytes.AsSpan().IndexOfAnyExcept(bytes[0]));
                }
                catch (SnapshotException changing)
                {
                    Assert.Equal(SnapshotError.SourceChanging, changing.Error);
                }
            }
        }
        finally
        {
            stop.Set();
            writer.Join();
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Row09_another_writers_change_is_not_overwritten(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        Shell.Run("printf THEY | dd of=\"$1\" conv=notrunc status=none", path);
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        Assert.Equal("THEYtext", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Row10_a_file_that_was_replaced_is_not_overwritten_nor_the_orphan_written_to(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        foreach (var method in (CommitMethod[])[CommitMethod.Replace, CommitMethod.InPlace])
        {
            using var orphan = File.OpenRead(path);
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            workspace.Write("other", "their text");
            FileStat.Rename(workspace.PathOf("other"), path);
            Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Method = method }));
            Assert.Equal("their text", File.ReadAllText(path));
            Assert.NotEqual('n', orphan.ReadByte());
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Row11_a_full_disk_does_not_kill_the_process(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", 24 << 20));
        snapshot.Fill(0, snapshot.Length, 1);
        using (DiskFiller.Fill(workspace)) Expect.Error(SnapshotError.NoSpace, () => snapshot.Commit());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Row12_a_running_program_is_patched_and_runs_on(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("program");
        File.Copy("/bin/sleep", path);
        using var program = Shell.Start("exec \"$1\" 60", path);
        try
        {
            SpinWait.SpinUntil(() => new FileInfo($"/proc/{program.Id}/exe").LinkTarget == path, TimeSpan.FromSeconds(10));
            byte[] running = File.ReadAllBytes($"/proc/{program.Id}/exe");
            using (var snapshot = Snapshot.Open(path))
            {
                snapshot.Resize(snapshot.Length + 5);
                snapshot.Write(snapshot.Length - 5, "patch"u8);
                snapshot.Commit();
            }
            Assert.EndsWith("patch", Encoding.Latin1.GetString(File.ReadAllBytes(path)), StringComparison.Ordinal);
            Assert.Equal(running, File.ReadAllBytes($"/proc/{program.Id}/exe"));
            Assert.False(program.HasExited);
        }
        finally
        {
            program.Kill();
            program.WaitForExit();
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Row13_a_folder_that_may_not_be_written_to_is_no_hindrance_to_reading(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        FileStat.Chmod(workspace.Folder, "755");
        FileStat.Chmod(path, "444");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path, new SnapshotOptions { ReadOnly = true });
            Assert.Equal("text"u8, Bytes.In(snapshot));
        });
    }

    [Fact]
    public void Row14_a_btrfs_file_without_copy_on_write_is_cloned_patched_and_keeps_the_flag()
    {
        Tools.Require("chattr", "lsattr");
        using var workspace = Workspace.On(FileSystems.Btrfs);
        string path = workspace.Write("file", "");
        Shell.Run("chattr +C \"$1\"", path);
        byte[] bytes = Bytes.Random(100_000);
        File.WriteAllBytes(path, bytes);
        foreach (var options in (CommitOptions[])[new() { Method = CommitMethod.InPlace }, new(), new() { Close = true }])
        {
            using var snapshot = Snapshot.Open(path);
            Assert.Equal(SnapshotBacking.Reflink, snapshot.Backing);
            snapshot.Write(0, [bytes[0] ^= 1]);
            snapshot.Commit(options);
            Assert.Equal(bytes, File.ReadAllBytes(path));
            Assert.Contains("C", Shell.Run("lsattr \"$1\" | cut -d ' ' -f 1", path), StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Row15_a_child_inherits_no_descriptor(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", "text"));
        using var view = snapshot.GetView(0, 4);
        snapshot.Write(0, "T"u8);
        snapshot.Commit();
        string descriptors = Shell.Run("for fd in /proc/$$/fd/*; do readlink \"$fd\" || true; done");
        Assert.NotEmpty(descriptors);
        Assert.DoesNotContain(workspace.Folder, descriptors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("xfs")]
    [InlineData("xfs-exchange")]
    [InlineData("ext4")]
    public void Row16_after_a_commit_a_power_cut_loses_nothing(string type)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var disk = new Disk(workspace, type);
        string path = Path.Join(disk.Folder, "file");
        byte[] bytes = WriteDurably(path);
        using (var snapshot = Snapshot.Open(path))
        {
            snapshot.Write(0, "new"u8);
            "new"u8.CopyTo(bytes);
            Assert.True(snapshot.Commit().Flushed);
        }
        disk.CutPower();
        Assert.Equal(bytes, File.ReadAllBytes(path));

        // When it is closed with the commit, too: that takes another way.
        using (var snapshot = Snapshot.Open(path))
        {
            snapshot.Write(0, "two"u8);
            "two"u8.CopyTo(bytes);
            snapshot.Commit(new CommitOptions { Close = true });
        }
        disk.CutPower();
        Assert.Equal(bytes, File.ReadAllBytes(path));

        using (var snapshot = Snapshot.Open(path))
            snapshot.Commit(new CommitOptions { Destination = path + ".other" });
        disk.CutPower();
        Assert.Equal(bytes, File.ReadAllBytes(path + ".other"));

        using (var snapshot = Snapshot.Open(path))
        {
            snapshot.Write(0, "six"u8);
            "six"u8.CopyTo(bytes);
            snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace });
        }
        disk.CutPower();
        Assert.Equal(bytes, File.ReadAllBytes(path));
    }

    [Theory]
    [InlineData("xfs")]
    [InlineData("xfs-exchange")]
    [InlineData("ext4")]
    public void Row16_without_a_flush_a_power_cut_leaves_the_old_file(string type)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var disk = new Disk(workspace, type);
        string path = Path.Join(disk.Folder, "file");
        byte[] bytes = WriteDurably(path);
        using (var snapshot = Snapshot.Open(path))
        {
            snapshot.Write(0, "new"u8);
            Assert.False(snapshot.Commit(new CommitOptions { NoFlush = true }).Flushed);
        }
        disk.CutPower(); // which shows that the test above would see a flush that is missing
        Assert.Equal(bytes, File.ReadAllBytes(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Reflinking), MemberType = typeof(FileSystems))]
    public void Row17_the_length_is_that_of_the_clone(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "");
        using var file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        using var stop = new ManualResetEventSlim();
        var writer = new Thread(() =>
        {
            while (!stop.IsSet) file.Write("0123456789"u8);
        });
        writer.Start();
        try
        {
            for (int open = 0; open < 100; open++)
            {
                using var snapshot = Snapshot.Open(path);
                Assert.Equal(0, snapshot.Length % 10);
                Assert.Equal(snapshot.Length, Bytes.In(snapshot).Length);
                Assert.Equal(snapshot.Length, FileStat.Of(Descriptors.PathOf(Assert.Single(Descriptors.Nameless(workspace.Folder)))).Length);
            }
        }
        finally
        {
            stop.Set();
            writer.Join();
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.Replacing), MemberType = typeof(FileSystems))]
    public void Row18_the_temporary_name_is_of_its_own_and_goes_when_the_rename_fails(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        var created = new List<string>();
        using (var watcher = new FileSystemWatcher(workspace.Folder) { EnableRaisingEvents = true })
        {
            watcher.Created += (_, created_) =>
            {
                lock (created) created.Add(created_.Name!);
            };
            Save(path);
            File.WriteAllText(path, "old text");
            Save(path);
            File.WriteAllText(path, "old text");
            using (Mounts.Bind(path, path)) Expect.Error(SnapshotError.NotSupported, () => Save(path));
            Assert.Equal(["file"], workspace.Names());
            Assert.True(SpinWait.SpinUntil(() => Temporaries() >= 1, TimeSpan.FromSeconds(10)));
        }

        int Temporaries()
        {
            lock (created) return created.Where(name => TemporaryName().IsMatch(name)).Distinct().Count();
        }
    }

    [Fact]
    public void Row20_a_FIFO_does_not_block()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.PathOf("fifo");
        Shell.Run("mkfifo \"$1\"", path);
        Expect.Error(SnapshotError.NotARegularFile, () => Snapshot.Open(path));
    }

    private static byte[] WriteDurably(string path)
    {
        byte[] bytes = Bytes.Random(300_000);
        File.WriteAllBytes(path, bytes);
        Shell.Run("sync \"$1\"; sync --file-system \"$1\"", path);
        return bytes;
    }

    private static void Save(string path, CommitOptions? options = null)
    {
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        snapshot.Commit(options);
    }

    [GeneratedRegex(@"^\.file\.[0-9a-f]{16}\.mmap-snapshot$")]
    private static partial Regex TemporaryName();
}

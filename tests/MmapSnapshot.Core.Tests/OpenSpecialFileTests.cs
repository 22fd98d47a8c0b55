using System.Diagnostics;
using System.Globalization;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Files that the kernel makes up, and files that have no name any more: what can be read can be opened.</summary>
public sealed class OpenSpecialFileTests
{
    [Theory]
    [InlineData("/proc/sys/vm/swappiness")]
    [InlineData("/proc/sys/kernel/osrelease")]
    [InlineData("/proc/sys/fs/lease-break-time")]
    [InlineData("/proc/self/environ")]
    [InlineData("/proc/self/limits")]
    [InlineData("/proc/kallsyms")]
    [InlineData("/sys/kernel/mm/transparent_hugepage/enabled")]
    [InlineData("/sys/module/loop/parameters/max_loop")]
    public void Generated_file_has_the_bytes_that_reading_gives(string path)
    {
        Assert.SkipUnless(File.Exists(path), $"There is no {path} here.");
        path = path.Replace("/self/", $"/{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}/", StringComparison.Ordinal);
        using var snapshot = Snapshot.Open(path);
        Assert.Equal(Convert.FromBase64String(Shell.Run("base64 -w 0 \"$1\"", path)), Bytes.In(snapshot));
        AssertCannotBeSaved(snapshot);
    }

    [Theory]
    [InlineData("/proc/uptime")]
    [InlineData("/proc/meminfo")]
    [InlineData("/proc/self/stat")]
    [InlineData("/proc/interrupts")]
    public void Generated_file_that_differs_at_each_reading_is_opened(string path)
    {
        for (int round = 0; round < 20; round++)
        {
            using var snapshot = Snapshot.Open(path);
            Assert.NotEqual(0, snapshot.Length);
        }
    }

    [Fact]
    public void Snapshot_of_a_generated_file_is_saved_elsewhere()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.PathOf("saved");
        using var snapshot = Snapshot.Open("/proc/sys/kernel/osrelease");
        snapshot.Commit(new CommitOptions { Destination = path });
        Assert.Equal(File.ReadAllText("/proc/sys/kernel/osrelease"), File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Deleted_file_is_opened_through_a_descriptor_of_it(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(100_000);
        string path = workspace.Write("file", bytes);
        using var file = File.OpenHandle(path);
        string link = $"/proc/self/fd/{file.DangerousGetHandle().ToString(CultureInfo.InvariantCulture)}";
        File.Delete(path);
        AssertOpened();
        workspace.Write("file", "another");
        AssertOpened();
        File.Delete(path);
        File.CreateSymbolicLink(path, link);
        using var through = Snapshot.Open(path);
        Assert.Equal(bytes, Bytes.In(through));

        void AssertOpened()
        {
            using var snapshot = Snapshot.Open(link);
            Assert.Equal(bytes, Bytes.In(snapshot));
            AssertCannotBeSaved(snapshot);
            using (var view = snapshot.GetView(0, bytes.Length)) Assert.True(view.Span.SequenceEqual(bytes));
            snapshot.Commit(new CommitOptions { Destination = path, Force = true });
            Assert.Equal(bytes, File.ReadAllBytes(path));
        }
    }

    [Fact]
    public void File_without_a_name_is_opened_through_a_descriptor_of_it()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var holder = Shell.Start("exec 9<>\"$1\"; rm \"$1\"; printf text >&9; echo ready; read -r line", workspace.Write("file", ""));
        Assert.Equal("ready", holder.StandardOutput.ReadLine());
        using (var snapshot = Snapshot.Open($"/proc/{holder.Id.ToString(CultureInfo.InvariantCulture)}/fd/9")) Assert.Equal("text"u8, Bytes.In(snapshot));
        holder.StandardInput.WriteLine();
        holder.WaitForExit();
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Program_that_runs_on_after_it_was_deleted_or_replaced_is_opened(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("program");
        File.Copy("/bin/sleep", path);
        using var program = Process.Start(path, "60");
        string link = $"/proc/{program.Id.ToString(CultureInfo.InvariantCulture)}/exe";
        try
        {
            using (var running = Snapshot.Open(link)) Assert.Equal(path, running.Path);
            File.Delete(path);
            AssertOpened();
            File.Copy("/bin/true", path);
            AssertOpened();
        }
        finally
        {
            program.Kill();
            program.WaitForExit();
        }

        void AssertOpened()
        {
            using var snapshot = Snapshot.Open(link);
            Assert.Equal(link, snapshot.Path);
            Assert.Equal(File.ReadAllBytes("/bin/sleep"), Bytes.In(snapshot));
            AssertCannotBeSaved(snapshot);
        }
    }

    [Fact]
    public void File_of_a_deleted_directory_is_opened_by_its_relative_name()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string folder = workspace.MakeFolder("folder"), path = workspace.Write("folder/file", "text");
        using var file = File.OpenHandle(path);
        Directory.Delete(folder, recursive: true);
        using var snapshot = Snapshot.Open($"/proc/self/fd/{file.DangerousGetHandle().ToString(CultureInfo.InvariantCulture)}");
        Assert.Equal("text"u8, Bytes.In(snapshot));
        AssertCannotBeSaved(snapshot);
    }

    [Fact]
    public void File_of_a_mount_that_is_not_reachable_is_opened_through_a_descriptor_of_it()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        Microsoft.Win32.SafeHandles.SafeFileHandle? file = null;
        PrivateMounts.Run(() =>
        {
            using var mount = Mounts.Of("tmpfs", workspace.MakeFolder("place"));
            file = File.OpenHandle(workspace.Write("place/file", "text"));
            Shell.Run("umount --lazy \"$1\"; mount -t tmpfs none \"$1\"", workspace.PathOf("place"));
        });
        using (file)
        {
            using var snapshot = Snapshot.Open($"/proc/self/fd/{file!.DangerousGetHandle().ToString(CultureInfo.InvariantCulture)}");
            Assert.Equal("text"u8, Bytes.In(snapshot));
            AssertCannotBeSaved(snapshot);
        }
    }

    [Fact]
    public void File_whose_name_ends_as_if_it_were_deleted_is_an_ordinary_file()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var snapshot = Snapshot.Open(workspace.Write("file (deleted)", "old"));
        snapshot.Write(0, "new"u8);
        snapshot.Commit();
        Assert.Equal("new", File.ReadAllText(workspace.PathOf("file (deleted)")));
    }

    private static void AssertCannotBeSaved(Snapshot snapshot)
    {
        Assert.True(snapshot.IsReadOnly);
        var error = Expect.Error(SnapshotError.ReadOnlySnapshot, () => snapshot.Write(0, "x"u8));
        Assert.Contains("because", error.Message, StringComparison.Ordinal);
        Assert.Equal([SnapshotRemedy.SaveElsewhere], error.Remedies);
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => snapshot.Commit());
    }
}

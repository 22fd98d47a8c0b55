using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>The commit that writes into the file itself.</summary>
public sealed class InPlaceTests
{
    private static readonly CommitOptions _inPlace = new() { Method = CommitMethod.InPlace };

    /// <summary>From which length to which, in bytes: to a block's boundary and off it, nothing, longer.</summary>
    public static MatrixTheoryData<string, int> Lengths => new(FileSystems.Names, [0, 1, 4096, 5000, 8192, 20_000, 20_480, 100_000]);

    [Theory]
    [MemberData(nameof(Lengths))]
    public void The_file_gets_the_bytes_and_the_length_of_the_snapshot(string fileSystem, int length)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(20_000);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path);
        Array.Resize(ref bytes, length);
        snapshot.Resize(length);
        if (length > 0) snapshot.Write(length - 1, [bytes[^1] = 7]);
        if (length > 0) snapshot.Write(0, [bytes[0] ^= 1]);
        var result = snapshot.Commit(_inPlace);
        Assert.Equal(CommitMethod.InPlace, result.Method);
        Assert.Equal(length, result.Length);
        Assert.True(result.Flushed);
        Assert.Equal(bytes, File.ReadAllBytes(path));
        Assert.False(snapshot.IsModified);
        Assert.Equal(["file"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void The_inode_its_other_names_and_its_open_descriptors_stay(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text"), second = workspace.PathOf("second");
        FileStat.HardLink(path, second);
        FileStat.Chmod(path, "640");
        var before = FileStat.Of(path);
        using var reader = File.OpenRead(path);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        snapshot.Commit(_inPlace);
        Assert.Equal(before, FileStat.Of(path) with { AllocatedBytes = before.AllocatedBytes });
        Assert.Equal("new text", File.ReadAllText(second));
        Assert.Equal("new text", new StreamReader(reader).ReadToEnd());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void The_snapshot_stays_private_after_it(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Of('a', 20_000);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "b"u8);
        snapshot.Commit(_inPlace);
        snapshot.Write(1, "c"u8);
        bytes[0] = (byte)'b';
        Assert.Equal(bytes, File.ReadAllBytes(path));
        using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write)) RandomAccess.Write(file, "d"u8, 2);
        Assert.Equal("bca"u8, snapshot.Read(0, 3));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void What_was_cut_off_and_grown_again_is_zeros_in_the_file(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(20_000);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(6000);
        snapshot.Resize(20_000);
        snapshot.Commit(_inPlace);
        Assert.Equal([.. bytes[..6000], .. new byte[14_000]], File.ReadAllBytes(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void What_it_grows_by_takes_no_space(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        using var snapshot = Snapshot.Open(path);
        const long Length = 2L << 30; // more than there is
        snapshot.Resize(Length);
        snapshot.Write(Length - 3, "end"u8);
        snapshot.Commit(_inPlace);
        var facts = FileStat.Of(path);
        Assert.Equal(Length, facts.Length);
        Assert.InRange(facts.AllocatedBytes, 1, 1 << 20);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_that_changed_is_overwritten_whole_with_Force(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(20_000);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, [bytes[0] ^= 1]);
        File.WriteAllBytes(path, Bytes.Of('t', 50_000));
        var result = snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace, Force = true });
        Assert.NotNull(result.Override);
        Assert.Equal(bytes, File.ReadAllBytes(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_snapshot_that_lies_elsewhere_is_written_in_place_too(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var scratch = Workspace.On(fileSystem == FileSystems.Ext4 ? FileSystems.Xfs : FileSystems.Ext4);
        byte[] bytes = Bytes.Random(20_000);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path, new SnapshotOptions { ScratchPath = scratch.Folder });
        snapshot.Write(9000, [bytes[9000] ^= 1]);
        snapshot.Resize(10_001);
        snapshot.Commit(_inPlace);
        Assert.Equal(bytes[..10_001], File.ReadAllBytes(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_running_program_is_not_written_to(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("program");
        File.Copy("/bin/sleep", path);
        byte[] before = File.ReadAllBytes(path);
        using var program = Shell.Start("exec \"$1\" 60", path);
        try
        {
            SpinWait.SpinUntil(() => new FileInfo($"/proc/{program.Id}/exe").LinkTarget == path, TimeSpan.FromSeconds(10));
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(100, "x"u8);
            var error = Expect.Error(SnapshotError.NotSupported, () => snapshot.Commit(_inPlace));
            Assert.Contains("ETXTBSY", error.Message, StringComparison.Ordinal);
            Assert.Equal([SnapshotRemedy.UseReplace], error.Remedies);
            Assert.Equal(before, File.ReadAllBytes(path));
        }
        finally
        {
            program.Kill();
            program.WaitForExit();
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Setuid_and_setgid_are_given_back_to_an_owner_who_is_not_root(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        FileStat.Chown(path, UnprivilegedUser.Id, UnprivilegedUser.Id);
        FileStat.Chmod(path, "6755");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            snapshot.Commit(_inPlace);
            snapshot.Write(0, "NEW"u8);
            Assert.Null(snapshot.Commit(_inPlace).Override);
        });
        Assert.Equal("6755", FileStat.Of(path).Permissions);
        Assert.Equal("NEW text", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_setuid_file_that_would_lose_the_bit_is_refused_before_anything_is_written(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        FileStat.Chmod(path, "4777"); // root's: others may write to it, but not give the bit back
        string before = Metadata.Of(path);
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            Expect.Error(SnapshotError.AttributesNotPreservable, () => snapshot.Commit(_inPlace));
        });
        Assert.Equal("old text", File.ReadAllText(path));
        Assert.Equal(before, Metadata.Of(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_with_capabilities_that_would_lose_them_is_refused_before_anything_is_written(string fileSystem)
    {
        Tools.Require("setcap");
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        FileStat.Chown(path, UnprivilegedUser.Id, UnprivilegedUser.Id);
        Shell.Run("setcap cap_net_raw+ep \"$1\"", path);
        string before = Metadata.Of(path);
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            Expect.Error(SnapshotError.AttributesNotPreservable, () => snapshot.Commit(_inPlace));
        });
        Assert.Equal("old text", File.ReadAllText(path));
        Assert.Equal(before, Metadata.Of(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void In_place_goes_without_a_destination(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", "old text"));
        var options = new CommitOptions { Method = CommitMethod.InPlace, Destination = workspace.PathOf("other") };
        Expect.Error(SnapshotError.NotSupported, () => snapshot.Commit(options));
        Assert.Equal(["file"], workspace.Names());
    }
}

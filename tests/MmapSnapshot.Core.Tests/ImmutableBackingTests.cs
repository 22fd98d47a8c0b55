using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>A snapshot that is the file itself because nobody can write to it.</summary>
public sealed class ImmutableBackingTests
{
    private const int Size = 1 << 20;

    [Theory]
    [MemberData(nameof(FileImage.Types), MemberType = typeof(FileImage))]
    public void A_file_that_nobody_can_write_to_is_read_itself_without_a_copy(string type)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        byte[] bytes = Bytes.Random(Size);
        using var image = new FileImage(workspace, type, bytes);
        using var snapshot = Snapshot.Open(image.Path);
        Assert.Equal(SnapshotBacking.Immutable, snapshot.Backing);
        Assert.Equal(Path.GetDirectoryName(image.Path), snapshot.BackingLocation);
        Assert.Equal(bytes, Bytes.In(snapshot));
        using (var view = snapshot.GetView(0, Size)) Assert.True(view.Span.SequenceEqual(bytes));
        Assert.Equal(SnapshotBacking.Immutable, snapshot.Backing);
        Assert.Empty(Descriptors.Nameless("/tmp"));
        Assert.Empty(Descriptors.Nameless("/memfd:mmap-snapshot"));
        Assert.Equal(CommitMethod.None, snapshot.Commit().Method);
    }

    [Theory]
    [MemberData(nameof(FileImage.Types), MemberType = typeof(FileImage))]
    public void A_change_makes_no_copy(string type)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        byte[] bytes = Bytes.Random(Size);
        using var image = new FileImage(workspace, type, bytes);
        using var snapshot = Snapshot.Open(image.Path);
        using (var view = snapshot.GetView(100, Size - 100))
        {
            byte[] changed = [.. bytes];
            "new"u8.CopyTo(changed.AsSpan(5000));
            snapshot.Write(5000, "new"u8);
            Assert.Equal(SnapshotBacking.Immutable, snapshot.Backing);
            Assert.Empty(Descriptors.Nameless("/tmp"));
            Assert.True(view.Span.SequenceEqual(bytes.AsSpan(100)));
            Assert.Equal(changed, Bytes.In(snapshot));
            Assert.Equal(bytes, File.ReadAllBytes(image.Path));
        }
        snapshot.Resize(10);
        Assert.Equal(bytes[..10], Bytes.In(snapshot));
    }

    [Theory]
    [MemberData(nameof(FileImage.Types), MemberType = typeof(FileImage))]
    public void It_is_saved_elsewhere(string type)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        byte[] bytes = Bytes.Random(Size);
        using var image = new FileImage(workspace, type, bytes);
        using var snapshot = Snapshot.Open(image.Path);
        snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("unchanged") });
        Assert.Equal(bytes, File.ReadAllBytes(workspace.PathOf("unchanged")));
        snapshot.Write(0, "new"u8);
        snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("changed") });
        Assert.Equal("new"u8, File.ReadAllBytes(workspace.PathOf("changed")).AsSpan(0, 3));
    }

    [Theory]
    [InlineData(FileImage.Erofs)]
    [InlineData(FileImage.Squashfs)]
    public void It_is_refused_to_be_saved_where_it_is(string type)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var image = new FileImage(workspace, type, Bytes.Random(Size));
        using var snapshot = Snapshot.Open(image.Path);
        snapshot.Write(0, "new"u8);
        foreach (var method in (CommitMethod[])[CommitMethod.Auto, CommitMethod.InPlace])
            Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit(new CommitOptions { Method = method }));
    }

    [Theory]
    [MemberData(nameof(FileImage.Types), MemberType = typeof(FileImage))]
    public void Nothing_of_it_stays_when_it_is_closed(string type)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var image = new FileImage(workspace, type, Bytes.Random(Size));
        var snapshot = Snapshot.Open(image.Path);
        snapshot.GetView(0, Size).Dispose();
        snapshot.Write(0, "new"u8);
        snapshot.Close();
        Assert.Empty(Descriptors.In(workspace.Folder));
        Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void It_is_refused_for_a_file_that_can_be_written_to(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        var error = Expect.Error(SnapshotError.NotSupported, () => Snapshot.Open(path, new SnapshotOptions { Backing = SnapshotBacking.Immutable }));
        Assert.Contains("erofs", error.Message, StringComparison.Ordinal);
    }
}

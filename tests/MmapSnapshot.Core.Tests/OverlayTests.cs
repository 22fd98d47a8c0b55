using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>
/// Files of an overlay as a container finds them: in a lower layer, the image's, until the first writer makes the kernel copy
/// them up into the upper one.
/// </summary>
public sealed class OverlayTests
{
    /// <summary>What the image lies on, what the upper layer lies on.</summary>
    public static TheoryData<string, string> Layers => new()
    {
        { FileSystems.Ext4, FileSystems.Ext4 },
        { FileSystems.Xfs, FileSystems.Xfs },
        { FileSystems.Ext4, FileSystems.Xfs },
        { FileSystems.Xfs, FileSystems.Tmpfs },
    };

    [Theory]
    [MemberData(nameof(Layers))]
    public void Opening_a_file_of_the_image_does_not_copy_it_up(string image, string upper)
    {
        using var overlay = new Overlay(image, upper);
        using var snapshot = Snapshot.Open(overlay.Path);
        snapshot.Write(0, "new"u8);
        Assert.Equal("new text"u8, Bytes.In(snapshot));
        Assert.Empty(overlay.NamesInUpper());
    }

    [Theory]
    [MemberData(nameof(Layers))]
    public void A_file_of_the_image_is_replaced(string image, string upper)
    {
        using var overlay = new Overlay(image, upper);
        SaveTwice(overlay, CommitMethod.Replace);
    }

    [Theory]
    [MemberData(nameof(Layers))]
    public void A_file_of_the_image_is_written_in_place(string image, string upper)
    {
        using var overlay = new Overlay(image, upper);
        SaveTwice(overlay, CommitMethod.InPlace);
    }

    [Theory]
    [MemberData(nameof(Layers))]
    public void A_file_that_was_copied_up_is_replaced(string image, string upper)
    {
        using var overlay = new Overlay(image, upper);
        Shell.Run("printf x >> \"$1\"", overlay.Path);
        SaveTwice(overlay, CommitMethod.Replace);
    }

    [Theory]
    [MemberData(nameof(Layers))]
    public void A_file_that_was_copied_up_is_written_in_place(string image, string upper)
    {
        using var overlay = new Overlay(image, upper);
        Shell.Run("printf x >> \"$1\"", overlay.Path);
        SaveTwice(overlay, CommitMethod.InPlace);
    }

    [Theory]
    [MemberData(nameof(Layers))]
    public void A_file_of_the_image_that_others_wrote_to_since_is_in_conflict(string image, string upper)
    {
        using var overlay = new Overlay(image, upper);
        foreach (var method in (CommitMethod[])[CommitMethod.Replace, CommitMethod.InPlace])
        {
            using var snapshot = Snapshot.Open(overlay.Path);
            snapshot.Write(0, "new"u8);
            Shell.Run("printf OLD | dd of=\"$1\" conv=notrunc status=none", overlay.Path);
            Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Method = method }));
            Assert.Equal("OLD text", File.ReadAllText(overlay.Path));
        }
    }

    private static void SaveTwice(Overlay overlay, CommitMethod method)
    {
        string before = Metadata.Of(overlay.Path);
        using var snapshot = Snapshot.Open(overlay.Path);
        foreach (byte letter in "ab"u8.ToArray())
        {
            snapshot.Write(0, [letter]);
            Assert.Null(snapshot.Commit(new CommitOptions { Method = method }).Override);
            Assert.Equal(letter, File.ReadAllBytes(overlay.Path)[0]);
        }
        Assert.Equal(before, Metadata.Of(overlay.Path));
        Assert.Equal("old text", overlay.TextInImage());
    }

    private sealed class Overlay : IDisposable
    {
        private readonly Workspace _image;

        private readonly Workspace _upper;

        private readonly Mounts _mount;

        public Overlay(string image, string upper)
        {
            _image = Workspace.On(image);
            _upper = Workspace.On(upper);
            string file = _image.Write("file", "old text");
            FileStat.Chown(file, 1000, 1001);
            FileStat.Chmod(file, "4751");
            string merged = _upper.MakeFolder("merged");
            _mount = Mounts.Of("overlay", merged, $"lowerdir={_image.Folder},upperdir={_upper.MakeFolder("upper")},workdir={_upper.MakeFolder("work")}");
            Path = System.IO.Path.Join(merged, "file");
        }

        public string Path { get; }

        public string TextInImage() => File.ReadAllText(_image.PathOf("file"));

        public string[] NamesInUpper() => Directory.GetFileSystemEntries(_upper.PathOf("upper"));

        public void Dispose()
        {
            _mount.Dispose();
            _upper.Dispose();
            _image.Dispose();
        }
    }
}

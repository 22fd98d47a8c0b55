using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>
/// A filesystem that can do little, as those in user space and many network filesystems: what is saved has a temporary name from
/// the start.
/// </summary>
public sealed class UserSpaceTests
{
    [Fact]
    public void A_file_is_copied_when_it_is_opened_and_replaced_with_all_that_it_has()
    {
        using var place = new Place();
        string path = place.Write("file", "old text");
        FileStat.Chown(path, 1000, 1001);
        FileStat.Chmod(path, "4751");
        Shell.Run("setfattr -n user.note -v kept \"$1\"", path);
        string before = Metadata.Of(path);
        using var snapshot = Snapshot.Open(path);
        Assert.Equal(SnapshotBacking.Copy, snapshot.Backing);
        foreach (string text in (string[])["new", "mid"])
        {
            snapshot.Write(0, System.Text.Encoding.ASCII.GetBytes(text));
            Assert.Equal(CommitMethod.Replace, snapshot.Commit().Method);
            Assert.Equal($"{text} text", File.ReadAllText(path));
            Thread.Sleep(1100); // what the kernel has noted of the file is asked for anew after a second
        }
        Assert.Equal(before, Metadata.Of(path));
        Assert.Equal(["file"], place.Names());
    }

    [Fact]
    public void A_change_by_somebody_else_is_a_conflict()
    {
        using var place = new Place();
        string path = place.Write("file", "old text");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        Shell.Run("printf more >> \"$1\"", path);
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        Assert.Equal("old textmore", File.ReadAllText(path));
        Assert.Equal(["file"], place.Names());
    }

    [Fact]
    public void A_new_file_appears_whole_unless_somebody_has_made_it_meanwhile()
    {
        using var place = new Place();
        string path = place.PathOf("new");
        using (var snapshot = Snapshot.Create(path, 3))
        {
            snapshot.Write(0, "abc"u8);
            Assert.Empty(place.Names());
            snapshot.Commit();
            Assert.Equal("abc", File.ReadAllText(path));
            Assert.Equal(["new"], place.Names());
            Assert.Equal(1UL, FileStat.Of(path).Links);
            Thread.Sleep(1100);
            snapshot.Write(0, "x"u8);
            snapshot.Commit();
            Assert.Equal("xbc", File.ReadAllText(path));
        }
        using var late = Snapshot.Create(place.PathOf("late"), 3);
        place.Write("late", "here");
        Expect.Error(SnapshotError.SnapshotConflict, () => late.Commit());
        Assert.Equal("here", File.ReadAllText(place.PathOf("late")));
        Assert.Equal(["late", "new"], place.Names());
    }

    [Fact]
    public void Another_path_gets_a_new_file_and_an_existing_one_only_by_force()
    {
        using var place = new Place();
        using var snapshot = Snapshot.Open(place.Write("file", "text"));
        string copy = place.PathOf("copy");
        snapshot.Commit(new CommitOptions { Destination = copy });
        Assert.Equal("text", File.ReadAllText(copy));
        Expect.Error(SnapshotError.DestinationExists, () => snapshot.Commit(new CommitOptions { Destination = copy }));
        snapshot.Write(0, "T"u8);
        snapshot.Commit(new CommitOptions { Destination = copy, Force = true });
        Assert.Equal("Text", File.ReadAllText(copy));
        Assert.Equal(["copy", "file"], place.Names());
    }

    private sealed class Place : IDisposable
    {
        private readonly Workspace _under = Workspace.On(FileSystems.Ext4);

        private readonly Mounts _mount;

        private readonly string _at;

        public Place()
        {
            _at = _under.MakeFolder("shown");
            _mount = Mounts.InUserSpace(_under.MakeFolder("lower"), _at);
        }

        public string PathOf(string name) => Path.Join(_at, name);

        public string Write(string name, string text)
        {
            File.WriteAllText(PathOf(name), text);
            return PathOf(name);
        }

        public string[] Names() => [.. Directory.EnumerateFileSystemEntries(_at).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

        public void Dispose()
        {
            _mount.Dispose();
            _under.Dispose();
        }
    }
}

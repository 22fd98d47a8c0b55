using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Somebody puts a link where the file or its folder was, in the middle of a save: it is not followed elsewhere.</summary>
public sealed class SwappedPathTests
{
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_target_that_becomes_a_link_is_not_followed(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string victim = workspace.Write("victim", "not yours"), path = workspace.Write("file", "Hello world!");
        AssertConflict(path, () => Shell.Run("ln -sf \"$1\" \"$2\"", victim, path));
        Assert.Equal("not yours", File.ReadAllText(victim));
        Assert.Equal(victim, new FileInfo(path).LinkTarget);
        Assert.Equal(["file", "victim"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_folder_that_becomes_a_link_is_not_followed(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        Directory.CreateDirectory(workspace.PathOf("folder"));
        Directory.CreateDirectory(workspace.PathOf("elsewhere"));
        string path = workspace.Write("folder/file", "Hello world!"), other = workspace.Write("elsewhere/file", "not yours");
        AssertConflict(path, () => Shell.Run("mv \"$1/folder\" \"$1/moved\"; ln -s \"$1/elsewhere\" \"$1/folder\"", workspace.Folder));
        Assert.Equal("not yours", File.ReadAllText(other));
        Assert.Equal("Hello world!", File.ReadAllText(workspace.PathOf("moved/file")));
        Assert.Equal(["file"], Directory.EnumerateFileSystemEntries(workspace.PathOf("moved")).Select(entry => Path.GetFileName(entry)));
    }

    /// <summary>The bytes lie on another filesystem, so that the save copies them, and tells of its progress before the last check.</summary>
    private static void AssertConflict(string path, Action swap)
    {
        using var scratch = Workspace.On(path.Contains("/tmpfs/", StringComparison.Ordinal) ? FileSystems.Ext4 : FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(path, new SnapshotOptions { ScratchPath = scratch.Folder });
        snapshot.Write(0, "J"u8);
        var meddler = new Meddler(swap);
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Progress = meddler }));
        Assert.True(meddler.HasActed);
    }

    private sealed class Meddler(Action act) : IProgress<SnapshotProgress>
    {
        internal bool HasActed { get; private set; }

        public void Report(SnapshotProgress value)
        {
            if (HasActed) return;
            HasActed = true;
            act();
        }
    }
}

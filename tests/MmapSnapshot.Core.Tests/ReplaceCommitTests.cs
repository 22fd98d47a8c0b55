using System.Text;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>The default commit: a new file takes over the name.</summary>
public sealed class ReplaceCommitTests
{
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Commit_and_go_on_writing_and_commit_again(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "Hello world!");
        using var snapshot = Snapshot.Open(path);

        snapshot.Write(6, "sekai"u8);
        Assert.Equal("Hello world!", File.ReadAllText(path));
        var first = snapshot.Commit(new CommitOptions { Method = CommitMethod.Replace });
        Assert.Equal(CommitMethod.Replace, first.Method);
        Assert.Equal("Hello sekai!", File.ReadAllText(path));

        snapshot.Write(0, "J"u8);
        Assert.Equal("Hello sekai!", File.ReadAllText(path));
        snapshot.Commit();
        Assert.Equal("Jello sekai!", File.ReadAllText(path));
        Assert.Equal("Jello sekai!", Encoding.ASCII.GetString(snapshot.Read(0, snapshot.Length)));
        Assert.Equal(["file"], workspace.Names());
    }
}

using MmapSnapshot.Committing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using MmapSnapshot.Tests.Support;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests;

/// <summary>The exchange of names, with what other programs do between the last look at the file and the exchange.</summary>
public sealed class NameExchangeTests
{
    /// <summary>What another program does, and what the file must hold afterwards; null: there is no file.</summary>
    private static readonly Dictionary<string, (string Script, string? Holds)> _externalChanges = new()
    {
        ["replaced"] = ("printf theirs >\"$1.new\"; mv \"$1.new\" \"$1\"", "theirs"),
        ["replaced twice"] = ("printf one >\"$1.new\"; mv \"$1.new\" \"$1\"; printf two >\"$1.new\"; mv \"$1.new\" \"$1\"", "two"),
        ["replaced and moved aside"] = ("mv \"$1\" \"$1.bak\"; printf theirs >\"$1\"", "theirs"),
        ["appended to"] = ("printf more >>\"$1\"", "oldmore"),
        ["overwritten with the same length"] = ("sleep 0.02; printf abc >\"$1\"", "abc"),
        ["deleted"] = ("rm \"$1\"", null),
    };

    public static MatrixTheoryData<string, string> ExternalChanges => new(FileSystems.Names, _externalChanges.Keys);

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Publishes_the_staged_file_and_removes_the_old_one(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        Assert.Null(Publish(workspace, before: () => { }));
        Assert.Equal("staged", File.ReadAllText(path));
        Assert.Equal(["file"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(ExternalChanges))]
    public void Conflicts_after_external_change_and_leaves_it(string fileSystem, string change)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        var (script, holds) = _externalChanges[change];
        Assert.NotNull(Publish(workspace, before: () => Shell.Run(script, path)));
        Assert.Equal(holds, File.Exists(path) ? File.ReadAllText(path) : null);
        Assert.All(workspace.Names(), name => Assert.False(name.EndsWith(".mmap-snapshot", StringComparison.Ordinal), name));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Directory_in_place_of_the_file_stays(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        Assert.NotNull(Publish(workspace, before: () => Shell.Run("rm \"$1\"; mkdir \"$1\"; echo >\"$1/inside\"", path)));
        Assert.True(File.Exists(Path.Join(path, "inside")));
        Assert.Equal(["file"], workspace.Names());
    }

    [Fact]
    public void Process_that_opened_the_file_for_writing_before_the_exchange_writes_to_the_file_with_the_name()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old");
        using var file = File.OpenHandle(path);
        using var lease = ReadLease.TryTake(file, out _);
        Assert.NotNull(lease);
        using var writer = Shell.Start("printf theirs >\"$1\"", path);
        SpinWait.SpinUntil(() => !lease.IsUnbroken, TimeSpan.FromSeconds(10));
        Assert.NotNull(Publish(workspace, before: () => { }, lease));
        lease.Dispose();
        writer.WaitForExit();
        Assert.Equal("theirs", File.ReadAllText(path));
        Assert.Equal(["file"], workspace.Names());
    }

    private static string? Publish(Workspace workspace, Action before, ReadLease? lease = null)
    {
        Assert.Equal((Errno)0, ParentDirectory.Open(workspace.Folder, out var directory));
        using (directory)
        {
            var target = new CommitTarget(directory, "file", Expected: null);
            using var staged = StagedFile.Create(target, replaced: null, Kernel.PrivateMode);
            Assert.Equal((Errno)0, Kernel.Write(staged.Handle, "staged"u8, 0, out _));
            using var marker = SaveMarker.None(target);
            staged.LinkTemporary(marker);
            using var expected = target.Look()!;
            before();
            return new NameExchange(target, staged, expected, expected.Status, lease, marker.Abandon, new CommitOptions()).TryPublish();
        }
    }
}

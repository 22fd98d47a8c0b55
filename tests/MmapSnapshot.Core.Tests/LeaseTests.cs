using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Files that others hold leases on, as file servers do, and as another snapshot does while it is copied.</summary>
public sealed class LeaseTests
{
    public static MatrixTheoryData<string, CommitMethod> Methods => new(FileSystems.Names, [CommitMethod.Auto, CommitMethod.Replace, CommitMethod.InPlace]);

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_under_a_write_lease_is_opened_when_its_holder_gives_way(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        using var lease = CompetingLease.ToWrite(path);
        using var snapshot = Snapshot.Open(path);
        Assert.Equal("text"u8, Bytes.In(snapshot));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_under_a_read_lease_is_opened(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        using var lease = CompetingLease.ToRead(path);
        using var snapshot = Snapshot.Open(path);
        Assert.Equal("text"u8, Bytes.In(snapshot));
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_file_under_a_read_lease_is_saved_when_its_holder_gives_way(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        using (CompetingLease.ToRead(path)) snapshot.Commit(new CommitOptions { Method = method });
        Assert.Equal("new text", File.ReadAllText(path));
    }

    [Theory]
    [InlineData(CommitMethod.Auto)]
    [InlineData(CommitMethod.InPlace)]
    public void A_file_that_is_being_copied_into_another_snapshot_is_saved_and_the_copy_is_whole(CommitMethod method)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        byte[] bytes = Bytes.Of('a', 16 << 20);
        string path = workspace.Write("file", bytes);
        using var first = Snapshot.Open(path);
        first.Write(0, "b"u8);
        Exception? failure = null;
        Thread? saver = null;
        var options = new SnapshotOptions
        {
            Backing = SnapshotBacking.Copy,
            Progress = new ProgressRecorder(report =>
            {
                if (saver is not null || report.BytesDone == 0) return;
                saver = new Thread(() => failure = Record.Exception(() => first.Commit(new CommitOptions { Method = method })));
                saver.Start();
                saver.Join(50);
            }),
        };
        using var second = Snapshot.Open(path, options);
        Assert.NotNull(saver);
        saver.Join();
        Assert.Null(failure);
        Assert.Equal((byte)'b', File.ReadAllBytes(path)[0]);
        byte[] copy = Bytes.In(second);
        Assert.Equal(-1, copy.AsSpan(1).IndexOfAnyExcept((byte)'a'));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Opening_a_file_whose_lease_is_not_released_can_be_cancelled(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        using (CompetingLease.ToWriteUntilDisposed(path))
        {
            AssertCancellable(token => Snapshot.Open(path, cancellation: token));
            AssertCancellable(token => ReflinkSupport.Probe(path, token));
        }
        using var snapshot = Snapshot.Open(path);
        Assert.Equal("text"u8, Bytes.In(snapshot));
        Assert.All(Descriptors.In(workspace.Folder), descriptor => Assert.False(Descriptors.IsInherited(descriptor)));
    }

    [Fact]
    public void Saving_to_a_destination_whose_lease_is_not_released_can_be_cancelled()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "text"), destination = workspace.Write("destination", "other");
        using var snapshot = Snapshot.Open(path);
        using (CompetingLease.ToWriteUntilDisposed(destination))
            AssertCancellable(token => snapshot.Commit(new CommitOptions { Destination = destination, Force = true }, token));
        Assert.Equal("other", File.ReadAllText(destination));
    }

    private static void AssertCancellable(Action<CancellationToken> operation)
    {
        using var cancellation = new CancellationTokenSource(100);
        var started = DateTime.UtcNow;
        Assert.ThrowsAny<OperationCanceledException>(() => operation(cancellation.Token));
        Assert.InRange(DateTime.UtcNow - started, TimeSpan.Zero, TimeSpan.FromSeconds(0.5));
    }
}

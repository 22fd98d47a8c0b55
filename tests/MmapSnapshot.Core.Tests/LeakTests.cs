using System.Runtime.CompilerServices;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Whatever becomes of a snapshot, no descriptor, mapping, lease or name stays behind.</summary>
public sealed class LeakTests
{
    private const int Rounds = 24;

    /// <summary>The runtime opens a few of its own when it pleases; a leak would be one a round.</summary>
    private const int Tolerance = Rounds / 3;

    private static readonly Dictionary<string, Action<Workspace, string>> _lives = new()
    {
        ["closed"] = (_, path) => Snapshot.Open(path).Close(),
        ["disposed"] = (_, path) => Snapshot.Open(path).Dispose(),
        ["saved"] = (_, path) =>
        {
            using var snapshot = OpenChanged(path);
            snapshot.Commit(new CommitOptions { NoFlush = true });
            snapshot.Write(1, "b"u8);
            snapshot.Commit(new CommitOptions { NoFlush = true });
        },
        ["saved and closed"] = (_, path) => OpenChanged(path).Commit(new CommitOptions { NoFlush = true, Close = true }),
        ["saved in place"] = (_, path) =>
        {
            using var snapshot = OpenChanged(path);
            snapshot.Commit(new CommitOptions { NoFlush = true, Method = CommitMethod.InPlace });
        },
        ["saved elsewhere"] = (workspace, path) =>
        {
            using var snapshot = OpenChanged(path);
            snapshot.Commit(new CommitOptions { NoFlush = true, Destination = workspace.PathOf("other"), Force = true });
        },
        ["in conflict"] = (_, path) =>
        {
            using var snapshot = OpenChanged(path);
            File.WriteAllText(path, "theirs");
            foreach (bool close in (bool[])[false, true])
                Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Close = close }));
        },
        ["refused"] = (workspace, path) =>
        {
            FileStat.HardLink(path, workspace.PathOf("second"));
            using var snapshot = OpenChanged(path);
            Expect.Error(SnapshotError.HardLinked, () => snapshot.Commit(new CommitOptions { Method = CommitMethod.Replace }));
            Expect.Error(SnapshotError.DestinationExists, () => snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("second") }));
            File.Delete(workspace.PathOf("second"));
        },
        ["used in every way"] = (_, path) =>
        {
            using var snapshot = OpenChanged(path);
            snapshot.Resize(100_000);
            snapshot.Fill(5, 90_000, 1);
            using (var view = snapshot.GetView(5, 1)) Assert.Equal(1, view.Span[0]);
            using (var stream = snapshot.AsStream()) stream.SetLength(10);
            snapshot.Resize(0);
        },
        ["changed and taken back"] = (_, path) =>
        {
            using var snapshot = OpenChanged(path);
            snapshot.Resize(2 << 20);
            for (byte value = 0; value < 3; value++) snapshot.Fill(5, (2 << 20) - 5, value); // what stood there goes to files
            snapshot.Revert(100, 1000);
            for (int times = 0; times < 3; times++) Assert.True(snapshot.Undo());
            Assert.NotEmpty(snapshot.GetChanges());
            snapshot.RevertAll();
            snapshot.Fill(0, 1, 1);
            snapshot.Resize(3 << 20);
            snapshot.Resize(0);
        },
        ["changed in vain"] = (_, path) =>
        {
            using var snapshot = OpenChanged(path);
            snapshot.Resize(2 << 20);
            snapshot.Fill(0, 2 << 20, 1);
            Expect.Error(SnapshotError.ExpectationFailed, () => snapshot.Apply([SnapshotEdit.Write(0, "x"u8.ToArray(), "y"u8.ToArray())]));
            Expect.Error(SnapshotError.OutOfRange, () => snapshot.Apply([SnapshotEdit.Fill(0, 3 << 20, 1)]));
            Expect.Error(SnapshotError.TooLarge, () => snapshot.Resize(long.MaxValue));
            using var cancelled = new CancellationTokenSource();
            cancelled.Cancel();
            SnapshotEdit[] edits = [SnapshotEdit.Fill(0, 2 << 20, 1), SnapshotEdit.Fill(2 << 20, 1, 1)];
            Assert.ThrowsAny<OperationCanceledException>(() => snapshot.Apply(edits, length: 3 << 20, cancellation: cancelled.Token));
        },
        ["compared in part"] = (_, path) =>
        {
            using var snapshot = OpenChanged(path);
            using var other = Snapshot.Open(path);
            Assert.NotNull(snapshot.GetChanges().First());
            Assert.NotNull(snapshot.GetChangesFrom(other).First());
        },
        ["of a new file"] = (workspace, path) =>
        {
            using (var abandoned = Snapshot.Create(workspace.PathOf("other.new"), 10)) abandoned.Write(0, "a"u8);
            Expect.Error(SnapshotError.DestinationExists, () => Snapshot.Create(path));
            Expect.Error(SnapshotError.FileNotFound, () => Snapshot.Create(workspace.PathOf("missing/new")));
            Expect.Error(SnapshotError.OutOfRange, () => Snapshot.Create(workspace.PathOf("other.new"), -1));
            File.Delete(workspace.PathOf("other"));
            using var snapshot = Snapshot.Create(workspace.PathOf("other"));
            using (var winner = Snapshot.Create(workspace.PathOf("other"))) winner.Commit(new CommitOptions { NoFlush = true, Close = true });
            Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
            snapshot.Commit(new CommitOptions { NoFlush = true, Force = true });
        },
        ["disposed before its view"] = (_, path) =>
        {
            var snapshot = Snapshot.Open(path);
            var view = snapshot.GetView(0, 1);
            snapshot.Dispose();
            view.Dispose();
        },
        ["not opened"] = (workspace, path) =>
        {
            Expect.Error(SnapshotError.FileNotFound, () => Snapshot.Open(workspace.PathOf("missing")));
            Expect.Error(SnapshotError.NotARegularFile, () => Snapshot.Open(workspace.Folder));
            Expect.Error(SnapshotError.FileNotFound, () => Snapshot.Open(path, new SnapshotOptions { ScratchPath = "/missing" }));
            using var cancelled = new CancellationTokenSource();
            cancelled.Cancel();
            Assert.ThrowsAny<OperationCanceledException>(
                () => Snapshot.Open(path, new SnapshotOptions { Backing = SnapshotBacking.Copy }, cancelled.Token));
        },
        ["only asked about"] = (workspace, path) =>
        {
            _ = ReflinkSupport.Probe(path);
            _ = ReflinkSupport.Probe(workspace.Folder);
            Expect.Error(SnapshotError.FileNotFound, () => ReflinkSupport.Probe(workspace.PathOf("missing")));
        },
    };

    public static MatrixTheoryData<string, string> Lives => new(FileSystems.Names, _lives.Keys);

    [Theory]
    [MemberData(nameof(Lives))]
    public void Nothing_is_left_of_many_snapshots_that_were(string fileSystem, string life)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', 10_000));
        _lives[life](workspace, path);
        int before = Descriptors.Count();
        for (int round = 0; round < Rounds; round++)
        {
            File.WriteAllBytes(path, Bytes.Of('a', 10_000)); // would wait for a lease that stayed
            _lives[life](workspace, path);
        }
        // At once: not only when the garbage collector comes by.
        Assert.Empty(Descriptors.In(workspace.Folder));
        Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
        Assert.InRange(Descriptors.Count(), 0, before + Tolerance);
        Assert.Empty(workspace.Names().Except(["file", "other"]));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Forgotten_snapshots_are_finalized(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', 10_000));
        Forget(path);
        Memory.CollectForgotten();
        Assert.Empty(Descriptors.In(workspace.Folder));
        Assert.Equal(0, Descriptors.Mappings(workspace.Folder));

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Forget(string path)
        {
            for (int round = 0; round < Rounds; round++)
            {
                var snapshot = OpenChanged(path);
                _ = snapshot.GetView(0, 10);
                _ = snapshot.AsStream();
            }
        }
    }

    private static Snapshot OpenChanged(string path)
    {
        var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "b"u8);
        return snapshot;
    }
}

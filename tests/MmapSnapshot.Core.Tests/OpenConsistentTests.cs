using System.Buffers.Binary;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Snapshots of several files that hold at one moment.</summary>
public sealed class OpenConsistentTests
{
    private const int Rounds = 100;

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Snapshots_are_those_of_the_paths_in_their_order(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string[] paths = [.. Enumerable.Range(0, 5).Select(i => workspace.Write($"file{4 - i}", $"bytes {i}"))];
        var snapshots = Snapshot.OpenConsistent(paths);
        Assert.Equal(paths, snapshots.Select(snapshot => snapshot.Path));
        for (int i = 0; i < snapshots.Count; i++)
        {
            using var snapshot = snapshots[i];
            Assert.Equal($"bytes {i}", Encoding(snapshot));
            snapshot.Write(0, "B"u8);
            snapshot.Commit();
            Assert.StartsWith("B", File.ReadAllText(paths[i]), StringComparison.Ordinal);
        }
        Assert.Empty(Descriptors.In(workspace.Folder));
    }

    /// <summary>
    /// A writer gives a number to the first file, then to the second one, and so on with the next number: at any moment the first file is
    /// ahead by one, or by none.
    /// </summary>
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Files_of_a_writer_that_alternates_hold_at_one_moment(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        foreach (bool renames in new[] { false, true })
        {
            string[] paths = [workspace.Write("first", new byte[8]), workspace.Write("second", new byte[8])];
            string[] others = [.. Enumerable.Range(0, 10).Select(i => workspace.Write($"other{i}", "x"))];
            using var stop = new CancellationTokenSource();
            var writer = new Thread(() => Alternate(paths, renames, stop.Token));
            writer.Start();
            try
            {
                for (int round = 0; round < Rounds; round++)
                {
                    // The second one first, and others in between, while the writer continues.
                    var snapshots = Snapshot.OpenConsistent([paths[1], .. others, paths[0]], new SnapshotOptions { ReadOnly = true });
                    long second = BinaryPrimitives.ReadInt64LittleEndian(snapshots[0].Read(0, 8));
                    long first = BinaryPrimitives.ReadInt64LittleEndian(snapshots[^1].Read(0, 8));
                    foreach (var snapshot in snapshots) snapshot.Dispose();
                    Assert.True(first - second is 0 or 1, $"round {round}, renames {renames}: {first} and {second}");
                }
            }
            finally
            {
                stop.Cancel();
                writer.Join();
            }
        }
    }

    [Fact]
    public void File_that_changes_each_time_is_named_after_five_seconds()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        string[] paths = [workspace.Write("changing", "x"), workspace.Write("still", new byte[4 << 20])];
        var options = new SnapshotOptions
        {
            Backing = SnapshotBacking.Copy,
            // While the second file is copied, the first one changes.
            Progress = new ProgressRecorder(report =>
            {
                if (report.Activity.Contains(paths[1], StringComparison.Ordinal)) File.AppendAllText(paths[0], "x");
            }),
        };
        var error = Expect.Error(SnapshotError.SourceChanging, () => Snapshot.OpenConsistent(paths, options));
        Assert.Equal(paths[0], error.Path);
        Assert.Empty(Descriptors.In(workspace.Folder));
    }

    [Fact]
    public void None_is_open_if_one_cannot_be()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write("file", "x");
        Expect.Error(SnapshotError.FileNotFound, () => Snapshot.OpenConsistent([path, $"{path}.none"]));
        Assert.Empty(Descriptors.In(workspace.Folder));
    }

    [Fact]
    public void One_file_may_be_there_twice_and_none_at_all()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "x");
        var snapshots = Snapshot.OpenConsistent([path, path]);
        Assert.All(snapshots, snapshot => Assert.Equal("x", Encoding(snapshot)));
        foreach (var snapshot in snapshots) snapshot.Dispose();
        Assert.Empty(Snapshot.OpenConsistent([]));
    }

    private static string Encoding(Snapshot snapshot) => System.Text.Encoding.ASCII.GetString(snapshot.Read(0, snapshot.Length));

    private static void Alternate(string[] paths, bool renames, CancellationToken stop)
    {
        var random = new Random(1);
        for (long number = 1; !stop.IsCancellationRequested; number++)
        {
            foreach (string path in paths)
            {
                byte[] bytes = BitConverter.GetBytes(number);
                if (renames)
                {
                    File.WriteAllBytes($"{path}.new", bytes);
                    File.Move($"{path}.new", path, overwrite: true);
                }
                else
                {
                    using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
                    RandomAccess.Write(file, bytes, 0);
                }
                Thread.Sleep(random.Next(0, 20));
            }
        }
    }
}

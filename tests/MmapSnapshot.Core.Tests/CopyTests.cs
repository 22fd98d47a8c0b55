using System.IO.MemoryMappedFiles;
using System.Text;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>A snapshot is of one instant, whatever others write meanwhile; and a copy can be watched and ended.</summary>
public sealed class CopyTests
{
    private const int Opens = 40;

    private const int Size = 1 << 20;

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void While_a_writer_rewrites_the_file_no_snapshot_is_a_mix(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', Size));
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        byte[] bytes = new byte[Size];
        int taken = OpenUnder(
            round =>
            {
                Array.Fill(bytes, (byte)('a' + (round % 26)));
                RandomAccess.Write(file, bytes, 0); // man 2 write: at once, for whoever reads
            },
            path,
            snapshot => Assert.Equal(-1, snapshot.AsSpan().IndexOfAnyExcept(snapshot[0])));
        if (FileSystems.WithReflink.Contains(fileSystem)) Assert.Equal(Opens, taken);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void While_writers_come_and_go_no_snapshot_is_a_mix(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', Size));
        byte[] bytes = new byte[Size];
        OpenUnder(
            round =>
            {
                Array.Fill(bytes, (byte)('a' + (round % 26)));
                using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
                RandomAccess.Write(file, bytes, 0);
            },
            path,
            snapshot => Assert.Equal(-1, snapshot.AsSpan().IndexOfAnyExcept(snapshot[0])));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void While_a_writer_stores_through_a_mapping_every_snapshot_is_of_one_instant(string fileSystem)
    {
        const int Page = 4096;
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", new byte[Size]);
        using var mapping = MemoryMappedFile.CreateFromFile(path, FileMode.Open);
        using var view = mapping.CreateViewAccessor();
        OpenUnder(
            round =>
            {
                // One page after the other: at any instant the first ones have this round's number, the rest the last one's.
                for (int offset = 0; offset < Size; offset += Page) view.Write(offset, round);
            },
            path,
            snapshot =>
            {
                int[] rounds = [.. Enumerable.Range(0, Size / Page).Select(page => BitConverter.ToInt32(snapshot, page * Page))];
                Assert.Equal(rounds.OrderDescending(), rounds);
                Assert.InRange(rounds[0] - rounds[^1], 0, 1);
            });
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void While_a_writer_appends_every_snapshot_is_a_beginning_of_the_file(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "");
        using var file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        var snapshots = new List<byte[]>();
        OpenUnder(round => file.Write(Encoding.ASCII.GetBytes($"{round:D999}\n")), path, snapshots.Add);
        byte[] all = File.ReadAllBytes(path);
        foreach (byte[] snapshot in snapshots)
        {
            Assert.Equal(0, snapshot.Length % 1000);
            Assert.True(all.AsSpan().StartsWith(snapshot));
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.Copying), MemberType = typeof(FileSystems))]
    public void A_file_that_never_rests_is_not_opened_and_nothing_stays(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", new byte[16 << 20]);
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        using var stop = new ManualResetEventSlim();
        var writer = new Thread(() =>
        {
            for (int round = 0; !stop.IsSet; round++) RandomAccess.Write(file, BitConverter.GetBytes(round), 0);
        });
        writer.Start();
        try
        {
            var error = Expect.Error(SnapshotError.SourceChanging, () => Snapshot.Open(path));
            Assert.Contains(path, error.Message, StringComparison.Ordinal);
        }
        finally
        {
            stop.Set();
            writer.Join();
        }
        file.Dispose();
        Assert.Empty(Descriptors.In(workspace.Folder));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Copying), MemberType = typeof(FileSystems))]
    public void A_writer_that_comes_while_a_copy_is_made_waits_for_its_end_and_then_writes(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', 16 << 20));
        Thread? writer = null;
        var options = new SnapshotOptions
        {
            Backing = SnapshotBacking.Copy,
            Progress = new ProgressRecorder(report =>
            {
                if (writer is not null || report.BytesDone == 0) return;
                writer = new Thread(() =>
                {
                    using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
                    RandomAccess.Write(file, "b"u8, 0);
                });
                writer.Start();
                Thread.Sleep(50);
            }),
        };
        using var snapshot = Snapshot.Open(path, options);
        Assert.NotNull(writer);
        Assert.True(writer.Join(10_000));
        Assert.Equal((byte)'b', File.ReadAllBytes(path)[0]);
        Assert.Equal(-1, Bytes.In(snapshot).AsSpan().IndexOfAnyExcept((byte)'a'));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Holes_cost_nothing_even_while_somebody_has_the_file_open_for_writing(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.WriteSparse("file", 16L << 30, 5L << 30, Bytes.Of('a', 4096));
        using var writer = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        var started = DateTime.UtcNow;
        using var snapshot = Snapshot.Open(path);
        Assert.InRange(DateTime.UtcNow - started, TimeSpan.Zero, TimeSpan.FromSeconds(2));
        Assert.Equal((byte)'a', snapshot.Read(5L << 30, 1L)[0]);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_cancelled_copy_leaves_nothing(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', 16 << 20));
        using var cancellation = new CancellationTokenSource();
        var options = new SnapshotOptions
        {
            Backing = SnapshotBacking.Copy,
            Progress = new ProgressRecorder(report =>
            {
                if (report.BytesDone > 0) cancellation.Cancel();
            }),
        };
        Assert.ThrowsAny<OperationCanceledException>(() => Snapshot.Open(path, options, cancellation.Token));
        Assert.Empty(Descriptors.In(workspace.Folder));
        Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
        Assert.Equal(["file"], workspace.Names());
        // No lease stays either: a writer would wait for it.
        using (File.OpenHandle(path, FileMode.Open, FileAccess.Write)) Assert.ThrowsAny<OperationCanceledException>(() => Snapshot.Open(path, options, cancellation.Token));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_copy_tells_how_far_it_has_come(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', 16 << 20));
        var reports = new List<SnapshotProgress>();
        using var snapshot = Snapshot.Open(path, new SnapshotOptions { Backing = SnapshotBacking.Copy, Progress = new ProgressRecorder(reports.Add) });
        Assert.True(reports.Count > 1);
        Assert.All(reports, report => Assert.Equal(16 << 20, report.BytesTotal));
        Assert.All(reports, report => Assert.Contains(path, report.Activity, StringComparison.Ordinal));
        Assert.All(reports, report => Assert.InRange(report.BytesDone, 0, 16 << 20));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Copying), MemberType = typeof(FileSystems))]
    public void The_progress_of_one_activity_never_goes_back_though_the_file_is_read_twice(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', 16 << 20));
        using var writable = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite); // no lease: all is compared
        var reports = new List<SnapshotProgress>();
        using var snapshot = Snapshot.Open(path, new SnapshotOptions { Progress = new ProgressRecorder(reports.Add) });
        Assert.All(reports.GroupBy(report => report.Activity), activity => Assert.Equal(activity.OrderBy(report => report.BytesDone), activity));
    }

    /// <summary>Opens snapshots of a file, one after the other, beside a writer; returns how many could be had, each of which was checked.</summary>
    private static int OpenUnder(Action<int> write, string path, Action<byte[]> check)
    {
        using var stop = new ManualResetEventSlim();
        Exception? failure = null;
        var writer = new Thread(() =>
        {
            var random = new Random(3);
            try
            {
                for (int round = 1; !stop.IsSet; round++)
                {
                    write(round);
                    if (random.Next(3) == 0) Thread.Sleep(random.Next(8)); // now and then there is time for a copy
                }
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        });
        writer.Start();
        int taken = 0;
        try
        {
            for (int open = 0; open < Opens; open++)
            {
                try
                {
                    using var snapshot = Snapshot.Open(path);
                    check(Bytes.In(snapshot));
                    taken++;
                }
                catch (SnapshotException changing) when (changing.Error == SnapshotError.SourceChanging)
                {
                }
            }
        }
        finally
        {
            stop.Set();
            writer.Join();
        }
        Assert.Null(failure);
        Assert.NotEqual(0, taken);
        return taken;
    }
}

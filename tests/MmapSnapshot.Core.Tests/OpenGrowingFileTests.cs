using System.Text;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>A log that another process appends to all the time, where a snapshot has to be a copy.</summary>
public sealed class OpenGrowingFileTests
{
    private const int Size = 64 << 20, LineLength = 100;

    /// <summary>The time between two lines, in milliseconds: a copy takes several times as long.</summary>
    [Theory]
    [InlineData(FileSystems.Ext4, 1)]
    [InlineData(FileSystems.Tmpfs, 1)]
    [InlineData(FileSystems.OverlayExt4, 1)]
    [InlineData(FileSystems.Ext4, 0)]
    [InlineData(FileSystems.Tmpfs, 0)]
    public void Growing_file_is_opened_as_it_was_at_one_moment(string fileSystem, int pause)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("log", Lines(0, Size / LineLength));
        var lengths = new List<long> { Size / LineLength * LineLength };
        using (Appending(path, pause))
        {
            for (int round = 0; round < 3; round++)
            {
                using var snapshot = Snapshot.Open(path, new SnapshotOptions { ReadOnly = true });
                Assert.Equal(SnapshotBacking.Copy, snapshot.Backing);
                // A write that crosses a page moves the size twice, so that the size at one moment can be that of half a line.
                Assert.True(
                    snapshot.Length % LineLength == 0 || snapshot.Length % Environment.SystemPageSize == 0,
                    $"a length of {snapshot.Length}");
                Assert.True(snapshot.Length >= lengths[^1], $"{snapshot.Length} after {lengths[^1]}");
                lengths.Add(snapshot.Length);
                Assert.Equal(LastLine(path, snapshot.Length), Encoding.ASCII.GetString(snapshot.Read(snapshot.Length - LineLength, LineLength)));
            }
        }
    }

    [Theory]
    [InlineData(FileSystems.Ext4)]
    [InlineData(FileSystems.Tmpfs)]
    public void Saving_over_a_file_that_has_grown_since_is_a_conflict(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("log", Lines(0, Size / LineLength));
        using var writer = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        using var snapshot = OpenWhile(path, () => writer.Write(Lines(1, 1)));
        Assert.Equal(new FileInfo(path).Length, snapshot.Length);
        snapshot.Write(0, "X"u8);
        writer.Write(Lines(2, 1));
        writer.Dispose();
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        Assert.Equal((byte)'0', File.ReadAllBytes(path)[0]);
    }

    [Theory]
    [InlineData(FileSystems.Ext4)]
    [InlineData(FileSystems.Tmpfs)]
    public void File_that_grew_only_while_it_was_opened_is_saved_with_what_was_added(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("log", Lines(0, Size / LineLength));
        Snapshot snapshot;
        using (var writer = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0))
            snapshot = OpenWhile(path, () => writer.Write(Lines(1, 1)));
        using (snapshot)
        {
            snapshot.Write(0, "X"u8);
            snapshot.Commit();
        }
        byte[] saved = File.ReadAllBytes(path);
        Assert.Equal((byte)'X', saved[0]);
        Assert.Equal(Lines(1, 1), saved[^LineLength..]);
    }

    [Theory]
    [InlineData(FileSystems.Ext4)]
    [InlineData(FileSystems.Tmpfs)]
    public void File_that_is_truncated_and_written_anew_while_it_is_copied_is_never_a_mix(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("log", Bytes.Of('a', 8 << 20));
        using var stop = new ManualResetEventSlim();
        var writer = new Thread(() =>
        {
            for (int round = 1; !stop.IsSet; round++)
            {
                byte letter = (byte)('a' + (round % 26));
                using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
                file.SetLength(0);
                byte[] part = Bytes.Of((char)letter, 1 << 20);
                for (int i = 0; i < 8 + (round % 3); i++) file.Write(part); // longer than before, now and then
                Thread.Sleep(round % 7);
            }
        });
        writer.Start();
        try
        {
            for (int open = 0; open < 60; open++)
            {
                try
                {
                    using var snapshot = Snapshot.Open(path, new SnapshotOptions { Backing = SnapshotBacking.Copy });
                    byte[] bytes = Bytes.In(snapshot);
                    if (bytes.Length > 0) Assert.Equal(-1, bytes.AsSpan().IndexOfAnyExcept(bytes[0]));
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
    }

    /// <summary>Opens a file that gets longer, once, when the first megabytes have been copied.</summary>
    private static Snapshot OpenWhile(string path, Action append)
    {
        bool appended = false;
        var options = new SnapshotOptions
        {
            Backing = SnapshotBacking.Copy,
            Progress = new ProgressRecorder(report =>
            {
                if (appended || report.BytesDone == 0) return;
                appended = true;
                append();
            }),
        };
        // Without a lease, or the writer would wait.
        using (File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) return Snapshot.Open(path, options);
    }

    private static byte[] Lines(int first, int count)
    {
        var text = new StringBuilder(count * LineLength);
        for (int i = 0; i < count; i++) text.Append((first + i).ToString($"D{LineLength - 1}", System.Globalization.CultureInfo.InvariantCulture)).Append('\n');
        return Encoding.ASCII.GetBytes(text.ToString());
    }

    private static string LastLine(string path, long length)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        var line = new byte[LineLength];
        RandomAccess.Read(file, line, length - LineLength);
        return Encoding.ASCII.GetString(line);
    }

    private static Writer Appending(string path, int pause) => new(path, pause);

    private sealed class Writer : IDisposable
    {
        private readonly ManualResetEventSlim _stop = new();

        private readonly Thread _thread;

        public Writer(string path, int pause)
        {
            var file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            int next = Size / LineLength;
            _thread = new Thread(() =>
            {
                using (file)
                {
                    while (!_stop.IsSet)
                    {
                        file.Write(Lines(next++, 1));
                        if (pause > 0) Thread.Sleep(pause);
                    }
                }
            });
            _thread.Start();
        }

        public void Dispose()
        {
            _stop.Set();
            _thread.Join();
            _stop.Dispose();
        }
    }
}

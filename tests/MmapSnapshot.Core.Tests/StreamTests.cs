using System.IO.Compression;
using System.Reflection.PortableExecutable;
using System.Security.Cryptography;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>The snapshot as a stream, with the streams of .NET as the judges of how one behaves.</summary>
public sealed class StreamTests
{
    private const int Limit = 40_000;

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Any_sequence_of_operations_does_what_it_does_to_a_memory_stream(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(10_000);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path);
        using var actual = snapshot.AsStream();
        using var expected = new MemoryStream();
        expected.Write(bytes);
        expected.Position = 0;

        var random = new Random(11);
        for (int step = 0; step < 3000; step++)
        {
            int choice = random.Next(10), size = random.Next(3000);
            switch (choice)
            {
                case < 3:
                    var there = new byte[size];
                    var here = new byte[size];
                    Assert.Equal(expected.Read(there), actual.Read(here));
                    Assert.Equal(there, here);
                    break;
                case < 6:
                    byte[] written = Bytes.Random(size + 1, seed: step);
                    if (expected.Position > Limit) break;
                    expected.Write(written);
                    actual.Write(written);
                    break;
                case 6:
                    Assert.Equal(expected.ReadByte(), actual.ReadByte());
                    break;
                case 7:
                    expected.Position = actual.Position = random.Next(Limit);
                    break;
                case 8:
                    var origin = (SeekOrigin)random.Next(3);
                    int distance = random.Next(-3000, 3000);
                    Assert.Equal(Try(() => expected.Seek(distance, origin)), Try(() => actual.Seek(distance, origin)));
                    break;
                default:
                    int length = random.Next(Limit);
                    expected.SetLength(length);
                    actual.SetLength(length);
                    break;
            }
            Assert.Equal(expected.Position, actual.Position);
            Assert.Equal(expected.Length, actual.Length);
        }
        Assert.Equal(expected.ToArray(), Bytes.In(snapshot));
        snapshot.Commit();
        Assert.Equal(expected.ToArray(), File.ReadAllBytes(path));

        // -1 stands for the exception that a seek to before the beginning is.
        static long Try(Func<long> seek)
        {
            try
            {
                return seek();
            }
            catch (IOException)
            {
                return -1;
            }
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Its_hash_is_that_of_the_file(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(1_000_000);
        using var snapshot = Snapshot.Open(workspace.Write("file", bytes), new SnapshotOptions { ReadOnly = true });
        using var stream = snapshot.AsStream();
        Assert.Equal(SHA256.HashData(bytes), SHA256.HashData(stream));
    }

    [Fact]
    public async Task Asynchronous_reads_and_writes_work_too()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        byte[] bytes = Bytes.Random(300_000);
        using var snapshot = Snapshot.Open(workspace.Write("file", bytes));
        await using var stream = snapshot.AsStream();
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy, TestContext.Current.CancellationToken);
        Assert.Equal(bytes, copy.ToArray());
        stream.Position = 10;
        await stream.WriteAsync("new"u8.ToArray(), TestContext.Current.CancellationToken);
        Assert.Equal("new"u8, snapshot.Read(10, 3));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_zip_file_is_updated_inside_it(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("archive.zip");
        byte[] kept = Bytes.Random(30_000), added = Bytes.Random(50_000, seed: 2);
        using (var archive = ZipFile.Open(path, ZipArchiveMode.Create))
        {
            Add(archive, "kept", kept);
            Add(archive, "dropped", Bytes.Random(20_000, seed: 3));
        }

        using (var snapshot = Snapshot.Open(path))
        {
            using (var archive = new ZipArchive(snapshot.AsStream(), ZipArchiveMode.Update))
            {
                archive.GetEntry("dropped")!.Delete();
                Add(archive, "added", added);
            }
            snapshot.Commit();
        }

        using var result = ZipFile.OpenRead(path);
        Assert.Equal(["kept", "added"], result.Entries.Select(entry => entry.FullName));
        Assert.Equal(kept, Content(result, "kept"));
        Assert.Equal(added, Content(result, "added"));

        static void Add(ZipArchive archive, string name, byte[] bytes)
        {
            using var entry = archive.CreateEntry(name).Open();
            entry.Write(bytes);
        }

        static byte[] Content(ZipArchive archive, string name)
        {
            using var entry = archive.GetEntry(name)!.Open();
            using var content = new MemoryStream();
            entry.CopyTo(content);
            return content.ToArray();
        }
    }

    [Fact]
    public void A_program_is_read_through_it()
    {
        using var snapshot = Snapshot.Open(typeof(StreamTests).Assembly.Location, new SnapshotOptions { ReadOnly = true });
        using var reader = new PEReader(snapshot.AsStream());
        Assert.True(reader.HasMetadata);
    }

    [Fact]
    public void A_write_past_the_end_leaves_zeros_in_between()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        using var stream = snapshot.AsStream();
        stream.Position = 12;
        stream.Write("ab"u8);
        Assert.Equal("0123456789\0\0ab"u8, Bytes.In(snapshot));
        Assert.Equal([new ByteRange(10, 4)], snapshot.GetModifiedRanges());
        Assert.Equal(14, stream.Position);
    }

    [Fact]
    public void A_write_of_nothing_past_the_end_does_not_grow_it()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        using var stream = snapshot.AsStream();
        stream.Position = 12;
        stream.Write([]);
        Assert.Equal(10, snapshot.Length);
        Assert.Equal(12, stream.Position);
    }

    [Fact]
    public void A_read_at_or_past_the_end_gives_nothing()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        using var stream = snapshot.AsStream();
        foreach (long position in (long[])[10, 11, long.MaxValue])
        {
            stream.Position = position;
            Assert.Equal(0, stream.Read(new byte[10]));
            Assert.Equal(position, stream.Position);
        }
        stream.Position = 8;
        Assert.Equal(2, stream.Read(new byte[10]));
    }

    [Fact]
    public void A_write_that_would_end_past_the_largest_offset_is_refused_and_changes_nothing()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        using var stream = snapshot.AsStream();
        stream.Position = long.MaxValue;
        Expect.Error(SnapshotError.OutOfRange, () => stream.Write("ab"u8));
        Assert.Equal(long.MaxValue, stream.Position);
        Assert.Equal(10, snapshot.Length);
    }

    [Fact]
    public void A_seek_to_before_the_beginning_or_past_the_largest_offset_is_an_IO_error_and_does_not_move()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        using var stream = snapshot.AsStream();
        stream.Position = 5;
        Assert.Throws<IOException>(() => stream.Seek(-1, SeekOrigin.Begin));
        Assert.Throws<IOException>(() => stream.Seek(-6, SeekOrigin.Current));
        Assert.Throws<IOException>(() => stream.Seek(-11, SeekOrigin.End));
        Assert.Throws<IOException>(() => stream.Seek(long.MaxValue, SeekOrigin.Current));
        Assert.Throws<IOException>(() => stream.Seek(long.MinValue, SeekOrigin.Current));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Position = -1);
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Seek(0, (SeekOrigin)7));
        Assert.Equal(5, stream.Position);
    }

    [Fact]
    public void The_stream_of_a_read_only_snapshot_cannot_write()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"), new SnapshotOptions { ReadOnly = true });
        using var stream = snapshot.AsStream();
        Assert.True(stream.CanRead && stream.CanSeek);
        Assert.False(stream.CanWrite);
        Assert.Throws<NotSupportedException>(() => stream.Write("x"u8));
        Assert.Throws<NotSupportedException>(() => stream.SetLength(3));
        Assert.Equal(10, stream.Length);
    }

    [Fact]
    public void The_stream_of_a_closed_snapshot_says_so()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        using var stream = snapshot.AsStream();
        snapshot.Close();
        Assert.False(stream.CanRead || stream.CanSeek || stream.CanWrite);
        Expect.Error(SnapshotError.SnapshotClosed, () => stream.ReadByte());
        Expect.Error(SnapshotError.SnapshotClosed, () => stream.Write("x"u8));
        Expect.Error(SnapshotError.SnapshotClosed, () => stream.SetLength(3));
    }

    [Fact]
    public void A_disposed_stream_leaves_its_snapshot_open()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        var stream = snapshot.AsStream();
        stream.Dispose();
        Assert.False(stream.CanRead || stream.CanSeek || stream.CanWrite);
        Assert.Throws<ObjectDisposedException>(() => stream.Read(new byte[1]));
        Assert.Throws<ObjectDisposedException>(() => stream.Length);
        Assert.False(snapshot.IsClosed);
        Assert.Equal("0123456789"u8, Bytes.In(snapshot));
    }

    [Fact]
    public void Two_streams_have_positions_of_their_own()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        using Stream first = snapshot.AsStream(), second = snapshot.AsStream();
        first.Write("ab"u8);
        Assert.Equal('a', second.ReadByte());
        Assert.Equal(2, first.Position);
        Assert.Equal(1, second.Position);
    }

    [Fact]
    public void SetLength_moves_a_position_that_lies_past_the_new_end()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        using var stream = snapshot.AsStream();
        stream.Position = 8;
        stream.SetLength(5);
        Assert.Equal(5, stream.Position);
        Assert.Equal(5, snapshot.Length);
    }

    [Fact]
    public async Task The_stream_of_a_part_stays_within_it()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        await using var part = snapshot.AsStream(3, 4);
        Assert.Equal(4, part.Length);
        Assert.Equal('3', part.ReadByte());
        part.Write("abc"u8);
        Assert.Equal(-1, part.ReadByte());
        Assert.Throws<NotSupportedException>(() => part.Write("x"u8));
        Assert.Throws<NotSupportedException>(() => part.SetLength(2));
        Assert.Throws<ArgumentOutOfRangeException>(() => part.SetLength(-1));
        Assert.True(part.FlushAsync(TestContext.Current.CancellationToken).IsCompletedSuccessfully);
        Assert.Equal("0123abc789"u8, Bytes.In(snapshot));
        Assert.Equal(2, part.Seek(-2, SeekOrigin.End));
        Assert.Equal('b', part.ReadByte());
        snapshot.Resize(5);
        Assert.Equal(2, part.Length);
        Assert.Equal(-1, part.ReadByte());
        await using var readOnly = snapshot.AsStream(0, 5, writable: false);
        Assert.False(readOnly.CanWrite);
        Assert.Throws<NotSupportedException>(() => readOnly.WriteByte(1));
        foreach (var (offset, count) in ((long, long)[])[(-1, 1), (0, -1), (0, 6), (6, 0), (1, long.MaxValue)])
            Expect.Error(SnapshotError.OutOfRange, () => snapshot.AsStream(offset, count));
    }

    [Fact]
    public void A_byte_that_is_read_alone_is_the_present_one_and_allocates_nothing()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Of('a', 10_000)));
        using var stream = snapshot.AsStream();
        Assert.Equal('a', stream.ReadByte());
        snapshot.Fill(0, 10_000, (byte)'b');
        Assert.Equal('b', stream.ReadByte());
        long before = GC.GetAllocatedBytesForCurrentThread();
        while (stream.ReadByte() >= 0) { }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Writes_of_a_stream_that_continue_each_other_are_undone_as_one()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "0123456789"));
        using var stream = snapshot.AsStream();
        stream.Write("ab"u8);
        stream.WriteByte((byte)'c');
        stream.Position = 5;
        stream.Write("de"u8);
        Assert.True(snapshot.Undo());
        Assert.Equal("abc3456789"u8, Bytes.In(snapshot));
        Assert.True(snapshot.Undo());
        Assert.False(snapshot.IsModified);
    }
}

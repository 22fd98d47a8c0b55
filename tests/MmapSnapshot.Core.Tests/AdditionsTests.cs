using MmapSnapshot.Backing;
using MmapSnapshot.Content;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using MmapSnapshot.Tests.Support;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests;

public sealed class AdditionsTests
{
    private const int Mebibyte = 1 << 20;

    [Fact]
    public void A_few_bytes_take_no_file()
    {
        using var additions = new Additions(() => throw new InvalidOperationException("a file was asked for"), "x");
        var first = additions.Append([1, 2, 3]);
        var second = additions.Append(Bytes.Of('x', 500_000));
        Assert.Equal([1, 2, 3], Read(additions, first));
        Assert.Equal(Bytes.Of('x', 500_000), Read(additions, second));
        Assert.True(first.IsContinuedBy(second));
        Assert.Equal(500_003, additions.BytesInMemory);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Many_bytes_go_to_a_file_and_are_read_from_there(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var place = Place.At(workspace.Folder);
        using var additions = new Additions(place.CreateFiles, "x");
        var random = new Random(1);
        var written = new List<(Piece Piece, byte[] Bytes)>();
        while (additions.Length < 12 * Mebibyte)
        {
            byte[] bytes = Bytes.Random(random.Next(10) == 0 ? random.Next(2 * Mebibyte) : random.Next(5000));
            written.Add((additions.Append(bytes), bytes));
        }
        Assert.InRange(additions.BytesInMemory, 1, (12 * Mebibyte / 8) + Mebibyte);
        foreach (var (piece, bytes) in written) Assert.Equal(bytes, Read(additions, piece));
        Assert.Empty(workspace.Names());
        Assert.Single(place.Files);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void On_a_full_disk_bytes_stay_in_memory_until_there_is_room(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var place = Place.At(workspace.Folder);
        using var additions = new Additions(place.CreateFiles, "x");
        byte[] bytes = Bytes.Random(8 * Mebibyte);
        Piece piece;
        using (DiskFiller.Fill(workspace))
        {
            piece = additions.Append(bytes);
            Assert.Equal(8 * Mebibyte, additions.BytesInMemory);
            Assert.Equal(bytes, Read(additions, piece));
        }
        byte[] more = Bytes.Random(12 * Mebibyte);
        var second = additions.Append(more);
        Assert.InRange(additions.BytesInMemory, 0, 10 * Mebibyte);
        Assert.Equal(bytes, Read(additions, piece));
        Assert.Equal(more, Read(additions, second));
    }

    [Fact]
    public void Bytes_go_to_the_next_place_if_the_first_one_is_full()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var elsewhere = Workspace.On(FileSystems.Tmpfs);
        using var full = Place.At(workspace.Folder);
        using var roomy = Place.At(elsewhere.Folder);
        using var additions = new Additions(() => full.CreateFiles().Concat(roomy.CreateFiles()), "x");
        byte[] bytes = Bytes.Random(4 * Mebibyte);
        using (DiskFiller.Fill(workspace)) Assert.Equal(bytes, Read(additions, additions.Append(bytes)));
        Assert.InRange(additions.BytesInMemory, 0, 2 * Mebibyte);
        Assert.Single(roomy.Files);
    }

    /// <summary>A thin disk: the page cache takes the bytes, the disk has no room for them. ext4 then turns read-only, XFS does not.</summary>
    [Theory]
    [InlineData("ext4")]
    [InlineData("xfs")]
    public void Bytes_stay_in_memory_if_they_cannot_be_written_back(string type)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var disk = new Disk(workspace, type);
        using var place = Place.At(disk.Folder);
        using var additions = new Additions(place.CreateFiles, "x");
        byte[] bytes = Bytes.Random(8 * Mebibyte);
        using (DiskFiller.Fill(workspace))
        {
            UseUp(place);
            var piece = additions.Append(bytes);
            Assert.Equal(8 * Mebibyte, additions.BytesInMemory);
            foreach (var file in place.Files.Where(file => !file.Handle.IsClosed))
            {
                // What the disk has not taken is gone from the page cache, too.
                _ = Kernel.FDataSync(file.Handle);
                Assert.Equal(0, Syscall.posix_fadvise((int)file.Handle.DangerousGetHandle(), 0, 0, PosixFadviseAdvice.POSIX_FADV_DONTNEED));
            }
            Assert.Equal(bytes, Read(additions, piece));
        }
    }

    [Fact]
    public void A_file_that_cannot_be_read_back_is_an_error()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var place = Place.At(workspace.Folder);
        using var additions = new Additions(place.CreateFiles, "x");
        var piece = additions.Append(Bytes.Random(4 * Mebibyte));
        RandomAccess.SetLength(place.Files[0].Handle, 1000);
        Expect.Error(SnapshotError.ReadFailed, () => Read(additions, piece));
    }

    [Fact]
    public async Task Readers_see_every_byte_that_was_appended_while_it_goes_to_a_file()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var place = Place.At(workspace.Folder);
        using var additions = new Additions(place.CreateFiles, "x");
        long published = 0;
        bool done = false;
        var readers = Enumerable.Range(1, 2).Select(seed => Task.Run(() =>
        {
            var random = new Random(seed);
            var buffer = new byte[4096];
            while (!Volatile.Read(ref done))
            {
                long length = Volatile.Read(ref published);
                if (length == 0) continue;
                long offset = random.Next(2) == 0 ? random.NextInt64(length) : Math.Max(0, length - random.Next(300_000));
                var part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - offset));
                additions.Read(offset, part);
                for (int i = 0; i < part.Length; i++) Assert.Equal((byte)((offset + i) / 3), part[i]);
                var memory = additions.TryGetMemory(offset, part.Length).Span;
                for (int i = 0; i < memory.Length; i++) Assert.Equal((byte)((offset + i) / 3), memory[i]);
            }
        })).ToArray();
        for (var buffer = new byte[10_007]; published < 24 * Mebibyte;)
        {
            for (int i = 0; i < buffer.Length; i++) buffer[i] = (byte)((published + i) / 3);
            additions.Append(buffer);
            Volatile.Write(ref published, additions.Length);
        }
        Volatile.Write(ref done, true);
        await Task.WhenAll(readers);
    }

    /// <summary>The loop driver reports a write as done of which only the first pages had room: so no page is left.</summary>
    private static void UseUp(Place place)
    {
        bool failed = false;
        for (int attempt = 0; attempt < 8 && !failed; attempt++)
        {
            foreach (var file in place.CreateFiles())
            {
                failed = Kernel.Write(file.Handle, Bytes.Random(Mebibyte), 0, out _) != 0 || Kernel.FDataSync(file.Handle) != 0;
                file.Dispose();
            }
        }
    }

    private static byte[] Read(Additions additions, Piece piece)
    {
        var bytes = new byte[piece.Length];
        additions.Read(piece.Offset, bytes);
        return bytes;
    }

    /// <summary>A folder for unlinked files.</summary>
    private sealed class Place : IDisposable
    {
        private readonly ParentDirectory _folder;

        private Place(ParentDirectory folder) => _folder = folder;

        public List<PrivateFile> Files { get; } = [];

        public static Place At(string path)
        {
            Assert.Equal(default, ParentDirectory.OpenResolved(path, out var folder));
            return new Place(folder);
        }

        public IEnumerable<PrivateFile> CreateFiles()
        {
            if (PrivateFile.TryCreateIn(_folder, out var file) != 0) yield break;
            Files.Add(file);
            yield return file;
        }

        public void Dispose() => _folder.Dispose();
    }
}

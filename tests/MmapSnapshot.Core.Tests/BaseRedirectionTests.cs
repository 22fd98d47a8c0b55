using MmapSnapshot.Backing;
using MmapSnapshot.Committing;
using MmapSnapshot.Content;
using MmapSnapshot.Source;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Tables of a base that is written to: its old bytes are redirected first.</summary>
public sealed class BaseRedirectionTests
{
    private const int Size = 300_000;

    private const int HoleStart = 65_536, HoleEnd = 131_072;

    public static TheoryData<string> Some => new(FileSystems.Xfs, FileSystems.Ext4, FileSystems.Tmpfs);

    [Theory]
    [MemberData(nameof(Some))]
    public void Every_way_of_reading_has_the_old_bytes_after_random_writes_to_the_base(string fileSystem)
    {
        using var rig = new Rig(fileSystem);
        var random = new Random(7);
        var whole = PieceTable.Of(Piece.OfBase(0, Size));
        var moved = whole.Replace(1000, 0, [Piece.OfByte((byte)'i', 77)]);
        for (int round = 0; round < 40; round++)
        {
            var ranges = new List<ByteRange>();
            for (int i = random.Next(1, 4); i > 0; i--)
            {
                long offset = random.Next(Size);
                ranges.Add(new ByteRange(offset, random.Next((int)Math.Min(5000, Size - offset)) + 1));
            }
            rig.Reader.RedirectBase(ranges, CancellationToken.None);
            foreach (var range in ranges) rig.Overwrite(range.Offset, Bytes.Of('N', (int)range.Length));
        }
        rig.AssertHas(whole, rig.Old);
        rig.AssertHas(moved, [.. rig.Old[..1000], .. Bytes.Of('i', 77), .. rig.Old[1000..]]);
    }

    [Theory]
    [MemberData(nameof(Some))]
    public void A_base_that_was_cut_has_its_tail(string fileSystem)
    {
        using var rig = new Rig(fileSystem);
        rig.Reader.RedirectBase([new ByteRange(40_000, long.MaxValue - 40_000)], CancellationToken.None);
        rig.SetLength(40_000);
        rig.AssertHas(PieceTable.Of(Piece.OfBase(0, Size)), rig.Old);
    }

    [Theory]
    [MemberData(nameof(Some))]
    public void A_base_that_has_grown_ends_where_it_did(string fileSystem)
    {
        using var rig = new Rig(fileSystem);
        rig.Reader.RedirectBase([new ByteRange(Size - 1, 1)], CancellationToken.None);
        rig.Overwrite(Size - 1, Bytes.Of('N', 50_000));
        var longer = PieceTable.Of(Piece.OfBase(0, Size)).Replace(Size, 0, [Piece.OfByte(0, 100_000)]);
        rig.AssertHas(longer, [.. rig.Old, .. new byte[100_000]]);
    }

    [Fact]
    public void Bytes_that_are_redirected_already_stay_what_they_are()
    {
        using var rig = new Rig(FileSystems.Tmpfs);
        rig.Reader.RedirectBase([new ByteRange(10, 10)], CancellationToken.None);
        rig.Overwrite(10, Bytes.Of('1', 10));
        rig.Reader.RedirectBase([new ByteRange(5, 20)], CancellationToken.None);
        rig.Overwrite(5, Bytes.Of('2', 20));
        rig.AssertHas(PieceTable.Of(Piece.OfBase(0, Size)), rig.Old);
        Assert.Equal(20, rig.Reader.Additions.Length);
    }

    [Theory]
    [MemberData(nameof(Some))]
    public void Holes_take_no_space(string fileSystem)
    {
        using var rig = new Rig(fileSystem);
        rig.Reader.RedirectBase([ByteRange.Between(HoleStart, HoleEnd)], CancellationToken.None);
        rig.Overwrite(HoleStart, Bytes.Of('N', HoleEnd - HoleStart));
        Assert.Equal(0, rig.Reader.Additions.Length);
        var whole = PieceTable.Of(Piece.OfBase(0, Size));
        Assert.DoesNotContain(rig.Reader.DataRanges(whole, new ByteRange(0, Size)), data => data.Offset < HoleEnd && data.End > HoleStart);
        rig.AssertHas(whole, rig.Old);
    }

    [Fact]
    public async Task Readers_that_read_while_the_base_is_written_to_have_the_old_bytes()
    {
        using var rig = new Rig(FileSystems.Tmpfs);
        var whole = PieceTable.Of(Piece.OfBase(0, Size));
        using var stop = new CancellationTokenSource();
        var reader = Task.Factory.StartNew(
            () =>
            {
                var bytes = new byte[3000];
                var random = new Random(3);
                int reads = 0;
                while (!stop.IsCancellationRequested)
                {
                    int offset = random.Next(Size - bytes.Length);
                    rig.Reader.Read(whole, offset, bytes);
                    Assert.True(bytes.AsSpan().SequenceEqual(rig.Old.AsSpan(offset, bytes.Length)), $"at {offset} after {reads} reads");
                    reads++;
                }
                return reads;
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        for (int offset = 0; offset < Size; offset += 500)
        {
            rig.Reader.RedirectBase([new ByteRange(offset, 300)], CancellationToken.None);
            rig.Overwrite(offset, Bytes.Of('N', 300));
        }
        await stop.CancelAsync();
        Assert.True(await reader > 0);
    }

    /// <summary>A base in an unlinked file that the test writes to, as a save writes to a leased file.</summary>
    private sealed class Rig : IDisposable
    {
        private readonly Workspace _workspace;

        private readonly ParentDirectory _directory;

        private readonly PrivateFile _base;

        public Rig(string fileSystem)
        {
            _workspace = Workspace.On(fileSystem);
            Assert.Equal((Mono.Unix.Native.Errno)0, ParentDirectory.Open(_workspace.Folder, out _directory));
            _base = PrivateFile.Create(_directory, scratchPath: null);
            Old = Bytes.Random(Size);
            Old.AsSpan(HoleStart, HoleEnd - HoleStart).Clear();
            Overwrite(0, Old[..HoleStart]);
            Overwrite(HoleEnd, Old[HoleEnd..]);
            var additions = new Additions(() => PrivateFile.EnumerateCandidates(_directory, null), "x");
            Reader = new ContentReader(new PrivateContent(_base, SnapshotBacking.Copy, Size, "x"), additions, "x");
        }

        public byte[] Old { get; }

        internal ContentReader Reader { get; }

        public void Overwrite(long offset, byte[] bytes) => RandomAccess.Write(_base.Handle, bytes, offset);

        public void SetLength(long length) => RandomAccess.SetLength(_base.Handle, length);

        /// <summary>Reads a table in every way that there is.</summary>
        public void AssertHas(PieceTable table, byte[] expected)
        {
            var bytes = new byte[expected.Length];
            Reader.Read(table, 0, bytes);
            Assert.True(expected.AsSpan().SequenceEqual(bytes), "read");

            var data = new byte[expected.Length];
            foreach (var range in Reader.DataRanges(table, new ByteRange(0, table.Length)))
                Reader.Read(table, range.Offset, data.AsSpan((int)range.Offset, (int)range.Length));
            Assert.True(expected.AsSpan().SequenceEqual(data), "data ranges");

            for (int offset = 0; offset < expected.Length; offset += 7001)
            {
                int count = Math.Min(9000, expected.Length - offset);
                Reader.Show(table, offset, count, shown => Assert.True(expected.AsSpan(offset, count).SequenceEqual(shown), $"{offset}"));
            }

            using var saved = PrivateFile.Create(_directory, scratchPath: null);
            new ContentWriter(Reader, table, listener: null, CancellationToken.None).Fill(saved.Handle, "x");
            Assert.True(expected.AsSpan().SequenceEqual(AllOf(saved)), "filled");

            using var over = PrivateFile.Create(_directory, scratchPath: null);
            RandomAccess.Write(over.Handle, Bytes.Of('o', 1_000_000), 0);
            var writer = new ContentWriter(Reader, table, listener: null, CancellationToken.None);
            writer.WriteOver(over.Handle, [new ByteRange(0, table.Length)], 1_000_000, "x");
            Assert.True(expected.AsSpan().SequenceEqual(AllOf(over)), "written over");
        }

        public void Dispose()
        {
            Reader.Dispose();
            _directory.Dispose();
            _workspace.Dispose();
        }

        private static byte[] AllOf(PrivateFile file)
        {
            var bytes = new byte[RandomAccess.GetLength(file.Handle)];
            Assert.Equal(bytes.Length, RandomAccess.Read(file.Handle, bytes, 0));
            return bytes;
        }
    }
}

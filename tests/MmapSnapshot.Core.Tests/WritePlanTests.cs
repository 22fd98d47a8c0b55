using CsCheck;
using MmapSnapshot.Content;

namespace MmapSnapshot.Tests;

public sealed class WritePlanTests
{
    private static readonly byte[] _base = [.. Enumerable.Range(0, 200_000).Select(i => (byte)(i * 7 / 3))];

    [Fact]
    public void Writing_what_is_there_changes_nothing()
    {
        var content = new Content();
        Assert.Empty(content.Plan(1000, _base[1000..2000]));
        content.Write(10, [1, 2, 3]);
        Assert.Empty(content.Plan(9, [_base[9], 1, 2, 3, _base[13]]));
    }

    [Fact]
    public void Only_what_differs_is_new()
    {
        var content = new Content();
        byte[] bytes = _base[0..100_000];
        bytes[5] ^= 1;
        bytes[8] ^= 1; // too near for a piece of its own
        bytes[5 + 4 + WritePlan.Gap] ^= 1;
        bytes[99_000] ^= 1;
        Assert.Equal([new(5, 4, null), new(9 + WritePlan.Gap, 1, null), new(99_000, 1, null)], content.Plan(0, bytes));
    }

    [Fact]
    public void Old_bytes_written_back_are_given_back()
    {
        var content = new Content();
        content.Write(100, new byte[50]);
        content.Write(130, new byte[50]);
        Assert.False(content.Table.HasSamePieces(content.Baseline));
        content.Write(100, _base[100..120]);
        content.Write(120, _base[120..180]);
        Assert.True(content.Table.HasSamePieces(content.Baseline));
    }

    [Fact]
    public void Old_bytes_written_back_with_others_are_given_back()
    {
        var content = new Content();
        content.Write(100, Inverted(100, 50));
        content.Write(100, [.. _base[100..120], .. Inverted(120, 10), .. _base[130..150]]);
        Assert.Equal(new PieceDifference(120, 10, 120, 10), Assert.Single(PieceComparison.Between(content.Baseline, content.Table)));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(1000)]
    public void Old_bytes_are_given_back_where_they_have_moved_to(int insertedAt)
    {
        var content = new Content();
        content.Table = content.Table.Replace(insertedAt, 0, [content.Append([1, 2, 3])]);
        var inserted = content.Table;
        int moved = insertedAt < 500 ? 503 : 500;
        content.Write(moved, Inverted(500, 20));
        content.Write(moved, _base[500..520]);
        Assert.True(content.Table.HasSamePieces(inserted));
    }

    [Fact]
    public void Old_bytes_are_given_back_between_two_insertions()
    {
        var content = new Content();
        content.Table = content.Table.Replace(100, 0, [content.Append([1, 2, 3])]).Replace(1000, 0, [content.Append([4, 5, 6])]);
        var inserted = content.Table;
        content.Write(503, Inverted(500, 20));
        content.Write(503, _base[500..520]);
        Assert.True(content.Table.HasSamePieces(inserted));
    }

    [Fact]
    public void A_baseline_that_was_saved_gets_its_own_bytes_back()
    {
        var content = new Content();
        content.Write(100, Inverted(100, 20));
        content.Baseline = content.Table;
        content.Write(95, _base[95..125]);
        Assert.False(content.Table.HasSamePieces(content.Baseline));
        content.Write(95, [.. _base[95..100], .. Inverted(100, 20), .. _base[120..125]]);
        Assert.True(content.Table.HasSamePieces(content.Baseline));
    }

    [Fact]
    public void Random_writes_give_the_bytes_of_the_model_and_old_bytes_give_the_baseline()
    {
        var write = Gen.Select(Gen.Int[0, 999], Gen.Byte[0, 2].Array[0, 60]);
        write.Array[1, 60].Sample(
            writes =>
            {
                var content = new Content(1000);
                byte[] model = _base[..1000];
                foreach (var (offset, bytes) in writes)
                {
                    byte[] fitting = bytes[..Math.Min(bytes.Length, 1000 - offset)];
                    content.Write(offset, fitting);
                    fitting.CopyTo(model, offset);
                    Assert.Equal(model, content.Read(0, 1000));
                }
                content.Write(0, _base[..1000]);
                Assert.True(content.Table.HasSamePieces(content.Baseline));
            },
            iter: 300);
    }

    private static byte[] Inverted(int offset, int count) => [.. _base.Skip(offset).Take(count).Select(value => (byte)~value)];

    /// <summary>A table, its base and its additions, written to as a snapshot is.</summary>
    private sealed class Content
    {
        private readonly List<byte> _additions = [];

        public Content(int length = 200_000)
        {
            Table = Baseline = PieceTable.Of(Piece.OfBase(0, length));
        }

        public PieceTable Table { get; set; }

        public PieceTable Baseline { get; set; }

        public Piece Append(byte[] bytes)
        {
            _additions.AddRange(bytes);
            return Piece.OfAdditions(_additions.Count - bytes.Length, bytes.Length);
        }

        public List<PlannedWrite> Plan(long offset, byte[] bytes) => WritePlan.Of(Table, Baseline, offset, bytes, Read);

        public void Write(long offset, byte[] bytes)
        {
            foreach (var part in Plan(offset, bytes))
            {
                Piece[] pieces = part.BaselineOffset is { } place ? Baseline.Slice(place, part.Length) : [Append(bytes[part.Start..(part.Start + part.Length)])];
                Table = Table.Replace(offset + part.Start, part.Length, pieces);
            }
        }

        public byte[] Read(long offset, int count)
        {
            var bytes = new byte[count];
            Read(Table, offset, bytes);
            return bytes;
        }

        private void Read(PieceTable table, long offset, Span<byte> destination)
        {
            foreach (var run in table.Runs(offset, destination.Length))
            {
                var part = destination.Slice((int)(run.Offset - offset), (int)run.Piece.Length);
                if (run.Piece.Kind == PieceKind.Base) _base.AsSpan((int)run.Piece.Offset, part.Length).CopyTo(part);
                else _additions.GetRange((int)run.Piece.Offset, part.Length).ToArray().CopyTo(part);
            }
        }
    }
}

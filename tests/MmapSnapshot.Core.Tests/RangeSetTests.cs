using MmapSnapshot.Content;

namespace MmapSnapshot.Tests;

/// <summary>A set of ranges, against a map that has a bit for every byte.</summary>
public sealed class RangeSetTests
{
    private const int Size = 200;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Any_sequence_of_additions_gives_the_ranges_that_a_bitmap_gives(int seed)
    {
        var random = new Random(seed);
        var ranges = new RangeSet();
        var bitmap = new bool[Size];
        for (int step = 0; step < 5000; step++)
        {
            if (step % 40 == 0)
            {
                ranges = new RangeSet();
                Array.Clear(bitmap);
            }
            int offset = random.Next(Size + 1), length = random.Next(Math.Min(12, Size - offset + 1));
            ranges.Add(new ByteRange(offset, length));
            Array.Fill(bitmap, true, offset, length);
            Assert.Equal(RunsOf(bitmap), ranges.ToArray());
            var part = new ByteRange(random.Next(Size / 2), random.Next(Size / 2));
            var outside = bitmap.Select((bit, place) => !bit && place >= part.Offset && place < part.End).ToArray();
            Assert.Equal(RunsOf(outside), ranges.Missing(part));
        }
    }

    [Fact]
    public void Ranges_that_touch_become_one()
    {
        var ranges = new RangeSet();
        ranges.Add(new ByteRange(10, 10));
        ranges.Add(new ByteRange(30, 10));
        ranges.Add(new ByteRange(20, 10));
        Assert.Equal([new ByteRange(10, 30)], ranges.ToArray());
    }

    [Fact]
    public void Offsets_up_to_the_largest_are_held()
    {
        var ranges = new RangeSet();
        ranges.Add(new ByteRange(long.MaxValue - 10, 10));
        ranges.Add(new ByteRange(0, 1));
        ranges.Add(new ByteRange(long.MaxValue - 20, 10));
        Assert.Equal([new ByteRange(0, 1), new ByteRange(long.MaxValue - 20, 20)], ranges.ToArray());
    }

    private static List<ByteRange> RunsOf(bool[] bitmap)
    {
        var runs = new List<ByteRange>();
        for (int start = 0; start < Size; start++)
        {
            if (!bitmap[start]) continue;
            int end = start;
            while (end < Size && bitmap[end]) end++;
            runs.Add(new ByteRange(start, end - start));
            start = end;
        }
        return runs;
    }
}

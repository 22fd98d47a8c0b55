namespace MmapSnapshot.Tests;

/// <summary>The set of modified ranges, against a map that has a bit for every byte.</summary>
public sealed class ModifiedRangesTests
{
    private const int Size = 200;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Any_sequence_of_changes_gives_the_ranges_that_a_bitmap_gives(int seed)
    {
        var random = new Random(seed);
        var ranges = new ModifiedRanges();
        var bitmap = new bool[Size];
        for (int step = 0; step < 5000; step++)
        {
            int choice = random.Next(100);
            if (choice == 0)
            {
                ranges.Clear();
                Array.Clear(bitmap);
            }
            else if (choice < 12)
            {
                int length = random.Next(Size + 1);
                ranges.TruncateTo(length);
                Array.Clear(bitmap, length, Size - length);
            }
            else
            {
                bool adds = choice < 70;
                int offset = random.Next(Size + 1), length = random.Next(Math.Min(12, Size - offset + 1));
                if (adds) ranges.Add(offset, length);
                else ranges.Remove(new ByteRange(offset, length));
                Array.Fill(bitmap, adds, offset, length);
            }
            Assert.Equal(RunsOf(bitmap), ranges.ToArray());
            Assert.Equal(bitmap.Count(bit => bit), ranges.TotalBytes);
            var part = new ByteRange(random.Next(Size / 2), random.Next(Size / 2));
            var inside = bitmap.Select((bit, offset) => bit && offset >= part.Offset && offset < part.End).ToArray();
            Assert.Equal(RunsOf(inside), ranges.Within(part));
            var outside = bitmap.Select((bit, offset) => !bit && offset >= part.Offset && offset < part.End).ToArray();
            Assert.Equal(RunsOf(outside), ranges.Missing(part));
        }
    }

    [Fact]
    public void Ranges_that_touch_become_one()
    {
        var ranges = new ModifiedRanges();
        ranges.Add(10, 10);
        ranges.Add(30, 10);
        ranges.Add(20, 10);
        Assert.Equal([new ByteRange(10, 30)], ranges.ToArray());
    }

    [Fact]
    public void Offsets_up_to_the_largest_are_held()
    {
        var ranges = new ModifiedRanges();
        ranges.Add(long.MaxValue - 10, 10);
        ranges.Add(0, 1);
        ranges.Add(long.MaxValue - 20, 10);
        Assert.Equal([new ByteRange(0, 1), new ByteRange(long.MaxValue - 20, 20)], ranges.ToArray());
        Assert.Equal(21, ranges.TotalBytes);
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

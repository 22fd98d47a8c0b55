using System.Buffers.Binary;
using System.Runtime.InteropServices;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Values of unmanaged types, read and written as they are in memory.</summary>
public sealed class ValueTests
{
    private const long Two31 = 1L << 31, Two32 = 1L << 32;

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Values_are_read_and_written_in_the_byte_order_of_the_machine(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] old = Bytes.Random(5000);
        string path = workspace.Write("file", old);
        using var snapshot = Snapshot.Open(path);
        Assert.Equal(BitConverter.ToInt32(old, 4093), snapshot.Read<int>(4093)); // over the border of a page
        Assert.Equal(BitConverter.ToDouble(old, 1), snapshot.Read<double>(1));
        Assert.Equal(old[4999], snapshot.Read<byte>(4999));
        Assert.Equal(new Pair(BitConverter.ToUInt16(old, 7), BitConverter.ToInt64(old, 9)), snapshot.Read<Pair>(7));

        snapshot.Write(4093, 0x11223344);
        snapshot.Write(4992, -1L);
        snapshot.Write(7, new Pair(0x5566, long.MinValue));
        Assert.Equal(0x11223344, snapshot.Read<int>(4093));
        snapshot.Commit(new CommitOptions { NoFlush = true });
        byte[] saved = File.ReadAllBytes(path);
        Assert.Equal(BitConverter.GetBytes(0x11223344), saved[4093..4097]);
        Assert.Equal(Bytes.Of('\xFF', 8), saved[4992..]);
        Assert.Equal([.. BitConverter.GetBytes((ushort)0x5566), .. BitConverter.GetBytes(long.MinValue)], saved[7..17]);
        for (int step = 0; step < 3; step++) Assert.True(snapshot.Undo());
        Assert.False(snapshot.Undo());
        Assert.Equal(old, Bytes.In(snapshot));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Reading_a_value_allocates_nothing(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Random(10_000)));
        snapshot.Write(100, "text"u8);
        snapshot.Insert(200, 50, 7);
        long sum = 0;
        for (int offset = 0; offset < 300; offset++) sum += snapshot.Read<int>(offset);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int offset = 0; offset < 300; offset++) sum -= snapshot.Read<int>(offset);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(0, sum);
    }

    [Theory]
    [InlineData(Two31)]
    [InlineData(Two32)]
    [InlineData(1L << 60)]
    public void Values_beyond_the_end_are_out_of_range(long length)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Create(workspace.PathOf("new"), length);
        snapshot.Write(length - 8, 0x0102030405060708);
        foreach (long offset in (long[])[length - 7, length - 1, length, long.MaxValue - 7, long.MaxValue, -1, -8, long.MinValue])
        {
            Expect.Error(SnapshotError.OutOfRange, () => snapshot.Read<long>(offset));
            Expect.Error(SnapshotError.OutOfRange, () => snapshot.Write(offset, 1L));
        }
        Assert.Equal(0x0102030405060708, snapshot.Read<long>(length - 8));
        Assert.Equal(length, snapshot.Length);
        Assert.True(snapshot.Undo());
        Assert.False(snapshot.Undo());
    }

    [Theory]
    [InlineData(Two31)]
    [InlineData(Two32)]
    public void Values_over_a_border_of_32_bits_are_read_and_written(long border)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Create(workspace.PathOf("new"), border + 4);
        snapshot.Write(border - 4, BinaryPrimitives.ReverseEndianness(0x0102030405060708));
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], snapshot.Read(border - 4, 8));
        Assert.Equal(5, snapshot.Read<byte>(border));
        Assert.Equal(0, snapshot.Read<byte>(border - 5));
    }

    [Fact]
    public void A_value_is_not_written_to_a_read_only_or_closed_snapshot()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "text"), new SnapshotOptions { ReadOnly = true });
        Expect.Error(SnapshotError.ReadOnlySnapshot, () => snapshot.Write(0, (byte)1));
        snapshot.Dispose();
        Expect.Error(SnapshotError.SnapshotClosed, () => snapshot.Read<byte>(0));
    }

    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    private readonly record struct Pair(ushort First, long Second);
}

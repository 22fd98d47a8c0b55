using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>A fill that the disk has no room for takes back what it has done.</summary>
public sealed class RollbackTests
{
    private const int Length = 32 << 20;

    [Theory]
    [InlineData(FileSystems.Xfs)]
    [InlineData(FileSystems.XfsExchange)]
    [InlineData(FileSystems.Btrfs)]
    [InlineData(FileSystems.OverlayXfs)]
    [InlineData(FileSystems.Ext4)]
    [InlineData(FileSystems.Tmpfs)]
    [InlineData(FileSystems.OverlayExt4)]
    public void Data_and_holes_are_as_they_were(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("file");
        // Data at odd places, also at both ends, and holes between.
        Shell.Run("truncate -s \"$2\" \"$1\"; for at in 0 100 1000 5000 8191; do head -c 4000 /dev/urandom | dd of=\"$1\" bs=4K seek=$at conv=notrunc status=none; done", path, $"{Length}");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(5, "Hello"u8); // and one that is modified already
        byte[] before = snapshot.Read(0, Length);
        var modified = snapshot.GetModifiedRanges();
        using (var ballast = Ballast.Fill(workspace))
        {
            ballast.Release(8 << 20);
            var error = Expect.Error(SnapshotError.NoSpace, () => snapshot.Fill(3, Length - 10, (byte)'x'));

            Assert.Contains("Nothing was changed", error.Message, StringComparison.Ordinal);
            Assert.Equal(before, snapshot.Read(0, Length));
            Assert.Equal(modified, snapshot.GetModifiedRanges());
        }
        snapshot.Fill(3, Length - 10, (byte)'x');
        Assert.Equal(-1, snapshot.Read(3, Length - 10).AsSpan().IndexOfAnyExcept((byte)'x'));
    }
}

using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>A quota (here that of a btrfs subvolume, man 8 btrfs-qgroup) is a full disk.</summary>
public sealed class QuotaTests : IDisposable
{
    private readonly string _mount = FileSystems.Require(FileSystems.Btrfs);

    private readonly string _limited;

    public QuotaTests()
    {
        _limited = Path.Join(_mount, "limited");
        Shell.Run("btrfs -q quota enable \"$1\"; btrfs -q subvolume create \"$2\"; btrfs -q qgroup limit 4M \"$2\"", _mount, _limited);
    }

    public void Dispose() => Shell.Run("btrfs -q subvolume delete \"$2\"; btrfs -q quota disable \"$1\"", _mount, _limited);

    [Fact]
    public void A_save_over_quota_is_NoSpace_and_leaves_the_file_and_the_snapshot()
    {
        const int Length = 32 << 20;
        string path = Path.Join(_limited, "file");
        File.WriteAllText(path, "Hello world!");
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(Length);
        snapshot.Fill(0, Length, (byte)'x');

        var error = Expect.Error(SnapshotError.NoSpace, () => snapshot.Commit());

        Assert.Contains("EDQUOT", error.Message, StringComparison.Ordinal);
        Assert.Equal("Hello world!", File.ReadAllText(path));
        Assert.Equal(-1, Bytes.In(snapshot).AsSpan().IndexOfAnyExcept((byte)'x'));
        Assert.True(snapshot.Undo());
        Assert.True(snapshot.Undo());
        Assert.False(snapshot.IsModified);
    }
}

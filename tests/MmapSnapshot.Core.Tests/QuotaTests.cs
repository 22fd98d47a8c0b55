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
    public void A_fill_over_quota_is_NoSpace_and_takes_back_what_it_has_written()
    {
        const int Length = 32 << 20;
        string path = Path.Join(_limited, "file");
        File.WriteAllText(path, "Hello world!");
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(Length);
        using var view = snapshot.GetView(0, Length);

        var error = Expect.Error(SnapshotError.NoSpace, () => snapshot.Fill(0, Length, (byte)'x'));

        // Over its quota, btrfs does not even let go of blocks: the way back is a clone from before, under the views too.
        Assert.Contains("EDQUOT", error.Message, StringComparison.Ordinal);
        Assert.Contains("Nothing was changed", error.Message, StringComparison.Ordinal);
        Assert.Equal("Hello world!"u8, snapshot.Read(0, 12));
        Assert.Equal(-1, snapshot.Read(12, Length - 12).AsSpan().IndexOfAnyExcept((byte)0));
        Assert.Equal("Hello world!"u8, view.Span[..12]);
        Assert.Equal(-1, view.Span[12..].IndexOfAnyExcept((byte)0));
        Assert.Equal("Hello world!", File.ReadAllText(path));
    }
}

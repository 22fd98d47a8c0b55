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
    public void A_fill_over_quota_is_NoSpace_and_says_what_it_has_changed()
    {
        const int Length = 32 << 20;
        string path = Path.Join(_limited, "file");
        File.WriteAllText(path, "Hello world!");
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(Length);

        var error = Expect.Error(SnapshotError.NoSpace, () => snapshot.Fill(0, Length, (byte)'x'));

        // Over its quota, btrfs does not even let go of blocks: what was filled cannot be taken back.
        Assert.Contains("EDQUOT", error.Message, StringComparison.Ordinal);
        byte[] now = snapshot.Read(0, Length);
        int changed = now.AsSpan().IndexOfAnyExcept((byte)'x');
        Assert.Contains($"{changed} bytes from offset 0 on were changed", error.Message, StringComparison.Ordinal);
        Assert.Equal(-1, now.AsSpan(changed).IndexOfAnyExcept((byte)0));
        Assert.Equal("Hello world!", File.ReadAllText(path));
    }
}

namespace MmapSnapshot.Tests.Support;

/// <summary>The real filesystems that tests/filesystems/rig.sh has mounted below $MMAPSNAPSHOT_RIG.</summary>
internal static class FileSystems
{
    public const string Xfs = "xfs", Btrfs = "btrfs", Ext4 = "ext4", Tmpfs = "tmpfs", OverlayExt4 = "overlay-ext4", OverlayXfs = "overlay-xfs";

    /// <summary>XFS with the exchange-range feature.</summary>
    public const string XfsExchange = "xfs-exchange";

    /// <summary>Those on which a snapshot is a clone.</summary>
    public static readonly string[] WithReflink = [Xfs, XfsExchange, Btrfs, OverlayXfs];

    /// <summary>Those on which it is a copy.</summary>
    public static readonly string[] WithoutReflink = [Ext4, Tmpfs, OverlayExt4];

    private static readonly string? _rig = Environment.GetEnvironmentVariable("MMAPSNAPSHOT_RIG");

    public static string[] Names => [.. WithReflink, .. WithoutReflink];

    public static TheoryData<string> All => new(Names);

    /// <summary>Those on which a commit replaces the file unless told otherwise.</summary>
    public static TheoryData<string> Replacing => new(((string[])[.. WithReflink, .. WithoutReflink]).Where(name => name != XfsExchange).ToArray());

    public static TheoryData<string> Reflinking => new(WithReflink);

    public static TheoryData<string> Copying => new(WithoutReflink);

    /// <summary>Those whose files may be longer than the address space.</summary>
    public static TheoryData<string> Vast => new(Xfs, Btrfs, Tmpfs, OverlayXfs);

    /// <summary>The mount point; the test is skipped, and says why, where there is none.</summary>
    public static string Require(string name)
    {
        string mount = Path.Join(_rig ?? "/nowhere", name);
        Assert.SkipUnless(_rig is not null && Directory.Exists(mount), $"{name} is not mounted");
        return mount;
    }
}

using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;

namespace MmapSnapshot.Source;

/// <summary>
/// What the engine knows about a filesystem, by the type of the mount that a file was opened through. The magic number of
/// man 2 statfs does not do: 9p on Linux 6.1 hands out that of the server's filesystem.
/// </summary>
/// <param name="Type">Its type as in /proc/self/mountinfo; null where that is not shown to this process.</param>
/// <param name="IsLocal">
/// Whether this kernel sees every writer of a file, as only then a lease keeps them all out. A network or cluster filesystem has
/// writers elsewhere, a FUSE server can do as it likes, and an unknown type counts as not local.
/// </param>
/// <param name="HasMultigrainTimestamps">Whether a timestamp that was read is never given to a later change.</param>
/// <param name="HidesMappedStores">Whether a store through a mapping may leave the timestamps as they are.</param>
/// <param name="IsGenerated">Whether the kernel makes the bytes of a file up when it is read: two readings may differ, and nothing is stored.</param>
internal sealed record FileSystem(string? Type, bool IsLocal, bool HasMultigrainTimestamps, bool HidesMappedStores, bool IsGenerated)
{
    internal const string Xfs = "xfs", Btrfs = "btrfs", Ext2 = "ext2", Ext3 = "ext3", Ext4 = "ext4", Tmpfs = "tmpfs", Overlay = "overlay";

    /// <summary>Filesystems that are written once, as images.</summary>
    internal const string Erofs = "erofs", Squashfs = "squashfs";

    /// <summary>Why no lease is taken where <see cref="IsLocal"/> is false.</summary>
    internal const string NotLocalReason = "the filesystem may have writers on other machines, or its type is unknown";

    private static readonly string[] _local = [Ext4, Xfs, Btrfs, Tmpfs, Ext3, Ext2, "f2fs"];

    private static readonly string[] _generated =
        ["proc", "sysfs", "cgroup", "cgroup2", "cpuset", "debugfs", "tracefs", "securityfs", "selinuxfs", "configfs", "binfmt_misc", "fusectl", "bpf", "efivarfs"];

    /// <summary>Since Linux 6.13. (The ext4 driver has them for ext4 only, not for the types ext2 and ext3, which it serves too.)</summary>
    private static readonly string[] _multigrain = Environment.OSVersion.Version >= new Version(6, 13) ? [Xfs, Btrfs, Ext4, Tmpfs] : [];

    /// <summary>Those options of overlayfs that name a layer.</summary>
    private static readonly string[] _layerOptions = ["lowerdir=", "lowerdir+=", "datadir+=", "upperdir="];

    private static readonly FileSystem _unknown = OfType(null);

    /// <summary>The filesystem that a file was opened on. O(1) while nothing is mounted or unmounted.</summary>
    internal static FileSystem Of(SafeFileHandle file) => Mount.Of(file)?.FileSystem ?? _unknown;

    /// <summary>See <see cref="Mount.FileSystem"/>.</summary>
    internal static FileSystem OfMount(Mount mount) => mount.Type == Overlay ? OfLayers(Layers(mount.Options)) : OfType(mount.Type);

    /// <summary>A filesystem of a type that does not lie on others.</summary>
    internal static FileSystem OfType(string? type) =>
        new(type, _local.Contains(type), _multigrain.Contains(type), HidesMappedStores: type == Tmpfs, _generated.Contains(type));

    /// <summary>
    /// An overlay: local if all its layers are, with the timestamps of its layers. In a container no layer can be found; but there
    /// all lie beside the upper one, and that cannot be on a network filesystem.
    /// </summary>
    /// <param name="layers">The filesystems of its layers; null for a layer that cannot be found.</param>
    internal static FileSystem OfLayers(IReadOnlyList<FileSystem?> layers) => new(
        Overlay,
        layers.All(layer => layer is null or { IsLocal: true }),
        layers.All(layer => layer is { HasMultigrainTimestamps: true }),
        layers.Any(layer => layer is null or { HidesMappedStores: true }),
        IsGenerated: false);

    private static List<FileSystem?> Layers(string options)
    {
        var layers = new List<FileSystem?>();
        foreach (string option in options.Split(','))
        {
            if (_layerOptions.FirstOrDefault(name => option.StartsWith(name, StringComparison.Ordinal)) is not { } name) continue;
            foreach (string path in option[name.Length..].Split(':', StringSplitOptions.RemoveEmptyEntries)) layers.Add(OfLayer(path));
        }
        return layers;
    }

    /// <summary>The filesystem of one layer; null where its path, which is the mounting process's, leads nowhere here.</summary>
    private static FileSystem? OfLayer(string path)
    {
        if (path[0] != '/' || Kernel.OpenAt(null, path, OpenMode.PathOnly, out var directory) != 0) return null;
        using (directory) return Of(directory);
    }
}

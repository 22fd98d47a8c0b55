using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;

namespace MmapSnapshot.Source;

/// <summary>
/// Tells whether this kernel sees every writer of a file, as only then a lease keeps them all out: a network or cluster
/// filesystem has others, and in FUSE the server can do as it likes.
/// </summary>
internal static class LocalFileSystem
{
    /// <summary>What it means when it is not so, in words.</summary>
    internal const string WhyNot = "the filesystem may have writers on other machines, or does not tell";

    private static readonly long[] _local = [FileSystemType.Ext, FileSystemType.F2fs, FileSystemType.Tmpfs, FileSystemType.Xfs, FileSystemType.Btrfs];

    /// <summary>Those of overlayfs that name a layer. A colon that belongs to a path is escaped.</summary>
    private static readonly string[] _layers = ["lowerdir=", "lowerdir+=", "datadir+=", "upperdir="];

    internal static bool Holds(SafeFileHandle file) => Holds(file, Kernel.FileSystemType(file));

    /// <param name="file">The file.</param>
    /// <param name="type">The type of filesystem it lies on.</param>
    internal static bool Holds(SafeFileHandle file, long type) =>
        _local.Contains(type) || (type == FileSystemType.Overlay && LayersAreLocal(file));

    /// <summary>
    /// Whether each layer that can be found is local. In a container none can be; but there all layers lie beside the upper one,
    /// and that cannot be on a network filesystem.
    /// </summary>
    private static bool LayersAreLocal(SafeFileHandle file)
    {
        if (Mount.Of(file) is not { FileSystem: "overlay" } mount) return false;
        foreach (string option in mount.Options.Split(','))
        {
            if (_layers.FirstOrDefault(name => option.StartsWith(name, StringComparison.Ordinal)) is not { } layer) continue;
            foreach (string path in option[layer.Length..].Split(':', StringSplitOptions.RemoveEmptyEntries))
            {
                if (Kernel.OpenAt(null, path, OpenMode.PathOnly, out var folder) != 0) continue;
                using (folder)
                {
                    if (!Holds(folder)) return false;
                }
            }
        }
        return true;
    }
}

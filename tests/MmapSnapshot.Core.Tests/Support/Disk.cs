using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace MmapSnapshot.Tests.Support;

/// <summary>A filesystem of its own in an image, whose power can be cut.</summary>
internal sealed unsafe partial class Disk : IDisposable
{
    /// <summary>XFS_IOC_GOINGDOWN and EXT4_IOC_SHUTDOWN: the filesystem is dead from now on.</summary>
    private const uint Shutdown = 0x8004587D;

    /// <summary>Not even the log gets written: what was not on the disk is lost.</summary>
    private const uint WithoutLog = 2;

    /// <summary>mkfs.xfs has an option for exchange-range since xfsprogs 6.10; before that the feature bit is set by hand.</summary>
    private const string Make =
        """
        case $2 in
            xfs-exchange)
                mkfs.xfs -q -i exchange=1 "$1" 2>/dev/null || {
                    mkfs.xfs -q -f -m reflink=1 "$1"
                    features=$(xfs_db -r -c 'sb 0' -c 'print features_incompat' "$1" | sed 's/.*= //')
                    xfs_db -x -c 'sb 0' -c "write -d features_incompat $(printf '0x%x' $((features | 0x40)))" "$1" >/dev/null
                }
                ;;
            *) mkfs."$2" -q "$1" ;;
        esac
        """;

    private readonly string _image;

    private Mounts _mount;

    public Disk(Workspace workspace, string type)
    {
        Tools.Require($"mkfs.{type.Split('-')[0]}");
        _image = workspace.WriteSparse("image", 320 << 20);
        Folder = workspace.MakeFolder("disk");
        Shell.Run(Make, _image, type);
        _mount = Mounts.Image(_image, Folder);
    }

    public string Folder { get; }

    /// <summary>Loses all that is not on the disk, and comes up again.</summary>
    public void CutPower()
    {
        using (SafeFileHandle folder = new(Mono.Unix.Native.Syscall.open(Folder, Mono.Unix.Native.OpenFlags.O_RDONLY), ownsHandle: true))
        {
            uint how = WithoutLog;
            Assert.True(Ioctl(folder, Shutdown, &how) == 0, $"shutdown: errno {Marshal.GetLastPInvokeError()}");
        }
        _mount.Dispose();
        _mount = Mounts.Image(_image, Folder);
    }

    public void Dispose() => _mount.Dispose();

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(SafeFileHandle file, nuint request, void* argument);
}

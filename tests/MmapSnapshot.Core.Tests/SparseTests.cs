using System.Globalization;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Files that are far larger than what they hold, and offsets that no 32 bits hold.</summary>
public sealed class SparseTests
{
    private const long Tebibyte = 1L << 40;

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_sparse_tebibyte_is_patched_and_stays_sparse(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("file");
        Shell.Run("truncate -s 1T \"$1\"; head -c 1M /dev/urandom | dd of=\"$1\" bs=1M seek=500000 conv=notrunc status=none", path);
        using (var snapshot = Snapshot.Open(path))
        {
            Assert.Equal(Tebibyte, snapshot.Length);
            snapshot.Write(Tebibyte - 5, "tail!"u8);
            snapshot.Commit(); // keeps it open: a second copy or clone
            snapshot.Write(5L << 32, "middle"u8);
            snapshot.Commit(new CommitOptions { Close = true });
        }
        Assert.Equal("1099511627776 tail! middle", Shell.Run(
            "stat -c %s \"$1\" | tr '\\n' ' '; tail -c 5 \"$1\"; printf ' '; dd if=\"$1\" bs=1 skip=$((5 << 32)) count=6 status=none", path));
        long allocated = long.Parse(Shell.Run("stat -c %b \"$1\"", path), CultureInfo.InvariantCulture) * 512;
        Assert.InRange(allocated, 1 << 20, 4 << 20);
    }
}

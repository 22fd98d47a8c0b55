using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>What the other tests rely on.</summary>
public sealed class SupportTests
{
    [Fact]
    public void Leases_on_a_file_with_the_same_inode_number_on_another_filesystem_are_not_counted()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        string first = workspace.MakeFolder("first"), second = workspace.MakeFolder("second");
        using var firstMount = Mounts.Of("tmpfs", first);
        using var secondMount = Mounts.Of("tmpfs", second);
        string leased = Path.Join(first, "file"), other = Path.Join(second, "file");
        File.WriteAllText(leased, "leased");
        File.WriteAllText(other, "other");
        bool isSame = FileStat.InodeOf(leased) == FileStat.InodeOf(other);
        Assert.SkipUnless(isSame, "this kernel numbers the inodes of all tmpfs mounts together");

        using var lease = CompetingLease.ToRead(leased);

        Assert.Equal(1, Leases.On(leased));
        Assert.Equal(0, Leases.On(other));
    }

    [Fact]
    public void A_missing_program_skips_the_test_and_names_its_package()
    {
        string message = "";
        try
        {
            Shell.Run("PATH=/nowhere; setfacl -m u:1:r \"$1\"", "/nowhere/file");
        }
        catch (Exception skipped) // Assert.Throws would let a skip pass
        {
            message = skipped.Message;
        }

        Assert.Contains("needs setfacl (package acl)", message, StringComparison.Ordinal);
    }
}

using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>
/// Saving in a user namespace (man 7 user_namespaces): users without a mapping all show as one, whom a file must not be given to.
/// </summary>
public sealed class UserNamespaceTests
{
    /// <summary>The namespace, and whose the file is in the first one.</summary>
    public static TheoryData<string, string> Unmapped => new()
    {
        { UserNamespace.RootOnly, "1000:0" },
        { UserNamespace.RootOnly, "0:1000" },
        { UserNamespace.Unmapped, "1000:1000" }, // the saver shows as the same user as the owner
        { UserNamespace.Unmapped, "0:1000" },
        { UserNamespace.RootlessContainer, "1000:0" }, // as user 65534, who is mapped
    };

    public static TheoryData<string, string> Mapped => new()
    {
        { UserNamespace.RootOnly, "0:0" },
        { UserNamespace.Container, "65534:65534" },
        { UserNamespace.Container, "1000:1000" },
        { UserNamespace.RootlessContainer, "165533:0" }, // user 65534 there
    };

    [Theory]
    [MemberData(nameof(Unmapped))]
    public void Owner_without_a_mapping_cannot_be_preserved(string launcher, string owner)
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old text");
        Shell.Run("chown \"$2\" \"$1\"; chmod 666 \"$1\"", path, owner);
        using (var holder = new SnapshotHolder(path, SnapshotBacking.Copy, launcher))
        {
            Assert.Equal("Copy", holder.Opened);
            Assert.Equal("done", holder.Ask("write"));
            Assert.Equal(nameof(SnapshotError.OwnerNotPreservable), holder.Ask("save"));
        }
        Assert.Equal("old text", File.ReadAllText(path));
        Assert.Equal(owner, Shell.Run("stat -c %u:%g \"$1\"", path));
        Assert.Equal(["file"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(Mapped))]
    public void Owner_with_a_mapping_is_preserved(string launcher, string owner)
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old text");
        Shell.Run("chown \"$2\" \"$1\"; chmod 666 \"$1\"", path, owner);
        using (var holder = new SnapshotHolder(path, SnapshotBacking.Copy, launcher))
        {
            holder.Ask("write");
            Assert.Equal("Replace", holder.Ask("save"));
        }
        Assert.Equal("wld text", File.ReadAllText(path));
        Assert.Equal(owner, Shell.Run("stat -c %u:%g \"$1\"", path));
    }
}

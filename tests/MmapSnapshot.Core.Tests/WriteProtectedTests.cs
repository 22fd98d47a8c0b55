using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Files that the user who saves may not write to, although they could be replaced.</summary>
public sealed class WriteProtectedTests
{
    public static MatrixTheoryData<string, CommitMethod> Methods => new(
        FileSystems.Names, [CommitMethod.Auto, CommitMethod.Replace, CommitMethod.InPlace]);

    [Theory]
    [MemberData(nameof(Methods))]
    public void Write_protected_file_is_denied_to_its_owner_without_Force(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = WriteProtected(workspace);
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            var denied = Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit(new CommitOptions { Method = method }));
            var overwrite = method == CommitMethod.InPlace ? SnapshotRemedy.OverwriteByReplacing : SnapshotRemedy.Overwrite;
            Assert.Equal([overwrite, SnapshotRemedy.SaveElsewhere], denied.Remedies);
            Assert.Equal("golden", File.ReadAllText(path));
            Assert.True(snapshot.IsModified);
            if (method == CommitMethod.InPlace) return; // with -Force too: it may not be written to
            Assert.Null(snapshot.Commit(new CommitOptions { Method = method, Force = true }).Override);
        });
        if (method == CommitMethod.InPlace) return;
        Assert.Equal("newden", File.ReadAllText(path));
        Assert.Equal("444", FileStat.Of(path).Permissions);
        Assert.Equal((uint)UnprivilegedUser.Id, FileStat.Of(path).User);
        Assert.Equal(["file"], workspace.Names());
    }

    [Fact]
    public void Write_protected_file_is_denied_where_contents_are_exchanged()
    {
        using var workspace = Workspace.On(FileSystems.XfsExchange);
        string path = WriteProtected(workspace);
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit(new CommitOptions { Method = CommitMethod.Exchange }));
        });
    }

    [Fact]
    public void Force_in_place_on_a_write_protected_file_is_denied_and_names_a_way_that_works()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = WriteProtected(workspace);
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "new"u8);
            var options = new CommitOptions { Method = CommitMethod.InPlace, Force = true };
            var denied = Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit(options));
            Assert.Equal([SnapshotRemedy.UseReplace, SnapshotRemedy.SaveElsewhere], denied.Remedies);
            snapshot.Commit(new CommitOptions { Method = CommitMethod.Replace, Force = true });
        });
        Assert.Equal("newden", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Root_is_not_asked_for_write_permission(string fileSystem)
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(fileSystem);
        string path = WriteProtected(workspace);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        snapshot.Commit();
        Assert.Equal("newden", File.ReadAllText(path));
    }

    /// <summary>The mode alone does not decide: another user's file that an ACL lets this user write to, or keeps from them.</summary>
    [Theory]
    [InlineData(FileSystems.Ext4)]
    [InlineData(FileSystems.Tmpfs)]
    public void ACL_counts(string fileSystem)
    {
        Tools.Require("setfacl");
        using var workspace = Workspace.On(fileSystem);
        string open = workspace.Write("open", "golden"), closed = workspace.Write("closed", "golden");
        FileStat.Chown(open, UnprivilegedUser.Id, UnprivilegedUser.Id); // so that it can be replaced
        FileStat.Chown(closed, 1000, UnprivilegedUser.Id);
        Shell.Run("chmod 644 \"$1\"; chmod 666 \"$2\"; setfacl -m \"u:$3:r\" \"$2\"", open, closed, $"{UnprivilegedUser.Id}");
        UnprivilegedUser.Run(() =>
        {
            using (var snapshot = Snapshot.Open(open))
            {
                snapshot.Write(0, "new"u8);
                snapshot.Commit();
            }
            using (var snapshot = Snapshot.Open(closed))
            {
                snapshot.Write(0, "new"u8);
                Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit());
            }
        });
        Assert.Equal("golden", File.ReadAllText(closed));
    }

    [Fact]
    public void Lease_of_another_process_is_not_broken_by_asking()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = WriteProtected(workspace);
        using var holder = new SnapshotHolder(path, SnapshotBacking.Lease);
        Assert.Equal("Lease", holder.Opened);
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path, new SnapshotOptions { Backing = SnapshotBacking.Copy });
            snapshot.Write(0, "new"u8);
            Expect.Error(SnapshotError.AccessDenied, () => snapshot.Commit());
        });
        Assert.Equal("Lease", holder.Ask("backing"));
    }

    private static string WriteProtected(Workspace workspace)
    {
        string path = workspace.Write("file", "golden");
        FileStat.Chown(path, UnprivilegedUser.Id, UnprivilegedUser.Id);
        FileStat.Chmod(path, "444");
        return path;
    }
}

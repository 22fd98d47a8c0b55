using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>The remedies of a refused save work there.</summary>
public sealed class RemedyTests
{
    private static readonly SnapshotRemedy[] _elsewhere = [SnapshotRemedy.SaveElsewhere];

    [Fact]
    public void In_a_directory_without_write_permission_a_writable_file_can_be_saved_in_place()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old");
        FileStat.Chmod(path, "666");
        FileStat.Chmod(workspace.Folder, "755");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Changed(path);
            SnapshotRemedy[] remedies = [SnapshotRemedy.UseInPlaceWithoutJournal, SnapshotRemedy.SaveElsewhere];
            AssertRemedies(SnapshotError.AccessDenied, remedies, snapshot, new CommitOptions());
            snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace, NoJournal = true });
        });
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Fact]
    public void In_a_directory_that_has_lost_its_write_permission_a_new_file_can_be_saved_elsewhere()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string folder = workspace.MakeFolder("folder");
        FileStat.Chmod(folder, "777");
        Snapshot? snapshot = null;
        UnprivilegedUser.Run(() => snapshot = Snapshot.Create(Path.Join(folder, "new"), 3));
        FileStat.Chmod(folder, "755");
        UnprivilegedUser.Run(() =>
        {
            using (snapshot)
            {
                AssertRemedies(SnapshotError.AccessDenied, _elsewhere, snapshot!, new CommitOptions());
                snapshot!.Commit(new CommitOptions { Destination = workspace.PathOf("other") });
            }
        });
    }

    [Fact]
    public void Destination_in_a_directory_without_write_permission_is_refused_before_data_is_copied()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string folder = workspace.MakeFolder("folder");
        UnprivilegedUser.Run(() =>
        {
            using var changed = Changed(workspace.Write("file", "old"));
            var reports = new List<SnapshotProgress>();
            var listener = new ProgressRecorder(reports.Add);
            var refused = new CommitOptions { Destination = Path.Join(folder, "other"), Progress = listener };
            AssertRemedies(SnapshotError.AccessDenied, _elsewhere, changed, refused);
            Assert.Empty(reports);
            changed.Commit(new CommitOptions { Destination = workspace.PathOf("other"), Progress = listener });
            Assert.NotEmpty(reports);
        });
    }

    [Fact]
    public void In_a_directory_without_write_permission_a_file_without_it_can_be_saved_elsewhere()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string folder = workspace.MakeFolder("folder");
        workspace.Write("folder/file", "old");
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Changed(Path.Join(folder, "file"));
            AssertRemedies(SnapshotError.AccessDenied, _elsewhere, snapshot, new CommitOptions());
            AssertRemedies(SnapshotError.AccessDenied, _elsewhere, snapshot, new CommitOptions { Force = true });
            AssertRemedies(SnapshotError.AccessDenied, _elsewhere, snapshot, new CommitOptions { Method = CommitMethod.InPlace });
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void In_a_deleted_directory_nothing_can_be_saved_with_Force_either(bool isNew)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string folder = workspace.MakeFolder("folder"), path = Path.Join(folder, "file");
        if (!isNew) File.WriteAllText(path, "old");
        using var snapshot = isNew ? Snapshot.Create(path, 3) : Changed(path);
        Directory.Delete(folder, recursive: true);
        AssertRemedies(SnapshotError.SnapshotConflict, _elsewhere, snapshot, new CommitOptions());
        AssertRemedies(SnapshotError.FileNotFound, _elsewhere, snapshot, new CommitOptions { Force = true });
        snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("other") });
    }

    [Fact]
    public void On_a_read_only_filesystem_nothing_can_be_saved_in_place_either()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string folder = workspace.MakeFolder("folder");
        workspace.Write("folder/file", "old");
        using (Mounts.ReadOnly(folder))
        {
            using var snapshot = Changed(Path.Join(folder, "file"));
            foreach (var method in (CommitMethod[])[CommitMethod.Auto, CommitMethod.InPlace])
                AssertRemedies(SnapshotError.AccessDenied, _elsewhere, snapshot, new CommitOptions { Method = method });
            snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("other") });
        }
    }

    [Theory]
    [InlineData("666", SnapshotRemedy.UseInPlace, SnapshotRemedy.SaveElsewhere)]
    [InlineData("644", SnapshotRemedy.SaveElsewhere)]
    public void File_of_another_owner_can_be_saved_in_place_only_if_it_can_be_written_to(string mode, params SnapshotRemedy[] remedies)
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old");
        FileStat.Chmod(path, mode);
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Changed(path);
            AssertRemedies(SnapshotError.OwnerNotPreservable, remedies, snapshot, new CommitOptions { Force = true });
            using var other = Changed(workspace.Write("other", "old"));
            AssertRemedies(SnapshotError.OwnerNotPreservable, _elsewhere, other, new CommitOptions { Destination = path, Force = true });
        });
    }

    private static Snapshot Changed(string path)
    {
        var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        return snapshot;
    }

    private static void AssertRemedies(
        SnapshotError error, SnapshotRemedy[] remedies, Snapshot snapshot, CommitOptions options)
    {
        Assert.Equal(remedies, Expect.Error(error, () => snapshot.Commit(options)).Remedies);
    }
}

using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>
/// A full disk is an error with an id, never a signal that kills the process; and what could not be written is as it was.
/// </summary>
public sealed class NoSpaceTests
{
    /// <summary>More than what the ballast leaves free.</summary>
    private const int Much = 24 << 20;

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Write_on_a_full_disk_stays_in_memory_until_there_is_room(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.WriteSparse("file", Much, 4096, Bytes.Of('o', 4096));
        using var snapshot = Snapshot.Open(path);
        byte[] old = File.ReadAllBytes(path), bytes = Bytes.Random(Much);
        using (DiskFiller.Fill(workspace))
        {
            snapshot.Write(0, bytes);
            Assert.True(bytes.AsSpan().SequenceEqual(Bytes.In(snapshot)), "other bytes than those written");
            var full = Expect.Error(SnapshotError.NoSpace, () => snapshot.Commit());
            if (fileSystem is FileSystems.Ext4 or FileSystems.Tmpfs)
                Assert.Equal([SnapshotRemedy.UseInPlace, SnapshotRemedy.SaveElsewhere], full.Remedies);
            Assert.True(old.AsSpan().SequenceEqual(File.ReadAllBytes(path)), "the file was changed");
            Assert.True(bytes.AsSpan().SequenceEqual(Bytes.In(snapshot)), "the save has changed the snapshot");
        }
        snapshot.Commit();
        Assert.True(bytes.AsSpan().SequenceEqual(File.ReadAllBytes(path)), "other bytes were saved");
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Changes_and_undo_need_no_room(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(Much);
        using var snapshot = Snapshot.Open(workspace.Write("file", bytes));
        using var stream = snapshot.AsStream();
        using (DiskFiller.Fill(workspace))
        {
            snapshot.Fill(0, Much, (byte)'n');
            snapshot.Resize(0);
            snapshot.Resize(1L << 40);
            stream.Position = 3;
            stream.Write("stream"u8);
            snapshot.Apply([SnapshotEdit.Write(0, "x"u8.ToArray()), SnapshotEdit.Fill(1, Much - 1, 1)], length: Much + 100);
            snapshot.Revert(0, 100);
            for (int change = 0; change < 6; change++) Assert.True(snapshot.Undo());
            Assert.False(snapshot.Undo());
            Assert.False(snapshot.IsModified);
            Assert.True(bytes.AsSpan().SequenceEqual(Bytes.In(snapshot)), "not all was taken back");
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_copy_that_does_not_fit_is_not_opened_and_nothing_stays(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var source = Workspace.On(fileSystem is FileSystems.Xfs or FileSystems.OverlayXfs ? FileSystems.Btrfs : FileSystems.Xfs);
        string path = source.Write("file", Bytes.Of('o', Much));
        var options = new SnapshotOptions { ScratchPath = workspace.Folder };
        using (DiskFiller.Fill(workspace))
        {
            Expect.Error(SnapshotError.NoSpace, () => Snapshot.Open(path, options));
            Assert.Empty(Descriptors.Nameless(workspace.Folder));
            Assert.Empty(Descriptors.In(source.Folder));
            Assert.Equal([DiskFiller.Name], workspace.Names());
        }
        using var snapshot = Snapshot.Open(path, options);
        Assert.Equal(Much, snapshot.Length);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_commit_on_a_full_disk_replaces_the_file_or_leaves_it(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var scratch = Workspace.On(fileSystem == FileSystems.Ext4 ? FileSystems.Xfs : FileSystems.Ext4);
        byte[] old = Bytes.Of('o', Much), bytes = Bytes.Of('n', Much);
        string path = workspace.Write("file", old);
        bool elsewhere = fileSystem is not FileSystems.OverlayExt4; // that one lies on the same ext4, which is full
        using var snapshot = Snapshot.Open(path, elsewhere ? new SnapshotOptions { ScratchPath = scratch.Folder } : new SnapshotOptions { MaxWriterDelay = TimeSpan.Zero });
        snapshot.Write(0, bytes);
        using (DiskFiller.Fill(workspace))
        {
            var before = FileStat.Of(path);
            Expect.Error(SnapshotError.NoSpace, () => snapshot.Commit());
            Assert.Equal(before, FileStat.Of(path));
            Assert.Equal(old, File.ReadAllBytes(path));
            Assert.Equal([DiskFiller.Name, "file"], workspace.Names());
            Assert.True(snapshot.IsModified);
        }
        Assert.Null(snapshot.Commit().Override);
        Assert.Equal(bytes, File.ReadAllBytes(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_clone_or_a_private_file_on_a_full_disk_is_committed_or_leaves_the_file(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] old = Bytes.Of('o', Much);
        string path = workspace.Write("file", old);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "n"u8);
        using (DiskFiller.Fill(workspace))
        {
            bool committed = false;
            try
            {
                snapshot.Commit(new CommitOptions { Close = true }); // takes hardly any space: it may well succeed
                committed = true;
            }
            catch (SnapshotException full)
            {
                Assert.Equal(SnapshotError.NoSpace, full.Error);
            }
            if (committed) old[0] = (byte)'n';
            Assert.Equal(old, File.ReadAllBytes(path));
            Assert.Equal([DiskFiller.Name, "file"], workspace.Names());
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.Copying), MemberType = typeof(FileSystems))]
    public void A_commit_in_place_that_does_not_fit_says_so_and_the_snapshot_has_all_its_bytes(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.WriteSparse("file", Much);
        using var snapshot = Snapshot.Open(path);
        byte[] bytes = Bytes.Of('n', Much);
        snapshot.Write(0, bytes);
        using (DiskFiller.Fill(workspace))
        {
            Expect.Error(SnapshotError.NoSpace, () => snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace }));
            Assert.True(snapshot.IsModified);
            Assert.Equal(bytes, Bytes.In(snapshot));
        }
        snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace, Force = true });
        Assert.Equal(bytes, File.ReadAllBytes(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_destination_that_does_not_fit_does_not_appear(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var source = Workspace.On(fileSystem is FileSystems.Xfs or FileSystems.OverlayXfs ? FileSystems.Btrfs : FileSystems.Xfs);
        using var snapshot = Snapshot.Open(source.Write("file", Bytes.Of('o', Much)));
        string other = workspace.PathOf("other");
        using (DiskFiller.Fill(workspace))
        {
            Expect.Error(SnapshotError.NoSpace, () => snapshot.Commit(new CommitOptions { Destination = other }));
            Assert.Equal([DiskFiller.Name], workspace.Names());
        }
        snapshot.Commit(new CommitOptions { Destination = other });
        Assert.Equal(Much, new FileInfo(other).Length);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_view_of_a_hole_on_a_full_disk_is_zeros_or_an_error(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", Much));
        using (DiskFiller.Fill(workspace))
        {
            try
            {
                using var view = snapshot.GetView(0, Much);
                Assert.Equal(-1, view.Span.IndexOfAnyExcept((byte)0));
            }
            catch (SnapshotException full)
            {
                Assert.True(full.Error is SnapshotError.ReadFailed or SnapshotError.NoSpace, full.Message);
            }
        }
    }
}

using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>The file that a commit replaces, kept under another name.</summary>
public sealed class BackupTests
{
    /// <summary>So many bytes that no method takes them for a small file.</summary>
    private const int Size = 200_000;

    public static TheoryData<string, CommitMethod> Methods
    {
        get
        {
            var data = new TheoryData<string, CommitMethod>();
            foreach (string fileSystem in FileSystems.Names)
            {
                data.Add(fileSystem, CommitMethod.Auto);
                data.Add(fileSystem, CommitMethod.Replace);
                data.Add(fileSystem, CommitMethod.InPlace);
            }
            return data;
        }
    }

    private static readonly CommitMethod[] _methods = [CommitMethod.Auto, CommitMethod.Replace, CommitMethod.InPlace];

    /// <summary>One filesystem for each way: exchange, clone, link and copy.</summary>
    public static MatrixTheoryData<string, CommitMethod> Some =>
        new([FileSystems.XfsExchange, FileSystems.Xfs, FileSystems.Ext4], _methods);

    [Theory]
    [MemberData(nameof(Methods))]
    public void Backup_is_the_old_file_with_its_metadata(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] old = Bytes.Random(Size);
        string path = workspace.Write("file", old);
        Shell.Run("chmod 0640 \"$1\"; touch -m -d '2020-02-03 04:05:06.123456789' \"$1\"", path);
        if (Environment.IsPrivilegedProcess) Shell.Run("chown 1000:1001 \"$1\"; setfattr -n user.note -v kept \"$1\" || true", path);
        string facts = Facts(path);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(100_000, "new"u8);
        var result = snapshot.Commit(new CommitOptions { Method = method, Backup = "~" });

        Assert.Equal(path + "~", result.BackupPath);
        Assert.Equal(old, File.ReadAllBytes(path + "~"));
        Assert.Equal(facts, Facts(path + "~"));
        Assert.Equal(Bytes.In(snapshot), File.ReadAllBytes(path));
        Assert.Equal(["file", "file~"], workspace.Names());
        // It is a file of its own.
        Shell.Run("printf other >>\"$1\"", path + "~");
        Assert.Equal(Bytes.In(snapshot), File.ReadAllBytes(path));
        snapshot.Write(0, "again"u8);
        Assert.Equal(path + ".2", snapshot.Commit(new CommitOptions { Method = method, Backup = ".2" }).BackupPath);
    }

    [Theory]
    [MemberData(nameof(Some))]
    public void Existing_backup_is_not_overwritten_and_nothing_is_saved(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old"), backup = workspace.Write("file.bak", "mine");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        foreach (bool force in (bool[])[false, true])
        {
            var options = new CommitOptions { Method = method, Backup = ".bak", Force = force };
            var refused = Expect.Error(SnapshotError.DestinationExists, () => snapshot.Commit(options));
            Assert.Contains(backup, refused.Message, StringComparison.Ordinal);
        }
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal("mine", File.ReadAllText(backup));
        Assert.Equal(["file", "file.bak"], workspace.Names());
        Assert.Equal(backup + "2", snapshot.Commit(new CommitOptions { Method = method, Backup = ".bak2" }).BackupPath);
    }

    [Theory]
    [MemberData(nameof(Some))]
    public void With_Force_the_backup_is_what_was_overwritten(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "the old file");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "MY "u8);
        Shell.Run("printf 'of another program' >\"$1\"", path);
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Method = method, Backup = "~" }));
        Assert.Equal(["file"], workspace.Names());

        var result = snapshot.Commit(new CommitOptions { Method = method, Backup = "~", Force = true });
        Assert.NotNull(result.Override);
        Assert.Equal("of another program", File.ReadAllText(path + "~"));
        Assert.Equal("MY  old file", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(Some))]
    public void Path_in_another_directory_or_filesystem_is_a_copy(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        using var elsewhere = Workspace.On(FileSystems.Tmpfs);
        byte[] old = Bytes.Random(Size);
        string path = workspace.Write("file", old), directory = workspace.MakeFolder("kept");
        using var snapshot = Snapshot.Open(path);
        foreach (string backup in (string[])[elsewhere.PathOf("backup"), Path.Join(directory, "backup")])
        {
            snapshot.Write(5, [(byte)backup.Length]);
            byte[] before = File.ReadAllBytes(path);
            Assert.Equal(backup, snapshot.Commit(new CommitOptions { Method = method, Backup = backup }).BackupPath);
            Assert.Equal(before, File.ReadAllBytes(backup));
        }
        snapshot.Write(9, "x"u8);
        ExpectRefused(SnapshotError.FileNotFound, Path.Join(directory, "no", "backup"));
        ExpectRefused(SnapshotError.NotARegularFile, directory);
        ExpectRefused(SnapshotError.DestinationExists, path);
        Assert.True(snapshot.IsModified);

        void ExpectRefused(SnapshotError error, string backup) =>
            Expect.Error(error, () => snapshot.Commit(new CommitOptions { Method = method, Backup = backup }));
    }

    [Fact]
    public void File_with_further_names_is_copied_so_that_they_are_other_files()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "the old file"), other = workspace.PathOf("other");
        Shell.Run("ln \"$1\" \"$2\"", path, other);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "THE"u8);
        snapshot.Commit(new CommitOptions { Backup = "~", BreakHardLink = true });
        Shell.Run("printf new >\"$1\"", other);
        Assert.Equal("the old file", File.ReadAllText(path + "~"));
    }

    [Fact]
    public void Where_nothing_is_replaced_there_is_no_backup()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "text"), destination = workspace.PathOf("destination");
        using var snapshot = Snapshot.Open(path);
        Assert.Null(snapshot.Commit(new CommitOptions { Backup = "~" }).BackupPath); // nothing was changed
        snapshot.Write(0, "T"u8);
        Assert.Null(snapshot.Commit(new CommitOptions { Backup = "~", Destination = destination }).BackupPath);
        using var created = Snapshot.Create(workspace.PathOf("new"), 3);
        Assert.Null(created.Commit(new CommitOptions { Backup = "~" }).BackupPath);
        File.Delete(path);
        Assert.Null(snapshot.Commit(new CommitOptions { Backup = "~", Force = true }).BackupPath);
        Assert.Equal(["destination", "file", "new"], workspace.Names());
    }

    [Fact]
    public void Destination_that_is_overwritten_is_kept()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "text"), destination = workspace.Write("destination", "was here");
        using var snapshot = Snapshot.Open(path);
        var result = snapshot.Commit(new CommitOptions { Backup = ".orig", Destination = destination, Force = true });
        Assert.Equal(destination + ".orig", result.BackupPath);
        Assert.Equal("was here", File.ReadAllText(destination + ".orig"));
        Assert.Equal("text", File.ReadAllText(destination));
        using var created = Snapshot.Create(workspace.PathOf("new"), 3);
        Shell.Run("printf theirs >\"$1\"", workspace.PathOf("new"));
        Assert.Equal(workspace.PathOf("new~"), created.Commit(new CommitOptions { Backup = "~", Force = true }).BackupPath);
        Assert.Equal("theirs", File.ReadAllText(workspace.PathOf("new~")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\0b")]
    public void Suffix_that_is_no_name_is_refused(string suffix)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "text"));
        snapshot.Write(0, "T"u8);
        Expect.Error(SnapshotError.FileNotFound, () => snapshot.Commit(new CommitOptions { Backup = suffix }));
        Assert.Equal(["file"], workspace.Names());
    }

    [Fact]
    public void Name_that_is_too_long_fails_and_leaves_nothing()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var snapshot = Snapshot.Open(workspace.Write("file", "text"));
        snapshot.Write(0, "T"u8);
        Assert.ThrowsAny<SnapshotException>(() => snapshot.Commit(new CommitOptions { Backup = new string('x', 300) }));
        Assert.Equal(["file"], workspace.Names());
        snapshot.Commit();
    }

    [Fact]
    public void Failed_commit_leaves_no_backup()
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(FileSystems.Ext4);
        string directory = workspace.MakeFolder("sticky"), path = Path.Join(directory, "file");
        File.WriteAllText(path, "text");
        Shell.Run("chown 1234:1234 \"$1\" \"$2\"; chmod 1777 \"$1\"; chmod 0666 \"$2\"", directory, path);
        // Another user may write to the file, but not replace it, nor remove a second name of it.
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "T"u8);
            Assert.ThrowsAny<SnapshotException>(() => snapshot.Commit(new CommitOptions { Backup = "~", Method = CommitMethod.Replace }));
            Assert.Equal(["file"], Directory.EnumerateFileSystemEntries(directory).Select(Path.GetFileName));
            Assert.Equal(CommitMethod.InPlace, snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace }).Method);
        });
        Assert.Equal("Text", File.ReadAllText(path));
    }

    [Fact]
    public void Leased_file_in_many_extents_is_kept_too()
    {
        using var workspace = Workspace.On(FileSystems.XfsExchange);
        const int Extents = 700, Block = 4096;
        string path = workspace.WriteSparse("file", Extents * 2 * Block);
        using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write))
        {
            for (int i = 0; i < Extents; i++) RandomAccess.Write(file, Bytes.Random(Block, i), (long)i * 2 * Block);
            RandomAccess.FlushToDisk(file);
        }
        byte[] old = File.ReadAllBytes(path);
        using var snapshot = Snapshot.Open(path);
        Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
        snapshot.Write(17, "new"u8);
        Assert.Equal(path + "~", snapshot.Commit(new CommitOptions { Backup = "~" }).BackupPath);
        Assert.True(old.AsSpan().SequenceEqual(File.ReadAllBytes(path + "~")));
        Assert.True(Bytes.In(snapshot).AsSpan().SequenceEqual(File.ReadAllBytes(path)));
    }

    [Theory]
    [MemberData(nameof(Some))]
    public void Writer_at_any_moment_is_a_conflict_or_in_the_backup(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("file"), backup = path + "~";
        int saved = 0;
        for (int round = 0; round < 30; round++)
        {
            byte[] old = Bytes.Of('o', Size);
            workspace.Write("file", old);
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "N"u8);
            var writer = new Thread(() =>
            {
                Thread.Sleep(round % 10 * round);
                try
                {
                    using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
                    RandomAccess.Write(file, "F"u8, 50_000);
                }
                catch (IOException)
                {
                }
            });
            writer.Start();
            CommitResult? result = null;
            try
            {
                result = snapshot.Commit(new CommitOptions { Method = method, Backup = "~", Close = true });
            }
            catch (SnapshotException exception) when (exception.Error is SnapshotError.SnapshotConflict or SnapshotError.SnapshotLost)
            {
                // A conflict.
            }
            bool isKept = File.Exists(backup);
            writer.Join();
            Assert.Equal(result is not null, isKept);
            if (result is not null)
            {
                saved++;
                byte[] kept = File.ReadAllBytes(backup);
                // A writer that opened the file before it was replaced writes to the old one, which is the backup.
                if (result.Method == CommitMethod.Replace) kept[50_000] = (byte)'o';
                Assert.True(old.AsSpan().SequenceEqual(kept));
                File.Delete(backup);
            }
            File.Delete(path);
        }
        Assert.True(saved > 0);
    }

    private static string Facts(string path) => Shell.Run(
        "stat -c '%a %u:%g %Y %y %s' \"$1\"; getfattr -d --absolute-names \"$1\" | grep -v '^#' || true",
        path);
}

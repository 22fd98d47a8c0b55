using System.Text;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>The default commit: a new file takes over the name.</summary>
public sealed class ReplaceCommitTests
{
    public static MatrixTheoryData<string, string> LongNames => new(
        FileSystems.Names,
        [new string('n', 255), new string('é', 127) + "n", string.Concat(Enumerable.Repeat("😀", 63)) + "nnn"]);

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Commit_and_go_on_writing_and_commit_again(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "Hello world!");
        using var snapshot = Snapshot.Open(path);

        snapshot.Write(6, "sekai"u8);
        Assert.Equal("Hello world!", File.ReadAllText(path));
        var first = snapshot.Commit(new CommitOptions { Method = CommitMethod.Replace });
        Assert.Equal(CommitMethod.Replace, first.Method);
        Assert.Equal("Hello sekai!", File.ReadAllText(path));

        snapshot.Write(0, "J"u8);
        Assert.Equal("Hello sekai!", File.ReadAllText(path));
        snapshot.Commit();
        Assert.Equal("Jello sekai!", File.ReadAllText(path));
        Assert.Equal("Jello sekai!", Encoding.ASCII.GetString(snapshot.Read(0, snapshot.Length)));
        Assert.Equal(["file"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Commit_and_close(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(100_000);
        string path = workspace.Write("file", bytes);
        var snapshot = Snapshot.Open(path);
        snapshot.Write(50_000, "patch"u8);
        "patch"u8.CopyTo(bytes.AsSpan(50_000));
        snapshot.Commit(new CommitOptions { Close = true });
        Assert.True(snapshot.IsClosed);
        Assert.Equal(bytes, File.ReadAllBytes(path));
        Assert.Equal(["file"], workspace.Names());
        Assert.Empty(Descriptors.In(workspace.Folder));
        Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Replacing), MemberType = typeof(FileSystems))]
    public void The_result_tells_what_was_done(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "0123456789");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(2, "abc"u8);
        var result = snapshot.Commit();
        Assert.Equal(new CommitResult(path, CommitMethod.Replace, result.Reason, 10, 3, Flushed: true, result.Elapsed, Override: null), result);
        Assert.InRange(result.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(60));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Without_a_flush_the_result_says_so(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "0123456789");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(2, "abc"u8);
        Assert.False(snapshot.Commit(new CommitOptions { NoFlush = true }).Flushed);
        Assert.Equal("01abc56789", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Replacing), MemberType = typeof(FileSystems))]
    public void The_name_stands_for_a_new_inode_and_who_has_the_old_one_open_keeps_its_bytes(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        ulong inode = FileStat.InodeOf(path);
        using var reader = File.OpenRead(path);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        snapshot.Commit();
        Assert.NotEqual(inode, FileStat.InodeOf(path));
        Assert.Equal("old", new StreamReader(reader).ReadToEnd());
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_snapshot_without_changes_writes_nothing(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        var before = FileStat.Of(path);
        var written = File.GetLastWriteTimeUtc(path);
        using var snapshot = Snapshot.Open(path);
        Assert.Equal(CommitMethod.None, snapshot.Commit().Method);
        Assert.Equal(CommitMethod.None, snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace }).Method);
        Assert.Equal(CommitMethod.None, snapshot.Commit(new CommitOptions { Close = true }).Method);
        Assert.True(snapshot.IsClosed);
        Assert.Equal(before, FileStat.Of(path));
        Assert.Equal(written, File.GetLastWriteTimeUtc(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_symbolic_link_stays_and_its_target_is_replaced(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        workspace.MakeFolder("real");
        string path = workspace.Write("real/file", "old");
        string link = workspace.PathOf("link");
        File.CreateSymbolicLink(link, "real/file");
        using var snapshot = Snapshot.Open(link);
        snapshot.Write(0, "new"u8);
        Assert.Equal(path, snapshot.Commit().Path);
        Assert.Equal("real/file", new FileInfo(link).LinkTarget);
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void An_open_snapshot_is_private_again_after_the_commit(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "0123456789");
        using var snapshot = Snapshot.Open(path);
        using var view = snapshot.GetView(0, 10);
        snapshot.Write(0, "ab"u8);
        snapshot.Commit();
        File.WriteAllText(path, "from others");
        Assert.Equal("ab23456789"u8, Bytes.In(snapshot));
        Assert.True(view.Span.SequenceEqual("0123456789"u8));
        snapshot.Write(5, "cd"u8);
        Assert.Equal("from others", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(LongNames))]
    public void A_name_of_255_bytes_leaves_room_for_the_temporary_one(string fileSystem, string name)
    {
        Assert.Equal(255, Encoding.UTF8.GetByteCount(name));
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write(name, "old");
        Save(path);
        Assert.Equal("new", File.ReadAllText(path));
        Assert.Equal([name], workspace.Names());
    }

    [Theory]
    [InlineData("with\nnewline")]
    [InlineData(" ")]
    [InlineData("-rf")]
    [InlineData("it's \"quoted\" \\ and $HOME *?[x]")]
    [InlineData("name (deleted)")]
    [InlineData("Ωμέγα 😀")]
    public void Any_name_will_do(string name)
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write(name, "old");
        Save(path);
        Assert.Equal("new", File.ReadAllText(path));
        Assert.Equal([name], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_name_that_is_no_UTF8_is_saved_under_the_same_bytes(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var names = new NamesThatAreNoUtf8(workspace, @"odd\377\200name");
        Save(names.Link);
        Assert.Equal("new", File.ReadAllText(names.Link));
        Assert.Equal(@"link odd\377\200name", names.List());
    }

    [Fact]
    public void A_long_name_that_is_no_UTF8_leaves_room_for_the_temporary_one()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string name = string.Concat(Enumerable.Repeat(@"\377", 255));
        using var names = new NamesThatAreNoUtf8(workspace, name);
        Save(names.Link);
        Assert.Equal("new", File.ReadAllText(names.Link));
        Assert.Equal("link " + name, names.List());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_running_program_is_replaced_and_runs_on(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.PathOf("program");
        File.Copy("/bin/sleep", path);
        using var process = Shell.Start("exec \"$1\" 60", path);
        try
        {
            SpinWait.SpinUntil(() => new FileInfo($"/proc/{process.Id}/exe").LinkTarget == path, TimeSpan.FromSeconds(10));
            using var snapshot = Snapshot.Open(path);
            snapshot.Resize(snapshot.Length + 100); // the loader takes no notice of what comes behind a program
            snapshot.Commit();
            Assert.EndsWith(" (deleted)", new FileInfo($"/proc/{process.Id}/exe").LinkTarget, StringComparison.Ordinal);
            Assert.False(process.HasExited);
            Shell.Run("\"$1\" 0", path);
        }
        finally
        {
            process.Kill();
            process.WaitForExit();
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_commit_that_is_refused_leaves_the_file_and_no_name(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old");
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        File.WriteAllText(path, "theirs");
        var before = FileStat.Of(path);
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Close = true }));
        Assert.Equal(before, FileStat.Of(path));
        Assert.Equal("theirs", File.ReadAllText(path));
        Assert.Equal(["file"], workspace.Names());
        Assert.False(snapshot.IsClosed);
        Assert.True(snapshot.IsModified);
        Assert.Equal("new"u8, Bytes.In(snapshot));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_snapshot_that_lies_elsewhere_is_copied_back(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var scratch = Workspace.On(fileSystem == FileSystems.Ext4 ? FileSystems.Xfs : FileSystems.Ext4);
        byte[] bytes = Bytes.Random(100_000);
        string path = workspace.Write("file", bytes);
        foreach (bool close in (bool[])[false, true])
        {
            using var snapshot = Snapshot.Open(path, new SnapshotOptions { ScratchPath = scratch.Folder });
            snapshot.Write(5, [bytes[5] ^= 1]);
            snapshot.Commit(new CommitOptions { Close = close });
            Assert.Equal(bytes, File.ReadAllBytes(path));
        }
        Assert.Equal(["file"], workspace.Names());
        Assert.Empty(scratch.Names());
    }

    [Fact]
    public void A_snapshot_in_the_same_filesystem_under_another_mount_is_saved_when_it_is_closed()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var elsewhere = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old");
        // man 2 linkat: EXDEV also for two mounts of one filesystem.
        using var mount = Mounts.Bind(elsewhere.Folder, elsewhere.Folder);
        var snapshot = Snapshot.Open(path, new SnapshotOptions { ScratchPath = elsewhere.Folder });
        snapshot.Write(0, "new"u8);
        try
        {
            snapshot.Commit(new CommitOptions { Close = true });
        }
        finally
        {
            snapshot.Dispose();
        }
        Assert.Equal("new", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_cancelled_copy_leaves_the_file_and_no_name(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var scratch = Workspace.On(fileSystem == FileSystems.Ext4 ? FileSystems.Xfs : FileSystems.Ext4);
        byte[] bytes = Bytes.Random(12 << 20);
        string path = workspace.Write("file", bytes);
        var before = FileStat.Of(path);
        using var snapshot = Snapshot.Open(path, new SnapshotOptions { ScratchPath = scratch.Folder });
        snapshot.Write(0, "x"u8);
        using var cancellation = new CancellationTokenSource();
        var reports = new List<SnapshotProgress>();
        var options = new CommitOptions
        {
            Progress = new ProgressRecorder(report =>
            {
                reports.Add(report);
                if (report.BytesDone > 0) cancellation.Cancel();
            }),
        };
        Assert.ThrowsAny<OperationCanceledException>(() => snapshot.Commit(options, cancellation.Token));
        Assert.All(reports, report => Assert.Equal(12 << 20, report.BytesTotal));
        Assert.Equal(before, FileStat.Of(path));
        Assert.Equal(["file"], workspace.Names());
        snapshot.Commit();
        bytes[0] = (byte)'x';
        Assert.Equal(bytes, File.ReadAllBytes(path));
    }

    [Fact]
    public void A_view_that_is_taken_while_a_closing_commit_goes_on_does_not_make_a_failure_of_it()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var scratch = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", Bytes.Of('a', 8 << 20));
        using var snapshot = Snapshot.Open(path, new SnapshotOptions { ScratchPath = scratch.Folder });
        snapshot.Write(0, "b"u8);
        SnapshotView? view = null;
        var options = new CommitOptions
        {
            Close = true,
            Progress = new ProgressRecorder(_ =>
            {
                var taker = new Thread(() => view ??= snapshot.GetView(0, 1));
                taker.Start();
                taker.Join();
            }),
        };
        // Either way is sound, as long as the answer and the file agree.
        var refused = Record.Exception(() => snapshot.Commit(options));
        using (view) Assert.Equal(refused is null ? (byte)'b' : (byte)'a', File.ReadAllBytes(path)[0]);
    }

    private static void Save(string path)
    {
        using var snapshot = Snapshot.Open(path);
        snapshot.Resize(3);
        snapshot.Write(0, "ewn"u8);
        snapshot.Write(0, "new"u8);
        snapshot.Commit();
    }

    /// <summary>.NET cannot name such files: bash can, and a symbolic link leads to the first.</summary>
    private sealed class NamesThatAreNoUtf8 : IDisposable
    {
        private readonly Workspace _workspace;

        /// <param name="workspace">Where.</param>
        /// <param name="name">In the notation of C, bash and ls, as odd\377name.</param>
        public NamesThatAreNoUtf8(Workspace workspace, string name)
        {
            _workspace = workspace;
            Create(name);
            Shell.Run($"ln -s $'{name}' \"$1/link\"", workspace.Folder);
        }

        public string Link => _workspace.PathOf("link");

        public void Create(string name) => Shell.Run($"printf old > \"$1/\"$'{name}'", _workspace.Folder);

        /// <summary>All names in the folder, in the same notation.</summary>
        public string List() => Shell.Run("LC_ALL=C ls -A --quoting-style=escape \"$1\" | paste -sd ' '", _workspace.Folder);

        public void Dispose() => Shell.Run("rm -rf -- \"$1\"/* \"$1\"/.[!.]*", _workspace.Folder);
    }
}

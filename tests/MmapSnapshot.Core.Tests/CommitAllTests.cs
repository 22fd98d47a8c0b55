using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Several files saved as one: all or none.</summary>
public sealed class CommitAllTests
{
    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void All_files_get_their_bytes_and_keep_what_else_they_have(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string folder = workspace.MakeFolder("below");
        string[] paths = [workspace.Write("a", "old a"), workspace.Write("b", "old b"), Path.Join(folder, "c")];
        File.WriteAllText(paths[2], "old c");
        FileStat.Chmod(paths[0], "4750");
        FileStat.Chmod(paths[1], "400");
        string[] before = [.. paths.Select(Metadata.Of)];
        string made = Path.Join(folder, "d");
        Snapshot[] snapshots = [.. paths.Select(path => Snapshot.Open(path)), Snapshot.Create(made, 5, (UnixFileMode)0x1B0)];
        foreach (var snapshot in snapshots) snapshot.Write(0, "new"u8);

        var results = Snapshot.CommitAll(snapshots);
        Assert.Equal(snapshots.Select(snapshot => snapshot.Path), results.Select(result => result.Path));
        Assert.All(results, result => Assert.Equal((CommitMethod.Replace, true, true), (result.Method, result.Flushed,
            result.Recoverable)));
        Assert.Equal(["new a", "new b", "new c", "new\0\0"], snapshots.Select(snapshot => File.ReadAllText(snapshot.Path)));
        Assert.Equal(before, paths.Select(Metadata.Of));
        Assert.Equal("660", FileStat.Of(made).Permissions);
        Assert.All(snapshots, snapshot => Assert.False(snapshot.IsModified));
        AssertNames(workspace, ["a", "b", "below"]);

        Assert.All(Snapshot.CommitAll(snapshots), result => Assert.Equal(CommitMethod.None, result.Method));
        foreach (var snapshot in snapshots) snapshot.Write(1, "EW"u8);
        snapshots[0].Commit();
        _ = Snapshot.CommitAll(snapshots, new CommitOptions { Close = true });
        Assert.Equal(["nEW a", "nEW b", "nEW c", "nEW\0\0"], snapshots.Select(snapshot => File.ReadAllText(snapshot.Path)));
        Assert.All(snapshots, snapshot => Assert.True(snapshot.IsClosed));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Many_files_are_saved(string fileSystem)
    {
        const int Many = 300; // more than are flushed one by one, and than are open at a time
        using var workspace = Workspace.On(fileSystem);
        var snapshots = new List<Snapshot>();
        for (int i = 0; i < Many; i++)
        {
            snapshots.Add(Snapshot.Open(workspace.Write($"file{i}", $"old {i}")));
            snapshots[i].Write(0, "new"u8);
        }
        int descriptors = Descriptors.In(workspace.Folder).Length, most = 0;
        // Those of the group come in batches, at most; it holds none for a file that is not its turn.
        var options = new CommitOptions { Progress = new ProgressRecorder(_ => most = Math.Max(most, Descriptors.In(workspace.Folder).Length)) };
        Assert.Equal(Many, Snapshot.CommitAll(snapshots, options).Count);
        Assert.InRange(most, descriptors, descriptors + 256 + 10);
        Assert.Equal(descriptors, Descriptors.In(workspace.Folder).Length);
        for (int i = 0; i < Many; i++) Assert.Equal($"new {i}", File.ReadAllText(workspace.PathOf($"file{i}")));
        AssertNames(workspace, [.. Enumerable.Range(0, Many).Select(i => $"file{i}").Order(StringComparer.Ordinal)]);
        foreach (var snapshot in snapshots) snapshot.Dispose();
    }

    public static MatrixTheoryData<string, int> StoppedAt => new(FileSystems.Names, [0, 1, 2, 3]);

    [Theory]
    [MemberData(nameof(StoppedAt))]
    public void Conflict_at_one_file_leaves_all_as_they_were(string fileSystem, int stopped)
    {
        using var group = new OpenGroup(fileSystem);
        string error = group.CommitWhile(() =>
        {
            // After it was examined, and before it is published.
            if (!File.Exists(group.Paths[stopped])) File.WriteAllText(group.Paths[stopped], "theirs");
            else ReplaceBy(group.Paths[stopped], "theirs");
        }).Message;
        Assert.Contains($"'{group.Paths[stopped]}' was not saved", error, StringComparison.Ordinal);
        Assert.Contains("No file was changed", error, StringComparison.Ordinal);
        Assert.Equal("theirs", File.ReadAllText(group.Paths[stopped]));
        File.Delete(group.Paths[stopped]);
        group.AssertOld(except: stopped);

        // The others are saved for themselves: that they were new for a moment is no conflict.
        for (int i = 0; i < group.Paths.Length; i++)
        {
            if (i == stopped) continue;
            Assert.Null(group.Snapshots[i].Commit().Override);
            Assert.Equal($"new {i}", File.ReadAllText(group.Paths[i]));
        }
    }

    [Theory]
    [MemberData(nameof(StoppedAt))]
    public void Force_saves_over_what_another_process_does_in_the_meantime(string fileSystem, int stopped)
    {
        using var group = new OpenGroup(fileSystem);
        bool isDone = false;
        var listener = new ProgressRecorder(_ =>
        {
            if (isDone) return;
            isDone = true;
            ReplaceBy(group.Paths[stopped], "theirs");
        });
        var results = Snapshot.CommitAll(group.Snapshots, new CommitOptions { Force = true, Progress = listener });
        Assert.NotNull(results[stopped].Override);
        group.AssertNew();
    }

    [Fact]
    public void File_that_was_written_to_after_it_was_saved_keeps_that()
    {
        const int Many = 99;
        using var workspace = Workspace.On(FileSystems.Ext4);
        var snapshots = new List<Snapshot>();
        for (int i = 0; i < Many; i++)
        {
            snapshots.Add(Snapshot.Open(workspace.Write($"file{i:00}", "old")));
            snapshots[i].Write(0, "new"u8);
        }
        string first = workspace.PathOf("file00"), last = workspace.PathOf($"file{Many - 1}");
        ulong inode = FileStat.InodeOf(first);
        var appender = new Thread(() =>
        {
            SpinWait.SpinUntil(() => FileStat.InodeOf(first) != inode, TimeSpan.FromSeconds(20));
            File.AppendAllText(first, " and theirs");
        });
        appender.Start();
        bool isDone = false;
        var listener = new ProgressRecorder(_ =>
        {
            if (!isDone) ReplaceBy(last, "theirs");
            isDone = true;
        });
        var error = Expect.Error(
            SnapshotError.SnapshotConflict, () => Snapshot.CommitAll(snapshots, new CommitOptions { Progress = listener }));
        appender.Join();
        // In the moment before it was new, or so soon after that it was old again, the writer came too early or too late.
        string text = File.ReadAllText(first);
        Assert.EndsWith(" and theirs", text, StringComparison.Ordinal);
        if (text.StartsWith("new", StringComparison.Ordinal))
            Assert.Contains($"except for '{first}'", error.Message, StringComparison.Ordinal);
        for (int i = 1; i < Many - 1; i++) Assert.Equal("old", File.ReadAllText(workspace.PathOf($"file{i:00}")));
        foreach (var snapshot in snapshots) snapshot.Dispose();
        Assert.DoesNotContain(workspace.Names(), name => name.StartsWith('.'));
    }

    [Fact]
    public void Files_on_several_filesystems_are_saved_or_left()
    {
        using var first = Workspace.On(FileSystems.Xfs);
        using var second = Workspace.On(FileSystems.Ext4);
        using var third = Workspace.On(FileSystems.Tmpfs);
        string[] paths = [first.Write("a", "old"), second.Write("b", "old"), third.Write("c", "old")];
        Snapshot[] snapshots = [.. paths.Select(path => Snapshot.Open(path))];
        foreach (var snapshot in snapshots) snapshot.Write(0, "new"u8);
        bool isDone = false;
        var listener = new ProgressRecorder(_ =>
        {
            if (!isDone) ReplaceBy(paths[2], "theirs");
            isDone = true;
        });
        Expect.Error(SnapshotError.SnapshotConflict, () => Snapshot.CommitAll(snapshots, new CommitOptions { Progress = listener }));
        Assert.Equal(["old", "old", "theirs"], paths.Select(File.ReadAllText));
        _ = Snapshot.CommitAll(snapshots, new CommitOptions { Force = true, Close = true });
        Assert.Equal(["new", "new", "new"], paths.Select(File.ReadAllText));
        AssertNames(first, ["a"]);
        AssertNames(second, ["b"]);
        AssertNames(third, ["c"]);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Full_disk_leaves_all_as_they_were(string fileSystem)
    {
        const int Much = 24 << 20;
        using var group = new OpenGroup(fileSystem);
        group.Snapshots[2].Resize(Much);
        group.Snapshots[2].Write(0, Bytes.Random(Much));
        using (var ballast = DiskFiller.Fill(group.Workspace))
        {
            ballast.Release(4 << 20);
            var error = Expect.Error(SnapshotError.NoSpace, () => Snapshot.CommitAll(group.Snapshots));
            Assert.Equal(group.Paths[2], error.Path);
        }
        group.AssertOld();
        _ = Snapshot.CommitAll(group.Snapshots);
        Assert.Equal(Much, new FileInfo(group.Paths[2]).Length);
    }

    [Fact]
    public void What_cannot_be_saved_is_refused_before_anything_is_done()
    {
        using var group = new OpenGroup(FileSystems.Xfs);
        foreach (var options in (CommitOptions[])[
            new() { Destination = group.Paths[0] + ".copy" },
            new() { Backup = ".bak" },
            new() { Method = CommitMethod.InPlace },
            new() { Method = CommitMethod.Exchange },
            new() { AllowInPlace = true },
            new() { NoJournal = true }])
        {
            Expect.Error(SnapshotError.NotSupported, () => Snapshot.CommitAll(group.Snapshots, options));
        }
        using (var again = Snapshot.Open(group.Paths[0]))
            Expect.Error(SnapshotError.DuplicateTarget, () => Snapshot.CommitAll([.. group.Snapshots, again]));
        using (var reader = Snapshot.Open(group.Workspace.Write("other", "old"), new SnapshotOptions { ReadOnly = true }))
            Expect.Error(SnapshotError.ReadOnlySnapshot, () => Snapshot.CommitAll([.. group.Snapshots, reader]));
        FileStat.HardLink(group.Paths[1], group.Paths[1] + ".link");
        var error = Expect.Error(SnapshotError.SnapshotConflict, () => Snapshot.CommitAll(group.Snapshots)); // the link is a change
        Assert.Equal(group.Paths[1], error.Path);
        group.AssertOld();
        var closed = Snapshot.Open(group.Paths[0]);
        closed.Dispose();
        Expect.Error(SnapshotError.SnapshotClosed, () => Snapshot.CommitAll([closed]));
        Assert.Empty(Snapshot.CommitAll([]));
        File.Delete(group.Paths[1] + ".link");
    }

    [Fact]
    public void Snapshot_that_is_given_twice_counts_once()
    {
        using var group = new OpenGroup(FileSystems.Xfs);
        var results = Snapshot.CommitAll([group.Snapshots[0], group.Snapshots[1], group.Snapshots[0]]);
        Assert.Equal(3, results.Count);
        Assert.Same(results[0], results[2]);
    }

    [Fact]
    public void File_that_differs_in_nothing_is_not_touched_unless_another_process_has_changed_it()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        using var same = Snapshot.Open(workspace.Write("same", "same"));
        using var other = Snapshot.Open(workspace.Write("other", "old"));
        other.Write(0, "new"u8);
        ulong inode = FileStat.InodeOf(same.Path);
        Assert.Equal([CommitMethod.None, CommitMethod.Replace], Snapshot.CommitAll([same, other]).Select(result => result.Method));
        Assert.Equal(inode, FileStat.InodeOf(same.Path));
        other.Write(0, "NEW"u8);
        ReplaceBy(same.Path, "theirs");
        var error = Expect.Error(SnapshotError.SnapshotConflict, () => Snapshot.CommitAll([same, other]));
        Assert.Equal(same.Path, error.Path);
        Assert.Equal("new", File.ReadAllText(other.Path));
    }

    [Fact]
    public void Another_saver_of_one_file_waits_and_is_told_so()
    {
        using var group = new OpenGroup(FileSystems.Xfs);
        using var other = Snapshot.Open(group.Paths[1]);
        other.Write(0, "NEW"u8);
        SnapshotException? refused = null;
        var listener = new ProgressRecorder(_ => refused ??= Expect.Error(SnapshotError.SaveInProgress, () => other.Commit()));
        _ = Snapshot.CommitAll(group.Snapshots, new CommitOptions { Progress = listener });
        Assert.NotNull(refused);
        group.AssertNew();
    }

    [Fact]
    public void Two_groups_with_files_in_common_do_not_wait_for_each_other_for_ever()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string[] paths = [.. Enumerable.Range(0, 20).Select(i => workspace.Write($"file{i}", "old"))];
        int saved = 0;
        void Save(IEnumerable<string> order, string text)
        {
            for (int round = 0; round < 20; round++)
            {
                Snapshot[] snapshots = [.. order.Select(path => Snapshot.Open(path))];
                try
                {
                    foreach (var snapshot in snapshots) snapshot.Write(0, System.Text.Encoding.ASCII.GetBytes(text));
                    _ = Snapshot.CommitAll(snapshots);
                    Interlocked.Increment(ref saved);
                }
                catch (SnapshotException exception) when (exception.Error is SnapshotError.SnapshotConflict or SnapshotError.SaveInProgress)
                {
                    // The other one was first.
                }
                foreach (var snapshot in snapshots) snapshot.Dispose();
            }
        }
        var threads = new Thread[] { new(() => Save(paths, "aaa")), new(() => Save(paths.Reverse(), "bbb")) };
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) Assert.True(thread.Join(TimeSpan.FromMinutes(1)), "they wait for each other");
        Assert.InRange(saved, 1, 40);
        Assert.Single(paths.Select(File.ReadAllText).Distinct());
        Assert.Equal(paths.Length, workspace.Names().Length);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Cancelled_save_changes_nothing(string fileSystem)
    {
        using var group = new OpenGroup(fileSystem);
        using var source = new CancellationTokenSource();
        var options = new CommitOptions { Progress = new ProgressRecorder(_ => source.Cancel()) };
        Assert.ThrowsAny<OperationCanceledException>(() => Snapshot.CommitAll(group.Snapshots, options, source.Token));
        group.AssertOld();
    }

    [Fact]
    public void Progress_is_that_of_all_files()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        Snapshot[] snapshots = [.. Enumerable.Range(0, 3).Select(i => Snapshot.Open(workspace.Write($"file{i}", new byte[3 << 20])))];
        foreach (var snapshot in snapshots) snapshot.Fill(0, 3 << 20, 1);
        var heard = new List<SnapshotProgress>();
        _ = Snapshot.CommitAll(snapshots, new CommitOptions { Progress = new ProgressRecorder(heard.Add), Close = true });
        Assert.All(heard, progress => Assert.Equal(("Saving 3 files", 9L << 20), (progress.Activity, progress.BytesTotal)));
        Assert.Equal(heard.Select(progress => progress.BytesDone).Order(), heard.Select(progress => progress.BytesDone));
        Assert.InRange(heard[^1].BytesDone, 6 << 20, 9 << 20);
    }

    [Fact]
    public void User_without_privileges_saves_own_files_and_no_others()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string theirs = workspace.Write("theirs", "old");
        FileStat.Chmod(theirs, "644");
        UnprivilegedUser.Run(() =>
        {
            string[] paths = [workspace.Write("a", "old"), workspace.Write("b", "old")];
            FileStat.Chmod(paths[1], "200");
            FileStat.Chmod(paths[0], "600");
            using var a = Snapshot.Open(paths[0]);
            using var other = Snapshot.Open(theirs);
            a.Write(0, "new"u8);
            other.Write(0, "new"u8);
            Assert.Equal(theirs, Expect.Error(SnapshotError.AccessDenied, () => Snapshot.CommitAll([a, other])).Path);
            Assert.Equal("old", File.ReadAllText(paths[0]));
            FileStat.Chmod(paths[1], "600");
            using var b = Snapshot.Open(paths[1]);
            b.Write(0, "new"u8);
            _ = Snapshot.CommitAll([a, b]);
            Assert.Equal(["new", "new"], paths.Select(File.ReadAllText));
        });
        AssertNames(workspace, ["a", "b", "theirs"]);
    }

    [Fact]
    public void Long_and_odd_names_are_saved()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string[] names = [new('n', 255), "with\nline", "ünï", " ", ".hidden"];
        Snapshot[] snapshots = [.. names.Select(name => Snapshot.Open(workspace.Write(name, "old")))];
        foreach (var snapshot in snapshots) snapshot.Write(0, "new"u8);
        _ = Snapshot.CommitAll(snapshots, new CommitOptions { Close = true });
        Assert.All(names, name => Assert.Equal("new", File.ReadAllText(workspace.PathOf(name))));
    }

    private static void ReplaceBy(string path, string text)
    {
        File.WriteAllText(path + ".tmp", text);
        FileStat.Rename(path + ".tmp", path);
    }

    private static void AssertNames(Workspace workspace, string[] names) => Assert.Equal(names, workspace.Names());

    /// <summary>Four files in two directories, the last of which does not exist yet, opened and changed.</summary>
    private sealed class OpenGroup : IDisposable
    {
        public OpenGroup(string fileSystem)
        {
            Workspace = Workspace.On(fileSystem);
            string folder = Workspace.MakeFolder("below");
            Paths = [Workspace.Write("0", "old 0"), Workspace.Write("1", "old 1"), Path.Join(folder, "2"), Path.Join(folder, "3")];
            File.WriteAllText(Paths[2], "old 2");
            Snapshots = [.. Paths[..3].Select(path => Snapshot.Open(path)), Snapshot.Create(Paths[3], 5)];
            Snapshots[3].Write(3, " 3"u8);
            foreach (var snapshot in Snapshots) snapshot.Write(0, "new"u8);
        }

        public Workspace Workspace { get; }

        public string[] Paths { get; }

        public Snapshot[] Snapshots { get; }

        /// <summary>Saves, while something happens between the examination of the files and the first change.</summary>
        public SnapshotException CommitWhile(Action action)
        {
            bool isDone = false;
            var listener = new ProgressRecorder(_ =>
            {
                if (!isDone) action();
                isDone = true;
            });
            return Expect.Error(
                SnapshotError.SnapshotConflict, () => Snapshot.CommitAll(Snapshots, new CommitOptions { Progress = listener }));
        }

        public void AssertOld(int except = -1)
        {
            for (int i = 0; i < 3; i++)
                if (i != except) Assert.Equal($"old {i}", File.ReadAllText(Paths[i]));
            Assert.False(File.Exists(Paths[3]));
            Assert.All(Snapshots, snapshot => Assert.True(snapshot.IsModified));
            AssertNoNames();
        }

        public void AssertNew()
        {
            for (int i = 0; i < 4; i++) Assert.Equal($"new {i}", File.ReadAllText(Paths[i]));
            AssertNoNames();
        }

        public void Dispose()
        {
            foreach (var snapshot in Snapshots) snapshot.Dispose();
            Workspace.Dispose();
        }

        private void AssertNoNames() => Assert.DoesNotContain(
            Directory.EnumerateFileSystemEntries(Workspace.Folder, "*", SearchOption.AllDirectories),
            path => path.Contains(".mmap-snapshot", StringComparison.Ordinal));
    }
}

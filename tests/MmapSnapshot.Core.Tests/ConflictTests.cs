using System.IO.MemoryMappedFiles;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Never a lost update: what others did to a file since is noticed, and overwritten only when that is asked for.</summary>
public sealed class ConflictTests
{
    private const string Old = "old text", New = "new text";

    /// <summary>What others may do to the file, and a word that an override of it says.</summary>
    private static readonly Dictionary<string, (Action<string> Act, string Word)> _externalChanges = new()
    {
        ["written to"] = (
            path =>
            {
                using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write);
                RandomAccess.Write(file, "OLD"u8, 0);
            },
            "written"),
        ["written to with the same bytes"] = (
            path =>
            {
                using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write);
                RandomAccess.Write(file, "old"u8, 0);
            },
            "written"),
        ["written to through a mapping"] = (
            path =>
            {
                using var mapping = MemoryMappedFile.CreateFromFile(path, FileMode.Open);
                using var view = mapping.CreateViewAccessor();
                view.Write(0, (byte)'O');
            },
            "written"),
        ["appended to"] = (path => File.AppendAllText(path, "more"), "length"),
        ["truncated"] = (path => Shell.Run("until truncate -s 3 \"$1\" 2>&1; do :; done", path), "length"), // it waits for no lease
        ["given another mode"] = (path => FileStat.Chmod(path, "600"), "attributes"),
        ["given another owner"] = (path => FileStat.Chown(path, 1000, 1000), "attributes"),
        ["given an extended attribute"] = (path => Shell.Run("setfattr -n user.mark -v some \"$1\"", path), "attributes"),
        ["given a second name"] = (
            path =>
            {
                FileStat.HardLink(path, path + ".link");
                File.Delete(path + ".link");
            },
            "attributes"),
        ["replaced by another"] = (
            path =>
            {
                File.WriteAllText(path + ".other", "theirs");
                FileStat.Rename(path + ".other", path);
            },
            "replaced"),
        ["replaced by a copy with the same times"] = (
            path =>
            {
                Shell.Run("cp -p \"$1\" \"$1.other\"", path);
                FileStat.Rename(path + ".other", path);
            },
            "replaced"),
        ["written to and its time set back"] = (
            path => Shell.Run("touch -r \"$1\" \"$1.time\"; printf OLD | dd of=\"$1\" conv=notrunc status=none; touch -r \"$1.time\" \"$1\"; rm \"$1.time\"", path),
            "written"),
        ["deleted"] = (File.Delete, "deleted"),
    };

    private static readonly CommitMethod[] _methods = [CommitMethod.Replace, CommitMethod.InPlace];

    public static MatrixTheoryData<string, string, CommitMethod> Deeds => new(FileSystems.Names, _externalChanges.Keys, _methods);

    public static MatrixTheoryData<string, CommitMethod> ExchangedDeeds => new(_externalChanges.Keys, [CommitMethod.Auto, CommitMethod.Exchange]);

    public static MatrixTheoryData<string, CommitMethod> AllMethods => new(FileSystems.Names, [CommitMethod.Auto, .. _methods]);

    public static MatrixTheoryData<string, CommitMethod> Methods => new(FileSystems.Names, _methods);

    [Theory]
    [MemberData(nameof(Deeds))]
    public void A_commit_is_refused_once_the_file_was(string fileSystem, string operation, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        _externalChanges[operation].Act(path);
        string[] names = workspace.Names();
        string? before = Show(path);

        var error = Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Method = method }));
        Assert.Equal(path, error.Path);
        Assert.Contains(_externalChanges[operation].Word, error.Message, StringComparison.Ordinal);
        Assert.Equal(before, Show(path));
        Assert.Equal(names, workspace.Names());
        Assert.True(snapshot.IsModified);
        Assert.Equal("new text"u8, Bytes.In(snapshot));
    }

    [Theory]
    [MemberData(nameof(Deeds))]
    public void With_Force_it_is_committed_and_Override_tells_that_the_file_was(string fileSystem, string operation, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        _externalChanges[operation].Act(path);
        if (operation == "deleted" && method == CommitMethod.InPlace)
        {
            // There is no file to write into.
            var refused = Expect.Error(
                SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Force = true, Method = method }));
            Assert.Equal([SnapshotRemedy.UseReplace, SnapshotRemedy.SaveElsewhere], refused.Remedies);
            Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Method = CommitMethod.Replace }));
            snapshot.Commit(new CommitOptions { Force = true, Method = CommitMethod.Replace });
            return;
        }

        var result = snapshot.Commit(new CommitOptions { Force = true, Method = method });
        Assert.Equal(method, result.Method);
        Assert.NotNull(result.Override);
        Assert.Contains(_externalChanges[operation].Word, result.Override, StringComparison.Ordinal);
        Assert.Equal(New, File.ReadAllText(path));
        Assert.Equal(["file"], workspace.Names());
        snapshot.Write(0, "NEW"u8);
        Assert.Null(snapshot.Commit().Override);
        Assert.Equal("NEW text", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(ExchangedDeeds))]
    public void An_exchange_is_refused_once_the_file_was(string operation, CommitMethod method) =>
        A_commit_is_refused_once_the_file_was(FileSystems.XfsExchange, operation, method);

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void What_others_gave_the_file_since_it_keeps_when_it_is_overwritten_with_Force(string fileSystem)
    {
        Tools.Require("setcap", "setfattr");
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var snapshot = Snapshot.Open(path);
        Shell.Run("chown 1000:1001 \"$1\"; chmod 4751 \"$1\"; setfattr -n user.mark -v some \"$1\"; setcap cap_net_raw+ep \"$1\"", path);
        string before = Metadata.Of(path);
        snapshot.Write(0, "new"u8);
        Assert.NotNull(snapshot.Commit(new CommitOptions { Force = true }).Override);
        Assert.Equal(New, File.ReadAllText(path));
        Assert.Equal(before, Metadata.Of(path));
        snapshot.Write(0, "NEW"u8);
        snapshot.Commit();
        Assert.Equal(before, Metadata.Of(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_snapshot_without_changes_is_in_conflict_too(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var snapshot = Snapshot.Open(path);
        File.WriteAllText(path, "theirs");
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        Assert.Equal("theirs", File.ReadAllText(path));
        snapshot.Commit(new CommitOptions { Force = true });
        Assert.Equal(Old, File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Replacing), MemberType = typeof(FileSystems))]
    public void A_file_that_another_process_has_open_for_writing_is_not_replaced(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        using (HelperProcess.WithOpenForWriting(path))
        {
            var error = Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
            Assert.Contains("open for writing", error.Message, StringComparison.Ordinal);
            Assert.Equal(Old, File.ReadAllText(path));
            Assert.Equal(["file"], workspace.Names());
        }
        snapshot.Commit();
        Assert.Equal(New, File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Replacing), MemberType = typeof(FileSystems))]
    public void With_Force_a_file_that_another_process_has_open_for_writing_is_replaced(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        using (HelperProcess.WithOpenForWriting(path))
        {
            var result = snapshot.Commit(new CommitOptions { Force = true });
            Assert.Contains("open for writing", result.Override, StringComparison.Ordinal);
        }
        Assert.Equal(New, File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_file_that_another_process_has_open_for_reading_is_replaced(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var reader = new HelperProcess("exec 3<\"$1\"", path);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        Assert.Null(snapshot.Commit().Override);
        Assert.Equal(New, File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_file_that_is_only_read_and_listed_is_not_in_conflict(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var snapshot = Snapshot.Open(path);
        using var second = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        Shell.Run("cat \"$1\" > /dev/null; stat \"$1\" > /dev/null; sync \"$1\"", path);
        Assert.Null(snapshot.Commit(new CommitOptions { Method = method }).Override);
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void One_save_after_another_is_no_conflict(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var snapshot = Snapshot.Open(path);
        for (byte round = 0; round < 5; round++)
        {
            snapshot.Write(0, [round]);
            Assert.Null(snapshot.Commit(new CommitOptions { Method = method }).Override);
            Assert.Equal(round, File.ReadAllBytes(path)[0]);
        }
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_change_by_others_after_ones_own_save_is_a_conflict(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var snapshot = Snapshot.Open(path);
        var options = new CommitOptions { Method = method };
        for (byte round = 0; round < 20; round++)
        {
            snapshot.Write(0, [round]);
            snapshot.Commit(new CommitOptions { Method = method, Force = true, NoFlush = true });
            using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write)) RandomAccess.Write(file, "t"u8, 0); // at once
            snapshot.Write(1, [round]);
            Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(options));
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_change_by_others_at_once_after_the_opening_is_a_conflict(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        for (byte round = 0; round < 50; round++)
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            RandomAccess.Write(file, [round], 0);
            using var snapshot = Snapshot.Open(path);
            RandomAccess.Write(file, [round], 1);
            file.Dispose();
            snapshot.Write(2, "x"u8);
            Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { NoFlush = true }));
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_write_at_any_moment_of_the_opening_is_in_the_snapshot_or_a_conflict(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        using var start = new Barrier(2);
        var random = new Random(5);
        const int Rounds = 200;
        var moments = Enumerable.Range(0, Rounds).Select(_ => random.Next(3000)).ToArray();
        var writer = new Thread(() =>
        {
            foreach (int moment in moments)
            {
                start.SignalAndWait();
                Thread.SpinWait(moment);
                RandomAccess.Write(file, BitConverter.GetBytes(moment), 0);
                start.SignalAndWait();
            }
        })
        {
            IsBackground = true,
        };
        writer.Start();
        int lost = 0;
        for (int round = 0; round < Rounds; round++)
        {
            start.SignalAndWait();
            Snapshot? snapshot = null;
            var refused = Record.Exception(() => snapshot = Snapshot.Open(path));
            start.SignalAndWait();
            if (snapshot is null)
            {
                Assert.Equal(SnapshotError.SourceChanging, Assert.IsType<SnapshotException>(refused).Error);
                continue;
            }
            using (snapshot)
            {
                var there = new byte[Old.Length];
                RandomAccess.Read(file, there, 0);
                if (Bytes.In(snapshot).AsSpan().SequenceEqual(there)) continue;
                // In place: another process that has the file open is a conflict for a replacement anyway.
                snapshot.Write(4, "x"u8);
                if (Record.Exception(() => snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace, NoFlush = true })) is null) lost++;
            }
        }
        writer.Join();
        Assert.Equal(0, lost);
    }

    /// <summary>ramfs is one of the filesystems whose clock stands still for milliseconds even on kernels that could do better.</summary>
    [Fact]
    public void A_change_within_one_tick_of_a_coarse_clock_is_a_conflict()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        string folder = workspace.MakeFolder("ramfs");
        using var mount = Mounts.Of("ramfs", folder);
        string path = workspace.Write("ramfs/file", Old);
        int missed = 0;
        for (byte round = 0; round < 50; round++)
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            RandomAccess.Write(file, [round], 0);
            using var snapshot = Snapshot.Open(path);
            RandomAccess.Write(file, [round], 1);
            file.Dispose();
            snapshot.Write(2, "x"u8);
            try
            {
                snapshot.Commit(new CommitOptions { NoFlush = true });
                missed++;
            }
            catch (SnapshotException refused)
            {
                Assert.Equal(SnapshotError.SnapshotConflict, refused.Error);
            }
        }
        Assert.Equal(0, missed);
    }

    [Fact]
    public void A_change_within_one_tick_of_a_coarse_clock_after_ones_own_save_is_a_conflict()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        string folder = workspace.MakeFolder("ramfs");
        using var mount = Mounts.Of("ramfs", folder);
        string path = workspace.Write("ramfs/file", Old);
        int missed = 0;
        for (byte round = 0; round < 30; round++)
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, [round]);
            snapshot.Commit(new CommitOptions { NoFlush = true });
            using (var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write)) RandomAccess.Write(file, [round], 1);
            snapshot.Write(2, [round]);
            var refused = Record.Exception(() => snapshot.Commit(new CommitOptions { NoFlush = true }));
            if (refused is null) missed++;
            else Assert.Equal(SnapshotError.SnapshotConflict, Assert.IsType<SnapshotException>(refused).Error);
        }
        Assert.Equal(0, missed);
    }

    [Fact]
    public void A_write_at_any_moment_of_an_exchange_is_a_conflict_or_comes_after_it()
    {
        using var workspace = Workspace.On(FileSystems.XfsExchange);
        string path = workspace.Write("file", Old);
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        using var start = new Barrier(2);
        var random = new Random(5);
        int[] moments = [.. Enumerable.Range(0, 1000).Select(_ => random.Next(12_000))];
        var writer = new Thread(() =>
        {
            foreach (int moment in moments)
            {
                start.SignalAndWait();
                Thread.SpinWait(moment);
                RandomAccess.Write(file, "theirs"u8, 2);
                start.SignalAndWait();
            }
        })
        {
            IsBackground = true,
        };
        writer.Start();
        int lost = 0;
        foreach (int _ in moments)
        {
            RandomAccess.Write(file, "old text"u8, 0);
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "1"u8);
            start.SignalAndWait();
            TryCommit(snapshot);
            start.SignalAndWait();
            // By now they have written, be it before, during or after the save: the next one must not undo it.
            snapshot.Write(0, "2"u8);
            TryCommit(snapshot);
            var there = new byte[8];
            RandomAccess.Read(file, there, 0);
            if (!there.AsSpan(2).SequenceEqual("theirs"u8)) lost++;
        }
        writer.Join();
        Assert.Equal(0, lost);

        static void TryCommit(Snapshot snapshot)
        {
            try
            {
                Assert.NotEqual(CommitMethod.Replace, snapshot.Commit(new CommitOptions { NoFlush = true }).Method);
            }
            catch (SnapshotException conflict)
            {
                Assert.Equal(SnapshotError.SnapshotConflict, conflict.Error);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Of_many_savers_in_a_folder_that_may_not_be_listed_exactly_one_wins(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        FileStat.Chmod(workspace.MakeFolder("box"), "733");
        string path = workspace.Write("box/file", "--");
        FileStat.Chown(path, UnprivilegedUser.Id, UnprivilegedUser.Id);
        using var start = new Barrier(4);
        for (int round = 0; round < 15; round++)
        {
            int won = 0;
            Thread[] savers = [.. Enumerable.Range(0, 4).Select(saver => new Thread(() => UnprivilegedUser.Run(() =>
            {
                using var snapshot = Snapshot.Open(path);
                snapshot.Write(0, [(byte)saver, (byte)round]);
                start.SignalAndWait();
                if (Record.Exception(() => snapshot.Commit(new CommitOptions { NoFlush = true, Method = method })) is null) Interlocked.Increment(ref won);
            })))];
            foreach (var saver in savers) saver.Start();
            foreach (var saver in savers) saver.Join();
            Assert.Equal(1, won);
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Of_two_snapshots_the_second_to_be_saved_is_refused(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var first = Snapshot.Open(path);
        using var second = Snapshot.Open(path);
        first.Write(0, "1"u8);
        second.Write(0, "2"u8);
        first.Commit();
        Expect.Error(SnapshotError.SnapshotConflict, () => second.Commit());
        Assert.Equal("1ld text", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Of_many_savers_at_once_exactly_one_wins(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "0-------");
        for (int round = 1; round <= 25; round++)
        {
            Snapshot[] snapshots = [.. Enumerable.Range(0, 4).Select(_ => Snapshot.Open(path))];
            for (byte saver = 0; saver < 4; saver++) snapshots[saver].Write(0, [saver, (byte)round]);
            using var start = new Barrier(4);
            var winners = new bool[4];
            Thread[] threads = [.. Enumerable.Range(0, 4).Select(saver => new Thread(() =>
            {
                start.SignalAndWait();
                try
                {
                    snapshots[saver].Commit(new CommitOptions { NoFlush = true, Method = method });
                    winners[saver] = true;
                }
                catch (SnapshotException conflict) when (conflict.Error is SnapshotError.SnapshotConflict or SnapshotError.SaveInProgress)
                {
                }
            }))];
            foreach (var thread in threads) thread.Start();
            foreach (var thread in threads) thread.Join();
            foreach (var snapshot in snapshots) snapshot.Dispose();
            Assert.Single(winners, won => won);
            Assert.Equal([(byte)Array.IndexOf(winners, true), (byte)round], File.ReadAllBytes(path)[..2]);
        }
        Assert.Equal(["file"], workspace.Names());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_deleted_file_is_made_again_with_all_that_it_had(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        Shell.Run("chown 1000:1001 \"$1\"; chmod 4751 \"$1\"; setfattr -n user.mark -v some \"$1\"", path);
        string before = Metadata.Of(path);
        using var snapshot = Snapshot.Open(path);
        File.Delete(path);
        snapshot.Write(0, "new"u8);
        Assert.Contains("deleted", snapshot.Commit(new CommitOptions { Force = true }).Override, StringComparison.Ordinal);
        Assert.Equal(New, File.ReadAllText(path));
        Assert.Equal(before, Metadata.Of(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void With_Force_the_file_that_is_there_now_keeps_its_own_owner_and_mode(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        using var snapshot = Snapshot.Open(path);
        File.Delete(path);
        workspace.Write("file", "theirs");
        FileStat.Chown(path, 1000, 1000);
        FileStat.Chmod(path, "640");
        string before = Metadata.Of(path);
        snapshot.Write(0, "new"u8);
        snapshot.Commit(new CommitOptions { Force = true });
        Assert.Equal(New, File.ReadAllText(path));
        Assert.Equal(before, Metadata.Of(path));
    }

    [Fact]
    public void User_saves_in_place_with_force_into_another_users_file_of_that_name()
    {
        Tools.RequireRoot();
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", Old), other = workspace.Write("other", "theirs");
        Shell.Run("chown 1000:1000 \"$1\"; chmod 6777 \"$1\"", other);
        UnprivilegedUser.Run(() =>
        {
            using var snapshot = Snapshot.Open(path);
            FileStat.Rename(other, path);
            snapshot.Write(0, "new"u8);
            Assert.NotNull(snapshot.Commit(new CommitOptions { Force = true, Method = CommitMethod.InPlace }).Override);
        });
        Assert.Equal(New, File.ReadAllText(path));
        Assert.Equal("777", FileStat.Of(path).Permissions);
    }

    /// <summary>Bytes of one file never get the privileges of another, even one that bears its name now.</summary>
    [Theory]
    [MemberData(nameof(Methods))]
    public void Force_over_another_file_of_that_name_drops_its_setuid_bit_and_capabilities(string fileSystem, CommitMethod method)
    {
        Tools.RequireRoot();
        Tools.Require("setcap");
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old), program = workspace.Write("program", "theirs");
        Shell.Run("chown 0:1001 \"$1\"; chmod 751 \"$1\"", program);
        string before = Metadata.Of(program).Replace("program", "file", StringComparison.Ordinal);
        Shell.Run("chmod 6751 \"$1\"; setcap cap_net_raw+ep \"$1\"", program);
        using var snapshot = Snapshot.Open(path);
        FileStat.Rename(program, path);
        snapshot.Write(0, "new"u8);
        Assert.NotNull(snapshot.Commit(new CommitOptions { Force = true, Method = method }).Override);
        Assert.Equal(New, File.ReadAllText(path));
        Assert.Equal(before, Metadata.Of(path));
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_file_whose_folder_was_moved_is_in_conflict(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        workspace.MakeFolder("folder");
        using var snapshot = Snapshot.Open(workspace.Write("folder/file", Old));
        snapshot.Write(0, "new"u8);
        FileStat.Rename(workspace.PathOf("folder"), workspace.PathOf("moved"));
        var error = Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Method = method }));
        Assert.Contains("directory", error.Message, StringComparison.Ordinal);
        Assert.Equal(["moved"], workspace.Names());
        Assert.Equal(Old, File.ReadAllText(workspace.PathOf("moved/file")));
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_file_whose_folder_was_replaced_by_another_is_in_conflict(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        workspace.MakeFolder("folder");
        string path = workspace.Write("folder/file", Old);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(0, "new"u8);
        FileStat.Rename(workspace.PathOf("folder"), workspace.PathOf("moved"));
        workspace.MakeFolder("folder");
        workspace.Write("folder/file", "theirs");
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Method = method }));
        Assert.Equal("theirs", File.ReadAllText(path));
        Assert.Equal(Old, File.ReadAllText(workspace.PathOf("moved/file")));
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void A_file_whose_folder_was_deleted_is_in_conflict(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        workspace.MakeFolder("folder");
        using var snapshot = Snapshot.Open(workspace.Write("folder/file", Old));
        snapshot.Write(0, "new"u8);
        Directory.Delete(workspace.PathOf("folder"), recursive: true);
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Method = method }));
        Assert.Empty(workspace.Names());
        Assert.Equal("new text"u8, Bytes.In(snapshot));
    }

    [Theory]
    [InlineData(CommitMethod.Replace)]
    [InlineData(CommitMethod.InPlace)]
    public void With_Force_in_a_moved_folder_the_result_names_the_file_that_has_the_bytes(CommitMethod method)
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        workspace.MakeFolder("folder");
        using var snapshot = Snapshot.Open(workspace.Write("folder/file", Old));
        snapshot.Write(0, "new"u8);
        FileStat.Rename(workspace.PathOf("folder"), workspace.PathOf("moved"));
        var result = snapshot.Commit(new CommitOptions { Method = method, Force = true });
        Assert.Equal(New, File.ReadAllText(result.Path));
    }

    [Fact]
    public void A_symbolic_link_that_was_turned_elsewhere_is_not_followed_again()
    {
        using var workspace = Workspace.On(FileSystems.Xfs);
        string path = workspace.Write("file", Old), link = workspace.PathOf("link");
        workspace.Write("other", "other");
        File.CreateSymbolicLink(link, "file");
        using var snapshot = Snapshot.Open(link);
        File.Delete(link);
        File.CreateSymbolicLink(link, "other");
        snapshot.Write(0, "new"u8);
        snapshot.Commit();
        Assert.Equal(New, File.ReadAllText(path));
        Assert.Equal("other", File.ReadAllText(link));
    }

    [Theory]
    [MemberData(nameof(AllMethods))]
    public void A_symbolic_link_in_the_place_of_the_file_is_in_conflict(string fileSystem, CommitMethod method)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Old);
        workspace.Write("other", "other");
        using var snapshot = Snapshot.Open(path);
        File.Delete(path);
        File.CreateSymbolicLink(path, "other");
        snapshot.Write(0, "new"u8);
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Method = method }));
        Assert.Equal("other", new FileInfo(path).LinkTarget);
        Assert.Equal("other", File.ReadAllText(path));
    }

    [Fact]
    public void What_a_writer_stores_through_an_old_mapping_on_tmpfs_is_not_lost()
    {
        // tmpfs moves no timestamp at a store to a page that was stored to before.
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        string path = workspace.Write("file", Bytes.Of('a', 4096));
        Snapshot snapshot;
        using (var mapping = MemoryMappedFile.CreateFromFile(path, FileMode.Open))
        using (var writer = mapping.CreateViewAccessor())
        {
            writer.Write(0, (byte)'b');
            snapshot = Snapshot.Open(path);
            writer.Write(0, (byte)'c');
        }
        using (snapshot)
        {
            snapshot.Write(1, "x"u8);
            Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        }
        Assert.Equal((byte)'c', File.ReadAllBytes(path)[0]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_a_writer_stored_through_a_mapping_on_tmpfs_that_came_and_went_is_not_lost(bool modified)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        string path = workspace.WriteSparse("file", 1 << 20, 5000, "data"u8.ToArray());
        // Nobody has the file open: it is copied under a lease, and read once.
        using var snapshot = Snapshot.Open(path);
        using (var mapping = MemoryMappedFile.CreateFromFile(path, FileMode.Open))
        using (var writer = mapping.CreateViewAccessor()) writer.Write(700_000, (byte)'c'); // into a hole
        if (modified) snapshot.Write(1, "x"u8);
        foreach (var method in (CommitMethod[])[CommitMethod.Auto, CommitMethod.InPlace])
            Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Method = method }));
        Assert.Equal((byte)'c', File.ReadAllBytes(path)[700_000]);
        Assert.NotNull(snapshot.Commit(new CommitOptions { Force = true }).Override);
        Assert.Equal(0, File.ReadAllBytes(path)[700_000]);
    }

    [Theory]
    [InlineData(CommitMethod.Auto)]
    [InlineData(CommitMethod.InPlace)]
    public void A_file_on_tmpfs_that_is_mapped_and_not_stored_to_is_saved_whatever_was_changed_in_the_snapshot(CommitMethod method)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        byte[] bytes = Bytes.Random(3 << 20);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path);
        using (var mapping = MemoryMappedFile.CreateFromFile(path, FileMode.Open))
        using (var reader = mapping.CreateViewAccessor()) Assert.Equal(bytes[5], reader.ReadByte(5));
        // Cut off, overwritten, grown: what stood there is compared all the same.
        snapshot.Fill(100_000, 2 << 20, 1);
        snapshot.Resize(1 << 20);
        snapshot.Resize(4 << 20);
        snapshot.Revert(0, 200_000);
        byte[] changed = Bytes.In(snapshot);
        Assert.Null(snapshot.Commit(new CommitOptions { Method = method }).Override);
        Assert.True(changed.AsSpan().SequenceEqual(File.ReadAllBytes(path)), "other bytes were saved");
    }

    /// <summary>Where the snapshot has the same byte by now, where it has another one, where it ends before, and where nothing was changed.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(500_000)]
    [InlineData(650_000)]
    [InlineData((3 << 20) - 1)]
    public void A_store_through_an_old_mapping_on_tmpfs_is_seen_wherever_it_went(int offset)
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        string path = workspace.Write("file", Bytes.Of('a', 3 << 20));
        Snapshot snapshot;
        using (var mapping = MemoryMappedFile.CreateFromFile(path, FileMode.Open))
        using (var writer = mapping.CreateViewAccessor())
        {
            writer.Write(offset, (byte)'a');
            snapshot = Snapshot.Open(path);
            snapshot.Fill(0, 400_000, (byte)'x');
            snapshot.Fill(400_000, 200_000, (byte)'y');
            snapshot.Resize(700_000);
            writer.Write(offset, (byte)'x');
        }
        using (snapshot)
        {
            Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
            Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace }));
            snapshot.RevertAll();
            Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        }
        Assert.Equal((byte)'x', File.ReadAllBytes(path)[offset]);
    }

    [Fact]
    public void A_store_through_an_old_mapping_on_tmpfs_after_ones_own_save_in_place_is_seen()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        string path = workspace.Write("file", Bytes.Of('a', 8192));
        Snapshot snapshot;
        using (var mapping = MemoryMappedFile.CreateFromFile(path, FileMode.Open))
        using (var writer = mapping.CreateViewAccessor())
        {
            writer.Write(5000, (byte)'a');
            snapshot = Snapshot.Open(path);
            snapshot.Write(0, "x"u8);
            Assert.Null(snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace }).Override);
            writer.Write(5000, (byte)'b');
        }
        using (snapshot)
        {
            snapshot.Write(0, "y"u8);
            Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        }
        Assert.Equal((byte)'b', File.ReadAllBytes(path)[5000]);
    }

    /// <summary>What a file is and holds; null when there is none.</summary>
    private static string? Show(string path) => File.Exists(path) ? $"{FileStat.Of(path)} {File.ReadAllText(path)}" : null;
}

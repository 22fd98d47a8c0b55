using System.Diagnostics;
using System.IO.MemoryMappedFiles;
using System.Runtime.CompilerServices;
using MmapSnapshot.Tests.Support;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests;

/// <summary>A snapshot that is the file itself under a lease, until somebody wants to write to it.</summary>
public sealed class LeaseBackingTests
{
    private const int Size = 1 << 20;

    /// <summary>A lease asked for, so that there is one on filesystems that clone, too.</summary>
    private static readonly SnapshotOptions _lease = new() { Backing = SnapshotBacking.Lease };

    private static readonly TimeSpan _soon = TimeSpan.FromSeconds(20);

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_writer_who_comes_in_the_middle_of_a_thousand_reads_waits_and_goes_on_and_every_read_is_of_the_old_bytes(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(Size);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path, _lease);
        Process? writer = null;
        var random = new Random(5);
        for (int read = 0; read < 1000; read++)
        {
            if (read == 500) writer = Shell.Start("head -c 1048576 /dev/zero > \"$1\"", path);
            int offset = random.Next(Size - 5000);
            int count = random.Next(5000);
            Assert.True(snapshot.Read(offset, (long)count).AsSpan().SequenceEqual(bytes.AsSpan(offset, count)), $"read {read}");
            if (read is > 500 and < 550) Thread.Sleep(2); // so that the writer comes before the reads are over
        }
        using (writer)
        {
            Assert.True(writer!.WaitForExit(_soon));
            Assert.Equal(0, writer.ExitCode);
        }
        Assert.Equal(new byte[Size], File.ReadAllBytes(path));
        Assert.Equal(bytes, Bytes.In(snapshot));
        Assert.NotEqual(SnapshotBacking.Lease, snapshot.Backing);
        Assert.Equal(0, Leases.On(path));
        snapshot.Write(0, "new"u8);
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Whoever_truncates_the_file_by_its_path_waits_and_goes_on_and_the_snapshot_has_it_all(string fileSystem)
    {
        Tools.Require("perl");
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(Size);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path, _lease);
        Shell.Run("timeout 20 perl -e 'truncate($ARGV[0], 3) or die $!' \"$1\"", path); // man 2 truncate
        Assert.Equal(3, new FileInfo(path).Length);
        Assert.Equal(bytes, Bytes.In(snapshot));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Whoever_will_not_wait_is_turned_away_and_let_in_a_moment_later(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', Size));
        using var snapshot = Snapshot.Open(path, _lease);
        Assert.Equal(Errno.EAGAIN, OpenWithoutWaiting(path));
        Assert.True(SpinWait.SpinUntil(() => OpenWithoutWaiting(path) == 0, _soon));
        Assert.Equal(-1, Bytes.In(snapshot).AsSpan().IndexOfAnyExcept((byte)'a'));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Threads_that_read_while_writers_come_again_and_again_never_see_a_new_byte(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', Size));
        for (int round = 0; round < 20; round++)
        {
            byte letter = (byte)('a' + round);
            using var snapshot = Snapshot.Open(path, _lease);
            using var stop = new ManualResetEventSlim();
            int wrong = 0, reads = 0;
            Thread[] readers = [.. Enumerable.Range(0, 3).Select(_ => new Thread(() =>
            {
                var buffer = new byte[Size / 2];
                do
                {
                    snapshot.Read(Size / 4, buffer);
                    if (buffer.AsSpan().IndexOfAnyExcept(letter) >= 0) Interlocked.Increment(ref wrong);
                    Interlocked.Increment(ref reads);
                }
                while (!stop.IsSet);
            }))];
            foreach (var reader in readers) reader.Start();
            File.WriteAllBytes(path, Bytes.Of((char)(letter + 1), Size));
            stop.Set();
            foreach (var reader in readers) reader.Join();
            Assert.Equal(0, wrong);
            Assert.NotEqual(0, reads);
            Assert.Equal(-1, Bytes.In(snapshot).AsSpan().IndexOfAnyExcept(letter));
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Many_snapshots_of_one_file_all_outlive_a_writer(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(Size);
        string path = workspace.Write("file", bytes);
        Snapshot[] snapshots = [.. Enumerable.Range(0, 20).Select(_ => Snapshot.Open(path, _lease))];
        try
        {
            Assert.Equal(20, Leases.On(path));
            File.WriteAllText(path, "new");
            Assert.All(snapshots, snapshot => Assert.Equal(bytes, Bytes.In(snapshot)));
            Assert.Equal(0, Leases.On(path));
        }
        finally
        {
            foreach (var snapshot in snapshots) snapshot.Dispose();
        }
        Assert.Empty(Descriptors.In(workspace.Folder));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Copying), MemberType = typeof(FileSystems))]
    public void Writers_to_many_files_at_once_all_go_on(string fileSystem)
    {
        const int Files = 200;
        using var workspace = Workspace.On(fileSystem);
        string[] paths = [.. Enumerable.Range(0, Files).Select(number => workspace.Write($"file{number}", $"old {number}"))];
        Snapshot[] snapshots = [.. paths.Select(path => Snapshot.Open(path))];
        try
        {
            Assert.All(snapshots, snapshot => Assert.Equal(SnapshotBacking.Lease, snapshot.Backing));
            Shell.Run("for file in \"$1\"/file*; do echo new > \"$file\" & done; wait", workspace.Folder);
            for (int number = 0; number < Files; number++) Assert.Equal($"old {number}", System.Text.Encoding.ASCII.GetString(Bytes.In(snapshots[number])));
            Assert.All(paths, path => Assert.Equal("new\n", File.ReadAllText(path)));
        }
        finally
        {
            foreach (var snapshot in snapshots) snapshot.Dispose();
        }
        Assert.Empty(Descriptors.In(workspace.Folder));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_lease_lost_by_force_is_told_at_every_use_and_never_a_wrong_byte(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', Size));
        using var holder = HoldUnderLease(path);
        Assert.Equal("aaaa", holder.Read(0, 4));
        using (Leases.BreakAfter(1))
        {
            holder.Signal("STOP");
            File.WriteAllBytes(path, Bytes.Of('b', Size)); // waits for a second, then the kernel lets it go on
            holder.Signal("CONT");
        }
        Assert.Equal("SnapshotLost", holder.Read(0, 4));
        Assert.Equal("SnapshotLost", holder.Read(Size - 4, 4));
        foreach (string use in (string[])["write", "view", "save"]) Assert.Equal("SnapshotLost", holder.Ask(use));
        Assert.Equal("done", holder.Ask("close"));
        Assert.Equal("0", holder.Ask("descriptors"));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_process_that_was_stopped_for_less_than_the_break_time_loses_nothing(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', Size));
        using var holder = HoldUnderLease(path);
        holder.Signal("STOP");
        using var writer = Shell.Start("echo b > \"$1\"", path);
        Assert.False(writer.WaitForExit(300));
        holder.Signal("CONT");
        Assert.True(writer.WaitForExit(_soon));
        Assert.Equal("aaaa", holder.Read(Size - 4, 4));
        Assert.NotEqual("Lease", holder.Ask("backing"));
    }

    [Fact]
    public void The_signal_behind_it_does_nothing_to_a_process_whoever_sends_it()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "text");
        using var holder = HoldUnderLease(path);
        for (int time = 0; time < 100; time++) holder.Signal("URG");
        Assert.Equal("text", holder.Read(0, 4));
        Assert.Equal("Lease", holder.Ask("backing"));
        Shell.Run("for thread in /proc/$1/task/*; do kill -URG ${thread##*/}; done", $"{holder.Id}");
        Assert.Equal("text", holder.Read(0, 4));
        Assert.Equal("Lease", holder.Ask("backing"));
        Assert.False(holder.HasExited);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_process_that_is_killed_leaves_no_lease(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        using (HoldUnderLease(path)) Assert.Equal(1, Leases.On(path));
        Assert.Equal(0, Leases.On(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Copying), MemberType = typeof(FileSystems))]
    public void Another_user_opens_files_of_theirs_under_a_lease_and_copies_those_of_others(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string own = workspace.Write("own", Bytes.Of('a', Size));
        string other = workspace.Write("other", Bytes.Of('a', Size));
        Shell.Run("chown 65534:65534 \"$1\"", own);
        using (var holder = HoldUnderLease(own, UnprivilegedUser.Id))
        {
            File.WriteAllText(own, "new");
            Assert.Equal("aaaa", holder.Read(0, 4));
        }
        using (var holder = new SnapshotHolder(other, SnapshotBacking.Auto, UnprivilegedUser.Id))
        {
            Assert.Equal("Copy", holder.Opened);
            File.WriteAllText(other, "new");
            Assert.Equal("aaaa", holder.Read(0, 4));
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.Copying), MemberType = typeof(FileSystems))]
    public void A_file_that_is_given_to_somebody_else_meanwhile_is_not_lost(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', Size));
        Shell.Run("chown 65534:65534 \"$1\"", path);
        using var holder = HoldUnderLease(path, UnprivilegedUser.Id);
        Shell.Run("chown 0:0 \"$1\"", path); // from now on they may not even release their lease
        var started = Stopwatch.StartNew();
        File.WriteAllText(path, "new");
        Assert.InRange(started.Elapsed, TimeSpan.Zero, _soon);
        Assert.Equal("aaaa", holder.Read(Size - 4, 4));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Copying), MemberType = typeof(FileSystems))]
    public void Opening_and_reading_a_little_reads_no_more_than_that(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", new byte[64 << 20]);
        Snapshot.Open(workspace.Write("small", "text")).Dispose(); // what is loaded only once
        long before = BytesRead();
        using var snapshot = Snapshot.Open(path);
        Assert.Equal(100, snapshot.Read(60 << 20, 100L).Length);
        Assert.InRange(BytesRead() - before, 0, 64 << 10);
        Assert.Empty(Descriptors.Nameless(workspace.Folder));
        Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
    }

    [Theory]
    [MemberData(nameof(FileSystems.Copying), MemberType = typeof(FileSystems))]
    public void A_stream_makes_no_copy(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(Size);
        using var snapshot = Snapshot.Open(workspace.Write("file", bytes));
        using var copy = new MemoryStream();
        snapshot.AsStream().CopyTo(copy);
        Assert.Equal(bytes, copy.ToArray());
        Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_view_outlives_a_writer(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(Size);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path, _lease);
        using var view = snapshot.GetView(0, Size);
        Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
        File.WriteAllText(path, "");
        Assert.True(view.Span.SequenceEqual(bytes));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Changes_copy_nothing_and_keep_the_lease(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.WriteSparse("file", 1L << 30, 1 << 29, Bytes.Random(8 << 20));
        using var snapshot = Snapshot.Open(path, _lease);
        long before = BytesWritten();
        snapshot.Write(0, "new"u8);
        snapshot.Fill(1 << 29, 8 << 20, 7);
        snapshot.Resize(1L << 40);
        snapshot.Undo();
        Assert.InRange(BytesWritten() - before, 0, 4096);
        Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
        Assert.Equal(1, Leases.On(path));
        Assert.Equal("new"u8, snapshot.Read(0, 3L));
        Assert.Equal(new byte[3], File.ReadAllBytes(path).AsSpan(0, 3));
        snapshot.Commit();
        Assert.Equal("new"u8, File.ReadAllBytes(path).AsSpan(0, 3));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_writer_who_comes_amid_changes_waits_and_the_snapshot_has_its_base(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(Size);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path, _lease);
        snapshot.Write(10, "new"u8);
        File.WriteAllText(path, "theirs");
        snapshot.Write(20, "newer"u8);
        "new"u8.CopyTo(bytes.AsSpan(10));
        "newer"u8.CopyTo(bytes.AsSpan(20));
        Assert.True(bytes.AsSpan().SequenceEqual(Bytes.In(snapshot)), "other bytes than before the writer came");
        Assert.NotEqual(SnapshotBacking.Lease, snapshot.Backing);
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        snapshot.Commit(new CommitOptions { Force = true });
        Assert.True(bytes.AsSpan().SequenceEqual(File.ReadAllBytes(path)), "other bytes were saved");
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_shorter_snapshot_is_saved(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "old text");
        using var snapshot = Snapshot.Open(path, _lease);
        snapshot.Resize(3);
        Assert.Equal("old"u8, Bytes.In(snapshot));
        using (var view = snapshot.GetView(0, 3)) Assert.True(view.Span.SequenceEqual("old"u8));
        snapshot.Commit();
        Assert.Equal("old", File.ReadAllText(path));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void An_unchanged_snapshot_is_saved_without_a_copy(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", "text"), _lease);
        Assert.Equal(CommitMethod.None, snapshot.Commit().Method);
        Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void An_unchanged_snapshot_is_saved_elsewhere(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Snapshot.Open(workspace.Write("file", "text"), _lease);
        snapshot.Commit(new CommitOptions { Destination = workspace.PathOf("other") });
        Assert.Equal("text", File.ReadAllText(workspace.PathOf("other")));
    }

    [Theory]
    [InlineData(CommitMethod.Replace)]
    [InlineData(CommitMethod.InPlace)]
    public void A_snapshot_is_saved_to_a_file_that_another_one_holds_a_lease_on(CommitMethod method)
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "old text");
        using var first = Snapshot.Open(path);
        using var second = Snapshot.Open(path);
        first.Write(0, "new"u8);
        first.Commit(new CommitOptions { Method = method });
        Assert.Equal("new text", File.ReadAllText(path));
        Assert.Equal("old text"u8, Bytes.In(second));
        Expect.Error(SnapshotError.SnapshotConflict, () => second.Commit());
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_copy_made_for_a_writer_keeps_the_holes(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.WriteSparse("file", 10L << 30, 5L << 30, Bytes.Of('a', 4096));
        using var snapshot = Snapshot.Open(path, _lease);
        File.WriteAllText(path, "new");
        Assert.Equal(10L << 30, snapshot.Length);
        Assert.Equal((byte)'a', snapshot.Read(5L << 30, 1L)[0]);
        Assert.Equal(0, snapshot.Read(9L << 30, 1L)[0]);
        Assert.InRange(FileStat.Of(Descriptors.PathOf(Assert.Single(Descriptors.Nameless(workspace.Folder)))).AllocatedBytes, 1, 1 << 20);
    }

    [Theory]
    [MemberData(nameof(FileSystems.Copying), MemberType = typeof(FileSystems))]
    public void A_file_that_somebody_has_mapped_for_writing_is_copied(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        using var mapping = MemoryMappedFile.CreateFromFile(path, FileMode.Open);
        using var snapshot = Snapshot.Open(path);
        Assert.Equal(SnapshotBacking.Copy, snapshot.Backing);
        var error = Expect.Error(SnapshotError.NotSupported, () => Snapshot.Open(path, _lease));
        Assert.Contains("open for writing", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(FileSystems.Copying), MemberType = typeof(FileSystems))]
    public void A_file_whose_copy_would_take_longer_than_a_writer_may_wait_is_copied_at_once(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Random(Size));
        using var snapshot = Snapshot.Open(path, new SnapshotOptions { MaxWriterDelay = TimeSpan.FromMilliseconds(0.5) });
        Assert.Equal(SnapshotBacking.Copy, snapshot.Backing);
        var error = Expect.Error(
            SnapshotError.NotSupported, () => Snapshot.Open(path, new SnapshotOptions { Backing = SnapshotBacking.Lease, MaxWriterDelay = TimeSpan.Zero }));
        Assert.Equal([SnapshotRemedy.UseAutoBacking, SnapshotRemedy.AllowWriterDelay], error.Remedies);
        Assert.Equal(0, Leases.On(path));
    }

    [Fact]
    public void Holes_do_not_count_as_what_a_writer_would_wait_for()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        using var snapshot = Snapshot.Open(workspace.WriteSparse("file", 1L << 40, 1L << 39, "text"u8.ToArray()));
        Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
    }

    [Fact]
    public void Leases_are_taken_only_as_far_as_all_copies_together_fit_into_the_break_time()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "text");
        var patient = new SnapshotOptions { MaxWriterDelay = TimeSpan.FromHours(1) };
        var snapshots = new List<Snapshot>();
        using (Leases.BreakAfter(1))
        {
            try
            {
                for (int count = 0; count < 400; count++) snapshots.Add(Snapshot.Open(path, patient));
            }
            finally
            {
                foreach (var snapshot in snapshots.Skip(1)) snapshot.Dispose();
            }
            Assert.InRange(snapshots.Count(snapshot => snapshot.Backing == SnapshotBacking.Lease), 1, 350);
            using var another = Snapshot.Open(path, patient);
            Assert.Equal(SnapshotBacking.Lease, another.Backing); // what was closed gives back its share
        }
        snapshots[0].Dispose();
    }

    [Theory]
    [InlineData(FileSystems.Xfs)]
    [InlineData(FileSystems.XfsExchange)]
    [InlineData(FileSystems.Btrfs)]
    public void A_file_in_many_pieces_is_not_cloned_until_a_clone_is_needed(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = FragmentedFile(workspace, pieces: 1000);
        byte[] bytes = File.ReadAllBytes(path);
        using (var snapshot = Snapshot.Open(path))
        {
            Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
            snapshot.Write(0, "new"u8);
            Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
            snapshot.Commit();
            "new"u8.CopyTo(bytes);
            Assert.Equal(bytes, File.ReadAllBytes(path));
        }
        using (var snapshot = Snapshot.Open(path))
        {
            Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
            File.WriteAllText(path, "other");
            Assert.Equal(bytes, Bytes.In(snapshot));
            Assert.Equal(SnapshotBacking.Reflink, snapshot.Backing);
        }
    }

    [Theory]
    [InlineData(FileSystems.Xfs)]
    [InlineData(FileSystems.Btrfs)]
    public void A_file_in_few_pieces_and_one_whose_clone_a_writer_may_not_wait_for_are_cloned_at_once(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        using var whole = Snapshot.Open(workspace.Write("whole", Bytes.Random(4 * Size)));
        Assert.Equal(SnapshotBacking.Reflink, whole.Backing);
        using var fragmented = Snapshot.Open(FragmentedFile(workspace, pieces: 1000), new SnapshotOptions { MaxWriterDelay = TimeSpan.FromMilliseconds(5) });
        Assert.Equal(SnapshotBacking.Reflink, fragmented.Backing);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_closed_snapshot_leaves_no_lease_and_no_descriptor(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        var snapshot = Snapshot.Open(path, _lease);
        Assert.Equal(1, Leases.On(path));
        snapshot.Close();
        Assert.Equal(0, Leases.On(path));
        Assert.Empty(Descriptors.In(workspace.Folder));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void A_forgotten_snapshot_gives_up_its_lease(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "text");
        Forget(path);
        Memory.CollectForgotten();
        Assert.Equal(0, Leases.On(path));
        Assert.Empty(Descriptors.In(workspace.Folder));
    }

    [Fact]
    public void Children_inherit_nothing_of_a_lease()
    {
        using var workspace = Workspace.On(FileSystems.Ext4);
        string path = workspace.Write("file", "text");
        using var snapshot = Snapshot.Open(path);
        Assert.All(Descriptors.In(workspace.Folder), descriptor => Assert.False(Descriptors.IsInherited(descriptor)));
        // SIGURG is the 23rd signal: bit 22 of what a child blocks.
        ulong blocked = Convert.ToUInt64(Shell.Run("sed -n 's/^SigBlk:[[:space:]]*//p' /proc/self/status"), 16);
        Assert.Equal(0UL, blocked & (1UL << 22));
    }

    [Theory]
    [InlineData(FileSystems.Ext4)]
    [InlineData(FileSystems.Tmpfs)]
    public void Threads_that_take_the_first_view_at_once_all_get_one(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', 100_000));
        using var start = new Barrier(4);
        for (int round = 0; round < 200; round++)
        {
            using var snapshot = Snapshot.Open(path);
            var problems = new Exception?[4];
            Thread[] viewers = [.. Enumerable.Range(0, 4).Select(who => new Thread(() =>
            {
                start.SignalAndWait();
                problems[who] = Record.Exception(() => snapshot.GetView(who, 10).Dispose());
            }))];
            foreach (var viewer in viewers) viewer.Start();
            foreach (var viewer in viewers) viewer.Join();
            Assert.All(problems, Assert.Null);
        }
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Where_there_is_no_room_beside_the_file_the_copy_for_a_writer_lies_elsewhere(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        byte[] bytes = Bytes.Random(Size);
        string path = workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path, _lease);
        using (DiskFiller.Fill(workspace))
        {
            var errno = Syscall.truncate(path, 1) == 0 ? 0 : Stdlib.GetLastError();
            Assert.Equal((Errno)0, errno);
            Assert.Equal(bytes, Bytes.In(snapshot));
        }
    }

    private static Errno OpenWithoutWaiting(string path)
    {
        int descriptor = Syscall.open(path, OpenFlags.O_WRONLY | OpenFlags.O_NONBLOCK | OpenFlags.O_CLOEXEC);
        if (descriptor < 0) return Stdlib.GetLastError();
        return Syscall.close(descriptor) == 0 ? 0 : Stdlib.GetLastError();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(string path)
    {
        var snapshot = Snapshot.Open(path, _lease);
        Assert.Equal(1, Leases.On(path));
        GC.KeepAlive(snapshot);
    }

    /// <summary>Blocks of random bytes with holes between.</summary>
    private static string FragmentedFile(Workspace workspace, int pieces)
    {
        string path = workspace.PathOf("fragmented");
        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
        for (int piece = 0; piece < pieces; piece++) RandomAccess.Write(file, Bytes.Random(4096, piece), piece * 8192L);
        Shell.Run("sync \"$1\"", path);
        return path;
    }

    private static SnapshotHolder HoldUnderLease(string path, int user = 0)
    {
        var holder = new SnapshotHolder(path, SnapshotBacking.Lease, user);
        Assert.Equal("Lease", holder.Opened);
        return holder;
    }

    /// <summary>man 5 proc_pid_io, wchar: what this process has written, by whatever call.</summary>
    private static long BytesWritten() => Count("wchar:");

    /// <summary>man 5 proc_pid_io, rchar: what this process has read, by whatever call.</summary>
    private static long BytesRead() => Count("rchar:");

    private static long Count(string name)
    {
        string line = File.ReadLines("/proc/self/io").First(line => line.StartsWith(name, StringComparison.Ordinal));
        return long.Parse(line[name.Length..], System.Globalization.CultureInfo.InvariantCulture);
    }
}

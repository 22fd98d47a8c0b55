using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Commits that exchange only the changed blocks, on XFS with exchange-range.</summary>
public sealed class RangeExchangeTests : IDisposable
{
    private const int Block = 4096;

    /// <summary>So many extents that the file is opened under a lease; and as many as the design names.</summary>
    private const int Some = 700, Many = 20_000;

    private readonly Workspace _workspace = Workspace.On(FileSystems.XfsExchange);

    public void Dispose() => _workspace.Dispose();

    /// <summary>A length, and where to write how many bytes of which value.</summary>
    public static TheoryData<int, int, int, byte> Writes => new()
    {
        { 1, 0, 1, 0x4E },
        { 100, 99, 1, 0x4E },
        { Block, 0, Block, 0x4E },
        { 8 * Block, 0, 1, 0x4E },
        { 8 * Block, (8 * Block) - 1, 1, 0x4E },
        { 8 * Block, 0, 8 * Block, 0x4E },
        { (8 * Block) - 100, 0, (8 * Block) - 100, 0x4E },
        { (2 * Block) + 100, 2 * Block, 100, 0x4E },
        { (2 * Block) + 100, (2 * Block) + 99, 1, 0 },
        { 8 * Block, 3 * Block, Block, 0 },
        { 8 * Block, (3 * Block) + 5, 2 * Block, 0 },
        { 100_000, 4000, 200, 0x4E },
    };

    [Theory]
    [MemberData(nameof(Writes))]
    public void Save_changes_the_file_and_no_clone_of_it(int length, int offset, int count, byte value)
    {
        byte[] old = Bytes.Random(length), patched = [.. old];
        patched.AsSpan(offset, count).Fill(value);
        string path = _workspace.Write("file", old), clone = Clone(path);
        using var snapshot = Snapshot.Open(path);
        snapshot.Fill(offset, count, value);

        Assert.Equal(CommitMethod.Exchange, snapshot.Commit().Method);
        Assert.Equal(patched, File.ReadAllBytes(path));
        Assert.Equal(patched, Bytes.In(snapshot));
        AssertSame(old, clone);

        Assert.True(snapshot.Undo());
        Assert.Equal(CommitMethod.Exchange, snapshot.Commit().Method);
        Assert.Equal(old, File.ReadAllBytes(path));
        string second = Clone(path);
        Shell.Run("head -c \"$2\" /dev/zero | tr '\\0' W | dd of=\"$1\" conv=notrunc,fsync status=none", path, $"{length}");
        AssertSame(old, clone);
        AssertSame(old, second);
    }

    [Fact]
    public void Random_saves_and_writes_of_others_change_no_clone()
    {
        var random = new Random(11);
        for (int round = 0; round < 25; round++)
        {
            int length = random.Next(1, 40 * Block);
            byte[] expected = Bytes.Random(length, round);
            string path = _workspace.Write($"file{round}", expected);
            if (random.Next(3) == 0 && length > 3 * Block)
            {
                Shell.Run("fallocate -p -o 4096 -l 4096 \"$1\"", path);
                expected.AsSpan(Block, Block).Clear();
            }
            using var snapshot = Snapshot.Open(path);
            for (int save = 0; save < 3; save++)
            {
                string clone = Clone(path);
                byte[] before = [.. expected];
                for (int edit = random.Next(1, 5); edit > 0; edit--)
                {
                    int offset = random.Next(length), count = random.Next(1, Math.Min(length - offset, 6000) + 1);
                    byte value = (byte)random.Next(2);
                    snapshot.Fill(offset, count, value);
                    expected.AsSpan(offset, count).Fill(value);
                }
                snapshot.Commit();
                AssertSame(expected, path);
                AssertSame(before, clone);
                Assert.Equal(expected, Bytes.In(snapshot));
            }
            string last = Clone(path);
            Shell.Run("printf W | dd of=\"$1\" bs=1 seek=\"$2\" conv=notrunc,fsync status=none", path, $"{random.Next(length)}");
            AssertSame(expected, last);
        }
    }

    [Fact]
    public void Zeros_are_written_as_bytes_and_change_only_their_blocks()
    {
        byte[] old = Bytes.Of('O', 8 * Block);
        string path = _workspace.Write("file", old);
        using var snapshot = Snapshot.Open(path);
        snapshot.Fill(3 * Block, Block, 0);
        snapshot.Commit();
        old.AsSpan(3 * Block, Block).Clear();
        Assert.Equal(old, File.ReadAllBytes(path));
        Assert.Equal("8", Shell.Run("echo $(( $(stat -c %b \"$1\") / 8 ))", path)); // a whole exchange would leave a hole
    }

    [Fact]
    public void Bytes_are_written_into_holes()
    {
        string path = _workspace.WriteSparse("file", 100 * Block, 50 * Block, Bytes.Of('O', Block));
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(10 * Block, "in a hole"u8);
        snapshot.Write((100 * Block) - 3, "end"u8);
        Assert.Equal(CommitMethod.Exchange, snapshot.Commit().Method);
        Assert.Equal(Bytes.In(snapshot), File.ReadAllBytes(path));
        Assert.Equal("3", Shell.Run("echo $(( $(stat -c %b \"$1\") / 8 ))", path));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void File_in_20000_extents_is_saved_under_its_lease(bool close)
    {
        var (path, expected) = WriteFragmented(Many);
        string clone = Clone(path);
        using var snapshot = Snapshot.Open(path);
        Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
        byte[] old = [.. expected];
        foreach (int offset in (int[])[0, Block - 2, Block, (Many * Block) + 17, expected.Length - 16])
        {
            snapshot.Write(offset, "sixteen new byte"u8);
            "sixteen new byte"u8.CopyTo(expected.AsSpan(offset));
        }
        Assert.Equal(CommitMethod.Exchange, snapshot.Commit(new CommitOptions { Close = close }).Method);
        AssertSame(expected, path);
        AssertSame(old, clone);
        if (close) return;

        Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
        Assert.Equal(1, Leases.On(path));
        AssertBytes(expected, snapshot);
        while (snapshot.Undo())
        {
        }
        AssertBytes(old, snapshot);
        Assert.Equal(CommitMethod.Exchange, snapshot.Commit().Method);
        AssertSame(old, path);
        Assert.True(snapshot.Redo());
        Assert.Equal("sixteen new byte"u8, snapshot.Read(0, 16L));
    }

    [Fact]
    public void Writer_that_comes_after_a_save_under_the_lease_changes_nothing_in_the_snapshot()
    {
        var (path, expected) = WriteFragmented(Some);
        byte[] old = [.. expected];
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(5, "saved"u8);
        "saved"u8.CopyTo(expected.AsSpan(5));
        snapshot.Commit();
        Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);

        Shell.Run("timeout 20 dd if=/dev/zero of=\"$1\" bs=4096 count=3 conv=notrunc status=none", path);
        Assert.NotEqual(SnapshotBacking.Lease, snapshot.Backing);
        AssertBytes(expected, snapshot);
        snapshot.Write(9000, "x"u8);
        Expect.Error(SnapshotError.SnapshotConflict, () => snapshot.Commit());
        while (snapshot.Undo())
        {
        }
        AssertBytes(old, snapshot);
        string copy = _workspace.PathOf("copy");
        snapshot.Commit(new CommitOptions { Destination = copy });
        AssertSame(old, copy);
    }

    [Fact]
    public void Table_of_before_the_save_is_searched_and_saved_after_it()
    {
        var (path, _) = WriteFragmented(Some);
        using var snapshot = Snapshot.Open(path);
        byte[] old = snapshot.Read(0, 64L);
        using var matches = snapshot.Find(BytePattern.FromBytes(old)).GetEnumerator();
        snapshot.Write(0, "saved"u8);
        snapshot.Commit();
        Assert.True(snapshot.Undo());
        Assert.Equal(0, snapshot.Find(BytePattern.FromBytes(old)).First().Offset);
        string copy = _workspace.PathOf("copy");
        snapshot.Commit(new CommitOptions { Destination = copy });
        AssertSame(Bytes.In(snapshot), copy);
        Assert.Equal(old, snapshot.Read(0, 64L));
    }

    [Fact]
    public void Leased_file_that_another_process_reads_is_cloned_and_saved()
    {
        var (path, expected) = WriteFragmented(Some);
        using var reader = Shell.Start("exec 3<\"$1\"; echo; exec sleep 60", path);
        Assert.NotNull(reader.StandardOutput.ReadLine());
        try
        {
            using var snapshot = Snapshot.Open(path);
            Assert.Equal(SnapshotBacking.Lease, snapshot.Backing);
            snapshot.Write(5, "saved"u8);
            "saved"u8.CopyTo(expected.AsSpan(5));
            Assert.Equal(CommitMethod.Exchange, snapshot.Commit().Method);
            Assert.Equal(SnapshotBacking.Reflink, snapshot.Backing);
            AssertSame(expected, path);
            AssertBytes(expected, snapshot);
        }
        finally
        {
            reader.Kill();
            reader.WaitForExit();
        }
    }

    [Fact]
    public void Force_over_a_conflict_leaves_no_mix_of_both()
    {
        byte[] bytes = Bytes.Random(20 * Block);
        string path = _workspace.Write("file", bytes);
        using var snapshot = Snapshot.Open(path);
        snapshot.Write(5, "saved"u8);
        "saved"u8.CopyTo(bytes.AsSpan(5));
        Shell.Run("printf other | dd of=\"$1\" bs=4096 seek=10 conv=notrunc status=none", path);
        var result = snapshot.Commit(new CommitOptions { Force = true });
        Assert.Equal(CommitMethod.Exchange, result.Method);
        Assert.NotNull(result.Override);
        AssertSame(bytes, path);
    }

    [Theory]
    [InlineData("length")]
    [InlineData("moved")]
    public void Other_changes_than_writes_are_saved_too(string change)
    {
        string path = _workspace.Write("file", Bytes.Random(20 * Block));
        using var snapshot = Snapshot.Open(path);
        if (change == "length")
        {
            snapshot.Resize((20 * Block) + 1);
        }
        else
        {
            snapshot.Insert(10, "in"u8);
            snapshot.Remove(Block, 2);
        }
        Assert.Equal(CommitMethod.Exchange, snapshot.Commit().Method);
        AssertSame(Bytes.In(snapshot), path);
    }

    [Fact]
    public void Writers_at_any_moment_of_saves_under_the_lease_are_conflicts_and_no_byte_of_theirs_is_read()
    {
        var (path, pristine) = WriteFragmented(Some);
        string template = _workspace.PathOf("template");
        Shell.Run("cp --reflink=always \"$1\" \"$2\"", path, template);
        using var stop = new CancellationTokenSource();
        var writer = new Thread(() =>
        {
            var random = new Random(2);
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
                    RandomAccess.Write(file, "F"u8, (random.Next(Some) * 2 * Block) + 100);
                }
                catch (IOException)
                {
                }
                Thread.Sleep(random.Next(1, 1 << random.Next(1, 9)));
            }
        });
        int saved = 0, conflicts = 0, lost = 0;
        writer.Start();
        for (int round = 0; round < 60; round++)
        {
            Snapshot? snapshot = null;
            try
            {
                snapshot = Snapshot.Open(path);
                byte[] now = Bytes.In(snapshot);
                for (int save = 0; save < 3; save++)
                {
                    snapshot.Write(save * 5000, [(byte)round]);
                    now[save * 5000] = (byte)round;
                    snapshot.Commit();
                    saved++;
                    AssertBytes(now, snapshot);
                }
            }
            catch (SnapshotException exception) when (exception.Error is SnapshotError.SnapshotConflict or SnapshotError.SnapshotLost)
            {
                if (exception.Error == SnapshotError.SnapshotLost) lost++;
                else conflicts++;
            }
            finally
            {
                snapshot?.Dispose();
            }
        }
        stop.Cancel();
        writer.Join();
        TestContext.Current.TestOutputHelper?.WriteLine($"{saved} saved, {conflicts} conflicts, {lost} lost");
        AssertSame(pristine, template);
        Assert.True(saved > 0 && conflicts > 0, $"{saved} saved, {conflicts} conflicts, {lost} lost");
    }

    [Fact]
    public void Readers_of_a_leased_base_never_see_a_byte_that_is_neither_old_nor_new()
    {
        var (path, expected) = WriteFragmented(Some);
        using var snapshot = Snapshot.Open(path);
        using var stop = new CancellationTokenSource();
        string? wrong = null;
        var readers = Enumerable.Range(0, 2).Select(number => new Thread(() =>
        {
            var random = new Random(number);
            var buffer = new byte[3 * Block];
            while (!stop.IsCancellationRequested && wrong is null)
            {
                int offset = random.Next(expected.Length - buffer.Length);
                snapshot.ReadBaseline(offset, buffer);
                for (int i = 0; i < buffer.Length; i++)
                {
                    // Each save writes '!' or the old byte over a multiple of 1000.
                    if (buffer[i] == expected[offset + i] || ((offset + i) % 1000 == 0 && buffer[i] == '!')) continue;
                    wrong = $"{buffer[i]:X2} at {offset + i}";
                    break;
                }
            }
        })).ToList();
        foreach (var reader in readers) reader.Start();
        int underLease = 0;
        for (int save = 0; save < 40; save++)
        {
            for (int at = save % 7 * 1000; at < expected.Length; at += 50_000) snapshot.Write(at, "!"u8);
            snapshot.Commit();
            // A process that another test starts has all descriptors for a moment (man 2 fork): then the file is cloned.
            if (snapshot.Backing != SnapshotBacking.Lease) break;
            underLease++;
            if (save % 3 == 0) snapshot.Undo();
        }
        stop.Cancel();
        foreach (var reader in readers) reader.Join();
        Assert.Null(wrong);
        Assert.InRange(underLease, 1, 40);
    }

    private (string Path, byte[] Bytes) WriteFragmented(int extents)
    {
        string path = _workspace.PathOf("fragmented");
        byte[] bytes = new byte[extents * 2 * Block], block = Bytes.Random(Block);
        using var file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write);
        RandomAccess.SetLength(file, bytes.Length);
        for (int i = 0; i < extents; i++)
        {
            block[0] = (byte)i;
            RandomAccess.Write(file, block, (long)i * 2 * Block);
            block.CopyTo(bytes, i * 2 * Block);
        }
        RandomAccess.FlushToDisk(file);
        return (path, bytes);
    }

    private string Clone(string path)
    {
        string clone = _workspace.PathOf($"clone{_workspace.Names().Length}");
        Shell.Run("cp --reflink=always \"$1\" \"$2\"; sync \"$2\"", path, clone);
        return clone;
    }

    /// <summary>From the disk and not from the page cache.</summary>
    private static void AssertSame(byte[] expected, string path)
    {
        Shell.Run("sync \"$1\"; dd if=\"$1\" of=/dev/null iflag=nocache count=0 status=none", path);
        Assert.True(expected.AsSpan().SequenceEqual(File.ReadAllBytes(path)), Path.GetFileName(path));
    }

    private static void AssertBytes(byte[] expected, Snapshot snapshot) =>
        Assert.True(expected.AsSpan().SequenceEqual(Bytes.In(snapshot)), "the snapshot");
}

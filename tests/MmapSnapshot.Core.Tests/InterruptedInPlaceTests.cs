using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>A commit in place without a journal that ends half-way leaves a mix of old and new, of which the snapshot knows.</summary>
public sealed class InterruptedInPlaceTests
{
    private const int Length = 10 << 20;

    private static readonly CommitOptions _inPlace = new() { Method = CommitMethod.InPlace, NoJournal = true };

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Repeated_it_needs_no_Force_and_makes_the_file_whole(string fileSystem)
    {
        using var half = new HalfWritten(fileSystem);
        half.Snapshot.Write(3, "and more"u8);
        var result = half.Snapshot.Commit(_inPlace);
        Assert.Equal((CommitMethod.InPlace, null), (result.Method, result.Override));
        half.AssertCommitted(Bytes.In(half.Snapshot));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Another_method_makes_the_file_whole_too(string fileSystem)
    {
        using var half = new HalfWritten(fileSystem);
        var result = half.Snapshot.Commit();
        Assert.Equal((CommitMethod.Replace, null), (result.Method, result.Override));
        half.AssertCommitted(half.Changed);
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void When_all_is_taken_back_a_save_writes_the_old_bytes_back(string fileSystem)
    {
        using var half = new HalfWritten(fileSystem);
        half.Snapshot.RevertAll();
        Assert.Equal(0, half.Snapshot.ModifiedBytes);
        Assert.True(half.Snapshot.IsModified); // the file is not what the snapshot is
        Assert.Null(half.Snapshot.Commit(_inPlace).Override);
        half.AssertCommitted(half.Old);
    }

    [Fact]
    public void What_others_write_afterwards_is_a_conflict()
    {
        using var half = new HalfWritten(FileSystems.Ext4);
        using (var file = File.OpenHandle(half.Path, FileMode.Open, FileAccess.Write)) RandomAccess.Write(file, "theirs"u8, 0);
        Expect.Error(SnapshotError.SnapshotConflict, () => half.Snapshot.Commit(_inPlace));
        Expect.Error(SnapshotError.SnapshotConflict, () => half.Snapshot.Commit());
        Assert.NotNull(half.Snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace, Force = true }).Override);
        half.AssertCommitted(half.Changed);
    }

    [Theory]
    [InlineData(FileSystems.Ext4)]
    [InlineData(FileSystems.Tmpfs)]
    public void A_file_that_had_no_room_to_grow_is_made_whole_when_there_is(string fileSystem)
    {
        const int Much = 24 << 20;
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('o', 1 << 20));
        using var snapshot = Snapshot.Open(path);
        byte[] bytes = Bytes.Of('n', Much);
        snapshot.Resize(Much);
        snapshot.Write(0, bytes);
        using (var ballast = DiskFiller.Fill(workspace))
        {
            ballast.Release(4 << 20);
            Expect.Error(SnapshotError.NoSpace, () => snapshot.Commit(_inPlace));
            Assert.Equal((byte)'n', File.ReadAllBytes(path)[0]);
            Assert.True(snapshot.IsModified);
            Assert.True(bytes.AsSpan().SequenceEqual(Bytes.In(snapshot)), "the snapshot has lost bytes");
        }
        Assert.Null(snapshot.Commit(_inPlace).Override);
        Assert.True(bytes.AsSpan().SequenceEqual(File.ReadAllBytes(path)), "the file is not whole");
        Assert.False(snapshot.IsModified);
    }

    /// <summary>A snapshot whose commit in place was cancelled in the middle. Its bytes lie elsewhere, so that it has to copy.</summary>
    private sealed class HalfWritten : IDisposable
    {
        private readonly Workspace _workspace, _scratch;

        public HalfWritten(string fileSystem)
        {
            _workspace = Workspace.On(fileSystem);
            _scratch = Workspace.On(fileSystem is FileSystems.Ext4 or FileSystems.OverlayExt4 ? FileSystems.Tmpfs : FileSystems.Ext4);
            Path = _workspace.Write("file", Old);
            Snapshot = Snapshot.Open(Path, new SnapshotOptions { ScratchPath = _scratch.Folder });
            Snapshot.Fill(1, Length - 2, (byte)'n');
            Changed = Bytes.In(Snapshot);
            using var source = new CancellationTokenSource();
            var listener = new ProgressRecorder(progress =>
            {
                if (progress.BytesDone > 0) source.Cancel();
            });
            var options = new CommitOptions { Method = CommitMethod.InPlace, NoJournal = true, Progress = listener };
            Assert.ThrowsAny<OperationCanceledException>(() => Snapshot.Commit(options, source.Token));
            byte[] mixed = File.ReadAllBytes(Path);
            Assert.Equal((byte)'n', mixed[1]);
            Assert.Equal((byte)'o', mixed[Length - 2]);
            Assert.True(Snapshot.IsModified);
        }

        public Snapshot Snapshot { get; }

        public string Path { get; }

        public byte[] Old { get; } = Bytes.Of('o', Length);

        public byte[] Changed { get; }

        public void AssertCommitted(byte[] bytes)
        {
            Assert.True(bytes.AsSpan().SequenceEqual(File.ReadAllBytes(Path)), "the file is not whole");
            Assert.False(Snapshot.IsModified);
            Assert.Equal(CommitMethod.None, Snapshot.Commit().Method);
        }

        public void Dispose()
        {
            Snapshot.Dispose();
            _scratch.Dispose();
            _workspace.Dispose();
        }
    }
}

using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

public static class ProgressTests
{
    /// <summary>Beyond any number of bytes that is changed here.</summary>
    private const long Far = 1L << 40;

    private const int Much = 3 << 20;

    private static readonly Dictionary<string, Action<Snapshot, IProgress<SnapshotProgress>>> _operations = new()
    {
        ["fill"] = (snapshot, listener) => snapshot.Fill(Far, Much, 1, progress: listener),
        ["fill of changed bytes"] = (snapshot, listener) =>
        {
            snapshot.Fill(Far, Much, 1);
            snapshot.Fill(Far, Much, 2, progress: listener);
        },
        ["many edits"] = (snapshot, listener) => snapshot.Apply([.. Enumerable.Range(0, 5000).Select(i => SnapshotEdit.Write(Far + (i * 64), new byte[] { 1 }))], progress: listener),
        ["comparison"] = (snapshot, listener) =>
        {
            snapshot.Fill(Far, Much, 1);
            Assert.NotEmpty(snapshot.GetChanges(listener));
        },
        ["search"] = (snapshot, listener) => Assert.Empty(snapshot.Find([BytePattern.ParseHex("00 01 02 03 04 05")], Far, Much, listener)),
    };

    public static MatrixTheoryData<string, string> Operations => new([FileSystems.Xfs, FileSystems.Btrfs, FileSystems.Tmpfs], _operations.Keys);

    [Theory]
    [MemberData(nameof(Operations))]
    public static void Progress_counts_work_when_offsets_exceed_the_total(string fileSystem, string operation)
    {
        using var workspace = Workspace.On(fileSystem);
        using var snapshot = Open(workspace);
        var reports = new List<SnapshotProgress>();
        _operations[operation](snapshot, new ProgressRecorder(reports.Add));
        Assert.NotEmpty(reports);
        Assert.All(reports, report => Assert.InRange(report.BytesDone, 0, report.BytesTotal));
        Assert.All(reports, report => Assert.InRange(report.BytesTotal, 1, Much));
        Assert.All(reports.GroupBy(report => report.Activity), activity => Assert.Equal(activity.OrderBy(report => report.BytesDone), activity));
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public static void Operation_completes_when_listener_throws(string fileSystem, string operation)
    {
        using var workspace = Workspace.On(fileSystem);
        using var quiet = Open(workspace);
        using var other = Workspace.On(fileSystem);
        using var disturbed = Open(other);
        _operations[operation](quiet, new ProgressRecorder(_ => { }));
        int told = 0;
        _operations[operation](disturbed, new ProgressRecorder(_ =>
        {
            told++;
            throw new InvalidOperationException("the listener failed");
        }));
        Assert.True(told > 0);
        Assert.Equal(quiet.Length, disturbed.Length);
        Assert.Equal(quiet.GetModifiedRanges(), disturbed.GetModifiedRanges());
        Assert.Empty(disturbed.GetChangesFrom(quiet));
    }

    [Fact]
    public static void Listener_may_read_but_neither_change_nor_commit()
    {
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", Bytes.Random(200_000)));
        var refused = new List<Type?>();
        var reader = new ProgressRecorder(report =>
        {
            _ = snapshot.Read(0, report.BytesDone & 1);
            refused.Add(Record.Exception(() => snapshot.Write(1, "x"u8))?.GetType());
        });
        snapshot.Apply([SnapshotEdit.Fill(0, 3, 1)], progress: reader);
        Assert.Equal([typeof(LockRecursionException)], refused);
        Assert.Equal(new byte[] { 1, 1, 1 }, snapshot.Read(0, 3L));
        refused.Clear();
        var saver = new ProgressRecorder(report =>
        {
            _ = snapshot.Read(0, report.BytesDone & 1);
            refused.Add(Record.Exception(() => snapshot.Commit())?.GetType());
        });
        snapshot.Commit(new CommitOptions { Progress = saver });
        Assert.NotEmpty(refused);
        Assert.All(refused, type => Assert.Equal(typeof(LockRecursionException), type));
    }

    [Fact]
    public static void Sums_beyond_64_bits_are_no_error()
    {
        const long Half = long.MaxValue / 2;
        using var workspace = Workspace.On(FileSystems.Tmpfs);
        using var snapshot = Snapshot.Open(workspace.Write("file", "text"));
        Expect.Error(SnapshotError.OutOfRange, () => snapshot.Apply([SnapshotEdit.Fill(0, Half, 1), SnapshotEdit.Fill(1, Half, 1), SnapshotEdit.Fill(2, Half, 1)]));
        snapshot.Write(0, "TEXT"u8);
        snapshot.Revert([new ByteRange(0, long.MaxValue), new ByteRange(1, long.MaxValue - 1), new ByteRange(2, Half)]);
        Assert.Equal("text"u8, Bytes.In(snapshot));
    }

    /// <summary>A file of mebibytes of data, a tebibyte from its start.</summary>
    private static Snapshot Open(Workspace workspace) => Snapshot.Open(workspace.WriteSparse("file", Far + Much, Far, Bytes.Random(Much)));
}

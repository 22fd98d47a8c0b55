using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>All members of one snapshot, from several threads at once.</summary>
public sealed class ThreadTests
{
    private static readonly CommitMethod[] _methods = [CommitMethod.Auto, CommitMethod.Replace, CommitMethod.InPlace];

    private const int Block = 4096, Blocks = 16;

    private static readonly TimeSpan _time = TimeSpan.FromSeconds(0.5);

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Threads_that_do_everything_at_once_get_whole_blocks_and_documented_errors_only(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', Blocks * Block));
        using var snapshot = Snapshot.Open(path);
        RunTogether(
            random =>
            {
                // A block is only ever written whole, so that it is found to be of one letter whenever it is read.
                long offset = random.Next(Blocks) * Block;
                byte letter = (byte)('a' + random.Next(26));
                switch (random.Next(12))
                {
                    case < 3:
                        snapshot.Write(offset, Bytes.Of((char)letter, Block));
                        break;
                    case < 6:
                        AssertOneLetter(snapshot.Read(offset, Block));
                        break;
                    case 6:
                        snapshot.Fill(offset, Block, letter);
                        break;
                    case 7:
                        using (var view = snapshot.GetView(offset, Block)) Assert.True(view.Span[0] is 0 or >= (byte)'a' and <= (byte)'z');
                        break;
                    case 8:
                        snapshot.Resize((Blocks - random.Next(3)) * Block);
                        break;
                    case 9:
                        using (var stream = snapshot.AsStream())
                        {
                            stream.Position = offset;
                            var bytes = new byte[Block];
                            AssertOneLetter(bytes.AsSpan(0, stream.Read(bytes)));
                        }
                        break;
                    case 10:
                        var ranges = snapshot.GetModifiedRanges();
                        Assert.True(ranges.Zip(ranges.Skip(1), (one, next) => one.End < next.Offset).All(apart => apart));
                        break;
                    default:
                        Assert.Null(snapshot.Commit(new CommitOptions { NoFlush = true, Method = _methods[random.Next(_methods.Length)] }).Override);
                        break;
                }
            },
            SnapshotError.OutOfRange);
        snapshot.Commit();
        byte[] all = Bytes.In(snapshot);
        Assert.Equal(all, File.ReadAllBytes(path));
        for (int block = 0; block < all.Length / Block; block++) AssertOneLetter(all.AsSpan(block * Block, Block));
    }

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Threads_that_change_take_back_compare_and_commit_at_once_get_documented_errors_only(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', Blocks * Block));
        using var other = Snapshot.Open(path);
        using var snapshot = Snapshot.Open(path);
        RunTogether(
            random =>
            {
                long offset = random.Next(Blocks) * Block;
                byte letter = (byte)('a' + random.Next(26));
                switch (random.Next(12))
                {
                    case < 3:
                        snapshot.Write(offset, Bytes.Of((char)letter, Block));
                        break;
                    case 3:
                        var first = SnapshotEdit.Write(0, Bytes.Of((char)letter, Block));
                        snapshot.Apply([SnapshotEdit.Fill(Math.Max(offset, Block), Block, letter), first], length: Blocks * Block);
                        break;
                    case 4:
                        snapshot.Resize((Blocks - random.Next(4)) * Block);
                        break;
                    case < 7:
                        snapshot.Undo();
                        break;
                    case 7:
                        snapshot.Revert(offset, Block);
                        break;
                    case 8:
                        if (random.Next(4) == 0) snapshot.RevertAll();
                        break;
                    case 9:
                        foreach (var change in snapshot.GetChanges()) Assert.InRange(change.Offset, 0, Blocks * Block);
                        break;
                    case 10:
                        Assert.All(snapshot.GetChangesFrom(other), change => Assert.InRange(change.Offset, 0, Blocks * Block));
                        break;
                    default:
                        Assert.Null(snapshot.Commit(new CommitOptions { NoFlush = true, Method = _methods[random.Next(_methods.Length)] }).Override);
                        break;
                }
                AssertOneLetter(snapshot.Read(0, Block));
            },
            SnapshotError.OutOfRange);
        byte[] saved = File.ReadAllBytes(path);
        Assert.True(Bytes.In(snapshot).AsSpan().SequenceEqual(Changes.Applied(saved, snapshot.GetChanges())), "the changes do not lead to the bytes");
        snapshot.RevertAll();
        Assert.Equal(saved, Bytes.In(snapshot));
        Assert.False(snapshot.IsModified);
    }

    [Theory]
    [InlineData(FileSystems.Xfs)]
    [InlineData(FileSystems.Tmpfs)]
    public void A_snapshot_that_is_closed_under_its_users_tells_them_and_takes_no_memory_from_a_view(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", Bytes.Of('a', Blocks * Block));
        Snapshot snapshot = Snapshot.Open(path);
        RunTogether(
            random =>
            {
                var current = Volatile.Read(ref snapshot);
                switch (random.Next(6))
                {
                    case 0:
                        current.Dispose();
                        Volatile.Write(ref snapshot, Snapshot.Open(path));
                        break;
                    case 1:
                        current.Close();
                        break;
                    case 2:
                        using (var view = current.GetView(0, Blocks * Block)) AssertOneLetter(view.Span);
                        break;
                    case 3:
                        current.Write(0, Bytes.Of('a', Block));
                        break;
                    case 4:
                        current.Commit(new CommitOptions { NoFlush = true, Destination = path + random.Next(3), Force = true });
                        break;
                    default:
                        AssertOneLetter(current.Read(0, Blocks * Block));
                        break;
                }
            },
            SnapshotError.SnapshotClosed,
            SnapshotError.DestinationExists);
        snapshot.Dispose();
        Memory.CollectForgotten();
        Assert.Empty(Descriptors.In(workspace.Folder));
        Assert.Equal(0, Descriptors.Mappings(workspace.Folder));
    }

    private static void RunTogether(Action<Random> act, params SnapshotError[] documented)
    {
        var end = DateTime.UtcNow + _time;
        Exception? failure = null;
        Thread[] threads = [.. Enumerable.Range(1, 4).Select(seed => new Thread(() =>
        {
            var random = new Random(seed);
            while (DateTime.UtcNow < end && failure is null)
            {
                try
                {
                    act(random);
                }
                catch (SnapshotException refused) when (documented.Contains(refused.Error))
                {
                }
                catch (Exception exception)
                {
                    failure = exception;
                }
            }
        }))];
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) Assert.True(thread.Join(TimeSpan.FromSeconds(30)), "a thread waits for ever");
        Assert.Null(failure);
    }

    private static void AssertOneLetter(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.IsEmpty) Assert.Equal(-1, bytes.IndexOfAnyExcept(bytes[0]));
    }
}

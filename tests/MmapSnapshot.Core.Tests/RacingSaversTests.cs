using System.Text;
using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

/// <summary>Of two who save at once one wins, and the other is told.</summary>
public sealed class RacingSaversTests
{
    private const int Rounds = 250;

    [Theory]
    [MemberData(nameof(FileSystems.All), MemberType = typeof(FileSystems))]
    public void Exactly_one_of_two_savers_wins_each_round(string fileSystem)
    {
        using var workspace = Workspace.On(fileSystem);
        string path = workspace.Write("file", "--");
        using var start = new Barrier(2);
        for (int round = 0; round < Rounds; round++)
        {
            var saved = new bool[2];
            Snapshot[] snapshots = [Snapshot.Open(path), Snapshot.Open(path)];
            var savers = Enumerable.Range(0, 2).Select(who => new Thread(() => saved[who] = TrySave(snapshots[who], who, start))).ToArray();
            foreach (var saver in savers) saver.Start();
            foreach (var saver in savers) saver.Join();
            foreach (var snapshot in snapshots) snapshot.Dispose();

            Assert.True(saved[0] != saved[1], $"round {round}: {(saved[0] ? "both" : "neither")} won");
            Assert.Equal(saved[0] ? '0' : '1', File.ReadAllText(path)[0]);
            File.WriteAllText(path, "--");
        }
        Assert.Equal(["file"], workspace.Names());
    }

    private static bool TrySave(Snapshot snapshot, int who, Barrier start)
    {
        snapshot.Write(0, Encoding.ASCII.GetBytes(who.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        start.SignalAndWait();
        try
        {
            snapshot.Commit(new CommitOptions { NoFlush = true });
            return true;
        }
        catch (SnapshotException exception) when (exception.Error is SnapshotError.SnapshotConflict or SnapshotError.SaveInProgress)
        {
            return false;
        }
    }
}

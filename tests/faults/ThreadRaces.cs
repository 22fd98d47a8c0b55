using System.Diagnostics;

namespace MmapSnapshot.Faults;

/// <summary>Eight threads do everything at once to one snapshot after another: no crash, and only documented errors.</summary>
internal static class ThreadRaces
{
    private const int Threads = 8;

    private static readonly BytePattern _pattern = BytePattern.ParseHex("01 0? 00");

    internal static void Try(string mount, Report report, TimeSpan time)
    {
        var line = report.Begin("eight threads", Rig.NameOf(mount));
        string path = Path.Join(mount, "shared");
        var clock = Stopwatch.StartNew();
        for (int round = 0; clock.Elapsed < time; round++)
        {
            File.WriteAllBytes(path, new byte[100_000]);
            using var snapshot = Snapshot.Open(path);
            var until = clock.Elapsed + TimeSpan.FromMilliseconds(100);
            var problems = new string?[Threads];
            var threads = Enumerable.Range(0, Threads).Select(who => new Thread(() => problems[who] = Act(snapshot, new Random((round * Threads) + who), clock, until))).ToArray();
            foreach (var thread in threads) thread.Start();
            foreach (var thread in threads) thread.Join();
            line.Case(injected: true, Array.Find(problems, problem => problem is not null));
        }
        foreach (string left in Directory.EnumerateFiles(mount, ".shared.*")) line.Case(injected: true, $"{left} was left");
        File.Delete(path);
    }

    private static string? Act(Snapshot snapshot, Random random, Stopwatch clock, TimeSpan until)
    {
        var buffer = new byte[5000];
        while (clock.Elapsed < until)
        {
            try
            {
                long offset = random.Next(100_000);
                switch (random.Next(100))
                {
                    case < 30: snapshot.Read(offset, buffer.AsSpan(0, random.Next(buffer.Length))); break;
                    case < 50: snapshot.Write(offset, buffer.AsSpan(0, random.Next(buffer.Length))); break;
                    case < 55: snapshot.Undo(); break;
                    case < 57: snapshot.Revert(offset, random.Next(buffer.Length)); break;
                    case < 58: snapshot.RevertAll(); break;
                    case < 61: _ = snapshot.GetChanges().Take(10).Count(); break;
                    case < 64: _ = snapshot.Find(_pattern).Take(10).Count(); break;
                    case < 74: snapshot.Resize(random.Next(200_000)); break;
                    case < 98: Sum(snapshot, offset, random.Next(buffer.Length)); break;
                    case 98: snapshot.Commit(new CommitOptions { NoFlush = true }); break;
                    default:
                        // Near the end, or most of the time would be spent on a closed snapshot.
                        if (until - clock.Elapsed < TimeSpan.FromMilliseconds(5)) snapshot.Close();
                        break;
                }
            }
            catch (SnapshotException exception) when (exception.Error is SnapshotError.OutOfRange or SnapshotError.SnapshotClosed)
            {
                // What a thread may find that comes too late.
            }
            catch (Exception exception)
            {
                return exception.ToString();
            }
        }
        return null;
    }

    private static int Sum(Snapshot snapshot, long offset, int count)
    {
        using var view = snapshot.GetView(offset, count);
        int sum = 0;
        for (int pass = 0; pass < 10; pass++)
        {
            foreach (byte value in view.Span) sum += value;
        }
        return sum;
    }
}

// What the size of a file costs: opening a snapshot of 1 MiB and of a large file, and saving one that stays open, in turns within
// one run, medians. Usage: Open MIB FOLDER..., a folder on each filesystem, with room for three such files; where small.bench and
// large.bench are there already, as on a read-only image, they are only opened.
// MMAPSNAPSHOT_RIG_SIZE=4G tests/filesystems/rig.sh up FOLDER makes filesystems.
using System.Diagnostics;
using System.Globalization;
using MmapSnapshot;

if (args.Length < 2)
{
    Console.Error.WriteLine("Usage: Open MIB FOLDER...");
    return 2;
}
const int Rounds = 41;
int mebibytes = int.Parse(args[0], CultureInfo.InvariantCulture);
var options = new SnapshotOptions { MaxWriterDelay = TimeSpan.FromSeconds(30) }; // a lease on the large one as well
Console.WriteLine($"Linux {Environment.OSVersion.Version}, {Rounds} rounds, medians in microseconds; large is {mebibytes} MiB");
Console.WriteLine();
Console.WriteLine($"{"folder",-24} {"backing",-9} {"open 1 MiB",11} {"large",9} {"ratio",6}   {"save 1 MiB",11} {"large",9} {"ratio",6}");
foreach (string folder in args.Skip(1))
{
    string small = Path.Join(folder, "small.bench"), large = Path.Join(folder, "large.bench");
    bool given = File.Exists(large);
    try
    {
        if (!given)
        {
            Write(small, 1);
            Write(large, mebibytes);
        }
        SnapshotBacking backing;
        using (var snapshot = Snapshot.Open(large, options)) backing = snapshot.Backing;
        var (openSmall, openLarge) = InTurns(path =>
        {
            long started = Stopwatch.GetTimestamp();
            Snapshot.Open(path, options).Dispose();
            return Stopwatch.GetElapsedTime(started);
        });
        Console.Write($"{Path.GetFileName(folder),-24} {backing,-9} {openSmall,11:0} {openLarge,9:0} {openLarge / openSmall,6:0.00}");
        if (given)
        {
            Console.WriteLine();
            continue;
        }
        // The time of the save alone, flushing aside: that is the disk's. Before it, the first change has paid for a private copy.
        var (saveSmall, saveLarge) = InTurns(
            path =>
            {
                using var snapshot = Snapshot.Open(path, options);
                snapshot.Write(0, [(byte)Random.Shared.Next()]);
                return snapshot.Commit(new CommitOptions { NoFlush = true, Force = true }).Elapsed;
            },
            rounds: 5);
        Console.WriteLine($"   {saveSmall,11:0} {saveLarge,9:0} {saveLarge / saveSmall,6:0.00}");

        (double Small, double Large) InTurns(Func<string, TimeSpan> act, int rounds = Rounds)
        {
            List<double> ofSmall = [], ofLarge = [];
            for (int round = -3; round < rounds; round++)
            {
                double first = act(small).TotalMicroseconds, second = act(large).TotalMicroseconds;
                if (round < 0) continue; // for the compiler
                ofSmall.Add(first);
                ofLarge.Add(second);
            }
            return (ofSmall.Order().ElementAt(rounds / 2), ofLarge.Order().ElementAt(rounds / 2));
        }
    }
    finally
    {
        if (!given)
        {
            File.Delete(small);
            File.Delete(large);
        }
    }
}
return 0;

static void Write(string path, int mebibytes)
{
    var block = new byte[1 << 20];
    Random.Shared.NextBytes(block);
    using var file = File.OpenHandle(path, FileMode.Create, FileAccess.Write, preallocationSize: (long)mebibytes << 20);
    for (int i = 0; i < mebibytes; i++) RandomAccess.Write(file, block, (long)i << 20);
    RandomAccess.FlushToDisk(file);
}

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
Console.WriteLine($"{"folder",-20} {"backing",-9} {"extents",9} {"open 1 MiB",11} {"large",9} {"ratio",6}   {"save 1 MiB",11} {"large",9} {"ratio",6}");
foreach (string folder in args.Skip(1))
{
    string small = Path.Join(folder, "small.bench"), large = Path.Join(folder, "large.bench");
    bool given = File.Exists(large);
    try
    {
        if (!given)
        {
            WriteWhole(large, mebibytes);
            // Cloning costs by the extent: as many in both. (Those of btrfs have at most 128 MiB, and filefrag shows neighbours as one.)
            bool isBtrfs = ReflinkSupport.Probe(folder).FileSystem == "btrfs";
            WriteInPieces(small, isBtrfs ? Math.Max(ExtentsOf(large), mebibytes / 128) : ExtentsOf(large));
        }
        SnapshotBacking backing;
        using (var snapshot = Snapshot.Open(large, options)) backing = snapshot.Backing;
        var (openSmall, openLarge) = InTurns(path =>
        {
            long started = Stopwatch.GetTimestamp();
            Snapshot.Open(path, options).Dispose();
            return Stopwatch.GetElapsedTime(started);
        });
        Console.Write($"{Path.GetFileName(folder),-20} {backing,-9} {ExtentsOf(small),4}/{ExtentsOf(large),-4} {openSmall,11:0} {openLarge,9:0} {openLarge / openSmall,6:0.00}");
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

static void WriteWhole(string path, int mebibytes)
{
    byte[] block = Noise(1 << 20);
    using var file = File.OpenHandle(path, FileMode.Create, FileAccess.Write, preallocationSize: (long)mebibytes << 20);
    for (int i = 0; i < mebibytes; i++) RandomAccess.Write(file, block, (long)i << 20);
    RandomAccess.FlushToDisk(file);
}

// From the end to the start, each piece on the disk before the next, so that none is joined to another.
static void WriteInPieces(string path, int pieces)
{
    const int Page = 4096;
    byte[] block = Noise(1 << 20);
    int each = Math.Max(Page, block.Length / pieces / Page * Page);
    using var file = File.OpenHandle(path, FileMode.Create, FileAccess.Write);
    for (int i = pieces - 1; i >= 0; i--)
    {
        int end = i == pieces - 1 ? block.Length : (i + 1) * each;
        RandomAccess.Write(file, block.AsSpan(i * each, end - (i * each)), (long)i * each);
        RandomAccess.FlushToDisk(file);
    }
}

static byte[] Noise(int length)
{
    var bytes = new byte[length];
    Random.Shared.NextBytes(bytes);
    return bytes;
}

// "/x/y: 9 extents found"; 1 where that cannot be asked.
static int ExtentsOf(string path)
{
    using var process = Process.Start(new ProcessStartInfo("filefrag", [path]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
    string[] words = process.StandardOutput.ReadToEnd().Split(' ');
    process.WaitForExit();
    int at = Array.FindIndex(words, word => word.StartsWith("extent", StringComparison.Ordinal));
    return at > 0 && int.TryParse(words[at - 1], CultureInfo.InvariantCulture, out int count) ? Math.Max(1, count) : 1;
}

// How fast a search is, as a ratio to a plain pass that only sums the same bytes: measured in turns (sum, search, sum, search ...)
// within one run, medians. Usage: Search [MiB] [rounds] [folder]. Run it with -c Release on a machine with nothing else to do.
using System.Globalization;
using System.Text;
using MmapSnapshot;
using MmapSnapshot.Benchmarks.Search;

int mebibytes = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 512, rounds = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 9;
string folder = args.Length > 2 ? args[2] : Path.GetTempPath();

using var specimen = Specimen.Create(folder, (long)mebibytes << 20);
using var snapshot = Snapshot.Open(specimen.Path, new SnapshotOptions { ReadOnly = true });
Console.WriteLine($"{mebibytes} MiB of programs and libraries, in the page cache; backing {snapshot.Backing}; {rounds} rounds, medians");
Console.WriteLine();
Console.WriteLine($"{"",-52} {"GB/s",7} {"/ sum",7} {"/ sum with",11} {"/ scalar",9} {"matches",9}");
Console.WriteLine($"{"",-52} {"",7} {"",7} {"populate",11} {"sum",9} {"",9}");

(string Name, BytePattern[] Patterns, string? Grep)[] searches =
[
    ("plain, 16 bytes of text", [Text("MmapSnapshot tst")], "MmapSnapshot tst"),
    ("plain, 4 bytes, none common: DE AD BE EF", [Hex("DE AD BE EF")], @"\xDE\xAD\xBE\xEF"),
    ("plain, common bytes: 00 00 48 8B 05 00 00 00 48", [Hex("00 00 48 8B 05 00 00 00 48")], @"\x00\x00\x48\x8B\x05\x00\x00\x00\x48"),
    ("plain, one byte that is rare: A7 A7 A7 A7", [Hex("A7 A7 A7 A7")], @"\xA7\xA7\xA7\xA7"),
    ("wildcards: 0F 84 ?? ?? 00 00 48 8B ?? 0? C3", [Hex("0F 84 ?? ?? 00 00 48 8B ?? 0? C3")], @"(?s)\x0F\x84..\x00\x00\x48\x8B.[\x00-\x0F]\xC3"),
    ("half bytes alone: 4? ?B 0? 8? E? ?7 4? ?B", [Hex("4? ?B 0? 8? E? ?7 4? ?B")], null),
    ("text without regard to case: mmapsnapshot", [Text("mmapsnapshot", ignoreCase: true)], "(?i)mmapsnapshot"),
    ("UTF-16 text without regard to case: snapshots", [BytePattern.FromText("snapshots", Encoding.Unicode, ignoreCase: true)], null),
    ("four plain patterns in one pass", [Hex("DE AD BE EF"), Hex("CA FE D0 0D"), Text("MmapSnapshot tst"), Hex("A7 A7 A7 A7")], null),
    ("many matches: 48 8B ?? 0?", [Hex("48 8B ?? 0?")], @"(?s)\x48\x8B.[\x00-\x0F]"),
];

foreach (var (name, patterns, grep) in searches)
{
    using var view = snapshot.GetView(0, checked((int)snapshot.Length));
    var comparison = new Comparison(rounds);
    comparison.Measure(
        ("sum", () => Sums.Vectorized(view.Span)),
        ("sum with populate", SumOwnView),
        ("scalar", () => Sums.Scalar(view.Span)),
        ("search", () => snapshot.Find(patterns, 0, snapshot.Length).LongCount()));
    Report(name, comparison, "search");
    if (grep is null || !Grep.IsThere) continue;
    comparison.Measure(("grep", () => Grep.Count(grep, specimen.Path)));
    Report("    grep -obUaP", comparison, "grep");
}

// A view of its own is populated first, as a search does with each window.
long SumOwnView()
{
    using var own = snapshot.GetView(0, checked((int)snapshot.Length));
    return Sums.Vectorized(own.Span);
}

void Report(string name, Comparison comparison, string measured) => Console.WriteLine(
    $"{name,-52} {snapshot.Length / comparison.Seconds(measured) / 1e9,7:0.0} {comparison.Ratio("sum", measured),7:0.00} "
    + $"{comparison.Ratio("sum with populate", measured),11:0.00} {comparison.Ratio("scalar", measured),9:0.00} {comparison.Answer(measured),9}");

static BytePattern Hex(string text) => BytePattern.ParseHex(text);

static BytePattern Text(string text, bool ignoreCase = false) => BytePattern.FromText(text, Encoding.UTF8, ignoreCase);

// The fault matrix: tries to lose a byte.
//
//     MmapSnapshot.Faults [--short] [--only CLASS]   the classes of faults, on every filesystem below $MMAPSNAPSHOT_RIG
//     MmapSnapshot.Faults victim FOLDER              the process that the faults happen to (started by the former)
//     MmapSnapshot.Faults actor                      another process that saves, reads, renames or locks (likewise)
//
// The classes are calls, kills, window, in-place, groups, writers, threads, readers, crowds, vetoes, planted, shutdowns and disks.
// It ends with a table of what was tried and lost, and with totals of its lines, a line that lost nothing being one passed.

using MmapSnapshot.Faults;

if (args is ["victim", var folder]) return Victim.Run(folder);
if (args is ["actor"]) return Actor.Run();

bool isShort = args.Contains("--short");
string? rig = Environment.GetEnvironmentVariable("MMAPSNAPSHOT_RIG");
string[] mounts = rig is not null && Directory.Exists(rig) ? [.. Rig.Mounts(rig)] : [];
(string Name, string Package)[] programs = [("strace", "strace"), ("setfacl", "acl"), ("setpriv", "util-linux"), ("fstrim", "util-linux")];
string[] missing = [.. programs.Where(program => !Rig.HasProgram(program.Name)).Select(program => $"{program.Name} (package {program.Package})")];
if (rig is null || mounts.Length == 0 || missing.Length > 0)
{
    // build.ps1 looks for this line and the next.
    string needs = mounts.Length == 0 ? "mounted filesystems, and root for that" : string.Join(", ", missing);
    Console.WriteLine($"Not tried: the fault matrix needs {needs}");
    Console.WriteLine("Fault matrix: 0 passed, 0 failed, 1 skipped");
    return 0;
}

var report = new Report();
int only = Array.IndexOf(args, "--only");
bool IsWanted(string name) => only < 0 || args.ElementAtOrDefault(only + 1) == name;
using var readers = IsWanted("readers") ? new Readers() : null;
using var crowds = IsWanted("crowds") ? new Crowds() : null;
using var vetoes = IsWanted("vetoes") ? new Vetoes() : null;
using var planting = IsWanted("planted") ? new Planting() : null;
foreach (string mount in mounts)
{
    if (IsWanted("calls")) SyscallFailures.Try(mount, report, isShort);
    if (IsWanted("kills")) Kills.Try(mount, report, step: isShort ? 30 : 1);
    if (IsWanted("window")) KillsInWindow.Try(mount, report, isShort);
    if (IsWanted("in-place")) InPlaceFaults.Try(mount, report, isShort);
    if (IsWanted("groups")) GroupFaults.Try(mount, report, isShort);
    if (IsWanted("writers")) RacingWriters.Try(mount, report, snapshots: isShort ? 10 : 200);
    if (IsWanted("threads")) ThreadRaces.Try(mount, report, isShort ? TimeSpan.FromSeconds(1) : TimeSpan.FromSeconds(30));
    readers?.Try(mount, report, saves: isShort ? 6 : 200);
    crowds?.Try(mount, report, isShort);
    vetoes?.Try(mount, report);
    planting?.Try(mount, report);
}
if (IsWanted("shutdowns")) Shutdowns.Try(rig, report, rounds: isShort ? Shutdowns.Few : 50);
if (IsWanted("disks")) ThinDisks.Try(rig, report, isShort);

Console.WriteLine();
report.Print(Console.Out);
return report.Losses == 0 ? 0 : 1;

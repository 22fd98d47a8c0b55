// The fault matrix: tries to lose a byte.
//
//     MmapSnapshot.Faults [--short]         all classes of faults, on every filesystem below $MMAPSNAPSHOT_RIG
//     MmapSnapshot.Faults victim FOLDER     the process that the faults happen to (started by the former)
//
// It ends with a table of what was tried and lost, and with totals of its lines, a line that lost nothing being one passed.

using MmapSnapshot.Faults;

if (args is ["victim", var folder]) return Victim.Run(folder);

bool isShort = args.Contains("--short");
string? rig = Environment.GetEnvironmentVariable("MMAPSNAPSHOT_RIG");
string[] mounts = rig is not null && Directory.Exists(rig) ? [.. Rig.Mounts(rig)] : [];
if (rig is null || mounts.Length == 0 || !Rig.HasStrace())
{
    Console.WriteLine("THE FAULT MATRIX WAS NOT TRIED: it takes root, mounted filesystems and strace.");
    Console.WriteLine("Fault matrix: 0 passed, 0 failed, 1 skipped");
    return 0;
}

var report = new Report();
foreach (string mount in mounts)
{
    SyscallFailures.Try(mount, report, isShort ? SyscallFailures.ShortList : SyscallFailures.FullList);
    Kills.Try(mount, report);
    RacingWriters.Try(mount, report, snapshots: isShort ? 10 : 200);
    ThreadRaces.Try(mount, report, isShort ? TimeSpan.FromSeconds(1) : TimeSpan.FromSeconds(30));
}
Shutdowns.Try(rig, report, rounds: isShort ? 4 : 50);

Console.WriteLine();
report.Print(Console.Out);
return report.Losses == 0 ? 0 : 1;

using System.Globalization;
using Mono.Unix.Native;

namespace MmapSnapshot.Faults;

/// <summary>
/// A save in place: every system call fails once; the process is killed at every one, and so is the repair that follows. Then the file is
/// repaired, twice. It is the old one or the new one, the same inode with the same metadata, and no name is left. What another program
/// has written since stays.
/// </summary>
internal static class InPlaceFaults
{
    /// <summary>The short form kills at each of so many calls, and at one in three of those that write or flush.</summary>
    private const int Sparse = 30;

    private static readonly byte[] _others = "others"u8.ToArray();

    internal static void Try(string mount, Report report, bool isShort)
    {
        var specimen = new Specimen(mount, "in-place");
        try
        {
            RecordedCall[] calls;
            using (var victim = new VictimProcess(mount)) calls = Recording.Take(victim, specimen, "in-place");
            TryFailures(mount, report, specimen, calls, isShort);
            TryKills(mount, report, specimen, calls, step: isShort ? Sparse : 1);
            TryKillsOfRepair(mount, report, specimen, calls, step: isShort ? Sparse : 1);
        }
        finally
        {
            Directory.Delete(specimen.Folder, recursive: true);
        }
    }

    private static void TryFailures(string mount, Report report, Specimen specimen, RecordedCall[] calls, bool isShort)
    {
        var line = report.Begin("in place: a call fails", Rig.NameOf(mount));
        var victim = new VictimProcess(mount);
        try
        {
            foreach (var call in SyscallFailures.Tried(calls, mount, isShort))
            {
                foreach (string errno in SyscallFailures.NextErrnos(isShort))
                {
                    specimen.Renew();
                    ulong inode = InodeOf(specimen.Path);
                    var (answer, trace) = victim.SendTraced(
                        $"in-place {specimen.Path}",
                        "-e",
                        $"trace={call.Name}",
                        "-e",
                        $"inject={call.Name}:error={errno}:when={call.Number}");
                    bool injected = trace.Any(entry => entry.Contains("(INJECTED)", StringComparison.Ordinal));
                    string? loss = JudgeAnswer(specimen, answer) ?? JudgeRepaired(specimen, inode);
                    line.Case(injected, loss is null ? null : $"{call} {errno}: {loss} ({answer})");
                    if (answer is not null) continue;
                    victim.Dispose();
                    victim = new VictimProcess(mount);
                }
            }
        }
        finally
        {
            victim.Dispose();
        }
    }

    private static void TryKills(string mount, Report report, Specimen specimen, RecordedCall[] calls, int step)
    {
        var line = report.Begin("in place: SIGKILL", Rig.NameOf(mount));
        foreach (var call in calls.Where((call, index) => index % step == 0 || IsWanted(call, index, step)))
        {
            bool isKilled = Kill(mount, specimen, call, out ulong inode);
            string? loss = JudgeForeignWrite(specimen) ?? JudgeRepaired(specimen, inode);
            line.Case(isKilled, loss is null ? null : $"{call}: {loss}");
        }
    }

    /// <summary>
    /// The save is killed before its last write to the file; the file and its journal of that moment are what each repair begins with.
    /// </summary>
    private static void TryKillsOfRepair(string mount, Report report, Specimen specimen, RecordedCall[] calls, int step)
    {
        var line = report.Begin("in place: SIGKILL, repair", Rig.NameOf(mount));
        // The last write is that of "done" to the journal.
        var write = calls.Where(call => call.Name == "pwrite64").TakeLast(2).First();
        bool isKilled = Kill(mount, specimen, write, out ulong inode);
        string journal = JournalOf(specimen);
        if (!isKilled || !File.Exists(journal))
        {
            line.Case(isKilled, "there was no journal");
            return;
        }
        byte[] journalBytes = File.ReadAllBytes(journal), mixed = File.ReadAllBytes(specimen.Path);
        RecordedCall[] repairs;
        using (var victim = new VictimProcess(mount)) repairs = Recording.Take(victim, specimen, "repair");
        foreach (var call in repairs.Where((call, index) => index % step == 0 || IsWanted(call, index, step)))
        {
            File.WriteAllBytes(journal, journalBytes);
            File.SetUnixFileMode(journal, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            Thread.Sleep(15); // the file was written to later than the journal
            WriteInto(specimen.Path, 0, mixed);
            using var victim = new VictimProcess(mount);
            var (answer, _) = victim.SendTraced(
                $"repair {specimen.Path}", "-e", $"trace={call.Name}", "-e", $"inject={call.Name}:signal=KILL:when={call.Number}");
            string? loss = JudgeRepaired(specimen, inode);
            if (loss is null && specimen.Judge(reached: 2) is { } wrong) loss = wrong;
            line.Case(answer is null, loss is null ? null : $"{call}: {loss}");
        }
    }

    private static bool IsWanted(RecordedCall call, int index, int step) =>
        call.Name is "pwrite64" or "fsync" or "fdatasync" && (step == 1 || index % 3 == 0);

    private static bool Kill(string mount, Specimen specimen, RecordedCall call, out ulong inode)
    {
        specimen.Renew();
        inode = InodeOf(specimen.Path);
        using var victim = new VictimProcess(mount);
        var (answer, _) = victim.SendTraced(
            $"in-place {specimen.Path}", "-e", $"trace={call.Name}", "-e", $"inject={call.Name}:signal=KILL:when={call.Number}");
        return answer is null;
    }

    /// <summary>A success is the new file; a failure that leaves no journal, the old one.</summary>
    private static string? JudgeAnswer(Specimen specimen, string? answer)
    {
        if (answer is null) return "the process died";
        if (answer.Split('|') is not [var saved, var descriptors, var mappings, var outcome, var usable])
            return $"the victim said '{answer}'";
        if (outcome.StartsWith("UNDOCUMENTED", StringComparison.Ordinal)) return outcome;
        if (outcome == "ok" && specimen.Judge(int.Parse(saved, CultureInfo.InvariantCulture)) is { } wrong) return wrong;
        if (outcome != "ok" && !File.Exists(JournalOf(specimen)) && specimen.Judge(reached: 0) is { } changed) return changed;
        if (usable != "yes" && !usable.StartsWith("SnapshotLost:", StringComparison.Ordinal)) return $"the snapshot is of no use: {usable}";
        return descriptors == "0" && mappings == "0" ? null : $"{descriptors} descriptors and {mappings} mappings were left";
    }

    /// <summary>Another program writes where the save does: a repair leaves all as it is. Then its bytes are taken back.</summary>
    private static string? JudgeForeignWrite(Specimen specimen)
    {
        if (!File.Exists(JournalOf(specimen))) return null;
        byte[] before = File.ReadAllBytes(specimen.Path);
        WriteInto(specimen.Path, Specimen.FirstOffset, _others);
        byte[] theirs = File.ReadAllBytes(specimen.Path);
        var records = SnapshotRepair.Repair(specimen.Path).ToList();
        // A journal that is done, or was not finished, is no reason to write.
        string? loss = theirs.AsSpan().SequenceEqual(File.ReadAllBytes(specimen.Path))
            ? null
            : "what another program wrote was written over";
        WriteInto(specimen.Path, 0, before);
        return loss ?? (records.Count == 1 ? null : $"{records.Count} journals were found");
    }

    private static string? JudgeRepaired(Specimen specimen, ulong inode)
    {
        try
        {
            foreach (var record in SnapshotRepair.Repair(specimen.Path))
            {
                if (record.Action == RepairAction.None) return $"it was not repaired: {record.Reason}";
            }
            if (SnapshotRepair.Repair(specimen.Path).FirstOrDefault() is { } again) return $"a second repair found something: {again}";
        }
        catch (SnapshotException exception)
        {
            return $"the repair failed: {exception.Message}";
        }
        byte[] now = File.ReadAllBytes(specimen.Path);
        if (!now.AsSpan().SequenceEqual(Specimen.Bytes(0)) && !now.AsSpan().SequenceEqual(Specimen.Bytes(2)))
            return "the file is neither old nor new";
        if (InodeOf(specimen.Path) != inode) return "the file is another inode";
        if (specimen.Judge(reached: -1) is { } damage) return damage;
        string marker = Path.Join(specimen.Folder, Specimen.Marker("file"));
        if (specimen.Strangers().FirstOrDefault(name => name != marker) is { } left) return $"{left} was left";
        File.Delete(marker); // which the next save removes
        return null;
    }

    private static string JournalOf(Specimen specimen) => Path.Join(specimen.Folder, Specimen.Journal("file"));

    private static void WriteInto(string path, long offset, byte[] bytes)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        RandomAccess.Write(file, bytes, offset);
    }

    private static ulong InodeOf(string path) => Syscall.stat(path, out var status) == 0 ? status.st_ino : 0;
}

namespace MmapSnapshot.Faults;

/// <summary>
/// A save of several files as one: every system call fails once; the process is killed at every one, and so is the repair that follows;
/// another program changes a file at every moment. Then it is repaired, twice. All files are new, or all are old, and no name is left.
/// What another program has done stays.
/// </summary>
internal static class GroupFaults
{
    private const string Others = "others";

    /// <summary>The ways in which another program changes a file.</summary>
    private static readonly string[] _ways = ["replace", "append", "delete"];

    internal static void Try(string mount, Report report, bool isShort)
    {
        var specimen = new GroupSpecimen(Path.Join(mount, "groups"));
        try
        {
            RecordedCall[] calls;
            using (var victim = new VictimProcess(mount)) calls = Recording.Take(victim, $"group {specimen.Folder}");
            TryFailures(mount, report, specimen, calls, isShort);
            // In the short form on some filesystems: each case is a process of its own.
            if (!isShort || Rig.NameOf(mount) is "xfs" or "ext4" or "btrfs")
            {
                TryKills(mount, report, specimen, calls, isShort);
                TryKillsOfRepair(mount, report, specimen, calls, isShort);
            }
            TryChanges(mount, report, specimen, rounds: isShort ? 20 : 600);
        }
        finally
        {
            Directory.Delete(specimen.Folder, recursive: true);
        }
    }

    private static void TryFailures(string mount, Report report, GroupSpecimen specimen, RecordedCall[] calls, bool isShort)
    {
        var line = report.Begin("group: a call fails", Rig.NameOf(mount));
        var victim = new VictimProcess(mount);
        try
        {
            foreach (var call in calls.Where((_, index) => !isShort || index % 12 == Rig.NameOf(mount).Length % 12))
            {
                foreach (string errno in SyscallFailures.NextErrnos(isShort))
                {
                    specimen.Renew();
                    var (answer, trace) = victim.SendTraced(
                        $"group {specimen.Folder}", "-e", $"trace={call.Name}", "-e",
                            $"inject={call.Name}:error={errno}:when={call.Number}");
                    bool injected = trace.Any(entry => entry.Contains("(INJECTED)", StringComparison.Ordinal));
                    string? loss = JudgeAnswer(specimen, answer, call, errno) ?? JudgeRepaired(specimen);
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

    private static void TryKills(string mount, Report report, GroupSpecimen specimen, RecordedCall[] calls, bool isShort)
    {
        var line = report.Begin("group: SIGKILL", Rig.NameOf(mount));
        int turn = 0;
        foreach (var call in calls.Where((call, index) => !isShort || index % 90 == 0 || (call.IsRename && index % 4 == 0)))
        {
            bool isKilled = Kill(mount, specimen, call);
            // In turn: as it is, or after another program has changed one of the files.
            int changed = turn % 4 == 0 ? -1 : turn % specimen.Paths.Length;
            string? loss = changed < 0 ? JudgeRepaired(specimen) : JudgeForeignChange(specimen, changed, _ways[turn % _ways.Length]);
            line.Case(isKilled, loss is null ? null : $"{call}: {loss}");
            turn++;
        }
    }

    private static void TryKillsOfRepair(string mount, Report report, GroupSpecimen specimen, RecordedCall[] calls, bool isShort)
    {
        var line = report.Begin("group: SIGKILL, repair", Rig.NameOf(mount));
        // In the middle of the exchanges, and where the old files are removed.
        var renames = calls.Where(call => call.IsRename).ToArray();
        foreach (var moment in (RecordedCall[])[renames[renames.Length / 2], calls.Where(call => call.IsUnlink).ElementAt(1)])
        {
            if (isShort && moment.IsRename == (Rig.NameOf(mount).Length % 2 == 0)) continue;
            if (!Kill(mount, specimen, moment)) continue;
            RecordedCall[] repairs;
            using (var victim = new VictimProcess(mount)) repairs = Recording.Take(victim, $"repair {specimen.Folder}");
            foreach (var call in repairs.Where((call, index) => !isShort || index % 100 == 50 || (call.IsRename && index % 2 == 0)))
            {
                _ = Kill(mount, specimen, moment);
                using var victim = new VictimProcess(mount);
                var (answer, _) = victim.SendTraced(
                    $"repair {specimen.Folder}", "-e", $"trace={call.Name}", "-e", $"inject={call.Name}:signal=KILL:when={call.Number}");
                string? loss = JudgeRepaired(specimen) ?? specimen.Judge(isNew: true);
                line.Case(answer is null, loss is null ? null : $"{moment}, then {call}: {loss}");
            }
        }
    }

    /// <summary>Another program changes one file, at a random moment of the save.</summary>
    private static void TryChanges(string mount, Report report, GroupSpecimen specimen, int rounds)
    {
        var line = report.Begin("group: another program", Rig.NameOf(mount));
        var random = new Random(1);
        double saveTime = 0;
        for (int round = -3; round < rounds; round++)
        {
            specimen.Renew();
            var snapshots = specimen.Open();
            int changed = random.Next(specimen.Paths.Length);
            string way = _ways[random.Next(_ways.Length)];
            double delay = random.NextDouble() * saveTime;
            bool hasChanged = false;
            using var begun = new Barrier(2);
            var other = new Thread(() =>
            {
                begun.SignalAndWait();
                var clock = System.Diagnostics.Stopwatch.StartNew();
                while (clock.Elapsed.TotalMilliseconds < delay) Thread.SpinWait(20);
                // A new file is not there to be deleted before it is saved.
                hasChanged = round >= 0 && (way != "delete" || File.Exists(specimen.Paths[changed]));
                if (hasChanged) Change(specimen.Paths[changed], way);
            });
            other.Start();
            begun.SignalAndWait();
            var watch = System.Diagnostics.Stopwatch.StartNew();
            string? error = null;
            try
            {
                _ = Snapshot.CommitAll(snapshots);
            }
            catch (SnapshotException exception)
            {
                error = exception.Message;
            }
            double elapsed = watch.Elapsed.TotalMilliseconds;
            other.Join();
            foreach (var snapshot in snapshots) snapshot.Dispose();
            if (round < 0)
            {
                saveTime = elapsed;
                continue;
            }
            string? loss = hasChanged ? JudgeChanged(specimen, changed, way) : null;
            loss ??= specimen.Judge(isNew: error is null, except: hasChanged ? changed : -1);
            line.Case(hasChanged, loss is null ? null : $"{way} {changed} after {delay:0.00} ms: {loss} ({error ?? "saved"})");
        }
    }

    private static bool Kill(string mount, GroupSpecimen specimen, RecordedCall call)
    {
        specimen.Renew();
        using var victim = new VictimProcess(mount);
        var (answer, _) = victim.SendTraced(
            $"group {specimen.Folder}", "-e", $"trace={call.Name}", "-e", $"inject={call.Name}:signal=KILL:when={call.Number}");
        return answer is null;
    }

    /// <summary>A success is all new; a failure that says so, all old; and neither leaves a name that it could remove.</summary>
    private static string? JudgeAnswer(GroupSpecimen specimen, string? answer, RecordedCall call, string errno)
    {
        if (answer is null) return "the process died";
        if (answer.Split('|') is not [_, var descriptors, var mappings, var outcome, var usable]) return $"the victim said '{answer}'";
        if (outcome.StartsWith("UNDOCUMENTED", StringComparison.Ordinal)) return outcome;
        // The numbers of calls differ by a few from run to run: it may be one after the save that failed.
        bool mayBeRead = usable == "yes" || usable.StartsWith("SnapshotLost:", StringComparison.Ordinal) || usable.Contains(errno,
            StringComparison.Ordinal);
        if (!mayBeRead) return usable;
        if (descriptors != "0" || mappings != "0") return $"{descriptors} descriptors and {mappings} mappings were left";
        bool isKnown = outcome == "ok" || outcome.Contains("(none changed)", StringComparison.Ordinal);
        if (!isKnown) return null; // the repair decides
        if (call.IsUnlink) _ = SnapshotRepair.Repair(specimen.Folder, new RepairOptions { Recurse = true }).ToList();
        return specimen.Judge(isNew: outcome == "ok") is { } wrong && !wrong.EndsWith("was left", StringComparison.Ordinal) ? wrong : null;
    }

    private static string? JudgeRepaired(GroupSpecimen specimen, int except = -1)
    {
        try
        {
            var options = new RepairOptions { Recurse = true };
            foreach (var record in SnapshotRepair.Repair(specimen.Folder, options))
            {
                if (record.Action == RepairAction.None && except < 0) return $"it was not repaired: {record.Reason}";
                if (record.Action != RepairAction.None) continue;
                // It was named. That is the end of it: nothing is touched.
                _ = SnapshotRepair.Repair(specimen.Folder, new RepairOptions { Recurse = true, Force = true }).ToList();
                return specimen.Strangers().FirstOrDefault() is { } left ? $"{left} was left by force" : null;
            }
            if (SnapshotRepair.Repair(specimen.Folder, options).FirstOrDefault() is { } again)
                return $"a second repair found something: {again}";
        }
        catch (SnapshotException exception)
        {
            return $"the repair failed: {exception.Message}";
        }
        return specimen.Judge(isNew: null, except);
    }

    private static string? JudgeForeignChange(GroupSpecimen specimen, int file, string way)
    {
        // A new file is not there to be deleted before it is saved.
        if (way == "delete" && !File.Exists(specimen.Paths[file])) return JudgeRepaired(specimen);
        Thread.Sleep(15); // timestamps of older kernels
        Change(specimen.Paths[file], way);
        return JudgeRepaired(specimen, file) ?? JudgeChanged(specimen, file, way);
    }

    /// <summary>What another program has done to a file is still done.</summary>
    private static string? JudgeChanged(GroupSpecimen specimen, int file, string way)
    {
        bool exists = File.Exists(specimen.Paths[file]);
        if (way == "delete") return exists ? "the file that another program deleted is there again" : null;
        return exists && File.ReadAllText(specimen.Paths[file]).EndsWith(Others, StringComparison.Ordinal)
            ? null
            : "what another program wrote is lost";
    }

    private static void Change(string path, string way)
    {
        switch (way)
        {
            case "replace":
                string temporary = Path.Join(Path.GetDirectoryName(Path.GetDirectoryName(path)), "others");
                File.WriteAllText(temporary, Others);
                File.Move(temporary, path, overwrite: true);
                break;
            case "append":
                File.AppendAllText(path, Others);
                break;
            case "delete":
                File.Delete(path);
                break;
        }
    }
}

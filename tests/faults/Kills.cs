namespace MmapSnapshot.Faults;

/// <summary>The process is killed at every system call of open, set and save, or at every so many.</summary>
internal static class Kills
{
    internal static void Try(string mount, Report report, int step)
    {
        var line = report.Begin("SIGKILL", Rig.NameOf(mount));
        var specimen = new Specimen(mount, "kills");
        try
        {
            RecordedCall[] calls;
            using (var victim = new VictimProcess(mount)) calls = Recording.Take(victim, specimen);
            foreach (var call in calls.Where((_, index) => index % step == 0))
            {
                specimen.Renew();
                using var victim = new VictimProcess(mount);
                var (answer, _) = victim.SendTraced(
                    $"case {specimen.Path}", "-e", $"trace={call.Name}", "-e", $"inject={call.Name}:signal=KILL:when={call.Number}");
                string? loss = Judge(specimen);
                line.Case(injected: answer is null, loss is null ? null : $"{call}: {loss}");
            }
        }
        finally
        {
            Directory.Delete(specimen.Folder, recursive: true);
        }
    }

    private static string? Judge(Specimen specimen)
    {
        if (specimen.Judge(reached: -1) is { } damage) return damage;
        string[] left = specimen.Strangers();
        if (left.Length > 1) return $"{left.Length} names were left";
        // Whoever finds the name finds it with the rights it will have, not with laxer ones.
        if (left.Length == 1 && Specimen.MetadataOf(left[0]) != specimen.Metadata) return $"the leftover has the metadata {Specimen.MetadataOf(left[0])}";

        // The next save of that file goes well, and takes the leftover away.
        using (var snapshot = Snapshot.Open(specimen.Path))
        {
            snapshot.Write(0, "x"u8);
            snapshot.Commit(new CommitOptions { Close = true, Method = CommitMethod.Replace });
        }
        return specimen.Strangers() is [var still, ..] ? $"{still} was still there after the next save" : null;
    }
}

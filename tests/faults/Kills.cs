using Mono.Unix.Native;

namespace MmapSnapshot.Faults;

/// <summary>The process is killed at every system call of open, set and save; or at every so many, and just after the new file got the name.</summary>
internal static class Kills
{
    /// <summary>Those of a marker of root's: others may read it, to see its lock.</summary>
    private static readonly string _markerMetadata =
        $"{FilePermissions.S_IFREG | FilePermissions.S_IRUSR | FilePermissions.S_IWUSR | FilePermissions.S_IRGRP | FilePermissions.S_IROTH:X} 0:0 1 acl=none user=none";

    internal static void Try(string mount, Report report, int step)
    {
        foreach (var variant in Specimen.VariantsOn(Rig.NameOf(mount))) Try(mount, report, step, variant);
    }

    private static void Try(string mount, Report report, int step, SaveVariant variant)
    {
        var line = report.Begin($"SIGKILL{Specimen.Describe(variant)}", Rig.NameOf(mount));
        var specimen = new Specimen(mount, "kills", variant);
        try
        {
            RecordedCall[] calls;
            using (var victim = new VictimProcess(mount)) calls = Recording.Take(victim, specimen);
            foreach (var call in calls.Where((_, index) => index % step == 0 || calls[index - 1].IsRename))
            {
                specimen.Renew();
                using var victim = new VictimProcess(mount);
                var (answer, _) = victim.SendTraced(
                    specimen.Command, "-e", $"trace={call.Name}", "-e", $"inject={call.Name}:signal=KILL:when={call.Number}");
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
        return specimen.JudgeBackups(mayBeLeft: true) ?? JudgeLeftAndNextSave(specimen);
    }

    /// <summary>What was left, and what the next save says; not to a backup, which can be a second name of the file.</summary>
    internal static string? JudgeLeftAndNextSave(Specimen specimen)
    {
        if (JudgeLeft(specimen) is { } left) return left;
        specimen.DeleteBackups();
        return NextSave.Judge(specimen.Path);
    }

    /// <summary>At most the marker, which no other user can open, and one temporary name, with the permissions that the file will have or had.</summary>
    internal static string? JudgeLeft(Specimen specimen)
    {
        string marker = Path.Join(specimen.Folder, Specimen.Marker(Path.GetFileName(specimen.Path)));
        string[] left = specimen.Strangers();
        if (left.Except([marker]).Count() > 1) return $"{left.Length} names were left";
        foreach (string name in left)
        {
            string metadata = Specimen.MetadataOf(name, specimen.HasOneName);
            if (metadata != (name == marker ? _markerMetadata : specimen.Metadata)) return $"{name} was left with the metadata {metadata}";
        }
        return null;
    }
}

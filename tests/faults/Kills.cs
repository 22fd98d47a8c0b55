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
        var line = report.Begin("SIGKILL", Rig.NameOf(mount));
        var specimen = new Specimen(mount, "kills");
        try
        {
            RecordedCall[] calls;
            using (var victim = new VictimProcess(mount)) calls = Recording.Take(victim, specimen);
            foreach (var call in calls.Where((_, index) => index % step == 0 || calls[index - 1].IsRename))
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
        return JudgeLeft(specimen) ?? NextSave.Judge(specimen.Path);
    }

    /// <summary>At most the marker, which no other user can open, and one temporary name, with the permissions that the file will have or had.</summary>
    internal static string? JudgeLeft(Specimen specimen)
    {
        string marker = Path.Join(specimen.Folder, Specimen.Marker(Path.GetFileName(specimen.Path)));
        string[] left = specimen.Strangers();
        if (left.Except([marker]).Count() > 1) return $"{left.Length} names were left";
        foreach (string name in left)
        {
            string metadata = Specimen.MetadataOf(name);
            if (metadata != (name == marker ? _markerMetadata : specimen.Metadata)) return $"{name} was left with the metadata {metadata}";
        }
        return null;
    }
}

using Mono.Unix.Native;

namespace MmapSnapshot.Faults;

/// <summary>
/// Another program renames its own file over the name between the last check of a save and the moment when the new file gets the
/// name; and then the process that saves is killed, before it has looked at what had the name until then, or at one of the calls
/// that follow. The next save goes well, takes away what was left, and the other program's file is still to be found.
/// </summary>
internal static class KillsInWindow
{
    private static readonly uint[] _owners = [Specimen.Owner, 0];

    private static int _turn;

    private static readonly byte[] _others = "another program's version"u8.ToArray();

    /// <param name="mount">The filesystem.</param>
    /// <param name="report">Where it is counted.</param>
    /// <param name="isShort">Whether to kill only at the first of the calls that follow, and only after one of the two users' files.</param>
    internal static void Try(string mount, Report report, bool isShort)
    {
        var specimen = new Specimen(mount, "window");
        var victim = new VictimProcess(mount);
        try
        {
            var recorded = Recording.Take(victim, specimen);
            int rename = Array.FindIndex(recorded, call => call.IsRename);
            if (rename < 0) return; // contents are exchanged, not names
            var line = report.Begin("SIGKILL in the window", Rig.NameOf(mount));
            foreach (var call in recorded.Skip(rename + 1).Take(isShort ? 1 : 8))
            {
                // The other file belongs to the same user, or to another one.
                foreach (uint owner in isShort ? [_owners[_turn++ % _owners.Length]] : _owners)
                {
                    if (victim.HasExited)
                    {
                        victim.Dispose();
                        victim = new VictimProcess(mount);
                    }
                    bool killed = Kill(victim, specimen, recorded[rename], call, owner);
                    line.Case(killed, Judge(specimen) is { } loss ? $"{call}, the other file is of user {owner}: {loss}" : null);
                }
            }
        }
        finally
        {
            victim.Dispose();
            Directory.Delete(specimen.Folder, recursive: true);
        }
    }

    private static bool Kill(VictimProcess victim, Specimen specimen, RecordedCall rename, RecordedCall call, uint owner)
    {
        specimen.Renew();
        using var renaming = Task.Run(() => RenameOver(specimen, owner));
        var (answer, _) = victim.SendTraced(
            specimen.Command,
            "-e", $"trace={rename.Name},{call.Name}",
            "-e", $"inject={rename.Name}:delay_enter=300000:when={rename.Number}",
            "-e", $"inject={call.Name}:signal=KILL:when={call.Number}");
        renaming.Wait();
        return answer is null;
    }

    /// <summary>Renames another program's file over the name when the new file has its temporary name, and its maker has looked for the last time.</summary>
    private static void RenameOver(Specimen specimen, uint owner)
    {
        string own = specimen.Folder + ".others", marker = Path.Join(specimen.Folder, Specimen.Marker(Path.GetFileName(specimen.Path)));
        File.WriteAllBytes(own, _others);
        _ = Syscall.chown(own, owner, owner);
        for (int i = 0; i < 5000 && specimen.Strangers().All(name => name == marker); i++) Thread.Sleep(1);
        Thread.Sleep(100);
        File.Move(own, specimen.Path, overwrite: true);
    }

    private static string? Judge(Specimen specimen)
    {
        if (!IsFound(specimen)) return "the other program's file is gone";
        string? loss = NextSave.Judge(specimen.Path);
        return IsFound(specimen) ? loss : "the other program's file is gone after the next save";
    }

    /// <summary>Under whatever name, its first byte aside, which the next save changes.</summary>
    private static bool IsFound(Specimen specimen) =>
        Directory.EnumerateFiles(specimen.Folder).Any(file => File.ReadAllBytes(file).AsSpan().EndsWith(_others.AsSpan(1)));
}

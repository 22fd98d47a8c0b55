using System.Globalization;

namespace MmapSnapshot.Faults;

/// <summary>
/// Every system call of open, set and save fails once: with every errno; in the short form one in three does, with one of three in turn.
/// </summary>
internal static class SyscallFailures
{
    private static readonly string[] _errnos = ["EIO", "ENOSPC", "EINTR", "EMFILE", "ENOMEM", "EACCES", "EROFS", "EDQUOT"];

    private static int _turn;

    private static readonly string[] _flushes = ["fsync", "fdatasync", "sync_file_range", "copy_file_range", "ioctl"];

    internal static void Try(string mount, Report report, bool isShort)
    {
        foreach (var variant in Specimen.VariantsOn(Rig.NameOf(mount))) Try(mount, report, isShort, variant);
    }

    /// <summary>The errors that the next call fails with.</summary>
    internal static string[] NextErrnos(bool isShort) => isShort ? [_errnos[_turn++ % 3]] : _errnos;

    /// <summary>The calls that fail: in the short form one in three, on each filesystem others.</summary>
    internal static IEnumerable<RecordedCall> Tried(RecordedCall[] calls, string mount, bool isShort) =>
        calls.Where((_, index) => !isShort || index % 3 == Rig.NameOf(mount).Length % 3);

    private static void Try(string mount, Report report, bool isShort, SaveVariant variant)
    {
        var line = report.Begin($"a system call fails{Specimen.Describe(variant)}", Rig.NameOf(mount));
        var specimen = new Specimen(mount, "failures", variant);
        var victim = new VictimProcess(mount);
        try
        {
            foreach (var call in Tried(Recording.Take(victim, specimen), mount, isShort))
            {
                foreach (string errno in NextErrnos(isShort))
                {
                    specimen.Renew();
                    var (answer, trace) = victim.SendTraced(
                        specimen.Command, "-e", $"trace={call.Name}", "-e", $"inject={call.Name}:error={errno}:when={call.Number}");
                    bool injected = trace.Any(entry => entry.Contains("(INJECTED)", StringComparison.Ordinal));
                    string? loss = Judge(specimen, answer, call);
                    line.Case(injected, loss is null ? null : $"{call} {errno}: {loss}");
                    if (answer is not null) continue;
                    victim.Dispose();
                    victim = new VictimProcess(mount);
                }
            }
        }
        finally
        {
            victim.Dispose();
            Directory.Delete(specimen.Folder, recursive: true);
        }
    }

    private static string? Judge(Specimen specimen, string? answer, RecordedCall call)
    {
        if (answer is null) return "the process died";
        if (answer.Split('|') is not [var saved, var descriptors, var mappings, var outcome, var usable]) return $"the victim said '{answer}'";
        if (outcome.StartsWith("UNDOCUMENTED", StringComparison.Ordinal)) return outcome;
        if (specimen.Judge(reached: -1) is { } damage) return $"{damage} ({outcome})";
        if (specimen.JudgeBackups(mayBeLeft: call.IsUnlink) is { } kept) return $"{kept} ({outcome})";
        if (outcome == "ok" && specimen.Judge(reached: int.Parse(saved, CultureInfo.InvariantCulture)) is { } wrong) return wrong;
        // What the kernel has failed to write may be gone: no later save can be good.
        bool mayBeLost = _flushes.Contains(call.Name) && usable.StartsWith("SnapshotLost:", StringComparison.Ordinal);
        if (usable != "yes" && !mayBeLost) return $"after {outcome} the snapshot is of no use: {usable}";
        if (descriptors != "0") return $"{descriptors} descriptors were left after {outcome}";
        if (mappings != "0") return $"{mappings} mappings were left after {outcome}";
        // A name that could not be removed is left, as by a process that was killed.
        if (call.IsUnlink) return Kills.JudgeLeftAndNextSave(specimen);
        return specimen.Strangers() is { Length: > 0 } left ? $"{left[0]} was left after {outcome}" : null;
    }
}

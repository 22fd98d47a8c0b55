using System.Text.RegularExpressions;

namespace MmapSnapshot.Faults;

/// <summary>A system call of a case: its name, and which one of that name it is since strace was attached.</summary>
internal readonly record struct RecordedCall(string Name, int Number)
{
    /// <summary>Whether it gives a file another name.</summary>
    internal bool IsRename => Name is "rename" or "renameat" or "renameat2";

    /// <summary>Whether it removes a name.</summary>
    internal bool IsUnlink => Name is "unlink" or "unlinkat";

    public override string ToString() => $"{Name} #{Number}";
}

/// <summary>The system calls that a case makes, in order.</summary>
internal static partial class Recording
{
    /// <summary>
    /// Calls that are no use to fail: strace would skip them, so a failed close or munmap would be a leak of its making; the
    /// others are the runtime's.
    /// </summary>
    private static readonly string[] _spared =
        ["close", "munmap", "futex", "getpid", "gettid", "madvise", "mprotect", "brk", "rt_sigprocmask", "rt_sigreturn", "sched_yield", "membarrier", "clock_nanosleep"];

    /// <param name="victim">The process.</param>
    /// <param name="specimen">The file.</param>
    /// <param name="command">What the process does with it; null: what the specimen is for.</param>
    internal static RecordedCall[] Take(VictimProcess victim, Specimen specimen, string? command = null)
    {
        if (command != "repair") specimen.Renew();
        return Take(victim, command is null ? specimen.Command : $"{command} {specimen.Path}");
    }

    /// <param name="victim">The process.</param>
    /// <param name="line">What it is sent.</param>
    internal static RecordedCall[] Take(VictimProcess victim, string line)
    {
        var (answer, trace) = victim.SendTraced(line);
        if (answer is null || !answer.Contains("|ok|", StringComparison.Ordinal)) throw new InvalidOperationException($"The case fails without a fault: {answer}");

        var counts = new Dictionary<string, int>();
        var calls = new List<RecordedCall>();
        bool inCase = false;
        foreach (string entry in trace)
        {
            if (CallName().Match(entry) is not { Success: true } match) continue;
            string name = match.Groups[1].Value;
            int number = counts[name] = counts.GetValueOrDefault(name) + 1;
            if (entry.Contains(Victim.EndMarker, StringComparison.Ordinal)) inCase = false;
            bool runtimes = name == "mmap" && !entry.Contains("MAP_SHARED", StringComparison.Ordinal);
            if (inCase && !runtimes && !_spared.Contains(name)) calls.Add(new RecordedCall(name, number));
            if (entry.Contains(Victim.BeginMarker, StringComparison.Ordinal)) inCase = true;
        }
        return calls.Count > 20 ? [.. calls] : throw new InvalidOperationException($"strace recorded only {calls.Count} system calls.");
    }

    [GeneratedRegex(@"^(\w+)\(")]
    private static partial Regex CallName();
}

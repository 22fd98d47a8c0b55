using System.Globalization;
using Mono.Unix.Native;

namespace MmapSnapshot.Faults;

/// <summary>
/// Three processes save one file at once, with pauses between the system calls of a save, while other programs rename files over
/// it, exchange it, link it or write to it. No version may be lost, and no two saves may both replace the same version.
/// </summary>
internal sealed class Crowds : IDisposable
{
    private const int Savers = 3;

    /// <summary>In the directory modes 0733 and 1777 the savers are not root; in the former they cannot list the directory.</summary>
    private static readonly (string Mode, bool IsRoot)[] _directories = [("0777", true), ("0755", true), ("0733", false), ("1777", false)];

    /// <summary>What the other programs do. Several exchange at once, since only an exchange tells what was displaced; a rename does not.</summary>
    private static readonly string[][] _disturbances = [["exchange", "exchange", "link"], ["rename"], ["write", "link"]];

    private readonly Dictionary<bool, ActorProcess[]> _savers = [];

    private readonly Dictionary<bool, ActorProcess> _others = [];

    private int _turn;

    internal Crowds()
    {
        foreach (bool isRoot in ActorProcess.CanBeOtherUser ? [true, false] : (bool[])[true])
        {
            int user = isRoot ? 0 : ActorProcess.OtherUser;
            _savers[isRoot] = [.. Enumerable.Range(0, Savers).Select(index => new ActorProcess(user, Pauses(index)))];
            _others[isRoot] = new ActorProcess(user);
        }
    }

    /// <summary>strace makes each saver pause, each for other times, before and after the calls that change names.</summary>
    private static string[] Pauses(int saver)
    {
        (string Calls, int Enter, int Exit)[] pauses = [("linkat", 900, 700), ("?rename,?renameat,renameat2", 3000, 1300), ("?unlink,unlinkat", 500, 0)];
        return ["-e", "trace=linkat,?rename,?renameat,renameat2,?unlink,unlinkat",
            .. pauses.SelectMany(pause => (string[])["-e", $"inject={pause.Calls}:delay_enter={pause.Enter * (saver + 1)}:delay_exit={(pause.Exit * (Savers - saver)) + 1}"])];
    }

    /// <param name="mount">The filesystem.</param>
    /// <param name="report">Where it is counted.</param>
    /// <param name="isShort">Whether to try only one of the disturbances in each directory, another one on the next filesystem, for a moment.</param>
    internal void Try(string mount, Report report, bool isShort)
    {
        var line = report.Begin("savers and others", Rig.NameOf(mount));
        foreach (var (mode, isRoot) in _directories)
        {
            _turn++;
            if (!_savers.ContainsKey(isRoot)) continue;
            for (int i = 0; i < (isShort ? 1 : _disturbances.Length * 10); i++)
            {
                string[] acts = _disturbances[(_turn + i) % _disturbances.Length];
                string directory = Path.Join(mount, "crowd");
                Directory.CreateDirectory(directory);
                try
                {
                    _ = Syscall.chmod(directory, NativeConvert.FromOctalPermissionString(mode));
                    var (saved, loss) = TryRound(directory, isRoot, acts, milliseconds: isShort ? 300 : 1000);
                    line.Case(injected: saved > 0, loss is null ? null : $"directory {mode}, {string.Join(", ", acts)}: {loss}");
                }
                finally
                {
                    Directory.Delete(directory, recursive: true);
                }
            }
        }
    }

    private (int Saved, string? Loss) TryRound(string directory, bool isRoot, string[] acts, int milliseconds)
    {
        string path = Path.Join(directory, "file");
        File.WriteAllBytes(path, Version.Bytes("first", "0"));
        int user = isRoot ? 0 : ActorProcess.OtherUser;
        _ = Syscall.chown(path, (uint)user, (uint)user);

        var savers = _savers[isRoot];
        for (int i = 0; i < savers.Length; i++) savers[i].Send(string.Create(CultureInfo.InvariantCulture, $"savers {path} s{i} {milliseconds}"));
        // The last of the others is over before the last of the savers: what it did must have been seen.
        _others[isRoot].Send(string.Create(CultureInfo.InvariantCulture, $"others {path} o {milliseconds * 4 / 5} {string.Join(' ', acts)}"));
        string[] saves = [.. savers.SelectMany(saver => Words(saver.Receive()))], others = Words(_others[isRoot].Receive());
        (string Parent, string Child)[] saved = [.. saves.Where(word => word.Contains('>')).Select(word => (word.Split('>')[0], word.Split('>')[1]))];
        return (saved.Length, Judge(path, saves, saved, others, acts));
    }

    private static string[] Words(string? answer) => answer is null ? ["?died"] : answer.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static string? Judge(string path, string[] saves, (string Parent, string Child)[] saved, string[] others, string[] acts)
    {
        if (saves.Concat(others).FirstOrDefault(word => word[0] == '?') is { } problem) return problem;
        string[] allowed = ["SnapshotConflict", "SaveInProgress", "HardLinked", "SourceChanging"];
        if (saves.FirstOrDefault(word => word[0] == '!' && !allowed.Contains(word[1..])) is { } error) return $"a save failed with {error[1..]}";
        var twice = saved.GroupBy(save => save.Parent).FirstOrDefault(group => group.Count() > 1);
        if (twice is not null) return $"{string.Join(" and ", twice.Select(save => save.Child))} both replaced {twice.Key}";

        // A version is where it can be found, or was replaced by one that was made from it.
        byte[] last = File.ReadAllBytes(path);
        if (Version.IdOfFile(last) is null) return "the file is a mix";
        var present = Directory.EnumerateFiles(Path.GetDirectoryName(path)!).Select(file => Version.IdOfFile(File.ReadAllBytes(file)));
        HashSet<string?> accounted = [.. present, .. saved.Select(save => save.Parent), .. others.Where(word => word[0] == '-').Select(word => word[1..])];
        string[] named = [.. others.Where(word => word[0] == '+').Select(word => word[1..])];
        string[] lost = [.. acts.Contains("rename")
            ? named.TakeLast(1).Where(id => !accounted.Contains(id)) // an earlier one may have been replaced by the next rename
            : named.Concat(saved.Select(save => save.Child)).Where(id => !accounted.Contains(id))];
        if (lost.Length > 0) return $"{lost.Length} of {named.Length + saved.Length} versions were lost, {lost[0]} first";

        int written = others.Where(word => word[0] == '=').Select(word => int.Parse(word[1..], CultureInfo.InvariantCulture)).DefaultIfEmpty().Max();
        string second = Version.IdOf(last.AsSpan(Version.Half))!;
        if (acts.Contains("write") && int.Parse(second, CultureInfo.InvariantCulture) < written) return $"the file has write {second}, after write {written} was complete";
        return JudgeNextSave(path);
    }

    /// <summary>When all is quiet a save goes well, and no name that begins with a dot is left.</summary>
    private static string? JudgeNextSave(string path)
    {
        using (var snapshot = Snapshot.Open(path))
        {
            snapshot.Write(0, Version.HalfOf("last"));
            snapshot.Commit(new CommitOptions { Close = true, Method = CommitMethod.Replace });
        }
        return Directory.EnumerateFiles(Path.GetDirectoryName(path)!, ".*").FirstOrDefault() is { } left ? $"{left} was left" : null;
    }

    public void Dispose()
    {
        foreach (var actor in _savers.Values.SelectMany(savers => savers).Concat(_others.Values)) actor.Dispose();
    }
}

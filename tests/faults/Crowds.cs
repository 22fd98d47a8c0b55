using System.Globalization;
using Mono.Unix.Native;

namespace MmapSnapshot.Faults;

/// <summary>
/// Several processes save one file at once, with pauses between the system calls of a save, and one of them is killed, while other
/// programs rename files over it, exchange it, link it or write to it. No version may be lost, and no two saves may both replace the
/// same version.
/// </summary>
internal sealed class Crowds : IDisposable
{
    private const int MostSavers = 3;

    /// <summary>
    /// The permissions of the directories, and for each saver whether it is root. Where it is not, it cannot list the directory of
    /// mode 0733; of two savers there one can and one cannot.
    /// </summary>
    private static readonly (string Mode, bool[] IsRoot)[] _directories =
    [
        ("0777", [true, true, true]), ("0755", [true, true, true]), ("0733", [false, false, false]), ("1777", [false, false, false]), ("0733", [true, false]),
    ];

    /// <summary>What the other programs do. Several exchange at once, since an exchange keeps what was displaced; a rename does not.</summary>
    private static readonly string[][] _disturbances = [["exchange", "exchange", "link"], ["rename"], ["write", "link"]];

    private readonly Dictionary<(bool IsRoot, int Index), ActorProcess> _savers = [];

    private readonly Dictionary<bool, ActorProcess> _others = [];

    private readonly string _logs = Directory.CreateTempSubdirectory().FullName;

    private readonly Random _random = new(1);

    private int _turn;

    internal Crowds()
    {
        _ = Syscall.chmod(_logs, NativeConvert.FromOctalPermissionString("1777"));
        foreach (bool isRoot in ActorProcess.CanBeOtherUser ? [true, false] : (bool[])[true])
        {
            for (int i = 0; i < MostSavers; i++) _savers[(isRoot, i)] = NewSaver(isRoot, i);
            _others[isRoot] = new ActorProcess(UserOf(isRoot));
        }
    }

    private static int UserOf(bool isRoot) => isRoot ? 0 : ActorProcess.UnprivilegedUser;

    /// <summary>strace makes each saver pause, each for other times, before and after the calls that change names.</summary>
    private static ActorProcess NewSaver(bool isRoot, int index)
    {
        (string Calls, int Enter, int Exit)[] pauses = [("linkat", 900, 700), ("?rename,?renameat,renameat2", 3000, 1300), ("?unlink,unlinkat", 500, 1), ("fcntl", 200, 1)];
        return new ActorProcess(
            UserOf(isRoot),
            ["-e", "trace=" + string.Join(',', pauses.Select(pause => pause.Calls)),
                .. pauses.SelectMany(pause => (string[])["-e", $"inject={pause.Calls}:delay_enter={pause.Enter * (index + 1)}:delay_exit={pause.Exit * (MostSavers - index)}"])]);
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
            if (!ActorProcess.CanBeOtherUser && isRoot.Contains(false)) continue;
            for (int i = 0; i < (isShort ? 1 : _disturbances.Length * 4); i++)
            {
                string[] acts = _disturbances[(_turn + i) % _disturbances.Length];
                bool withKill = (_turn + i) % 2 == 0;
                string directory = Path.Join(mount, "crowd");
                Directory.CreateDirectory(directory);
                try
                {
                    _ = Syscall.chmod(directory, NativeConvert.FromOctalPermissionString(mode));
                    var (saved, loss) = TryRound(directory, isRoot, acts, milliseconds: isShort ? 300 : 1000, withKill);
                    line.Case(injected: saved > 0, loss is null ? null : $"directory {mode}, {isRoot.Length} savers, {string.Join(", ", acts)}{(withKill ? ", a kill" : "")}: {loss}");
                }
                finally
                {
                    Directory.Delete(directory, recursive: true);
                }
            }
        }
    }

    private (int Saved, string? Loss) TryRound(string directory, bool[] isRoot, string[] acts, int milliseconds, bool withKill)
    {
        string path = Path.Join(directory, "file");
        File.WriteAllBytes(path, Version.Bytes("first", "0"));
        int user = UserOf(isRoot[^1]);
        _ = Syscall.chown(path, (uint)user, (uint)user);

        (bool, int Index)[] savers = [.. isRoot.Select((root, index) => (root, index))];
        foreach (var saver in savers)
        {
            int killAfter = withKill && saver.Index == 0 ? _random.Next(milliseconds / 4, milliseconds * 3 / 4) : 0;
            _savers[saver].Send(string.Create(CultureInfo.InvariantCulture, $"save-on {path} s{saver.Index} {milliseconds} {killAfter} {LogOf(saver.Index)}"));
        }
        // The other programs end before the savers: what they did last must have been seen.
        var other = _others[isRoot[^1]];
        other.Send(string.Create(CultureInfo.InvariantCulture, $"disturb {path} o {milliseconds * 4 / 5} {string.Join(' ', acts)}"));
        string? problem = null;
        foreach (var saver in savers)
        {
            if (_savers[saver].Receive() == "ok") continue;
            if (!withKill || saver.Index != 0) problem = "a saver died";
            _savers[saver].Kill();
            _savers[saver].Dispose();
            _savers[saver] = NewSaver(isRoot[saver.Index], saver.Index);
        }
        if (other.Receive() is not { } disturbed) return (0, "the other program died");

        string[][] logs = [.. savers.Select(saver => File.ReadAllLines(LogOf(saver.Index)))];
        foreach (var saver in savers) File.Delete(LogOf(saver.Index));
        var history = new CrowdHistory(path, logs, disturbed.Split(' ', StringSplitOptions.RemoveEmptyEntries), isPlainRename: acts.Contains("rename"));
        return (history.Saved, problem ?? history.Judge() ?? NextSave.Judge(path));
    }

    private string LogOf(int saver) => Path.Join(_logs, $"s{saver}");

    public void Dispose()
    {
        foreach (var actor in _savers.Values.Concat(_others.Values)) actor.Dispose();
        Directory.Delete(_logs, recursive: true);
    }
}

using Mono.Unix.Native;

namespace MmapSnapshot.Faults;

/// <summary>
/// Another user has put something of his own under the names that a save uses, in a directory where all may write (mode 1777).
/// The save goes well without waiting for him, and what he put there stays as it was.
/// </summary>
internal sealed class Planting : IDisposable
{
    /// <summary>A file of root's that a planted link leads to, and that must stay as it is.</summary>
    internal const string Bystander = "bystander";

    /// <summary>The names of the marker and the journal, and one that looks like that of a temporary file.</summary>
    private static readonly string[] _names = [Specimen.Marker("file"), Specimen.Journal("file"), ".file.0123456789abcdef.mmap-snapshot"];

    private static readonly string[] _kinds = ["file", "locked-file", "fifo", "directory", "link-to-nothing", "link-to-bystander"];

    private readonly ActorProcess? _planter = ActorProcess.CanBeOtherUser ? new ActorProcess(ActorProcess.UnprivilegedUser) : null;

    private readonly PromptSaver _saver = new();

    internal void Try(string mount, Report report)
    {
        if (_planter is null) return;
        var line = report.Begin("planted names", Rig.NameOf(mount));
        string directory = Path.Join(mount, "planted");
        foreach (string name in _names)
        {
            foreach (string kind in _kinds)
            {
                foreach (var method in Rig.Methods(mount))
                {
                    Directory.CreateDirectory(directory);
                    try
                    {
                        _ = Syscall.chmod(directory, NativeConvert.FromOctalPermissionString("1777"));
                        var (planted, loss) = TryOne(directory, name, kind, method);
                        line.Case(planted, loss is null ? null : $"{kind} under {name}, {method}: {loss}");
                    }
                    finally
                    {
                        Directory.Delete(directory, recursive: true);
                    }
                }
            }
        }
    }

    private (bool Planted, string? Loss) TryOne(string directory, string name, string kind, CommitMethod method)
    {
        string path = Path.Join(directory, "file"), bystander = Path.Join(directory, Bystander), planted = Path.Join(directory, name);
        File.WriteAllBytes(path, new byte[Specimen.Length]);
        File.WriteAllBytes(bystander, Specimen.Old);
        if (_planter!.Ask($"plant {kind} {planted}") is not "ok" and var answer) throw new InvalidOperationException($"plant {kind}: {answer}");
        string before = Describe(planted);
        string? loss = _saver.Save(path, method);
        _ = _planter.Ask("release");
        if (loss is null && Describe(planted) is var after && after != before) loss = $"it is {after} now, and was {before}";
        if (loss is null && !File.ReadAllBytes(bystander).AsSpan().SequenceEqual(Specimen.Old)) loss = "the file that the link leads to was changed";
        string[] known = [path, bystander, planted];
        if (loss is null && Directory.EnumerateFileSystemEntries(directory).FirstOrDefault(entry => !known.Contains(entry)) is { } left) loss = $"{left} was left";
        return (true, loss);
    }

    private static string Describe(string path) =>
        Syscall.lstat(path, out var status) == 0
            ? $"inode {status.st_ino} of {status.st_uid}, mode {status.st_mode:X}, {status.st_size} bytes, {status.st_nlink} links"
            : Stdlib.GetLastError().ToString();

    public void Dispose()
    {
        _planter?.Dispose();
        _saver.Dispose();
    }
}

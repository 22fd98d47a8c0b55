using System.Globalization;

namespace MmapSnapshot.Faults;

/// <summary>
/// A .NET program reads a file without pause while another process saves it: no read fails, and each is of one version. (Every
/// .NET program takes a shared lock on what it opens, and fails if it cannot.)
/// </summary>
internal sealed class Readers : IDisposable
{
    internal const int Length = 100_000;

    private readonly ActorProcess _reader = new();

    private readonly ActorProcess _saver = new();

    /// <summary>Its flushes take a sixth of a second, as on a busy disk.</summary>
    private readonly ActorProcess _slowSaver = new(0, "-e", "trace=fsync,fdatasync,syncfs", "-e", "inject=fsync,fdatasync,syncfs:delay_enter=160000");

    /// <param name="mount">The filesystem.</param>
    /// <param name="report">Where it is counted.</param>
    /// <param name="saves">How many saves there are by each method.</param>
    internal void Try(string mount, Report report, int saves)
    {
        var line = report.Begin("a reader in .NET", Rig.NameOf(mount));
        string directory = Path.Join(mount, "read");
        Directory.CreateDirectory(directory);
        string path = Path.Join(directory, "file");
        try
        {
            File.WriteAllBytes(path, new byte[Length]);
            foreach (var method in Rig.Methods(mount)) TryMethod(path, _saver, method, saves, line);
            TryMethod(path, _slowSaver, CommitMethod.Replace, 1, line);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private void TryMethod(string path, ActorProcess saver, CommitMethod method, int saves, Report.Line line)
    {
        _ = _reader.Ask($"read {path}");
        string? problem = null;
        for (int i = 0; i < saves && problem is null; i++)
        {
            string answer = saver.Ask($"save {path} {method}") ?? "died";
            if (!answer.EndsWith(" ok", StringComparison.Ordinal)) problem = answer;
            Thread.Sleep(10);
        }
        string[] read = (_reader.Ask("stop") ?? "0 0 0 died").Split(' ', 4);
        int[] counts = [.. read.Take(3).Select(count => int.Parse(count, CultureInfo.InvariantCulture))];
        if (counts[1] > 0) problem ??= $"{counts[1]} of {counts[0]} reads failed: {read[3]}";
        // In place, readers can see a mix: it is what the method does.
        if (counts[2] > 0 && method != CommitMethod.InPlace) problem ??= $"{counts[2]} of {counts[0]} reads were of a mix";
        line.Case(injected: counts[0] > 0, problem is null ? null : $"{method}{(saver == _slowSaver ? " with slow flushes" : "")}: {problem}");
    }

    public void Dispose()
    {
        _reader.Dispose();
        _saver.Dispose();
        _slowSaver.Dispose();
    }
}

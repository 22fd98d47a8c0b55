using System.Globalization;

namespace MmapSnapshot.Faults;

/// <summary>A process whose saves must go well without waiting for another one.</summary>
internal sealed class PromptSaver(int user = 0) : IDisposable
{
    /// <summary>The longest that one of a few saves may take; more is not the disk's time.</summary>
    private const int Limit = 200;

    private const int Attempts = 3;

    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(2);

    private ActorProcess _process = new(user);

    /// <summary>Saves until a save was quick.</summary>
    /// <param name="path">The file.</param>
    /// <param name="method">How.</param>
    /// <param name="opened">Called each time the file was opened, before the save.</param>
    /// <returns>What went wrong; null when nothing did.</returns>
    internal string? Save(string path, CommitMethod method, Action? opened = null)
    {
        string loss = "";
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            if (_process.Ask($"prepare {path}", _patience) is not "ok" and var problem) return Restart($"it could not be opened: {problem ?? "no answer"}");
            opened?.Invoke();
            if (_process.Ask($"complete {method}", _patience) is not { } answer) return Restart($"the save was not over after {_patience.TotalSeconds} s");
            string[] words = answer.Split(' ', 2);
            if (words[1] != "ok") return words[1];
            if (int.Parse(words[0], CultureInfo.InvariantCulture) <= Limit) return null;
            loss = $"a save took {words[0]} ms";
        }
        return loss;
    }

    private string Restart(string loss)
    {
        _process.Kill();
        _process.Dispose();
        _process = new ActorProcess(user);
        return loss;
    }

    public void Dispose() => _process.Dispose();
}

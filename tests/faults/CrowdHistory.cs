using System.Globalization;

namespace MmapSnapshot.Faults;

/// <summary>What happened to a file in a round of <see cref="Crowds"/>, from the logs of <see cref="CrowdActs"/>.</summary>
internal sealed class CrowdHistory
{
    /// <summary>The errors that a saver may get while others are at work.</summary>
    private static readonly string[] _errors = ["SnapshotConflict", "SaveInProgress", "HardLinked", "SourceChanging"];

    private readonly string _path;

    private readonly bool _isPlainRename;

    private readonly string[] _saverLines, _otherWords;

    private readonly Save[] _saved;

    /// <summary>The parent of the version that a saver was about to save when it was killed: it may have been replaced.</summary>
    private readonly string[] _maybeReplaced;

    /// <param name="path">The file.</param>
    /// <param name="saverLogs">The lines of each saver.</param>
    /// <param name="otherWords">The words of the other programs.</param>
    /// <param name="isPlainRename">Whether they renamed, which does not tell what was displaced.</param>
    internal CrowdHistory(string path, string[][] saverLogs, string[] otherWords, bool isPlainRename)
    {
        _path = path;
        _isPlainRename = isPlainRename;
        _otherWords = otherWords;
        _saverLines = [.. saverLogs.SelectMany(lines => lines)];
        _saved = [.. _saverLines.Where(line => line.StartsWith("ok ", StringComparison.Ordinal)).Select(line => Save.Parse(line[3..]))];
        _maybeReplaced = [.. saverLogs.Select(lines => lines.LastOrDefault() ?? "").Where(line => line.StartsWith("try ", StringComparison.Ordinal)).Select(line => Save.Parse(line[4..]).Parent)];
    }

    internal int Saved => _saved.Length;

    /// <summary>What was lost; null when nothing was.</summary>
    internal string? Judge()
    {
        if (_saverLines.Concat(_otherWords).FirstOrDefault(line => line[0] == '?') is { } problem) return problem[1..];
        if (_saverLines.FirstOrDefault(line => line[0] == '!' && !_errors.Contains(line[1..])) is { } error) return $"a save failed with {error[1..]}";
        if (_saved.GroupBy(save => save.Parent).FirstOrDefault(group => group.Count() > 1) is { } twice)
            return $"{string.Join(" and ", twice.Select(save => save.Child))} both replaced {twice.Key}";
        return JudgeVersions() ?? JudgeWrites();
    }

    /// <summary>Each version can be found, or was replaced by one that was made from it.</summary>
    private string? JudgeVersions()
    {
        var present = Directory.EnumerateFiles(Path.GetDirectoryName(_path)!).Select(file => Version.IdOfFile(File.ReadAllBytes(file)));
        HashSet<string?> accounted = [.. present, .. _saved.Select(save => save.Parent), .. _maybeReplaced];
        string[] renamed = OtherIds('+');
        // With plain renames each but the last version may have been replaced by the next one.
        string[] versions = _isPlainRename ? [.. renamed.TakeLast(1)] : [.. renamed, .. _saved.Select(save => save.Child)];
        string[] lost = [.. versions.Where(id => !accounted.Contains(id))];
        return lost.Length > 0 ? $"of {versions.Length} versions {lost.Length} were lost, {lost[0]} among them" : null;
    }

    /// <summary>A write in place that was complete while the file had the name is in the file that has the name now.</summary>
    private string? JudgeWrites()
    {
        byte[] last = File.ReadAllBytes(_path);
        if (Version.IdOfFile(last) is null) return "the file is a mix";
        string[] writes = OtherIds('=');
        if (writes.Length == 0) return null;
        string found = Version.IdOf(last.AsSpan(Version.Half))!;
        return int.Parse(found, CultureInfo.InvariantCulture) < int.Parse(writes[^1], CultureInfo.InvariantCulture) ? $"the file has write {found}, after write {writes[^1]} was complete" : null;
    }

    private string[] OtherIds(char kind) => [.. _otherWords.Where(word => word[0] == kind).Select(word => word[1..])];

    private readonly record struct Save(string Parent, string Child)
    {
        internal static Save Parse(string text) => text.Split('>') is [var parent, var child] ? new Save(parent, child) : throw new FormatException(text);
    }
}

using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Gets the snapshots that are open in this session.</summary>
[Cmdlet(VerbsCommon.Get, "MmapSnapshot", DefaultParameterSetName = "Path")]
[OutputType(typeof(Snapshot))]
public sealed class GetMmapSnapshotCommand : SnapshotCmdlet
{
    /// <summary>Only those with these ids.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Id", ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    public int[] Id { get; set; } = [];

    /// <summary>
    /// Only those of these files; wildcards are matched against the snapshots' full paths. With ids, all must be of one of these
    /// files: what has arrived from another session may have the id of a snapshot of this one.
    /// </summary>
    [Parameter(Position = 0, ParameterSetName = "Path")]
    [Parameter(ParameterSetName = "Id", ValueFromPipelineByPropertyName = true)]
    [SupportsWildcards]
    [ValidateNotNullOrEmpty]
    public string[]? Path { get; set; }

    /// <summary>Finds them.</summary>
    protected override void ProcessRecord()
    {
        if (ParameterSetName == "Id")
        {
            foreach (int id in Id) TryDo(id, () => WriteObject(Path is null ? Session.Get(id) : OfOneOf(Session.Get(id), Path)));
            return;
        }
        var open = Session.Open();
        if (Path is null)
        {
            WriteObject(open, enumerateCollection: true);
            return;
        }
        foreach (string path in Path) TryDo(path, () => WriteObject(Matching(open, path), enumerateCollection: true));
    }

    private Snapshot OfOneOf(Snapshot snapshot, string[] paths) => paths.Any(path => snapshot.Path == path || Matching([snapshot], path).Length > 0)
        ? snapshot
        : throw ErrorFactory.NotOpen($"with the id {snapshot.Id} of '{string.Join("' or '", paths)}'");

    private Snapshot[] Matching(Snapshot[] open, string path)
    {
        string full = ResolveLiteral(path);
        // Wildcards are what was written, not what the current folder is called.
        string folder = CurrentFileSystemLocation.TrimEnd('/') + "/";
        bool isBelow = !path.StartsWith('/') && full.StartsWith(folder, StringComparison.Ordinal);
        int written = isBelow ? folder.Length : 0;
        int wildcard = full.AsSpan(written).IndexOfAny("*?[");
        int end = full.LastIndexOf('/', wildcard < 0 ? full.Length - 1 : written + wildcard);
        // The folders before them may be links, which the paths of snapshots have resolved; and their names are no patterns.
        string real = RealPath.Of(full), realFolder = RealPath.Of(full[..end]).TrimEnd('/');
        var pattern = ParsePattern(full[end..]);
        Snapshot[] found =
        [
            .. open.Where(snapshot => snapshot.Path == full || snapshot.Path == real
                || (snapshot.Path.StartsWith(realFolder, StringComparison.Ordinal) && pattern?.IsMatch(snapshot.Path[realFolder.Length..]) == true)),
        ];
        bool wild = pattern is not null && WildcardPattern.ContainsWildcardCharacters(path);
        return found.Length > 0 || wild ? found : throw ErrorFactory.NotOpen($"of '{full}'");
    }

    /// <summary>The pattern; null where a bracket is not closed, which is then a part of the name.</summary>
    private static WildcardPattern? ParsePattern(string text)
    {
        try
        {
            var pattern = new WildcardPattern(text);
            _ = pattern.IsMatch("");
            return pattern;
        }
        catch (WildcardPatternException)
        {
            return null;
        }
    }
}

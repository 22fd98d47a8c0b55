using System.Management.Automation;
using System.Text;
using System.Text.RegularExpressions;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>
/// Finds bytes or text in a snapshot or file. Matches are written as they are found, by offset; one that begins within another is
/// written as well.
/// </summary>
[Cmdlet(VerbsCommon.Find, "SnapshotBytes", DefaultParameterSetName = SnapshotSet)]
[OutputType(typeof(SnapshotMatch))]
public sealed class FindSnapshotBytesCommand : SnapshotReadingCmdlet
{
    private readonly List<BytePattern> _patterns = [];

    private Regex? _regex;

    /// <summary>
    /// What to find: hex texts such as '48 8B ?? 0?', in which a question mark stands for any digit; or a byte[], or numbers from
    /// 0 to 255, which are one pattern. Several are looked for at once. (Not an object[]: PowerShell would make an object of each byte
    /// of a byte[], for seconds in which nothing ends it.)
    /// </summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    public object Pattern { get; set; } = "";

    /// <summary>The texts to find.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[] Text { get; set; } = [];

    /// <summary>A regular expression, in which each byte is the character of its number (ISO 8859-1).</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string Regex { get; set; } = "";

    /// <summary>How the texts become bytes; UTF-8 unless said otherwise.</summary>
    [Parameter]
    [EncodingTransformation]
    [ArgumentCompleter(typeof(EncodingCompleter))]
    [ValidateNotNull]
    public Encoding Encoding { get; set; } = EncodingTransformationAttribute.Named["utf8"];

    /// <summary>
    /// Find the texts, or what the expression matches, in upper and lower case alike, each character in as many bytes as it has.
    /// </summary>
    [Parameter]
    public SwitchParameter IgnoreCase { get; set; }

    /// <summary>Where to begin, in bytes from the start or, if negative, from the end.</summary>
    [Parameter]
    [OffsetTransformation]
    [ValidOffset]
    public long Offset { get; set; }

    /// <summary>How many bytes to search, in which a match lies whole; without it, all to the end.</summary>
    [Parameter]
    [OffsetTransformation]
    [ValidOffset]
    public long? Count { get; set; }

    /// <summary>After how many matches in a snapshot to continue with the next one.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int First { get; set; } = int.MaxValue;

    /// <summary>Only so many of the last matches in a snapshot, in the order of their offsets.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int Last { get; set; } = int.MaxValue;

    /// <summary>How many matches there must be in each snapshot; if there are more or fewer, none of its matches is written.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue - 1)]
    public int? ExpectCount { get; set; }

    /// <summary>Leave out matches that begin within the one before.</summary>
    [Parameter]
    public SwitchParameter NonOverlapping { get; set; }

    /// <summary>Close each snapshot of which no match is written, unless it has unsaved changes.</summary>
    [Parameter(ParameterSetName = SnapshotSet)]
    public SwitchParameter CloseUnmatched { get; set; }

    /// <summary>Reads the patterns: what is wrong with one is said once, whatever is searched.</summary>
    protected override void BeginProcessing()
    {
        string[] given = [.. ((string[])[nameof(Pattern), nameof(Text), nameof(Regex)]).Where(IsGiven)];
        if (given.Length != 1) RefuseCombination("Give one of -Pattern (bytes), -Text and -Regex.");
        if (Text.Length == 0 && IsGiven(nameof(Encoding))) RefuseCombination("-Encoding is for -Text.");
        if (IgnoreCase && IsGiven(nameof(Pattern))) RefuseCombination("-IgnoreCase is for -Text and -Regex.");
        if (IsGiven(nameof(First)) && IsGiven(nameof(Last))) RefuseCombination("-First and -Last exclude each other.");
        if (IsGiven(nameof(Regex)))
        {
            TryDo(Regex, () => _regex = RegexInput.Parse(Regex, IgnoreCase));
            return;
        }
        foreach (string text in Text) TryDo(text, () => _patterns.Add(BytePattern.FromText(text, Encoding, IgnoreCase, CancellationToken)));
        if (Text.Length > 0) return;
        IReadOnlyList<object?> patterns = [];
        TryDo(target: null, () => patterns = PatternInput.Split(Pattern, CancellationToken));
        foreach (object? pattern in patterns) TryDo(pattern, () => _patterns.Add(PatternInput.Parse(pattern, CancellationToken)));
    }

    private protected override void Read(Snapshot snapshot, IProgress<SnapshotProgress> progress)
    {
        if (_patterns.Count == 0 && _regex is null) return;
        bool isMatched = false;
        try
        {
            foreach (var match in Find(snapshot, progress))
            {
                isMatched = true;
                WriteObject(ReadsFiles ? MatchView.Keep(match) : match);
            }
        }
        finally
        {
            if (CloseUnmatched && !isMatched && !snapshot.IsModified) snapshot.Close();
        }
    }

    private IEnumerable<SnapshotMatch> Find(Snapshot snapshot, IProgress<SnapshotProgress> progress)
    {
        long offset = FromStart(Offset, snapshot);
        // Past the end there is nothing to count: let the search say so.
        long count = Count ?? Math.Max(0, snapshot.Length - offset);
        var matches = _regex is null
            ? snapshot.Find(_patterns, offset, count, progress, CancellationToken)
            : snapshot.Find(_regex, offset, count, progress, CancellationToken);
        if (NonOverlapping) matches = WithoutOverlaps(matches);
        if (ExpectCount is { } expected) matches = CheckCount(matches, expected, snapshot);
        return IsGiven(nameof(Last)) ? matches.TakeLast(Last) : matches.Take(First);
    }

    /// <summary>The matches, if there are as many as expected.</summary>
    private List<SnapshotMatch> CheckCount(IEnumerable<SnapshotMatch> matches, int expected, Snapshot snapshot)
    {
        var found = matches.Take(expected + 1).ToList(); // one more is enough to know
        if (found.Count == expected) return found;
        throw ErrorFactory.WrongCount(snapshot.Path, _regex is null ? _patterns : [_regex], expected, found);
    }

    private static IEnumerable<SnapshotMatch> WithoutOverlaps(IEnumerable<SnapshotMatch> matches)
    {
        long end = 0;
        foreach (var match in matches)
        {
            if (match.Offset < end) continue;
            end = match.Offset + match.Length;
            yield return match;
        }
    }
}

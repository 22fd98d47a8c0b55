using System.Management.Automation;
using System.Text;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>
/// Finds bytes or text in a snapshot. Matches are written as they are found, by offset; one that begins within another is
/// written as well.
/// </summary>
[Cmdlet(VerbsCommon.Find, "SnapshotBytes", DefaultParameterSetName = "Pattern")]
[OutputType(typeof(SnapshotMatch))]
public sealed class FindSnapshotBytesCommand : SnapshotCmdlet
{
    private readonly List<BytePattern> _patterns = [];

    /// <summary>The snapshots, or their ids.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>
    /// What to find: hex texts such as '48 8B ?? 0?', in which a question mark stands for any digit; or a byte[], or numbers from
    /// 0 to 255, which are one pattern. Several are looked for at once.
    /// </summary>
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = "Pattern")]
    [ValidateNotNullOrEmpty]
    public object[] Pattern { get; set; } = [];

    /// <summary>The texts to find.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Text")]
    [ValidateNotNullOrEmpty]
    public string[] Text { get; set; } = [];

    /// <summary>How the texts become bytes; UTF-8 unless said otherwise.</summary>
    [Parameter(ParameterSetName = "Text")]
    [EncodingTransformation]
    [ArgumentCompleter(typeof(EncodingCompleter))]
    [ValidateNotNull]
    public Encoding Encoding { get; set; } = EncodingTransformationAttribute.Named["utf8"];

    /// <summary>Find the texts in upper and lower case alike, each character in as many bytes as it has.</summary>
    [Parameter(ParameterSetName = "Text")]
    public SwitchParameter IgnoreCase { get; set; }

    /// <summary>Where to begin, in bytes from the start.</summary>
    [Parameter]
    [OffsetTransformation]
    [ValidOffset]
    public long Offset { get; set; }

    /// <summary>How many bytes to search, in which a match lies whole; without it, all to the end.</summary>
    [Parameter]
    [OffsetTransformation]
    [ValidOffset]
    public long? Count { get; set; }

    /// <summary>After how many matches in a snapshot to go on to the next one.</summary>
    [Parameter]
    [ValidateRange(1, int.MaxValue)]
    public int First { get; set; } = int.MaxValue;

    /// <summary>Reads the patterns: what is wrong with one is said once, whatever is searched.</summary>
    protected override void BeginProcessing()
    {
        if (ParameterSetName == "Text")
        {
            foreach (string text in Text) TryDo(text, () => _patterns.Add(BytePattern.FromText(text, Encoding, IgnoreCase, Stopped)));
        }
        else
        {
            foreach (object? pattern in PatternInput.Split(Pattern)) TryDo(pattern, () => _patterns.Add(PatternInput.Parse(pattern, Stopped)));
        }
    }

    /// <summary>Searches each snapshot.</summary>
    protected override void ProcessRecord()
    {
        if (_patterns.Count == 0) return;
        foreach (var snapshot in Snapshot)
        {
            TryDo(snapshot, progress =>
            {
                // Past the end there is nothing to count: let the search say so.
                long count = Count ?? Math.Max(0, snapshot.Length - Offset);
                foreach (var match in snapshot.Find(_patterns, Offset, count, progress, Stopped).Take(First)) WriteObject(match);
            });
        }
    }
}

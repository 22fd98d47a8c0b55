using System.Management.Automation;
using System.Text;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Gets bytes of a snapshot or file: as one byte array, as hex text, as text or as numbers.</summary>
[Cmdlet(VerbsCommon.Get, "SnapshotBytes", DefaultParameterSetName = SnapshotSet)]
[OutputType(typeof(byte[]), typeof(string), typeof(byte), typeof(sbyte), typeof(short), typeof(ushort), typeof(int), typeof(uint))]
[OutputType(typeof(long), typeof(ulong), typeof(Half), typeof(float), typeof(double))]
public sealed class GetSnapshotBytesCommand : SnapshotReadingCmdlet
{
    /// <summary>How much is read at a time while the end of a text is looked for.</summary>
    private const int Window = 64 << 10;

    /// <summary>How many characters a .NET string holds.</summary>
    private const long LongestString = 0x3FFFFFDF;

    /// <summary>What Find-SnapshotBytes has found: its bytes are read.</summary>
    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = MatchSet)]
    [LiveMatch]
    [ValidateNotNull]
    public SnapshotMatch[] Match { get; set; } = [];

    /// <summary>Where to begin, in bytes from the start or, if negative, from the end.</summary>
    [Parameter(Position = 1, ParameterSetName = SnapshotSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(Position = 1, ParameterSetName = PathSet)]
    [Parameter(Position = 1, ParameterSetName = LiteralPathSet)]
    [OffsetTransformation]
    [ValidOffset]
    public long Offset { get; set; }

    /// <summary>How many bytes; without it, all to the end, or those of the match, or one number.</summary>
    [Parameter(Position = 2, ParameterSetName = SnapshotSet)]
    [Parameter(Position = 2, ParameterSetName = PathSet)]
    [Parameter(Position = 2, ParameterSetName = LiteralPathSet)]
    [Parameter(ParameterSetName = MatchSet)]
    [OffsetTransformation]
    [ValidOffset]
    public long? Count { get; set; }

    /// <summary>As hex text, such as '48 8B 0F', which Set-SnapshotBytes takes back.</summary>
    [Parameter]
    public SwitchParameter AsHex { get; set; }

    /// <summary>As text.</summary>
    [Parameter]
    public SwitchParameter AsText { get; set; }

    /// <summary>How the bytes become text; unless it is given, as the text of a match was searched for, or UTF-8.</summary>
    [Parameter]
    [EncodingTransformation]
    [ArgumentCompleter(typeof(EncodingCompleter))]
    [ValidateNotNull]
    public Encoding Encoding { get; set; } = EncodingTransformationAttribute.Named["utf8"];

    /// <summary>Up to the first NUL character, without it.</summary>
    [Parameter]
    public SwitchParameter NullTerminated { get; set; }

    /// <summary>As numbers of this type: one, or as many as -Count bytes hold.</summary>
    [Parameter]
    public NumberType? AsNumber { get; set; }

    /// <summary>The most significant byte first.</summary>
    [Parameter]
    public SwitchParameter BigEndian { get; set; }

    /// <summary>Refuses switches that exclude each other.</summary>
    protected override void BeginProcessing()
    {
        bool[] forms = [AsHex, AsText, AsNumber is not null];
        if (forms.Count(form => form) > 1) RefuseCombination("-AsHex, -AsText and -AsNumber exclude each other.");
        if (!AsText && (IsGiven(nameof(Encoding)) || NullTerminated)) RefuseCombination("-Encoding and -NullTerminated are for -AsText.");
        if (AsNumber is null && BigEndian) RefuseCombination("-BigEndian is for -AsNumber.");
    }

    /// <summary>Reads from each snapshot or file, or at each match.</summary>
    protected override void ProcessRecord()
    {
        base.ProcessRecord();
        foreach (var match in Match)
        {
            TryDo(match.Snapshot ?? (object)match.Path, () =>
            {
                var encoding = IsGiven(nameof(Encoding)) ? null : EncodingTransformationAttribute.Find(match.Encoding);
                Read(SnapshotOf(match), match.Offset, Count ?? match.Length, encoding ?? Encoding);
            });
        }
    }

    private protected override void Read(Snapshot snapshot, IProgress<SnapshotProgress> progress)
    {
        long offset = FromStart(Offset, snapshot);
        // Past the end there is nothing to count: let the read say so.
        long toEnd = AsNumber is { } type ? NumberFormat.SizeOf(type) : Math.Max(0, snapshot.Length - offset);
        Read(snapshot, offset, Count ?? toEnd, Encoding);
    }

    private void Read(Snapshot snapshot, long offset, long count, Encoding encoding)
    {
        if (AsNumber is { } type) ReadNumbers(snapshot, offset, count, type);
        else if (AsHex) WriteObject(HexText.Of(ReadForString(snapshot, offset, count, charactersEach: 3)));
        else if (!AsText) WriteObject(snapshot.Read(offset, count), enumerateCollection: false);
        else if (NullTerminated) WriteObject(encoding.GetString(ReadToNull(snapshot, offset, count, encoding)));
        else WriteObject(encoding.GetString(ReadForString(snapshot, offset, count, charactersEach: 1)));
    }

    /// <summary>Reads what is to become one string, if that can hold it.</summary>
    private static byte[] ReadForString(Snapshot snapshot, long offset, long count, int charactersEach)
    {
        CheckRange(snapshot, offset, count);
        if (count > LongestString / charactersEach) throw ErrorFactory.TooLargeForString(snapshot.Path, count);
        return snapshot.Read(offset, count);
    }

    private void ReadNumbers(Snapshot snapshot, long offset, long count, NumberType type)
    {
        int size = NumberFormat.SizeOf(type);
        if (count % size != 0)
        {
            throw ErrorFactory.InvalidBytes(
                $"{Quantity.Format(count, "byte")} at 0x{offset:X} of '{snapshot.Path}' hold no whole number of {type}, which has {size}. "
                + "Give -Count.");
        }
        byte[] bytes = snapshot.Read(offset, count);
        for (int at = 0; at < bytes.Length; at += size) WriteObject(NumberFormat.Read(bytes.AsSpan(at, size), type, BigEndian));
    }

    private byte[] ReadToNull(Snapshot snapshot, long offset, long count, Encoding encoding)
    {
        int unit = encoding.GetByteCount("\0");
        var text = new List<byte>();
        CheckRange(snapshot, offset, count);
        for (long done = 0; done < count; done += Window)
        {
            CancellationToken.ThrowIfCancellationRequested();
            if (done > LongestString - Window) throw ErrorFactory.TooLargeForString(snapshot.Path, done);
            byte[] window = snapshot.Read(offset + done, Math.Min(Window, count - done));
            int end = IndexOfNull(window, unit);
            text.AddRange(end < 0 ? window : window[..end]);
            if (end >= 0) break;
        }
        return [.. text];
    }

    /// <summary>The whole range lies within the snapshot, even if a text ends before: else the read says so.</summary>
    private static void CheckRange(Snapshot snapshot, long offset, long count)
    {
        if (count < 0 || count > snapshot.Length - offset) _ = snapshot.Read(offset, count);
    }

    private static int IndexOfNull(byte[] window, int unit)
    {
        for (int at = 0; at + unit <= window.Length; at += unit)
        {
            if (window.AsSpan(at, unit).IndexOfAnyExcept((byte)0) < 0) return at;
        }
        return -1;
    }
}

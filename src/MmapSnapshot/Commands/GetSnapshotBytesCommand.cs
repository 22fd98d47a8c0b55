using System.Management.Automation;
using System.Text;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Gets bytes of a snapshot: as one byte array, as hex text, as text or as numbers.</summary>
[Cmdlet(VerbsCommon.Get, "SnapshotBytes", DefaultParameterSetName = "Bytes")]
[OutputType(typeof(byte[]), ParameterSetName = ["Bytes"])]
[OutputType(typeof(string), ParameterSetName = ["Hex", "Text"])]
[OutputType(typeof(byte), typeof(sbyte), typeof(short), typeof(ushort), typeof(int), typeof(uint), typeof(long), typeof(ulong), typeof(Half), typeof(float), typeof(double), ParameterSetName = ["Number"])]
public sealed class GetSnapshotBytesCommand : SnapshotCmdlet
{
    /// <summary>How much is read at a time while the end of a text is looked for.</summary>
    private const int Window = 64 << 10;

    /// <summary>How many characters a .NET string holds.</summary>
    private const long LongestString = 0x3FFFFFDF;

    /// <summary>The snapshots, or their ids.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>Where to begin, in bytes from the start.</summary>
    [Parameter(Position = 1, ValueFromPipelineByPropertyName = true)]
    [OffsetTransformation]
    [ValidOffset]
    public long Offset { get; set; }

    /// <summary>How many bytes; without it, all to the end, or one number.</summary>
    [Parameter(Position = 2)]
    [OffsetTransformation]
    [ValidOffset]
    public long? Count { get; set; }

    /// <summary>As hex text, such as '48 8B 0F', which Set-SnapshotBytes takes back.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Hex")]
    public SwitchParameter AsHex { get; set; }

    /// <summary>As text.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Text")]
    public SwitchParameter AsText { get; set; }

    /// <summary>How the bytes become text; UTF-8 unless said otherwise.</summary>
    [Parameter(ParameterSetName = "Text")]
    [EncodingTransformation]
    [ArgumentCompleter(typeof(EncodingCompleter))]
    [ValidateNotNull]
    public Encoding Encoding { get; set; } = EncodingTransformationAttribute.Named["utf8"];

    /// <summary>Up to the first NUL character, without it.</summary>
    [Parameter(ParameterSetName = "Text")]
    public SwitchParameter NullTerminated { get; set; }

    /// <summary>As numbers of this type: one, or as many as -Count bytes hold.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Number")]
    public NumberType AsNumber { get; set; }

    /// <summary>The most significant byte first.</summary>
    [Parameter(ParameterSetName = "Number")]
    public SwitchParameter BigEndian { get; set; }

    /// <summary>Reads from each snapshot.</summary>
    protected override void ProcessRecord()
    {
        foreach (var snapshot in Snapshot) TryDo(snapshot, () => Read(snapshot));
    }

    private void Read(Snapshot snapshot)
    {
        // Past the end there is nothing to count: let the read say so.
        long toEnd = Math.Max(0, snapshot.Length - Offset);
        switch (ParameterSetName)
        {
            case "Number":
                ReadNumbers(snapshot);
                break;
            case "Hex":
                WriteObject(HexText.Of(ReadForString(snapshot, Count ?? toEnd, charactersEach: 3)));
                break;
            case "Text":
                WriteObject(Encoding.GetString(NullTerminated ? ReadToNull(snapshot, Count ?? toEnd) : ReadForString(snapshot, Count ?? toEnd, charactersEach: 1)));
                break;
            default:
                WriteObject(snapshot.Read(Offset, Count ?? toEnd), enumerateCollection: false);
                break;
        }
    }

    /// <summary>Reads what is to become one string, if that can hold it.</summary>
    private byte[] ReadForString(Snapshot snapshot, long count, int charactersEach)
    {
        CheckRange(snapshot, count);
        return count <= LongestString / charactersEach ? snapshot.Read(Offset, count) : throw ErrorFactory.TooLargeForString(snapshot.Path, count);
    }

    private void ReadNumbers(Snapshot snapshot)
    {
        int size = NumberFormat.SizeOf(AsNumber);
        long count = Count ?? size;
        if (count % size != 0) throw ErrorFactory.InvalidBytes($"{count} bytes are no whole number of {AsNumber}, which takes {size}.");
        byte[] bytes = snapshot.Read(Offset, count);
        for (int at = 0; at < bytes.Length; at += size) WriteObject(NumberFormat.Read(bytes.AsSpan(at, size), AsNumber, BigEndian));
    }

    private byte[] ReadToNull(Snapshot snapshot, long count)
    {
        int unit = Encoding.GetByteCount("\0");
        var text = new List<byte>();
        CheckRange(snapshot, count);
        for (long done = 0; done < count; done += Window)
        {
            Stopped.ThrowIfCancellationRequested();
            if (done > LongestString - Window) throw ErrorFactory.TooLargeForString(snapshot.Path, done);
            byte[] window = snapshot.Read(Offset + done, Math.Min(Window, count - done));
            int end = IndexOfNull(window, unit);
            text.AddRange(end < 0 ? window : window[..end]);
            if (end >= 0) break;
        }
        return [.. text];
    }

    /// <summary>The whole range lies within the snapshot, even if a text ends before: else the read says so.</summary>
    private void CheckRange(Snapshot snapshot, long count)
    {
        if (Offset < 0 || count < 0 || count > snapshot.Length - Offset) _ = snapshot.Read(Offset, count);
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

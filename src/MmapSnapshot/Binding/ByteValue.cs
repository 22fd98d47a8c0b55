using System.Management.Automation;
using System.Text;

namespace MmapSnapshot.Binding;

/// <summary>A value that a cmdlet writes or inserts, as bytes: given as bytes, text, numbers, or one byte many times.</summary>
internal sealed class ByteValue
{
    private readonly bool _isFill;

    private ByteValue(byte[] bytes, long count, bool isFill = false) => (Bytes, Count, _isFill) = (bytes, count, isFill);

    /// <summary>How many bytes it has; of a fill, what the user gave, which may be negative.</summary>
    internal long Count { get; }

    /// <summary>The bytes; of a fill, the one byte.</summary>
    internal byte[] Bytes { get; }

    /// <summary>-Bytes, see <see cref="ByteInput"/>.</summary>
    /// <exception cref="SnapshotException">InvalidBytes.</exception>
    internal static ByteValue OfBytes(object? value, CancellationToken cancellation) =>
        Of(ByteInput.ParseOrAdviseText(value, cancellation));

    /// <summary>-Text, -Encoding and -NullTerminated.</summary>
    /// <exception cref="SnapshotException">InvalidBytes: the encoding lacks one of the characters.</exception>
    internal static ByteValue OfText(string text, Encoding encoding, bool nullTerminated) =>
        Of(EncodedText.Of(nullTerminated ? text + '\0' : text, encoding));

    /// <summary>-Number, one or several, -As and -BigEndian.</summary>
    /// <exception cref="SnapshotException">InvalidBytes: it is no number, or does not fit.</exception>
    internal static ByteValue OfNumbers(object number, NumberType type, bool bigEndian, CancellationToken cancellation)
    {
        var bytes = new List<byte>();
        foreach (object? one in LanguagePrimitives.GetEnumerable(number) ?? new[] { number })
        {
            cancellation.ThrowIfCancellationRequested();
            bytes.AddRange(NumberFormat.Write(one, type, bigEndian));
        }
        return Of([.. bytes]);
    }

    /// <summary>-Fill and -Count.</summary>
    /// <exception cref="SnapshotException">InvalidBytes: it is not a single byte.</exception>
    internal static ByteValue OfFill(object? value, long count) => new([ByteInput.ParseSingle(value)], count, isFill: true);

    /// <summary>The change that inserts it; what follows moves.</summary>
    internal SnapshotEdit ToInsertion(long offset) =>
        _isFill ? SnapshotEdit.Insert(offset, Count, Bytes[0]) : SnapshotEdit.Insert(offset, Bytes);

    private static ByteValue Of(byte[] bytes) => new(bytes, bytes.Length);
}

using System.Buffers.Binary;
using System.Globalization;
using System.Management.Automation;
using System.Numerics;

namespace MmapSnapshot.Binding;

/// <summary>Numbers as bytes, and back.</summary>
internal static class NumberFormat
{
    /// <summary>How many bytes one takes.</summary>
    internal static int SizeOf(NumberType type) => type switch
    {
        NumberType.Byte or NumberType.Int8 => 1,
        NumberType.Int16 or NumberType.UInt16 or NumberType.Half => 2,
        NumberType.Int32 or NumberType.UInt32 or NumberType.Single => 4,
        _ => 8,
    };

    /// <summary>The number that stands in as many bytes as it takes.</summary>
    internal static object Read(ReadOnlySpan<byte> bytes, NumberType type, bool bigEndian)
    {
        Span<byte> little = stackalloc byte[8];
        bytes.CopyTo(little);
        if (bigEndian) little[..bytes.Length].Reverse();
        return type switch
        {
            NumberType.Byte => little[0],
            NumberType.Int8 => (sbyte)little[0],
            NumberType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(little),
            NumberType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(little),
            NumberType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(little),
            NumberType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(little),
            NumberType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(little),
            NumberType.UInt64 => BinaryPrimitives.ReadUInt64LittleEndian(little),
            NumberType.Half => BinaryPrimitives.ReadHalfLittleEndian(little),
            NumberType.Single => BinaryPrimitives.ReadSingleLittleEndian(little),
            _ => BinaryPrimitives.ReadDoubleLittleEndian(little),
        };
    }

    /// <summary>The bytes of a number.</summary>
    /// <exception cref="SnapshotException">InvalidBytes: it is no number, or does not fit.</exception>
    internal static byte[] Write(object? value, NumberType type, bool bigEndian)
    {
        var bytes = new byte[8];
        if (type is NumberType.Half or NumberType.Single or NumberType.Double) WriteReal(bytes, ToDouble(value), type);
        else BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)(ToInteger(value, type) & ulong.MaxValue));
        Array.Resize(ref bytes, SizeOf(type));
        if (bigEndian) Array.Reverse(bytes);
        return bytes;
    }

    private static void WriteReal(Span<byte> bytes, double value, NumberType type)
    {
        bool isFinite = type switch
        {
            NumberType.Half => Half.IsFinite((Half)value),
            NumberType.Single => float.IsFinite((float)value),
            _ => double.IsFinite(value),
        };
        if (double.IsFinite(value) && !isFinite) throw DoesNotFit(value, type);
        if (type == NumberType.Half) BinaryPrimitives.WriteHalfLittleEndian(bytes, (Half)value);
        else if (type == NumberType.Single) BinaryPrimitives.WriteSingleLittleEndian(bytes, (float)value);
        else BinaryPrimitives.WriteDoubleLittleEndian(bytes, value);
    }

    private static double ToDouble(object? value) =>
        value is not (null or bool or PSObject { BaseObject: bool }) && LanguagePrimitives.TryConvertTo(value, CultureInfo.InvariantCulture, out double number)
            ? number
            : throw ErrorFactory.InvalidBytes($"'{value}' is not a number.");

    private static BigInteger ToInteger(object? value, NumberType type)
    {
        int bits = 8 * SizeOf(type);
        bool signed = type is NumberType.Int8 or NumberType.Int16 or NumberType.Int32 or NumberType.Int64;
        // PowerShell reads the literal 0xFFFFFFFF as -1, and keeps its text in its wrapper: hex is the bits as they stand.
        string text = value?.ToString()?.Trim() ?? "";
        if (text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            && text.Length > 2
            && BigInteger.TryParse("0" + text[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var pattern))
        {
            return pattern.GetBitLength() <= bits ? pattern : throw DoesNotFit(text, type);
        }
        if (value is null or bool or char or PSObject { BaseObject: bool or char }
            || text is "" or "0x" or "0X" or "-0x" or "-0X" or "+0x" or "+0X"
            || !LanguagePrimitives.TryConvertTo(value, CultureInfo.InvariantCulture, out decimal number)
            || number != decimal.Truncate(number))
        {
            throw ErrorFactory.InvalidBytes($"'{value}' is not a whole number.");
        }
        var integer = new BigInteger(number);
        var largest = (BigInteger.One << (signed ? bits - 1 : bits)) - 1;
        var smallest = signed ? -largest - 1 : BigInteger.Zero;
        if (integer >= smallest && integer <= largest) return integer;
        throw DoesNotFit(integer, type, !signed && integer.Sign < 0 ? " PowerShell reads 0x80000000 and above as negative: put such a number in quotes." : "");
    }

    private static SnapshotException DoesNotFit(object value, NumberType type, string hint = "") =>
        ErrorFactory.InvalidBytes($"{value} does not fit into {type}.{hint}");
}

using System.Diagnostics.CodeAnalysis;

namespace MmapSnapshot.Binding;

/// <summary>How a number stands in a file.</summary>
[SuppressMessage("Naming", "CA1720", Justification = "The types' own names are what people know them by.")]
public enum NumberType
{
    /// <summary>8 bits, 0 to 255.</summary>
    Byte,

    /// <summary>8 bits, two's complement.</summary>
    Int8,

    /// <summary>16 bits, two's complement.</summary>
    Int16,

    /// <summary>16 bits, from 0 on.</summary>
    UInt16,

    /// <summary>32 bits, two's complement.</summary>
    Int32,

    /// <summary>32 bits, from 0 on.</summary>
    UInt32,

    /// <summary>64 bits, two's complement.</summary>
    Int64,

    /// <summary>64 bits, from 0 on.</summary>
    UInt64,

    /// <summary>16 bits, IEEE 754.</summary>
    Half,

    /// <summary>32 bits, IEEE 754.</summary>
    Single,

    /// <summary>64 bits, IEEE 754.</summary>
    Double,
}

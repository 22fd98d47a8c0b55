using System.Diagnostics.CodeAnalysis;

namespace MmapSnapshot.Binding;

/// <summary>How bytes become a hash.</summary>
[SuppressMessage("Naming", "CA1720", Justification = "The algorithms' own names are what people know them by.")]
public enum SnapshotHashAlgorithm
{
    /// <summary>SHA-2 with 256 bits.</summary>
    SHA256,

    /// <summary>SHA-1, 160 bits. Not secure against an attacker.</summary>
    SHA1,

    /// <summary>SHA-2 with 384 bits.</summary>
    SHA384,

    /// <summary>SHA-2 with 512 bits.</summary>
    SHA512,

    /// <summary>MD5, 128 bits. Not secure against an attacker.</summary>
    MD5,

    /// <summary>CRC-32 of IEEE 802.3, as in ZIP, gzip and PNG.</summary>
    CRC32,

    /// <summary>CRC-64 of ECMA-182.</summary>
    CRC64,

    /// <summary>XxHash64, seed 0.</summary>
    XXH64,

    /// <summary>XxHash3 with 64 bits, seed 0.</summary>
    XXH3,

    /// <summary>XxHash3 with 128 bits, seed 0.</summary>
    XXH128,
}

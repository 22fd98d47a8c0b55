namespace MmapSnapshot.Content;

/// <summary>Where the bytes of a piece come from.</summary>
internal enum PieceKind
{
    /// <summary>A run of the base, which never changes while the snapshot is open.</summary>
    Base,

    /// <summary>A run of the additions.</summary>
    Additions,

    /// <summary>One byte, repeated.</summary>
    Repeat,
}

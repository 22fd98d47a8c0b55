namespace MmapSnapshot.Content;

/// <summary>A run of bytes, and what is known of them without reading: that all are the same, as in a hole, or nothing.</summary>
/// <param name="Range">The bytes.</param>
/// <param name="Value">The value that all of them have; null: not known.</param>
internal readonly record struct Stretch(ByteRange Range, byte? Value);

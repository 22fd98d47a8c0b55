namespace MmapSnapshot.Searching;

/// <summary>Looks at a snapshot's memory, which is there only while it runs. It must not call the snapshot, whose lock is held.</summary>
internal delegate void ScanAction(ReadOnlySpan<byte> bytes);

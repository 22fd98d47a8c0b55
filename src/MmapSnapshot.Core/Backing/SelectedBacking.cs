using MmapSnapshot.Source;

namespace MmapSnapshot.Backing;

/// <summary>The base of a snapshot: the bytes of a file at one moment, which do not change.</summary>
/// <param name="Content">The bytes.</param>
/// <param name="Baseline">The state of the file at that moment.</param>
/// <param name="Choice">The reason why the content is of this kind.</param>
internal sealed record SelectedBacking(SnapshotContent Content, Baseline Baseline, BackingChoice Choice);

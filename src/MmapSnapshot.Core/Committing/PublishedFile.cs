using System.Runtime.ExceptionServices;
using MmapSnapshot.Source;

namespace MmapSnapshot.Committing;

/// <summary>What a commit made of its target.</summary>
/// <param name="Baseline">What the file is now; null: it is not the snapshot's own, so that this is not required.</param>
/// <param name="Metadata">What it has besides its bytes; null: what it had when it was opened.</param>
/// <param name="Overridden">What <see cref="CommitOptions.Force"/> overrode; null: nothing.</param>
/// <param name="Failure">What failed after the file was changed; null: nothing.</param>
/// <param name="IsMixed">Whether the failure left the file a mix of old and new bytes.</param>
internal sealed record PublishedFile(
    Baseline? Baseline, FileMetadata? Metadata, string? Overridden, ExceptionDispatchInfo? Failure = null, bool IsMixed = false)
{
    /// <summary>Whether the file has the bytes of before again after the failure.</summary>
    internal bool IsRolledBack { get; init; }

    /// <summary>Whether the file would have had all old or all new bytes after a crash, if need be after a repair.</summary>
    internal bool IsRecoverable { get; init; } = true;

    /// <summary>Whether no reader could see a mix of old and new bytes.</summary>
    internal bool IsAtomicForReaders { get; init; } = true;
}

using System.Runtime.ExceptionServices;

namespace MmapSnapshot.Committing;

/// <summary>What a commit did.</summary>
/// <param name="Path">The file that holds the bytes now.</param>
/// <param name="Method">How they were saved.</param>
/// <param name="Reason">Why by this method: a clause that completes "because".</param>
/// <param name="Overridden">What <see cref="CommitOptions.Force"/> overrode; null: nothing.</param>
/// <param name="File">The snapshot's own file after the commit; null: another file was written.</param>
/// <param name="Failure">
/// What failed after a file was changed, to be thrown once <paramref name="File"/> is taken over; null: nothing.
/// </param>
internal sealed record CommitOutcome(
    string Path, CommitMethod Method, string Reason, string? Overridden, SnapshotFile? File, ExceptionDispatchInfo? Failure)
{
    /// <inheritdoc cref="PublishedFile.IsRolledBack"/>
    internal bool IsRolledBack { get; init; }

    /// <summary>Where the replaced file was kept; null: nowhere.</summary>
    internal string? BackupPath { get; init; }

    /// <inheritdoc cref="PublishedFile.IsRecoverable"/>
    internal bool IsRecoverable { get; init; } = true;

    /// <inheritdoc cref="PublishedFile.IsAtomicForReaders"/>
    internal bool IsAtomicForReaders { get; init; } = true;

    /// <summary>The result of a commit that has not failed.</summary>
    /// <param name="length">The number of bytes.</param>
    /// <param name="modifiedBytes">How many of them had been changed.</param>
    /// <param name="options">How it was made.</param>
    /// <param name="elapsed">How long it took.</param>
    internal CommitResult ToResult(long length, long modifiedBytes, CommitOptions options, TimeSpan elapsed) =>
        new(Path, Method, Reason, length, modifiedBytes, !options.NoFlush, elapsed, Overridden)
        {
            BackupPath = BackupPath,
            Recoverable = IsRecoverable,
            AtomicForReaders = IsAtomicForReaders,
        };
}

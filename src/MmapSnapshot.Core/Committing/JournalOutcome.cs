using MmapSnapshot.Source;

namespace MmapSnapshot.Committing;

/// <summary>How a process has to deal with a journal that it found.</summary>
internal enum JournalState
{
    /// <summary>There is none, or no more.</summary>
    None,

    /// <summary>Its maker lives, and is root or this user.</summary>
    Held,

    /// <summary>
    /// It is locked by a process of the target's owner, or has further names and may be another user's lock on a file of this one:
    /// a process that forces a save does not wait for it.
    /// </summary>
    HeldByOther,

    /// <summary>It is not to be trusted, or not about the file that has the target's name now: a save passes it by.</summary>
    PassedBy,

    /// <summary>It needs a decision: nothing was written.</summary>
    Blocked,

    /// <summary>What had to be done was done.</summary>
    Repaired,
}

/// <summary>What became of a journal that was found.</summary>
/// <param name="State">How to deal with it.</param>
/// <param name="Record">What was done, for the user.</param>
/// <param name="Error">The id of the error where it is <see cref="JournalState.Blocked"/>.</param>
internal sealed record JournalOutcome(JournalState State, RepairRecord Record, SnapshotError Error = SnapshotError.JournalConflict)
{
    /// <summary>Of a group, what was done to each file, as far as they are known; else none.</summary>
    internal IReadOnlyList<RepairRecord> Members { get; init; } = [];

    /// <summary>What is done when it is forced.</summary>
    internal RepairAction ForcedAction { get; init; }

    /// <summary>The status of the target before the first byte was written, and after the last; null: nothing was written.</summary>
    internal (FileStatus Before, FileStatus After)? Written { get; init; }
}

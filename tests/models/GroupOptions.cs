namespace MmapSnapshot.Models;

/// <summary>What must hold in every state.</summary>
internal enum GroupProperty : byte
{
    None,

    /// <summary>Unless another program changed a file, all are old, or all are new, whenever nothing is left to repair.</summary>
    AllOrNone,

    /// <summary>A save that reported success is not undone.</summary>
    SuccessStays,

    /// <summary>A save that reported a failure has left the old files, except those that another program changed.</summary>
    FailureLeavesOld,

    /// <summary>What another program wrote, or named, is not removed.</summary>
    ForeignChangeStays,

    /// <summary>If another program changed a file, and the others are old and new, that was said.</summary>
    MixIsNamed,

    /// <summary>When nothing leads to it any more, no file of the group is left.</summary>
    NothingIsLeft,

    /// <summary>A repair refuses only where another program changed a file.</summary>
    RefusesOnlyForeign,
}

/// <summary>A step taken out of the protocol, or done in another way.</summary>
internal enum GroupMutation : byte
{
    None,

    // The save
    StagedIsNotFlushed,
    RecordIsNotFlushed,
    CommittingIsNotFlushed,
    NamesAreNotFlushed,
    DoneIsNotWritten,
    DoneIsNotFlushed,
    ExchangeIsNotLookedAt,
    FailureIsNotWritten,
    RevertingIsNotWritten,
    RevertIsNotLookedAt,
    RevertTakesWrittenFile,
    SecondDirectoryIsRemovedFirst,

    // The repair
    RepairDoesNotFlush,
    RepairKnowsFilesByInodeOnly,
    RepairDoesNotLook,
    RepairRollsForwardAlways,
    RepairDoesNotFlushNames,
    RepairDoesNotWriteDone,
    RepairRemovesAnyLeftover,
}

/// <summary>The processes and faults of one search.</summary>
internal sealed record GroupOptions
{
    internal GroupMutation Mutation { get; init; }

    /// <summary>The one property to look at; none: all of them.</summary>
    internal GroupProperty Only { get; init; }

    internal int Kills { get; init; }

    internal int Crashes { get; init; }

    /// <summary>Changes of another program, at any time: it renames a file over a target, or writes to one.</summary>
    internal int ForeignChanges { get; init; }

    /// <summary>The processes and faults as text.</summary>
    public override string ToString()
    {
        string?[] parts =
        [
            Count(Kills, "kill"),
            Count(Crashes, "crash", "crashes"),
            Count(ForeignChanges, "foreign change"),
        ];
        return string.Join(", ", parts.Where(part => part is not null));
    }

    private static string? Count(int count, string one, string? many = null) =>
        count switch { 0 => null, 1 => $"1 {one}", _ => $"{count} {many ?? one + "s"}" };
}

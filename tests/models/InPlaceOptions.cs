namespace MmapSnapshot.Models;

/// <summary>What must hold in every state.</summary>
internal enum InPlaceProperty : byte
{
    None,

    /// <summary>Unless another program wrote, the file is the old or the new one whenever nothing is left to repair.</summary>
    OldOrNew,

    /// <summary>A save that reported success is not undone.</summary>
    SuccessStays,

    /// <summary>A repair writes over nothing that another program wrote.</summary>
    ForeignChangeStays,

    /// <summary>A save that reported a failure, and left no journal, left the old file.</summary>
    FailureLeavesOld,

    /// <summary>A repair refuses only where another program wrote.</summary>
    RefusesOnlyForeign,
}

/// <summary>A step taken out of the protocol, or done in another way.</summary>
internal enum InPlaceMutation : byte
{
    None,

    // The save
    JournalIsNotFlushed,
    DirectoryIsNotFlushed,
    FileIsNotFlushed,
    RangesAreNotFlushedBeforeTruncation,
    ErrorAfterTruncationIsRolledBack,
    TruncationIsFirst,
    WrittenBackIsNotFlushed,
    DoneIsNotWritten,

    // The repair
    RepairDoesNotFlushDirectory,
    RepairLeavesEqualBytes,
    RepairRollsForwardAlways,
    RepairTakesZerosForForeign,
    RepairDoesNotCompareTail,
    RepairTakesNoLease,
    RepairWritesBesideForeign,
    RepairDoesNotFlush,
}

/// <summary>What the save does to the file of two blocks.</summary>
internal enum InPlaceKind : byte
{
    /// <summary>It changes both blocks.</summary>
    Overwrites,

    /// <summary>It changes the first block and adds a third.</summary>
    Grows,

    /// <summary>It changes the first block and cuts off the second.</summary>
    Shrinks,
}

/// <summary>The processes and faults of one search.</summary>
internal sealed record InPlaceOptions
{
    internal InPlaceMutation Mutation { get; init; }

    /// <summary>The one property to look at; none: all of them.</summary>
    internal InPlaceProperty Only { get; init; }

    internal InPlaceKind Kind { get; init; }

    internal int Kills { get; init; }

    internal int Crashes { get; init; }

    /// <summary>Writes, or flushes, that fail; after a failed flush the pages are clean and the disk has either.</summary>
    internal int FailedFlushes { get; init; }

    /// <summary>Writes of another program, at any time after the save has ended or a fault.</summary>
    internal int ForeignWrites { get; init; }

    /// <summary>Another program moves the journal aside and back, and restores the old file.</summary>
    internal bool HasMover { get; init; }

    /// <summary>Another program restores the old bytes and length after a kill or a crash.</summary>
    internal bool HasRestorer { get; init; }

    /// <summary>The save flushes nothing (NoFlush), and machines crash only while a repair writes.</summary>
    internal bool IsUnflushed { get; init; }

    /// <summary>The processes and faults as text.</summary>
    public override string ToString()
    {
        string?[] parts =
        [
            Kind.ToString().ToLowerInvariant(),
            Count(Kills, "kill"),
            Count(Crashes, "crash", "crashes"),
            Count(FailedFlushes, "failed flush", "failed flushes"),
            Count(ForeignWrites, "foreign write"),
            HasMover ? "move" : null,
            HasRestorer ? "restore" : null,
            IsUnflushed ? "no flush" : null,
        ];
        return string.Join(", ", parts.Where(part => part is not null));
    }

    private static string? Count(int count, string one, string? many = null) =>
        count switch { 0 => null, 1 => $"1 {one}", _ => $"{count} {many ?? one + "s"}" };
}

using System.Runtime.CompilerServices;

namespace MmapSnapshot.Models;

/// <summary>What a block of the file holds.</summary>
internal enum Block : byte
{
    Old,
    New,

    /// <summary>What another program wrote.</summary>
    Foreign,

    /// <summary>Zeros, after the old end.</summary>
    Zeros,
}

/// <summary>What the header of a journal says.</summary>
internal enum JournalContent : byte
{
    /// <summary>A crash has lost it.</summary>
    Damaged,

    Pending,
    Done,
}

/// <summary>What the saver does next.</summary>
internal enum InPlaceStep : byte
{
    WriteJournal,
    FlushJournal,
    LinkJournal,
    FlushDirectory,
    WriteFirst,
    WriteSecond,
    WriteThird,
    FlushRanges,
    Truncate,
    FlushAfterTruncate,
    Flush,
    WriteDone,
    FlushDone,
    UnlinkJournal,
    WriteBack,
    SetOldLength,
    FlushWrittenBack,
    Ended,
}

/// <summary>What a repair does next.</summary>
internal enum RepairStep : byte
{
    /// <summary>There is none, or it has ended.</summary>
    None,

    FlushDirectory,
    Compare,
    WriteFirst,
    WriteRest,
    Flush,
    WriteDone,
    FlushDone,
    UnlinkJournal,

    /// <summary>It has found what another program wrote, and written nothing.</summary>
    Refused,
}

/// <summary>What the save reported.</summary>
internal enum InPlaceOutcome : byte
{
    /// <summary>Nothing: it runs, or was killed.</summary>
    None,

    Success,

    /// <summary>It failed, and the old bytes are there again.</summary>
    Failure,

    /// <summary>It failed, and left the journal.</summary>
    FailureWithJournal,
}

/// <summary>One moment of a save in place of a file of two blocks, with repairs. All members are bytes: there is no padding.</summary>
internal struct InPlaceState
{
    /// <summary>What a process sees in each block.</summary>
    internal PerBlock<Block> Content;

    /// <summary>What the disk may have: a bit for each <see cref="Block"/>.</summary>
    internal PerBlock<byte> OnDisk;

    internal PerBlock<byte> IsDirty;

    internal byte Length, LengthsOnDisk, IsLengthDirty;

    internal JournalContent Journal;

    /// <summary>A bit for each <see cref="JournalContent"/>.</summary>
    internal byte JournalsOnDisk;

    internal byte HasName;

    /// <summary>Bit 0: without the name; bit 1: with it.</summary>
    internal byte NamesOnDisk;

    /// <summary>Whether another program has moved the journal aside, and how often.</summary>
    internal byte IsAside, Moves;

    internal InPlaceStep Step;

    internal InPlaceOutcome Outcome;

    internal byte IsAlive, HasFailed;

    internal RepairStep Repair;

    internal byte IsForward, Repairs;

    /// <summary>What the repair has seen when it compared, and the length; 255: no block.</summary>
    internal PerBlock<byte> Seen;

    internal byte SeenLength;

    internal byte Kills, Crashes, ForeignWrites, FailedFlushes;

    /// <summary>The blocks that another program wrote last, as bits; whether it set the length; whether it ever wrote.</summary>
    internal byte ForeignBlocks, IsForeignLength, WasForeign;

    internal InPlaceProperty Violated;
}

/// <summary>Something for each of the three blocks that the file may have.</summary>
[InlineArray(Count)]
internal struct PerBlock<T>
{
    internal const int Count = 3;

    private T _first;
}

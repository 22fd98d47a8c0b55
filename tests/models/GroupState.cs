using System.Runtime.CompilerServices;

namespace MmapSnapshot.Models;

/// <summary>What a name refers to.</summary>
internal enum GroupFileCode : byte
{
    Old,

    New,

    /// <summary>Of another program, which has renamed it over the target.</summary>
    Foreign,

    /// <summary>The old file, to which another program has written.</summary>
    OldWritten,

    /// <summary>The new file, to which another program has written.</summary>
    NewWritten,

    None,

    /// <summary>The new file, but its bytes did not reach the disk before a crash. A process takes it for the new one.</summary>
    Torn,
}

/// <summary>The state that the journal of the first directory records.</summary>
internal enum GroupJournalState : byte
{
    /// <summary>Its members are not recorded.</summary>
    Empty,

    Prepared,

    Committing,

    Reverting,

    Done,
}

/// <summary>The next step of the saver.</summary>
internal enum GroupStep : byte
{
    MakeFirstDirectory,
    MakeSecondDirectory,
    Stage,
    FlushStaged,
    Record,
    FlushRecord,
    WriteCommitting,
    FlushCommitting,
    Validate,
    Exchange,
    Look,
    PutBack,
    FlushNames,
    WriteDone,
    FlushDone,
    RemoveLeftovers,
    RemoveFirstDirectory,
    RemoveSecondDirectory,
    WriteReverting,
    FlushReverting,
    Revert,
    ExchangeBack,
    LookAtReverted,
    FlushReverted,
    WriteRevertDone,
    FlushRevertDone,
    Ended,
}

/// <summary>The next step of the repair.</summary>
internal enum GroupRepairStep : byte
{
    None,
    Flush,
    Decide,
    MakeNew,
    LookAtNew,
    PutBackNew,
    FlushReverting,
    MakeOld,
    LookAtOld,
    PutBackOld,
    FlushNames,
    WriteDone,
    FlushDone,
    RemoveLeftovers,
    RemoveFirstDirectory,
    RemoveSecondDirectory,

    /// <summary>The files are named, and nothing is touched.</summary>
    Refused,
}

/// <summary>What the saver has reported.</summary>
internal enum GroupOutcome : byte
{
    None,
    Success,
    Failure,
}

/// <summary>
/// One moment of a save of three files as one, with repairs. All members are bytes or arrays of them: there is no padding.
/// </summary>
internal struct GroupState
{
    /// <summary>What the targets' names refer to, and the names in the directories of the group.</summary>
    internal PerMember<GroupFileCode> Target, Staged;

    /// <summary>Whether each of both directories of the group is there, with its journal.</summary>
    internal PerDirectory<byte> HasJournal;

    /// <summary>What each directory may be on the disk: the last flush, and all moments since.</summary>
    internal PerDirectory<History> OnDisk;

    internal GroupJournalState Journal;

    /// <summary>A bit for each <see cref="GroupJournalState"/>.</summary>
    internal byte JournalsOnDisk;

    /// <summary>Whether the journal of the second directory records its members, and whether it does on the disk.</summary>
    internal byte IsSecondRecorded, IsSecondRecordedOnDisk;

    internal byte AreBytesOnDisk;

    internal GroupStep Step;

    internal byte Member, IsAlive, IsFailing;

    internal GroupOutcome Outcome;

    internal GroupRepairStep Repair;

    internal byte RepairMember, Repairs;

    /// <summary>The targets that were new when the repair decided, as bits.</summary>
    internal byte DecidedNew;

    internal byte Kills, Crashes, ForeignChanges;

    /// <summary>What each file became that another program has changed; and how many faults there had been by then.</summary>
    internal PerMember<GroupFileCode> ForeignFile;

    /// <inheritdoc cref="ForeignFile"/>
    internal PerMember<byte> FaultsBeforeForeign;

    internal byte WasForeign, IsNamed;

    /// <summary>The files of another program that have a name which users see, as bits.</summary>
    internal byte Kept;

    internal GroupProperty Violated;
}

/// <summary>The states of a directory since it was flushed, packed in two bytes each.</summary>
internal struct History
{
    internal const int Max = 14;

    internal Entries Items;

    internal byte Count;

    [InlineArray(2 * Max)]
    internal struct Entries
    {
        private byte _first;
    }
}

/// <summary>Something for each of three files: the first is in the first directory, the last is new.</summary>
[InlineArray(Count)]
internal struct PerMember<T>
{
    internal const int Count = 3;

    private T _first;
}

/// <summary>Something for each of two directories.</summary>
[InlineArray(Count)]
internal struct PerDirectory<T>
{
    internal const int Count = 2;

    private T _first;
}

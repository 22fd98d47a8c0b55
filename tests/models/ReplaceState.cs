using System.Runtime.CompilerServices;

namespace MmapSnapshot.Models;

/// <summary>The files. One exists once; what bears which name is in <see cref="DirectoryState"/>.</summary>
internal enum FileId : byte
{
    None,

    /// <summary>What is under the name at the start.</summary>
    Original,

    StagedByA,
    StagedByB,
    StagedByC,

    /// <summary>Files of other processes.</summary>
    Foreign1,
    Foreign2,
}

/// <summary>The markers, named after the saver that made them.</summary>
internal enum MarkerId : byte
{
    None,
    OfA,
    OfB,
    OfC,
}

/// <summary>What a saver does next: a system call each, in the order of the protocol.</summary>
internal enum Step : byte
{
    /// <summary>open(target): the snapshot is taken, and this version is the expected one.</summary>
    Open,

    // Stage
    StageFile,
    LeaseStagedFile,

    // Marker
    MakeMarker,
    LockMarker,
    LinkMarker,

    // The marker of another saver is in the way
    OpenFoundMarker,
    LockFoundMarker,
    CompareFoundMarker,
    ReadFoundMarker,
    LookAtLeftover,
    LookAtTargetForLeftover,
    UnlinkLeftover,
    RecoverLeftover,
    UnlinkFoundMarker,
    CloseFoundMarker,

    // Publish
    LinkTemporary,
    OpenTarget,
    LeaseTarget,
    CompareTarget,
    UnlinkTarget,
    Rename,
    Exchange,
    LookAtDisplaced,
    ExchangeBack,
    LookAfterExchangeBack,

    // Complete
    UnlinkExpected,
    UnlinkStaged,
    RecoverTemporary,
    FlushDirectory,
    UnlinkMarker,
    CloseMarker,

    Ended,
}

internal enum Outcome : byte
{
    None,
    Success,
    Conflict,
    SaveInProgress,
    Killed,
}

/// <summary>A set of files.</summary>
internal readonly struct FileSet
{
    private readonly byte _bits;

    private FileSet(int bits) => _bits = (byte)bits;

    internal bool Contains(FileId file) => ((_bits >> (int)file) & 1) != 0;

    internal FileSet With(FileId file) => file == FileId.None ? this : new(_bits | (1 << (int)file));

    internal FileSet Without(FileId file) => new(_bits & ~(1 << (int)file));
}

[InlineArray(Count)]
internal struct PerSaver<T>
    where T : unmanaged
{
    internal const int Count = 3;

    private T _first;
}

[InlineArray(Count)]
internal struct PerFile<T>
    where T : unmanaged
{
    internal const int Count = (int)FileId.Foreign2 + 1;

    private T _first;
}

/// <summary>One process that saves, once.</summary>
internal struct SaverState
{
    internal Step Step;

    /// <summary>What it will report, known before it ends.</summary>
    internal Outcome Outcome;

    /// <summary>The version that it opened.</summary>
    internal FileId Expected;

    /// <summary>Whether another process has written to that file since.</summary>
    internal bool ExpectedWasWritten;

    /// <summary>The file of the look, as long as its descriptor is open.</summary>
    internal FileId Looked;

    /// <summary>Whether it has a lease on that file.</summary>
    internal bool HasTargetLease;

    /// <summary>What its last exchange put under the name.</summary>
    internal FileId PutIn;

    /// <summary>What the exchange before that one put there: it comes out if nothing intervened.</summary>
    internal FileId PutInBefore;

    /// <summary>Whether its own marker bears the marker's name.</summary>
    internal bool HasMarker;

    /// <summary>The marker of another saver that it has open.</summary>
    internal MarkerId FoundMarker;

    /// <summary>Whether it opened the file after the last kill or crash.</summary>
    internal bool StartedAfterFault;

    internal readonly bool IsRunning => Step is > Step.Open and < Step.Ended;
}

/// <summary>What a machine crash can take back to an earlier moment.</summary>
internal struct DirectoryState
{
    internal FileId Target;
    internal PerSaver<FileId> Temporary;
    internal MarkerId Marker;

    /// <summary>The name under which another process keeps the file that it moved aside.</summary>
    internal FileId Aside;

    /// <summary>What bears a name that people see, ".recovered" in it.</summary>
    internal FileSet Recovered;

    /// <summary>Files that another process has put under the name.</summary>
    internal FileSet Placed;

    /// <summary>Files that were replaced on purpose: by another process, or by a saver that expected them.</summary>
    internal FileSet Replaced;

    /// <summary>Files that another process has written to in place.</summary>
    internal FileSet Written;

    /// <summary>Whether another process took the name away.</summary>
    internal bool IsRemoved;

    internal readonly bool HasName(FileId file) =>
        Target == file || Temporary[0] == file || Temporary[1] == file || Temporary[2] == file || Aside == file || Recovered.Contains(file);
}

/// <summary>One moment of the whole system. Bytes only, so that two can be compared as bytes.</summary>
internal struct ReplaceState
{
    internal PerSaver<SaverState> Savers;
    internal DirectoryState Directory;

    /// <summary>If <see cref="IsDiskBehind"/>: the directory as the disk has it until the machine crashes.</summary>
    internal DirectoryState Disk;
    internal bool IsDiskBehind;

    /// <summary>The saver, from 1, that holds the lock of the marker made by each; 0: none.</summary>
    internal PerSaver<byte> LockHolder;

    /// <summary>Whether the content of the marker made by each was lost in a machine crash.</summary>
    internal PerSaver<bool> IsMarkerEmpty;

    /// <summary>The file that other processes, and savers that reported success, gave the name last.</summary>
    internal FileId LastPlaced;

    /// <summary>Inode numbers: a file's own, or that of a file that is gone. Used with ReuseInodeNumbers only.</summary>
    internal PerFile<byte> Number;
    internal FileSet Created;

    /// <summary>How far the other processes are, and what has happened.</summary>
    internal byte ForeignFilesCreated;
    internal byte ForeignFilesRenamed;
    internal bool UnlinkerIsDone;
    internal bool WriterIsDone;
    internal byte MoverSteps;
    internal byte Kills;
    internal byte MachineCrashes;

    internal Property Violated;
}

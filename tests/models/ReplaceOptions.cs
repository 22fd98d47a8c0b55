namespace MmapSnapshot.Models;

/// <summary>What must hold in every state.</summary>
internal enum Property : byte
{
    None,

    /// <summary>Content reported as saved is under the name until another process replaces it.</summary>
    SavedContentStays,

    /// <summary>A file that another process placed under the name or wrote to keeps a name until it is replaced on purpose.</summary>
    NoFileIsLost,

    /// <summary>A saver that reports a conflict removes no file but its own.</summary>
    ConflictRemovesNothing,

    /// <summary>Of the savers that opened one version at most one reports success.</summary>
    OneWinner,

    /// <summary>No temporary name and no marker is left after a save; nor those of dead savers, after a save that began later.</summary>
    NothingIsLeft,

    /// <summary>Nothing is deleted that is neither a staged file nor its expected version.</summary>
    DeletesOnlyItsOwn,

    /// <summary>The marker and the temporary name of a live saver are touched by no other saver.</summary>
    LiveSaversAreUntouched,

    /// <summary>Without a kill or a crash a save that reports a conflict leaves the name to the file that others gave it last.</summary>
    LastFileStays,

    /// <summary>There is always a file under the name, unless another process took the name away.</summary>
    NameIsNeverMissing,
}

/// <summary>A step taken out of the protocol, or done in another way.</summary>
internal enum Mutation : byte
{
    None,

    // The marker
    NoMarker,
    ContinuesBesideLiveSaver,

    /// <summary>The temporary name does not follow from the marker's inode number: a marker that a crash has emptied does not tell it.</summary>
    TemporaryNameIsInContentAlone,
    MarkerIsLockedAfterLink,
    MarkerIsUnlockedBeforeUnlink,
    CleanerTakesNoLock,
    CleanerComparesNoName,
    CleanerUnlinksAnything,

    /// <summary>The expected file under a dead saver's temporary name is unlinked even if the target is not what that saver staged.</summary>
    CleanerUnlinksExpectedAlways,

    // Look and exchange
    NoLookBeforeExchange,
    NoLookAfterExchange,
    PutsBackOnce,
    ConflictUnlinksAnything,
    ConflictUnlinksExpected,
    TargetIsUnlinkedFirst,

    // Flush
    NoDirectoryFlush,
    DirectoryIsFlushedAfterMarker,

    // Identity and leases
    IdentityIsInodeNumber,
    LookIsClosed,
    StagedFileIsNotLeased,
    TargetIsNotLeased,
    TargetIsLeasedAfterCompare,
}

/// <summary>The processes and faults of one search.</summary>
internal sealed record ReplaceOptions
{
    internal Mutation Mutation { get; init; }

    /// <summary>The one property to look at; none: all of them.</summary>
    internal Property Only { get; init; }

    /// <summary>Processes that open the file and save it once: 1 to 3.</summary>
    internal int Savers { get; init; } = 2;

    /// <summary>Files that other processes rename over the name: 0 to 2.</summary>
    internal int ForeignRenames { get; init; }

    /// <summary>Another process unlinks the name, once.</summary>
    internal bool HasUnlinker { get; init; }

    /// <summary>Another process opens the file, writes to it and closes it, once. A lease makes it wait.</summary>
    internal bool HasWriter { get; init; }

    /// <summary>Another process moves the file to a name of its own, and back.</summary>
    internal bool HasMover { get; init; }

    /// <summary>Savers that SIGKILL ends.</summary>
    internal int Kills { get; init; }

    internal int MachineCrashes { get; init; }

    /// <summary>A new file may get the inode number of one that has neither names nor descriptors.</summary>
    internal bool ReusesInodeNumbers { get; init; }

    /// <summary>
    /// The filesystem tells two files with the same inode number apart at any time. If not (tmpfs has no FS_IOC_GETVERSION), the
    /// look before the exchange does so by the change time, which an exchange moves: later looks have the inode number alone.
    /// </summary>
    internal bool HasGeneration { get; init; } = true;

    /// <summary>The filesystem knows RENAME_EXCHANGE. If not (NFS, FUSE), the save looks, and then renames.</summary>
    internal bool HasExchange { get; init; } = true;

    /// <summary>The processes and faults as text.</summary>
    public override string ToString()
    {
        string?[] parts =
        [
            Count(Savers, "saver"),
            Count(ForeignRenames, "rename"),
            HasUnlinker ? "unlink" : null,
            HasWriter ? "write" : null,
            HasMover ? "move" : null,
            Count(Kills, "kill"),
            Count(MachineCrashes, "crash", "crashes"),
            ReusesInodeNumbers ? "inode reuse" : null,
            HasGeneration ? null : "no generation",
            HasExchange ? null : "no exchange",
        ];
        return string.Join(", ", parts.Where(part => part is not null));
    }

    private static string? Count(int count, string one, string? many = null) =>
        count switch { 0 => null, 1 => $"1 {one}", _ => $"{count} {many ?? one + "s"}" };
}

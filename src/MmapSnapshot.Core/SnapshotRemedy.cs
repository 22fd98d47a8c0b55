namespace MmapSnapshot;

/// <summary>
/// What can be done about an error or a warning. The engine looks before it names one: it works in that situation. Of several, one is
/// enough.
/// </summary>
public enum SnapshotRemedy
{
    /// <summary>Do the same again, once another process has finished.</summary>
    Retry,

    /// <summary>Open the file again, and repeat the changes.</summary>
    Reopen,

    /// <summary>Open the file that exists, instead of a new one.</summary>
    OpenExisting,

    /// <summary>Open the file without <see cref="SnapshotOptions.ReadOnly"/>.</summary>
    OpenForWriting,

    /// <summary>Open the file with <see cref="SnapshotOptions.ReadOnly"/>, which takes no copy.</summary>
    OpenReadOnly,

    /// <summary>Open the file with a <see cref="SnapshotOptions.ScratchPath"/> that has room.</summary>
    UseScratchPath,

    /// <summary>Open the file with <see cref="SnapshotBacking.Copy"/>.</summary>
    UseCopy,

    /// <summary>Open the file with <see cref="SnapshotBacking.Auto"/>.</summary>
    UseAutoBacking,

    /// <summary>Open the file with a longer <see cref="SnapshotOptions.MaxWriterDelay"/>.</summary>
    AllowWriterDelay,

    /// <summary>Stop the program that writes to the file for a moment.</summary>
    StopWriter,

    /// <summary>Move the file to a filesystem that has reflinks: XFS or btrfs.</summary>
    UseReflinkFileSystem,

    /// <summary>Free space on the filesystem.</summary>
    FreeSpace,

    /// <summary>Free space on the filesystem, or replace the disk; then open the file again, and repeat the changes.</summary>
    FreeSpaceAndReopen,

    /// <summary>Give the path that the symbolic link leads to, if it is meant.</summary>
    UseLinkTarget,

    /// <summary>Give the path of a file in another directory.</summary>
    UseOtherDirectory,

    /// <summary>Close snapshots that are no longer needed, or allow the process more open files (man 2 getrlimit, RLIMIT_NOFILE).</summary>
    CloseSnapshots,

    /// <summary>Commit to another path: <see cref="CommitOptions.Destination"/>.</summary>
    SaveElsewhere,

    /// <summary>Commit with <see cref="CommitOptions.Force"/>.</summary>
    Overwrite,

    /// <summary>Commit with <see cref="CommitOptions.Force"/> and <see cref="CommitMethod.Replace"/>.</summary>
    OverwriteByReplacing,

    /// <summary>Commit with <see cref="CommitMethod.Replace"/>.</summary>
    UseReplace,

    /// <summary>Commit with <see cref="CommitMethod.Auto"/>.</summary>
    UseAutoMethod,

    /// <summary>Commit with <see cref="CommitMethod.InPlace"/>, which is not atomic for all readers.</summary>
    UseInPlace,

    /// <summary>
    /// Commit with <see cref="CommitMethod.InPlace"/> and <see cref="CommitOptions.NoJournal"/>: neither atomic nor recoverable.
    /// </summary>
    UseInPlaceWithoutJournal,

    /// <summary>Commit with <see cref="CommitOptions.NoJournal"/>: an interrupted commit leaves a mix of old and new bytes.</summary>
    SkipJournal,

    /// <summary>Commit with <see cref="CommitOptions.BreakHardLink"/>.</summary>
    BreakHardLink,

    /// <summary>Commit without <see cref="CommitOptions.Backup"/>.</summary>
    SkipBackup,

    /// <summary>Give <see cref="CommitOptions.Backup"/> another name, or move the file that has it.</summary>
    RenameBackup,

    /// <summary>Commit the snapshots one by one.</summary>
    SaveSeparately,

    /// <summary>Commit one of the snapshots of the file.</summary>
    SaveOne,

    /// <summary>Commit as root.</summary>
    SaveAsRoot,

    /// <summary>Remove the attribute from the file.</summary>
    RemoveAttribute,

    /// <summary>Repair the file: <see cref="SnapshotRepair"/>.</summary>
    Repair,

    /// <summary>Repair the file if the commit is interrupted: <see cref="SnapshotRepair"/>.</summary>
    RepairIfInterrupted,

    /// <summary>Repair the file with <see cref="RepairOptions.Force"/>.</summary>
    ForceRepair,

    /// <summary>
    /// Compare the file with a copy, then remove the journal: <see cref="SnapshotRepair"/> with <see cref="RepairOptions.Force"/>.
    /// </summary>
    RemoveJournal,

    /// <summary>Read or view fewer bytes at a time.</summary>
    ReadParts,

    /// <summary>Give the value as text.</summary>
    UseText,

    /// <summary>Search for the upper and the lower case.</summary>
    SearchBothCases,

    /// <summary>Give the repetitions of the regular expression a limit.</summary>
    LimitRepetitions,
}

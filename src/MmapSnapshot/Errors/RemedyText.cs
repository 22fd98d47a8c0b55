namespace MmapSnapshot;

/// <summary>
/// What can be done next, in PowerShell's words: the one place that has cmdlets and parameters for what the engine reports.
/// </summary>
internal static class RemedyText
{
    /// <summary>A sentence, as in "Open the file again and repeat the change, or save with -Force to overwrite it."</summary>
    /// <param name="remedies">What the engine says can be done.</param>
    /// <param name="error">The error that it is about; null: a warning.</param>
    /// <returns>Null where nothing can be done.</returns>
    internal static string? Of(IReadOnlyList<SnapshotRemedy> remedies, SnapshotError? error)
    {
        if (remedies.Count == 0) return null;
        string[] clauses = [.. remedies.Select(remedy => Clause(remedy, error))];
        string sentence = clauses.Length == 1 ? clauses[0] : $"{string.Join(", ", clauses[..^1])}, or {clauses[^1]}";
        return $"{char.ToUpperInvariant(sentence[0])}{sentence[1..]}.";
    }

    private static string Clause(SnapshotRemedy remedy, SnapshotError? error) => remedy switch
    {
        SnapshotRemedy.Retry => error == SnapshotError.SaveInProgress
            ? "try again when it has finished"
            : "try again when the file is changed less often",
        SnapshotRemedy.Reopen => error switch
        {
            SnapshotError.SnapshotClosed => "open the file again",
            SnapshotError.SnapshotLost => "close it, open the file again and repeat the change",
            _ => "open the file again and repeat the change",
        },
        SnapshotRemedy.OpenExisting => "open it with Open-MmapSnapshot, or begin again with New-MmapSnapshot -Force",
        SnapshotRemedy.OpenForWriting => "open the file without -ReadOnly to change it",
        SnapshotRemedy.OpenReadOnly => "open it with -ReadOnly, which needs no copy",
        SnapshotRemedy.UseScratchPath => error == SnapshotError.SnapshotLost
            ? "close it and open the file again, with -ScratchPath for a directory that a copy can be made in"
            : "give -ScratchPath a directory that has room",
        SnapshotRemedy.UseCopy => error == SnapshotError.SnapshotLost
            ? "close it and open the file again; with -Backing Copy, or a smaller -MaxWriterDelay, it is copied when it is opened, and "
                + "cannot be lost"
            : "give -Backing Copy",
        SnapshotRemedy.UseAutoBacking => "leave -Backing out",
        SnapshotRemedy.AllowWriterDelay => "allow a longer -MaxWriterDelay",
        SnapshotRemedy.StopWriter => "stop the program that writes to it for a moment",
        SnapshotRemedy.UseReflinkFileSystem => "move the file to XFS or btrfs, where a snapshot is a clone",
        SnapshotRemedy.FreeSpace => "free some space",
        SnapshotRemedy.FreeSpaceAndReopen =>
            "free some space or replace the disk, then close the snapshot, open the file again and repeat the change",
        SnapshotRemedy.UseLinkTarget => "give the path that it leads to, if that is what you mean",
        SnapshotRemedy.UseOtherDirectory => "give the path of a file in another directory",
        SnapshotRemedy.CloseSnapshots => "close snapshots that you no longer need (in a pipeline, Find-SnapshotBytes -CloseUnmatched and "
            + "Save-Snapshot -Close do that), or allow more open files (ulimit -n) before you start PowerShell",
        SnapshotRemedy.SaveElsewhere => error == SnapshotError.ReadOnlySnapshot
            ? "save it to another path with Save-Snapshot -Destination, and change that file"
            : "save to another path with -Destination",
        SnapshotRemedy.Overwrite => error == SnapshotError.AccessDenied
            ? "save with -Force to replace it"
            : "save with -Force to overwrite it",
        SnapshotRemedy.OverwriteByReplacing => error == SnapshotError.SnapshotConflict
            ? "save with -Force and -Method Replace to create it again"
            : "save with -Force and -Method Replace to replace it",
        SnapshotRemedy.UseReplace => error == SnapshotError.SnapshotConflict
            ? "save with -Method Replace to create it again"
            : "save with -Method Replace, which gives the name to a new file",
        SnapshotRemedy.UseAutoMethod => "leave -Method out",
        SnapshotRemedy.UseInPlace => error switch
        {
            SnapshotError.NoSpace => "save with -Method InPlace, which needs room for the changed bytes only (and is not atomic)",
            SnapshotError.HardLinked => "save with -Method InPlace to keep them together (not atomic)",
            _ => "save with -Method InPlace, which writes into the file itself (and is not atomic)",
        },
        SnapshotRemedy.UseInPlaceWithoutJournal =>
            "save with -Method InPlace and -NoJournal, which writes into the file itself (and is neither atomic nor recoverable)",
        SnapshotRemedy.SkipJournal => "save with -NoJournal, if an interrupted save may leave a mix of old and new bytes",
        SnapshotRemedy.BreakHardLink => "save with -BreakHardLink to leave the other names with the old bytes",
        SnapshotRemedy.SkipBackup => "save without -Backup",
        SnapshotRemedy.RenameBackup => "move it away, or give -Backup another name",
        SnapshotRemedy.SaveSeparately => "save the files one by one, without -AllOrNone",
        SnapshotRemedy.SaveOne => "save one of them",
        SnapshotRemedy.SaveAsRoot => "save as root",
        SnapshotRemedy.RemoveAttribute => "take the attribute off the file first",
        SnapshotRemedy.Repair => "repair it with Repair-MmapSnapshot",
        SnapshotRemedy.RepairIfInterrupted => "if this save is interrupted, repair the file with Repair-MmapSnapshot",
        SnapshotRemedy.ForceRepair => "repair it all the same with Repair-MmapSnapshot -Force",
        SnapshotRemedy.RemoveJournal => "compare the file with a copy, then remove the journal with Repair-MmapSnapshot -Force",
        SnapshotRemedy.ReadParts => "read fewer bytes at a time (-Offset, -Count)",
        SnapshotRemedy.UseText => "give text with -Text",
        SnapshotRemedy.SearchBothCases => "search for both cases",
        SnapshotRemedy.LimitRepetitions => "give its repetitions a limit, such as {0,100}",
        _ => throw new ArgumentOutOfRangeException(nameof(remedy)),
    };
}

namespace MmapSnapshot;

/// <summary>How to look for journals of interrupted saves, and what to do with them.</summary>
public sealed class RepairOptions
{
    /// <summary>In a directory, also look in all directories below it. Symbolic links are not followed.</summary>
    public bool Recurse { get; init; }

    /// <summary>
    /// Also repair where it is doubtful (the file is open elsewhere, or was changed since the machine was started), and remove journals
    /// that can be of no use any more: damaged ones, and those of files that were written to or replaced since.
    /// </summary>
    public bool Force { get; init; }

    /// <summary>
    /// Is asked before each repair, with what would be done; false leaves the journal as it is. Null: no user is asked.
    /// </summary>
    public Func<RepairRecord, bool>? Confirm { get; init; }
}

namespace MmapSnapshot;

/// <summary>The way a commit writes the file.</summary>
public enum CommitMethod
{
    /// <summary>The safest method that the filesystem supports. Never the method of a result.</summary>
    Auto,

    /// <summary>
    /// The file exchanges its contents with a new file (man 2 ioctl_xfs_commit_range): atomic for readers and across a crash; the inode,
    /// its links and open descriptors are kept. Only on XFS with exchange-range.
    /// </summary>
    Exchange,

    /// <summary>A new file replaces the file (man 2 rename): atomic for readers and across a crash; the inode is a new one.</summary>
    Replace,

    /// <summary>
    /// The bytes are written into the file itself: the inode, its links and open descriptors are kept. A journal beside the file makes
    /// an interrupted save recoverable (<see cref="SnapshotRepair"/>). Readers that already have the file open can see a mix of old and
    /// new bytes. Only on request.
    /// </summary>
    InPlace,

    /// <summary>The file already had these bytes; nothing was written.</summary>
    None,
}

/// <summary>The options of <see cref="Snapshot.Commit"/>.</summary>
public sealed class CommitOptions
{
    /// <summary>The method; Auto: Exchange where it is possible, else Replace.</summary>
    public CommitMethod Method { get; init; }

    /// <summary>
    /// Commit even if the file was changed, replaced or deleted since, or may not be written to by this user; with a destination,
    /// overwrite it. A file of another origin keeps its owner, mode, ACL and attributes, but not setuid, setgid and capabilities.
    /// </summary>
    public bool Force { get; init; }

    /// <summary>Replace a file that has several hard links; the other names keep the old bytes.</summary>
    public bool BreakHardLink { get; init; }

    /// <summary>
    /// Save in place where a new file cannot replace this one: it has several hard links, or is a mount point.
    /// </summary>
    public bool AllowInPlace { get; init; }

    /// <summary>
    /// Save in place without a journal, which needs a directory to write to, and space for the old and the new bytes of what is changed:
    /// an interrupted save leaves a mix of both.
    /// </summary>
    public bool NoJournal { get; init; }

    /// <summary>Do not wait for the disk: quicker, but a power cut can lose the file's new bytes or, on some filesystems, both.</summary>
    public bool NoFlush { get; init; }

    /// <summary>Close the snapshot when the commit has succeeded.</summary>
    public bool Close { get; init; }

    /// <summary>Write to this path instead. The snapshot stays bound to its original file.</summary>
    public string? Destination { get; init; }

    /// <summary>
    /// Keep the file that is replaced, also one that <see cref="Force"/> overwrites, under another name: a path if it contains a slash,
    /// else what is appended to the name. An existing file of that name is DestinationExists, with Force too. Null: it is not kept. If
    /// nothing is replaced there is no backup.
    /// </summary>
    public string? Backup { get; init; }

    /// <summary>Receives the progress of a copy, on the thread that commits. May be null.</summary>
    public IProgress<SnapshotProgress>? Progress { get; init; }

    /// <summary>
    /// Receives warnings, each a sentence, on the thread that commits: that other savers could not be excluded, or that another program's
    /// file was kept under another name. May be null.
    /// </summary>
    public IProgress<SnapshotWarning>? Warnings { get; init; }
}

/// <summary>The result of a commit.</summary>
/// <param name="Path">The file that was written.</param>
/// <param name="Method">The method that was used.</param>
/// <param name="Reason">The reason for this method: a clause that completes "because ...".</param>
/// <param name="Length">The file's length in bytes.</param>
/// <param name="ModifiedBytes">The number of bytes that differed from those at the time of opening or of the last commit.</param>
/// <param name="Flushed">Whether data and directory were on the disk before the commit returned.</param>
/// <param name="Elapsed">The duration.</param>
/// <param name="Override">The conflict that <see cref="CommitOptions.Force"/> overrode, as text; null: none.</param>
public sealed record CommitResult(
    string Path, CommitMethod Method, string Reason, long Length, long ModifiedBytes, bool Flushed, TimeSpan Elapsed, string? Override)
{
    /// <summary>The backup of the file that was replaced (<see cref="CommitOptions.Backup"/>); null: none was made.</summary>
    public string? BackupPath { get; init; }

    /// <summary>
    /// Whether the file would have had all old or all new bytes after a crash during the commit, if need be after a repair. False for a
    /// commit in place without a journal, or without a flush.
    /// </summary>
    public bool Recoverable { get; init; } = true;

    /// <summary>
    /// Whether no reader could see a mix of old and new bytes. False for a commit in place of a file that was open elsewhere.
    /// </summary>
    public bool AtomicForReaders { get; init; } = true;
}

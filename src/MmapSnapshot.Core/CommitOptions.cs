namespace MmapSnapshot;

/// <summary>How bytes go back to the file.</summary>
public enum CommitMethod
{
    /// <summary>Ask for the safest method the filesystem has. Never the method of a result.</summary>
    Auto,

    /// <summary>
    /// The contents are exchanged with a new file's (man 2 ioctl_xfs_commit_range): atomic for readers and across a crash, and
    /// the same inode, with all its links and open descriptors. Only on XFS with exchange-range.
    /// </summary>
    Exchange,

    /// <summary>A new file takes over the name (man 2 rename): atomic for readers and across a crash, but a new inode.</summary>
    Replace,

    /// <summary>
    /// The bytes are written into the file itself: it stays the same inode, with all its links and open descriptors. A journal beside it
    /// makes an interrupted save recoverable (<see cref="SnapshotRepair"/>). Readers that have the file open already can see a mix of old
    /// and new bytes. Only when asked for.
    /// </summary>
    InPlace,

    /// <summary>The file held these bytes already, so nothing was written.</summary>
    None,
}

/// <summary>How to commit a snapshot.</summary>
public sealed class CommitOptions
{
    /// <summary>How; Auto is Exchange where that can be, else Replace.</summary>
    public CommitMethod Method { get; init; }

    /// <summary>
    /// Commit even if the file was changed, replaced or deleted since, or may not be written to by this user; with a destination,
    /// overwrite it. A file of another origin keeps its owner, mode, ACL and attributes, but not setuid, setgid and capabilities.
    /// </summary>
    public bool Force { get; init; }

    /// <summary>Replace a file that has several hard links; the other names keep the old bytes.</summary>
    public bool BreakHardLink { get; init; }

    /// <summary>
    /// Save in place where a new file cannot take the place of this one: it has several hard links, or is a mount point.
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

    /// <summary>Write to this path instead. The snapshot goes on belonging to its own file.</summary>
    public string? Destination { get; init; }

    /// <summary>
    /// Keep the file that is replaced, also one that <see cref="Force"/> overwrites, under another name: a path if it contains a slash,
    /// else what is appended to the name. An existing file of that name is DestinationExists, with Force too. Null: it is not kept. If
    /// nothing is replaced there is no backup.
    /// </summary>
    public string? Backup { get; init; }

    /// <summary>Told of the progress of a copy, on the thread that commits. May be null.</summary>
    public IProgress<SnapshotProgress>? Progress { get; init; }

    /// <summary>
    /// Receives what the user should know although the commit continues, each as a sentence, on the thread that commits: that other
    /// savers could not be excluded, or that a file of another program was kept under another name. May be null.
    /// </summary>
    public IProgress<string>? Warnings { get; init; }
}

/// <summary>What a commit did.</summary>
/// <param name="Path">The file that holds the bytes now.</param>
/// <param name="Method">How they got there.</param>
/// <param name="Reason">Why by this method, in words: what comes after "because".</param>
/// <param name="Length">The file's length in bytes.</param>
/// <param name="ModifiedBytes">How many of them had been written since the snapshot was opened or last committed.</param>
/// <param name="Flushed">Whether data and directory were on the disk before the commit returned.</param>
/// <param name="Elapsed">How long it took.</param>
/// <param name="Override">What <see cref="CommitOptions.Force"/> overrode, in words; null when there was nothing to override.</param>
public sealed record CommitResult(
    string Path, CommitMethod Method, string Reason, long Length, long ModifiedBytes, bool Flushed, TimeSpan Elapsed, string? Override)
{
    /// <summary>Where the file that was replaced is kept (<see cref="CommitOptions.Backup"/>); null: nowhere, or there was none.</summary>
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

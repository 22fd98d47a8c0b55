namespace MmapSnapshot;

/// <summary>The kind of base that keeps a snapshot's bytes unchanged.</summary>
public enum SnapshotBacking
{
    /// <summary>The best that the filesystem supports. Never the backing of an open snapshot.</summary>
    Auto,

    /// <summary>An unlinked clone that shares the file's extents (man 2 ioctl_ficlone). O(extents).</summary>
    Reflink,

    /// <summary>An unlinked copy; holes are kept. O(bytes).</summary>
    Copy,

    /// <summary>
    /// The file itself under a read lease (man 2 fcntl, F_SETLEASE): a process that opens it for writing blocks until a private copy has
    /// been made. The backing is then <see cref="Copy"/>, or <see cref="Reflink"/> where the filesystem clones. Changes need no copy; a
    /// view of more than 64 MiB, and some saves in place, do. O(1).
    /// </summary>
    Lease,

    /// <summary>
    /// The file itself; it is immutable (erofs, squashfs, fs-verity). O(1).
    /// </summary>
    Immutable,
}

/// <summary>The options of <see cref="Snapshot.Open"/>.</summary>
public sealed class SnapshotOptions
{
    /// <summary>Refuse every change.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>The backing to use; one that is not available is <see cref="SnapshotError.NotSupported"/>.</summary>
    public SnapshotBacking Backing { get; init; }

    /// <summary>
    /// The maximum time a writer may be blocked while the file is copied. A lease is taken only if the copy is expected to finish within
    /// it; the estimate uses earlier copies on the filesystem. A larger file is copied when it is opened. Zero: no lease is taken.
    /// </summary>
    public TimeSpan MaxWriterDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The directory for the bytes of a copy. Null: the file's directory if it is writable, else $TMPDIR or /tmp, else memory.
    /// </summary>
    public string? ScratchPath { get; init; }

    /// <summary>Receives the progress of a copy, on the thread that opens. May be null.</summary>
    public IProgress<SnapshotProgress>? Progress { get; init; }

    /// <summary>
    /// Receives warnings, each a sentence, on the thread that opens: that a save of the file was interrupted, and whether it was
    /// repaired. May be null.
    /// </summary>
    public IProgress<SnapshotWarning>? Warnings { get; init; }
}

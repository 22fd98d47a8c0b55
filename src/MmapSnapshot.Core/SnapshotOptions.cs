namespace MmapSnapshot;

/// <summary>How a snapshot's bytes are kept private.</summary>
public enum SnapshotBacking
{
    /// <summary>Ask for whatever the filesystem does best. Never the backing of an open snapshot.</summary>
    Auto,

    /// <summary>A nameless clone that shares the file's extents (man 2 ioctl_ficlone). Costs by the extent, not by the byte.</summary>
    Reflink,

    /// <summary>A nameless copy, holes kept. Costs by the byte.</summary>
    Copy,

    /// <summary>
    /// The file itself under a read lease (man 2 fcntl, F_SETLEASE), which has others wait who want to write to it, until a
    /// private copy was made. That is made too before the first write and the first view; from then on the backing is
    /// <see cref="Copy"/>, or <see cref="Reflink"/> where the filesystem clones. Opening costs the same whatever the file weighs.
    /// </summary>
    Lease,

    /// <summary>
    /// The file itself, as nobody can write to it: on erofs and squashfs, or made unchangeable by fs-verity. The first write makes
    /// a private copy, and the backing is then <see cref="Copy"/>.
    /// </summary>
    Immutable,
}

/// <summary>How to open a snapshot.</summary>
public sealed class SnapshotOptions
{
    /// <summary>Refuse every change.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>The backing to use; one that cannot be had is <see cref="SnapshotError.NotSupported"/>.</summary>
    public SnapshotBacking Backing { get; init; }

    /// <summary>
    /// How long whoever writes to the file may be kept waiting while it is copied. A lease is taken only where copying is
    /// expected to take no longer, judged by the copies seen on that filesystem; a larger file is copied when it is opened.
    /// Zero: there is never a lease.
    /// </summary>
    public TimeSpan MaxWriterDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The directory for the bytes of a copy. Without it a copy lies beside the file if that directory can be written to, else in
    /// $TMPDIR or /tmp, else in memory.
    /// </summary>
    public string? ScratchPath { get; init; }

    /// <summary>Told of the progress of a copy, on the thread that opens. May be null.</summary>
    public IProgress<SnapshotProgress>? Progress { get; init; }

    /// <summary>
    /// Receives what the user should know although the file is opened, each as a sentence, on the thread that opens: that a save in place
    /// of it was interrupted, and whether it was repaired. May be null.
    /// </summary>
    public IProgress<string>? Warnings { get; init; }
}

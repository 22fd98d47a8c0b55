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
}

/// <summary>How to open a snapshot.</summary>
public sealed class SnapshotOptions
{
    /// <summary>Refuse every change.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>The backing to use; one that cannot be had is <see cref="SnapshotError.NotSupported"/>.</summary>
    public SnapshotBacking Backing { get; init; }

    /// <summary>
    /// The folder for the bytes of a copy. Without it a copy lies beside the file if that folder can be written to, else in
    /// $TMPDIR or /tmp, else in memory.
    /// </summary>
    public string? ScratchPath { get; init; }

    /// <summary>Told of the progress of a copy, on the thread that opens. May be null.</summary>
    public IProgress<SnapshotProgress>? Progress { get; init; }
}

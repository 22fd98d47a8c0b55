namespace MmapSnapshot;

/// <summary>What went wrong, as a stable id: scripts may test for its name.</summary>
public enum SnapshotError
{
    /// <summary>There is no such file or directory.</summary>
    FileNotFound,

    /// <summary>The path is a directory, device, FIFO or socket.</summary>
    NotARegularFile,

    /// <summary>A permission is missing, or the filesystem is mounted read-only.</summary>
    AccessDenied,

    /// <summary>Others kept writing to the file while it was copied.</summary>
    SourceChanging,

    /// <summary>The length is beyond what the filesystem, the address space or a byte array holds.</summary>
    TooLarge,

    /// <summary>The snapshot has been closed.</summary>
    SnapshotClosed,

    /// <summary>The snapshot was opened read-only.</summary>
    ReadOnlySnapshot,

    /// <summary>An offset, count or length is negative or reaches past the end.</summary>
    OutOfRange,

    /// <summary>The value given cannot be turned into bytes.</summary>
    InvalidBytes,

    /// <summary>Other bytes stand where certain ones were expected.</summary>
    ExpectationFailed,

    /// <summary>A row of a patch is damaged, incomplete or contradicts itself; nothing of the patch was applied.</summary>
    InvalidPatch,

    /// <summary>The disk, or the user's quota on it, is full.</summary>
    NoSpace,

    /// <summary>The kernel could not read.</summary>
    ReadFailed,

    /// <summary>The kernel could not write.</summary>
    WriteFailed,

    /// <summary>The file was changed, replaced or deleted since the snapshot was opened, or is open for writing elsewhere.</summary>
    SnapshotConflict,

    /// <summary>
    /// The snapshot's bytes are gone: another process was let through to a file under a lease before it could be copied, or the private
    /// file could not be written to the disk.
    /// </summary>
    SnapshotLost,

    /// <summary>The file has further names (hard links), which a new file would leave behind.</summary>
    HardLinked,

    /// <summary>The file belongs to an owner or group that this process may not give a new file.</summary>
    OwnerNotPreservable,

    /// <summary>The file has attributes (ACL, capabilities, label, flags) that this process may not give a new file.</summary>
    AttributesNotPreservable,

    /// <summary>The destination exists already.</summary>
    DestinationExists,

    /// <summary>The filesystem or system cannot do this.</summary>
    NotSupported,

    /// <summary>The process, or the system, has as many open files as it may have.</summary>
    TooManyOpenFiles,

    /// <summary>Another process is saving the same file.</summary>
    SaveInProgress,

    /// <summary>
    /// A save in place was interrupted, and what its journal says does not fit the file, or cannot be trusted to: nothing was written.
    /// </summary>
    JournalConflict,

    /// <summary>The journal of an interrupted save in place is damaged.</summary>
    JournalInvalid,

    /// <summary>The path leads through another user's symbolic link to a file or directory that is not that user's.</summary>
    UntrustedLink,

    /// <summary>Two changes of one set write to or remove the same byte, or one inserts bytes between those of another.</summary>
    OverlappingChanges,

    /// <summary>The new bytes are fewer or more than those that they are to be written over.</summary>
    LengthMismatch,

    /// <summary>Several snapshots were to be saved as one file.</summary>
    DuplicateTarget,
}

/// <summary>Everything the engine reports: a stable id, the file, and what to do next.</summary>
public sealed class SnapshotException : IOException
{
    /// <summary>Makes one.</summary>
    /// <param name="error">The stable id.</param>
    /// <param name="message">What went wrong, with which file, and what to do next; control characters are escaped (<see cref="DisplayText"/>).</param>
    /// <param name="path">The file concerned.</param>
    /// <param name="errorNumber">The kernel's errno behind it, or 0.</param>
    public SnapshotException(SnapshotError error, string message, string? path = null, int errorNumber = 0)
        : base(DisplayText.Of(message))
    {
        Error = error;
        Path = path;
        ErrorNumber = errorNumber;
    }

    /// <summary>The stable id.</summary>
    public SnapshotError Error { get; }

    /// <summary>The file concerned, or null.</summary>
    public string? Path { get; }

    /// <summary>The kernel's errno behind it (man 3 errno), or 0.</summary>
    public int ErrorNumber { get; }
}

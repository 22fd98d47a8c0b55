namespace MmapSnapshot;

/// <summary>The kind of an error: a stable id, whose name scripts can test.</summary>
public enum SnapshotError
{
    /// <summary>The file or directory does not exist.</summary>
    FileNotFound,

    /// <summary>The path is a directory, device, FIFO or socket.</summary>
    NotARegularFile,

    /// <summary>A permission is missing, or the filesystem is mounted read-only.</summary>
    AccessDenied,

    /// <summary>Other processes wrote to the file each time it was copied.</summary>
    SourceChanging,

    /// <summary>The length exceeds the limit of the filesystem, the address space or a byte array.</summary>
    TooLarge,

    /// <summary>The snapshot has been closed.</summary>
    SnapshotClosed,

    /// <summary>The snapshot was opened read-only.</summary>
    ReadOnlySnapshot,

    /// <summary>An offset, count or length is negative or extends beyond the end.</summary>
    OutOfRange,

    /// <summary>The value given cannot be turned into bytes.</summary>
    InvalidBytes,

    /// <summary>The current bytes are not the expected ones.</summary>
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
    /// The snapshot's bytes are lost: the kernel ended the lease before the file could be copied, or the private file could not be written
    /// to the disk.
    /// </summary>
    SnapshotLost,

    /// <summary>The file has several hard links, which a new file would separate.</summary>
    HardLinked,

    /// <summary>The process is not permitted to give a new file the owner or group of the file.</summary>
    OwnerNotPreservable,

    /// <summary>The process is not permitted to give a new file the attributes (ACL, capabilities, label, flags) of the file.</summary>
    AttributesNotPreservable,

    /// <summary>The destination exists already.</summary>
    DestinationExists,

    /// <summary>The filesystem or system cannot do this.</summary>
    NotSupported,

    /// <summary>The limit of open files of the process, or of the system, is reached.</summary>
    TooManyOpenFiles,

    /// <summary>Another process is saving the same file.</summary>
    SaveInProgress,

    /// <summary>
    /// The journal of an interrupted save does not match the file, or cannot be trusted; nothing was written.
    /// </summary>
    JournalConflict,

    /// <summary>The journal of an interrupted save is damaged.</summary>
    JournalInvalid,

    /// <summary>The path leads through another user's symbolic link to a file or directory that is not that user's.</summary>
    UntrustedLink,

    /// <summary>Two changes of one set write to or remove the same byte, or one inserts bytes between those of another.</summary>
    OverlappingChanges,

    /// <summary>The new bytes are fewer or more than the bytes that they replace.</summary>
    LengthMismatch,

    /// <summary>Several snapshots were to be saved as one file.</summary>
    DuplicateTarget,
}

/// <summary>An error of the engine: a stable id, the file, the facts, and what can be done.</summary>
public sealed class SnapshotException : IOException
{
    /// <summary>Creates an instance.</summary>
    /// <param name="error">The stable id.</param>
    /// <param name="message">What happened, to which file; control characters are escaped (<see cref="DisplayText"/>).</param>
    /// <param name="path">The file concerned.</param>
    /// <param name="errorNumber">The errno of the kernel that caused it, or 0.</param>
    /// <param name="remedies">What can be done about it, the best first; null: nothing.</param>
    /// <param name="innerException">The exception that it was made from, or null.</param>
    public SnapshotException(
        SnapshotError error,
        string message,
        string? path = null,
        int errorNumber = 0,
        IReadOnlyList<SnapshotRemedy>? remedies = null,
        Exception? innerException = null)
        : base(DisplayText.Of(message), innerException)
    {
        Error = error;
        Path = path;
        ErrorNumber = errorNumber;
        Remedies = remedies ?? [];
    }

    /// <summary>The stable id.</summary>
    public SnapshotError Error { get; }

    /// <summary>The file concerned, or null.</summary>
    public string? Path { get; }

    /// <summary>The errno of the kernel that caused it (man 3 errno), or 0.</summary>
    public int ErrorNumber { get; }

    /// <summary>What can be done about it, the best first. The message does not say it.</summary>
    public IReadOnlyList<SnapshotRemedy> Remedies { get; }
}

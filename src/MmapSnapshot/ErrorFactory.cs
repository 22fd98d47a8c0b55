using System.Management.Automation;

namespace MmapSnapshot;

/// <summary>The one place that makes ErrorRecords: from the engine's id follow the FullyQualifiedErrorId and the category.</summary>
internal static class ErrorFactory
{
    /// <param name="exception">What went wrong.</param>
    /// <param name="target">The path or snapshot it went wrong with.</param>
    internal static ErrorRecord From(SnapshotException exception, object? target)
    {
        var record = new ErrorRecord(exception, exception.Error.ToString(), CategoryOf(exception.Error), target ?? exception.Path);
        // Some views show it.
        record.CategoryInfo.TargetName = DisplayText.Of(record.CategoryInfo.TargetName);
        return record;
    }

    internal static SnapshotException NoSuchFile(string path, string why) => new(SnapshotError.FileNotFound, $"'{path}' {why}.", path);

    internal static SnapshotException NotAFileSystem(string path, string provider) => new(
        SnapshotError.NotSupported, $"'{path}' belongs to the provider {provider}; only files of the file system can be snapshots.", path);

    internal static SnapshotException InvalidBytes(string why) => new(SnapshotError.InvalidBytes, why);

    /// <param name="row">Which row of the pipeline, from 1.</param>
    /// <param name="why">What is wrong with it.</param>
    internal static SnapshotException InvalidPatch(int row, string why) =>
        new(SnapshotError.InvalidPatch, $"Row {row} of the patch is damaged: {why}. Nothing was changed in the snapshot.");

    internal static SnapshotException TooLargeForString(string path, long count) => new(
        SnapshotError.TooLarge, $"{count} bytes of '{path}' do not fit into one string. Read them in parts.", path);

    internal static SnapshotException OutOfMemory() => new(SnapshotError.TooLarge, "There is not enough memory. Read fewer bytes at a time (-Offset, -Count).");

    internal static SnapshotException NotOpen(string what) => new(SnapshotError.SnapshotClosed, $"No snapshot {what} is open. Get-MmapSnapshot lists those that are.");

    private static ErrorCategory CategoryOf(SnapshotError error) => error switch
    {
        SnapshotError.FileNotFound => ErrorCategory.ObjectNotFound,
        SnapshotError.NotARegularFile => ErrorCategory.InvalidType,
        SnapshotError.AccessDenied or SnapshotError.OwnerNotPreservable or SnapshotError.AttributesNotPreservable => ErrorCategory.PermissionDenied,
        SnapshotError.SourceChanging or SnapshotError.SaveInProgress => ErrorCategory.ResourceBusy,
        SnapshotError.TooLarge => ErrorCategory.LimitsExceeded,
        SnapshotError.SnapshotClosed or SnapshotError.ReadOnlySnapshot or SnapshotError.HardLinked => ErrorCategory.InvalidOperation,
        SnapshotError.OutOfRange or SnapshotError.InvalidBytes => ErrorCategory.InvalidArgument,
        SnapshotError.ExpectationFailed or SnapshotError.InvalidPatch => ErrorCategory.InvalidData,
        SnapshotError.NoSpace or SnapshotError.SnapshotLost => ErrorCategory.ResourceUnavailable,
        SnapshotError.ReadFailed => ErrorCategory.ReadError,
        SnapshotError.WriteFailed => ErrorCategory.WriteError,
        SnapshotError.SnapshotConflict => ErrorCategory.ResourceExists,
        SnapshotError.DestinationExists => ErrorCategory.ResourceExists,
        SnapshotError.NotSupported => ErrorCategory.NotImplemented,
        SnapshotError.UntrustedLink => ErrorCategory.SecurityError,
        _ => ErrorCategory.NotSpecified,
    };
}

using System.Management.Automation;

namespace MmapSnapshot;

/// <summary>The one place that makes ErrorRecords: from the engine's id follow the FullyQualifiedErrorId and the category.</summary>
internal static class ErrorFactory
{
    /// <summary>How many offsets a message names.</summary>
    private const int MaxNamed = 5;

    /// <summary>Rows of a patch that expect other bytes than there are.</summary>
    /// <param name="unexpected">The error of each.</param>
    /// <param name="rows">How many rows the patch has.</param>
    internal static SnapshotException OtherVersion(IReadOnlyList<SnapshotException> unexpected, int rows)
    {
        string? path = unexpected[0].Path;
        string unchanged = $"'{path}' was not changed: ", first = unexpected[0].Message.Replace(unchanged, "", StringComparison.Ordinal);
        return new SnapshotException(
            SnapshotError.ExpectationFailed,
            $"{unchanged}the patch is for another version of it, as {unexpected.Count} of {rows} rows expect other bytes "
            + $"(-Verbose lists them). The first row: {first}",
            path);
    }

    /// <summary>How many characters of a pattern a message has.</summary>
    private const int MaxPattern = 60;

    /// <param name="exception">What went wrong.</param>
    /// <param name="target">The path or snapshot it went wrong with.</param>
    internal static ErrorRecord From(SnapshotException exception, object? target)
    {
        var shown = WithRemedies(exception);
        var record = new ErrorRecord(shown, shown.Error.ToString(), CategoryOf(shown.Error), target ?? shown.Path);
        // Some views show it.
        record.CategoryInfo.TargetName = DisplayText.Of(record.CategoryInfo.TargetName);
        return record;
    }

    /// <summary>The exception with a message that also says what can be done.</summary>
    private static SnapshotException WithRemedies(SnapshotException exception) =>
        RemedyText.Of(exception.Remedies, exception.Error) is not { } next
            ? exception
            : new SnapshotException(
                exception.Error, $"{exception.Message} {next}", exception.Path, exception.ErrorNumber, exception.Remedies, exception);

    internal static SnapshotException NoSuchFile(string path, string why) => new(SnapshotError.FileNotFound, $"'{path}' {why}.", path);

    internal static SnapshotException NotAFileSystem(string path, string provider) => new(
        SnapshotError.NotSupported, $"'{path}' belongs to the provider {provider}; only files of the file system can be snapshots.", path);

    internal static SnapshotException InvalidBytes(string why) => new(SnapshotError.InvalidBytes, why);

    /// <param name="match">Where the bytes were to be written.</param>
    /// <param name="count">How many there are.</param>
    /// <param name="ways">What can be done, as a sentence.</param>
    internal static SnapshotException LengthMismatch(SnapshotMatch match, long count, string ways) => new(
        SnapshotError.LengthMismatch,
        $"'{match.Path}': the match at 0x{match.Offset:X} has {Quantity.Format(match.Length, "byte")}, the new value has {count}. {ways}",
        match.Path);

    internal static SnapshotException ModeOfExisting(string path) => new(
        SnapshotError.NotSupported,
        $"'{path}' exists, and a save keeps its permissions: leave -Mode out, and change them with chmod.",
        path);

    /// <param name="path">What several snapshots were to be saved as.</param>
    /// <param name="snapshots">The snapshots.</param>
    internal static SnapshotException DuplicateTarget(string path, IReadOnlyList<Snapshot> snapshots) => new(
        SnapshotError.DuplicateTarget,
        $"'{path}' was not saved: it would be the file of {snapshots.Count} snapshots, "
        + $"'{snapshots[0].Path}' (id {snapshots[0].Id}) and '{snapshots[1].Path}' (id {snapshots[1].Id})"
        + $"{(snapshots.Count > 2 ? " among them" : "")}. Give each its own -Destination, or a directory if their names differ.",
        path);

    /// <param name="row">Which row of the pipeline, from 1.</param>
    /// <param name="why">What is wrong with it.</param>
    internal static SnapshotException InvalidPatch(int row, string why) =>
        new(SnapshotError.InvalidPatch, $"Row {row} of the patch is damaged: {why}. Nothing was changed in the snapshot.");

    /// <param name="row">The first row that was refused, from 1.</param>
    /// <param name="path">The file of its snapshot.</param>
    internal static SnapshotException RowsNotTogether(int row, string path) => new(
        SnapshotError.InvalidPatch,
        $"Row {row} is for '{path}', as rows before it were, but a row for another snapshot came between them. "
        + "The bytes of the earlier rows are removed first, so its offset may be that of other bytes. Sort the rows by snapshot.",
        path);

    internal static SnapshotException TooLargeForString(string path, long count) => new(
        SnapshotError.TooLarge, $"{count} bytes of '{path}' do not fit into one string.", path, remedies: [SnapshotRemedy.ReadParts]);

    /// <param name="reads">Whether the cmdlet reads a range, which can be smaller.</param>
    internal static SnapshotException OutOfMemory(bool reads) =>
        new(SnapshotError.TooLarge, "There is not enough memory.", remedies: reads ? [SnapshotRemedy.ReadParts] : []);

    internal static SnapshotException NotOpen(string what) =>
        new(SnapshotError.SnapshotClosed, $"No snapshot {what} is open. Get-MmapSnapshot lists those that are.");

    /// <param name="offset">A negative one.</param>
    /// <param name="snapshot">Where it was asked for.</param>
    internal static SnapshotException BeforeStart(long offset, Snapshot snapshot) => new(
        SnapshotError.OutOfRange,
        $"'{snapshot.Path}': offset {offset}, counted from the end, is before the start; "
        + $"the snapshot has {snapshot.Length} bytes (0x{snapshot.Length:X}).",
        snapshot.Path);

    /// <param name="path">The file that was searched.</param>
    /// <param name="patterns">What was searched for.</param>
    /// <param name="expected">How many matches were expected.</param>
    /// <param name="found">The matches: all or, if there are too many, one more than expected.</param>
    internal static SnapshotException WrongCount(
        string path, IReadOnlyList<object> patterns, int expected, IReadOnlyList<SnapshotMatch> found)
    {
        string where = string.Join(", ", found.Take(MaxNamed).Select(match => $"0x{match.Offset:X}"));
        if (found.Count > MaxNamed) where += ", ...";
        if (found.Count > 0) where = $" (at {where})";
        string pattern = patterns[0].ToString()!;
        string what = patterns.Count > 1 ? $"the {patterns.Count} patterns"
            : pattern.Length > MaxPattern ? $"'{pattern[..MaxPattern]}...'" : $"'{pattern}'";
        string number = found.Count > expected ? $"found at least {found.Count}" : $"found {found.Count}";
        return new SnapshotException(
            SnapshotError.ExpectationFailed,
            $"'{path}': expected {expected} {(expected == 1 ? "match" : "matches")} of {what}, {number}{where}.",
            path);
    }

    private static ErrorCategory CategoryOf(SnapshotError error) => error switch
    {
        SnapshotError.FileNotFound => ErrorCategory.ObjectNotFound,
        SnapshotError.NotARegularFile => ErrorCategory.InvalidType,
        SnapshotError.AccessDenied or SnapshotError.OwnerNotPreservable or SnapshotError.AttributesNotPreservable =>
            ErrorCategory.PermissionDenied,
        SnapshotError.SourceChanging or SnapshotError.SaveInProgress => ErrorCategory.ResourceBusy,
        SnapshotError.TooLarge or SnapshotError.TooManyOpenFiles => ErrorCategory.LimitsExceeded,
        SnapshotError.SnapshotClosed or SnapshotError.ReadOnlySnapshot or SnapshotError.HardLinked => ErrorCategory.InvalidOperation,
        SnapshotError.OutOfRange or SnapshotError.InvalidBytes or SnapshotError.OverlappingChanges
            or SnapshotError.LengthMismatch or SnapshotError.DuplicateTarget => ErrorCategory.InvalidArgument,
        SnapshotError.ExpectationFailed or SnapshotError.InvalidPatch or SnapshotError.JournalConflict or SnapshotError.JournalInvalid =>
            ErrorCategory.InvalidData,
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

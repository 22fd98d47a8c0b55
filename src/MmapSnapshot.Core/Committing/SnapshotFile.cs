using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>The file that a snapshot belongs to, as the snapshot has last seen it. A commit replaces this record as a whole.</summary>
/// <param name="Directory">The directory, by descriptor.</param>
/// <param name="Name">The name in it.</param>
/// <param name="Mode">The permissions of this file, if it is new, and of those that are saved elsewhere.</param>
internal sealed record SnapshotFile(ParentDirectory Directory, string Name, NewFileMode Mode)
{
    /// <summary>0666, of which the umask takes its part (man 2 umask).</summary>
    private const FilePermissions DefaultMode = FilePermissions.DEFFILEMODE;

    internal string Path { get; } = Directory.Combine(Name);

    /// <summary>Whether it did not exist when the snapshot was made.</summary>
    internal bool IsNew { get; init; }

    /// <summary>Whether changes are refused.</summary>
    internal bool IsReadOnly { get; init; }

    /// <summary>Why it cannot be saved, as a clause that completes "because"; null if it can.</summary>
    internal string? ReadOnlyReason { get; init; }

    /// <summary>What it was when the snapshot was opened or last committed; null: it does not exist yet.</summary>
    internal Baseline? Baseline { get; init; }

    /// <summary>Null for a read-only snapshot, which is never committed to its own file, and for a file that does not exist yet.</summary>
    internal FileMetadata? Metadata { get; init; }

    /// <summary>Whether a commit in place failed half-way: the file is a mix of its bytes and the snapshot's.</summary>
    internal bool IsMixed { get; init; }

    /// <summary>A file that was opened.</summary>
    /// <param name="source">The file, still open.</param>
    /// <param name="baseline">What it was when its bytes were taken.</param>
    /// <param name="isReadOnly">Whether changes are refused in any case.</param>
    internal static SnapshotFile Of(SourceFile source, in Baseline baseline, bool isReadOnly)
    {
        var mode = new NewFileMode(baseline.Status.Mode & FilePermissions.ACCESSPERMS, IsExact: false);
        var file = new SnapshotFile(source.Directory, source.Name, mode)
        {
            IsReadOnly = isReadOnly || source.ReadOnlyReason is not null,
            ReadOnlyReason = source.ReadOnlyReason,
            Baseline = baseline,
        };
        return file.IsReadOnly ? file : file with { Metadata = FileMetadata.Of(source.Handle, baseline.Status, file.Path) };
    }

    /// <summary>A file that does not exist yet.</summary>
    /// <param name="destination">Its directory and name.</param>
    /// <param name="mode">Its permissions, exactly; null: as with every new file.</param>
    internal static SnapshotFile New(Destination destination, UnixFileMode? mode)
    {
        var permissions = new NewFileMode((FilePermissions?)mode ?? DefaultMode, IsExact: mode is not null);
        return new SnapshotFile(destination.Directory, destination.Name, permissions) { IsNew = true };
    }

    /// <summary>The file after a commit to it.</summary>
    /// <param name="published">What the commit made of it.</param>
    /// <param name="isExchangeable">
    /// Whether the base of the snapshot is a clone or a leased file. A copy, perhaps on another filesystem, does not request an exchange.
    /// </param>
    internal SnapshotFile After(PublishedFile published, bool isExchangeable) => this with
    {
        Baseline = published.Baseline is { } file && !isExchangeable && !IsNew ? file with { Freshness = null } : published.Baseline,
        Metadata = published.Metadata ?? Metadata,
        IsMixed = published.IsRolledBack ? IsMixed : published.IsMixed,
    };

    /// <summary>
    /// The file after a repair. If it was what this snapshot expects before it, it is what the snapshot expects now: the bytes of before,
    /// or those of the save that was completed, which are not known here.
    /// </summary>
    internal SnapshotFile After(JournalOutcome repair) =>
        repair.Written is var (before, after) && Baseline?.Status.DifferenceTo(before) is null
            ? this with
            {
                Baseline = new Baseline(after, Freshness: null, MayBeMappedForWriting: true),
                IsMixed = IsMixed || repair.Record.Action == RepairAction.RollForward,
            }
            : this;

    internal SnapshotException ToReadOnlyError() => new(
        SnapshotError.ReadOnlySnapshot,
        ReadOnlyReason is null
            ? $"The snapshot of '{Path}' is read-only."
            : $"The snapshot of '{Path}' is read-only, because {ReadOnlyReason}.",
        Path,
        remedies: ReadOnlyReason is null
            ? [SnapshotRemedy.OpenForWriting, SnapshotRemedy.SaveElsewhere]
            : [SnapshotRemedy.SaveElsewhere]);
}

using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>The name that a commit is about, and the file that it is expected to refer to.</summary>
/// <param name="Directory">The directory, by descriptor.</param>
/// <param name="Name">The name in it.</param>
/// <param name="Expected">What the file was when the snapshot was taken or last committed; null: any file.</param>
/// <param name="HasBaselineBytes">Reports whether an open file has the bytes that it had then.</param>
internal sealed record CommitTarget(
    ParentDirectory Directory,
    string Name,
    Baseline? Expected,
    Func<SafeFileHandle, bool>? HasBaselineBytes = null)
{
    /// <summary>Where the file that is replaced is kept; null: nowhere.</summary>
    internal Backup? Backup { get; init; }

    internal string Path => Directory.Combine(Name);

    /// <summary>The path by the directory's present location: it may have been moved, and the commit forced.</summary>
    internal string CurrentPath => System.IO.Path.Join(Directory.CurrentPath(), Name);

    /// <summary>The status of what the name refers to now; null when there is no such name.</summary>
    internal FileStatus? Find() => Directory.Find(Name);

    /// <summary>Finds the file that the name refers to now; null when there is no such name.</summary>
    internal TargetFile? Look() => TargetFile.Find(Directory, Name);

    /// <summary>
    /// What happened to the file since it was expected, as a clause that continues "'path' was not saved:"; null when nothing did.
    /// </summary>
    internal string? DescribeConflict(FileStatus? now)
    {
        if (Expected is not { } expected) return null;
        if (DescribeMove() is { } move) return move;
        if (now is not { } found) return "it was deleted since the snapshot was opened";
        if (expected.Status.DifferenceTo(found) is { } difference) return $"{difference} since the snapshot was opened";
        return null;
    }

    /// <summary>As <see cref="DescribeConflict"/>, for the directory alone.</summary>
    internal string? DescribeMove() =>
        Directory.HasMoved() ? $"its directory was moved or deleted since the snapshot was {(Expected is null ? "made" : "opened")}" : null;

    /// <summary>
    /// As <see cref="DescribeConflict"/>, for the one case in which no timestamp shows a change: on tmpfs, or an overlay of it,
    /// another process that had the file mapped may have stored to it. O(size): it reads the file.
    /// </summary>
    /// <param name="file">The file that the name refers to, open for reading.</param>
    internal string? DescribeMappedWrite(SafeFileHandle file) =>
        Expected is { MayBeMappedForWriting: true }
        && HasBaselineBytes is not null
        && FileSystem.Of(file).HidesMappedStores
        && !HasBaselineBytes(file)
            ? "it was written to through a mapping since the snapshot was opened"
            : null;

    /// <summary>
    /// Why no new file can take the place of this one, as what comes after "because"; null: one can, or it turns out when it is tried.
    /// </summary>
    internal string? DescribeWhyNotReplaceable(CommitOptions options)
    {
        using var found = Look();
        return found is null ? null
            : found.Status.Links > 1 && !options.BreakHardLink
                ? $"it has {found.Status.Links} names (hard links), which a new file would not keep together"
            : found.IsMountPoint(Directory) ? "it is a mount point, which a new file cannot replace"
            : null;
    }

    internal SnapshotException ToConflict(string conflict) => new(
        SnapshotError.SnapshotConflict,
        $"'{Path}' was not saved: {conflict}.",
        Path,
        remedies: Directory.IsDeleted()
            ? [SnapshotRemedy.SaveElsewhere]
            : [SnapshotRemedy.Reopen, SnapshotRemedy.Overwrite, SnapshotRemedy.SaveElsewhere]);

    /// <summary>A file that this user may not write to is not replaced either, unless it is forced; man 2 rename would allow it.</summary>
    /// <exception cref="SnapshotException">AccessDenied.</exception>
    internal void ThrowIfWriteProtected(TargetFile found, CommitOptions options)
    {
        if (options.Force || found.CheckWritable() != Errno.EACCES) return;
        var overwrite = options.Method == CommitMethod.InPlace ? SnapshotRemedy.OverwriteByReplacing : SnapshotRemedy.Overwrite;
        throw ErrnoErrors.ToException(
            Errno.EACCES,
            $"save '{Path}', as this user has no write permission for it",
            Path,
            SnapshotError.WriteFailed,
            found.Status.User == Kernel.EffectiveUser()
                ? [overwrite, SnapshotRemedy.SaveElsewhere]
                : [SnapshotRemedy.SaveElsewhere]);
    }

    /// <summary>What the user can do where no new file can take this one's place.</summary>
    /// <param name="found">The file that has the name; null: none.</param>
    internal SnapshotRemedy[] RemediesWithoutReplacing(TargetFile? found) =>
        Expected is null || found is not { Status.IsRegular: true } || found.CheckWritable() != 0
            ? [SnapshotRemedy.SaveElsewhere]
            : Kernel.CheckWritable(Directory.Handle) == 0
            ? [SnapshotRemedy.UseInPlace, SnapshotRemedy.SaveElsewhere]
            : [SnapshotRemedy.UseInPlaceWithoutJournal, SnapshotRemedy.SaveElsewhere];
}

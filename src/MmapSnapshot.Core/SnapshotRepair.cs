using MmapSnapshot.Committing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot;

/// <summary>
/// Repairs files whose save in place, or together with others as one, was interrupted: by the journals beside them. Opening a file as a
/// writable snapshot, and saving it, repairs it too.
/// </summary>
public static class SnapshotRepair
{
    /// <summary>
    /// Looks for journals and repairs what they are about. A file gets all new bytes, or keeps all old ones; of a group all files are new,
    /// or all are old. Where another program has written to a file since, nothing is written.
    /// </summary>
    /// <param name="path">A file, its journal, or a directory.</param>
    /// <param name="options">How; null repairs what is certain.</param>
    /// <param name="cancellation">Ends it; it can be run again.</param>
    /// <returns>What was done about each file, in the order in which their journals are found, while they are enumerated.</returns>
    /// <exception cref="SnapshotException">
    /// FileNotFound, UntrustedLink, AccessDenied, AttributesNotPreservable, NoSpace, NotSupported, ReadFailed, WriteFailed;
    /// when enumerated.
    /// </exception>
    public static IEnumerable<RepairRecord> Repair(string path, RepairOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        FileSizeSignal.Handle();
        return Enumerate(path, options ?? new RepairOptions(), cancellation);
    }

    private static IEnumerable<RepairRecord> Enumerate(string path, RepairOptions options, CancellationToken cancellation)
    {
        string full = RealPath(path, out var errno);
        var pending = new Stack<(string Directory, Func<string, bool> IsWanted)>();
        if (errno == 0) pending.Push((full, IsOfAny));
        else if (Path.GetDirectoryName(full) is { } parent) pending.Push((parent, IsOf(Path.GetFileName(full))));
        while (pending.TryPop(out var next))
        {
            cancellation.ThrowIfCancellationRequested();
            ErrnoErrors.ThrowIfError(
                ParentDirectory.OpenTrusted(next.Directory, out var directory),
                $"open '{next.Directory}'",
                next.Directory,
                SnapshotError.ReadFailed);
            using (directory)
            {
                ErrnoErrors.ThrowIfError(
                    Kernel.ListNames(directory.Handle, out var names),
                    $"list '{next.Directory}'",
                    next.Directory,
                    SnapshotError.ReadFailed);
                string[] journals = [.. names.Where(next.IsWanted).Order(StringComparer.Ordinal)];
                if (errno == Errno.ENOENT && journals.Length == 0)
                    throw ErrnoErrors.ToException(errno, $"open '{path}'", path, SnapshotError.ReadFailed);
                foreach (string name in journals)
                {
                    foreach (var record in Repair(directory, name, options, cancellation)) yield return record;
                }
                if (errno != 0 || !options.Recurse) continue;
                foreach (string name in names.OrderDescending(StringComparer.Ordinal))
                {
                    if (IsDirectory(directory, name)) pending.Push((directory.Combine(name), IsOfAny));
                }
            }
        }
    }

    /// <summary>What a path leads to, symbolic links resolved.</summary>
    /// <param name="path">A file or directory, or the path of a file that is no more.</param>
    /// <param name="errno">0: a directory; ENOTDIR: a file; ENOENT: nothing.</param>
    private static string RealPath(string path, out Errno errno)
    {
        string full = Path.GetFullPath(path);
        errno = TrustedPath.Open(full, out var place);
        using (place)
        {
            if (errno == Errno.ENOENT) return full;
            ErrnoErrors.ThrowIfError(errno, $"open '{path}'", path, SnapshotError.ReadFailed);
            if ((FileStatus.Of(place, path).Mode & FilePermissions.S_IFMT) != FilePermissions.S_IFDIR) errno = Errno.ENOTDIR;
            ErrnoErrors.ThrowIfError(Kernel.ReadProcFdLink(place, out string real), $"resolve '{path}'", path, SnapshotError.ReadFailed);
            return real;
        }
    }

    /// <summary>Repairs by one journal.</summary>
    /// <param name="directory">Where it is.</param>
    /// <param name="name">That of the journal, of the directory of a group, or of a marker that may be one of a group.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>None where there is nothing any more.</returns>
    private static IReadOnlyList<RepairRecord> Repair(
        ParentDirectory directory, string name, RepairOptions options, CancellationToken cancellation)
    {
        var (inspect, repair) = Find(directory, name, cancellation);
        if (options.Confirm is { } confirm && inspect is not null)
        {
            var planned = inspect(options.Force);
            if (planned.State == JournalState.None) return [];
            if (planned.Record.Action == RepairAction.None) return RecordsOf(planned);
            if (!confirm(planned.Record))
                return [planned.Record with { Action = RepairAction.None, Reason = "it was not confirmed" }];
        }
        var outcome = repair?.Invoke(options.Force);
        return outcome is null or { State: JournalState.None } ? [] : RecordsOf(outcome);
    }

    private static (Func<bool, JournalOutcome>? Inspect, Func<bool, JournalOutcome>? Repair) Find(
        ParentDirectory directory, string name, CancellationToken cancellation)
    {
        if (SaveNames.IsJournal(name))
        {
            var journal = new JournalRepair(directory, name, cancellation);
            return (journal.Inspect, journal.Repair);
        }
        var group = SaveNames.IsStaging(name)
            ? new GroupRepair(directory, name, cancellation)
            : InterruptedSave.FindGroup(directory, name, cancellation);
        return (group is null ? null : group.Inspect, group is null ? null : group.Repair);
    }

    private static IReadOnlyList<RepairRecord> RecordsOf(JournalOutcome outcome) =>
        outcome.Members.Count > 0 ? outcome.Members : [outcome.Record];

    private static bool IsDirectory(ParentDirectory directory, string name) =>
        Kernel.StatAt(directory.Handle, name, out var status) == 0
        && (status.st_mode & FilePermissions.S_IFMT) == FilePermissions.S_IFDIR
        && !SaveNames.IsStaging(name);

    /// <summary>In a directory: journals, and directories of groups.</summary>
    private static bool IsOfAny(string name) => SaveNames.IsJournal(name) || SaveNames.IsStaging(name);

    /// <summary>The journals of a file, or the file itself if it is one; and its marker, which may lead to a group.</summary>
    private static Func<string, bool> IsOf(string name)
    {
        if (SaveNames.IsJournal(name)) return other => other == name;
        string marker = SaveNames.Marker(name);
        return other => SaveNames.IsJournalOf(name, other) || other == marker;
    }
}

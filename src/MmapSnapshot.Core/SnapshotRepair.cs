using MmapSnapshot.Committing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot;

/// <summary>
/// Repairs files whose save in place was interrupted: by their journals, which are beside them. Opening a file as a writable snapshot,
/// and saving it, repairs it too.
/// </summary>
public static class SnapshotRepair
{
    /// <summary>
    /// Looks for journals and repairs what they are about. A file gets all new bytes, or keeps all old ones; where another program has
    /// written to it since, nothing is written.
    /// </summary>
    /// <param name="path">A file, its journal, or a directory.</param>
    /// <param name="options">How; null repairs what is certain.</param>
    /// <param name="cancellation">Ends it; it can be run again.</param>
    /// <returns>What was done about each journal, in the order in which they are found, while they are enumerated.</returns>
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
        if (errno == 0) pending.Push((full, SaveNames.IsJournal));
        else if (Path.GetDirectoryName(full) is { } parent) pending.Push((parent, JournalsOf(Path.GetFileName(full))));
        while (pending.TryPop(out var next))
        {
            cancellation.ThrowIfCancellationRequested();
            Failure.Check(
                ParentDirectory.OpenTrusted(next.Directory, out var directory),
                $"open '{next.Directory}'",
                next.Directory,
                SnapshotError.ReadFailed);
            using (directory)
            {
                Failure.Check(
                    Kernel.ListNames(directory.Handle, out var names),
                    $"list '{next.Directory}'",
                    next.Directory,
                    SnapshotError.ReadFailed);
                string[] journals = [.. names.Where(next.IsWanted).Order(StringComparer.Ordinal)];
                if (errno == Errno.ENOENT && journals.Length == 0)
                    throw Failure.From(errno, $"open '{path}'", path, SnapshotError.ReadFailed);
                foreach (string name in journals)
                {
                    if (Repair(directory, name, options, cancellation) is { } record) yield return record;
                }
                if (errno != 0 || !options.Recurse) continue;
                foreach (string name in names.OrderDescending(StringComparer.Ordinal))
                {
                    if (IsDirectory(directory, name)) pending.Push((directory.Combine(name), SaveNames.IsJournal));
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
            Failure.Check(errno, $"open '{path}'", path, SnapshotError.ReadFailed);
            if ((FileStatus.Of(place, path).Mode & FilePermissions.S_IFMT) != FilePermissions.S_IFDIR) errno = Errno.ENOTDIR;
            Failure.Check(Kernel.PathOf(place, out string real), $"resolve '{path}'", path, SnapshotError.ReadFailed);
            return real;
        }
    }

    /// <returns>Null where there is nothing any more.</returns>
    private static RepairRecord? Repair(ParentDirectory directory, string name, RepairOptions options, CancellationToken cancellation)
    {
        var repair = new JournalRepair(directory, name, cancellation);
        if (options.Confirm is { } confirm)
        {
            var planned = repair.Inspect(options.Force);
            if (planned.State == JournalState.None) return null;
            if (planned.Record.Action == RepairAction.None) return planned.Record;
            if (!confirm(planned.Record)) return planned.Record with { Action = RepairAction.None, Reason = "it was not confirmed" };
        }
        var outcome = repair.Repair(options.Force);
        return outcome.State == JournalState.None ? null : outcome.Record;
    }

    private static bool IsDirectory(ParentDirectory directory, string name) =>
        Kernel.StatAt(directory.Handle, name, out var status) == 0 && (status.st_mode & FilePermissions.S_IFMT) == FilePermissions.S_IFDIR;

    /// <summary>The journals of a file, or the file itself if it is one.</summary>
    private static Func<string, bool> JournalsOf(string name)
    {
        if (SaveNames.IsJournal(name)) return other => other == name;
        return other => SaveNames.IsJournalOf(name, other);
    }
}

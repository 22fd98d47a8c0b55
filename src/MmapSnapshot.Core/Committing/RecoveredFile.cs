using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// A file of another program that came to lie under a save's temporary name, because it was given the target's name in the
/// moment that a save was published. It is never removed, but given a name that people see.
/// </summary>
internal static class RecoveredFile
{
    private const int Attempts = 100;

    /// <summary>Warns, and renames it.</summary>
    /// <param name="target">The name that was saved.</param>
    /// <param name="place">The directory of the temporary name.</param>
    /// <param name="temporaryName">The name that it has.</param>
    /// <param name="warnings">Receives the warning. May be null.</param>
    /// <returns>False when it could not be renamed: it keeps the temporary name.</returns>
    internal static bool TryKeep(CommitTarget target, ParentDirectory place, string temporaryName, IProgress<SnapshotWarning>? warnings)
    {
        for (int attempt = 1; attempt <= Attempts; attempt++)
        {
            string name = SaveNames.Recovered(target.Name, DateTimeOffset.UtcNow, attempt);
            if (target.Directory.Find(name) is not null) continue;
            // The warning comes first: after the rename no trace is left that a later save could report.
            warnings?.Report(new SnapshotWarning(
                $"A file that another program had named '{target.Path}' while it was being saved "
                + $"is kept as '{target.Directory.Combine(name)}'."));
            var errno = Kernel.RenameAtNoReplace(place.Handle, temporaryName, target.Directory.Handle, name);
            // No RENAME_NOREPLACE: the look before it has to do.
            if (errno == Errno.EINVAL) errno = Kernel.RenameAt(place.Handle, temporaryName, target.Directory.Handle, name);
            if (errno == Errno.EEXIST) continue;
            return errno is 0 or Errno.ENOENT;
        }
        return false;
    }
}

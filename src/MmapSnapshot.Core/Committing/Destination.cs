using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Where a commit to another path goes: a directory, by descriptor, and a name in it. Of a file that has the name no more is known
/// than that it exists: what a commit takes over from it is read from the file that it replaces.
/// </summary>
/// <param name="Directory">The directory, by descriptor.</param>
/// <param name="Name">The name in it.</param>
/// <param name="Existing">The status of the file that has the name; null when there is none.</param>
internal sealed record Destination(ParentDirectory Directory, string Name, FileStatus? Existing) : IDisposable
{
    /// <summary>How often a name may be moved while it is resolved.</summary>
    private const int Attempts = 8;

    internal string FullPath => Directory.Combine(Name);

    /// <summary>Follows a path through trusted symbolic links (<see cref="TrustedPath"/>). Its last component need not exist.</summary>
    /// <exception cref="SnapshotException">
    /// FileNotFound, NotARegularFile, UntrustedLink, NotSupported, AccessDenied, WriteFailed.
    /// </exception>
    internal static Destination Resolve(string path)
    {
        if (path.Length == 0 || path.Contains('\0')) throw new SnapshotException(SnapshotError.FileNotFound, $"'{path}' cannot be the path of a file.", path);
        string full = Path.GetFullPath(path);
        if (Path.GetFileName(full).Length == 0)
            throw new SnapshotException(SnapshotError.NotARegularFile, $"'{path}' is a directory, and not the path of a file.", path);

        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            var errno = TrustedPath.Open(full, out var place);
            using (place)
            {
                if (errno == 0 && TryOf(place, path) is { } existing) return existing;
            }
            if (errno == Errno.ENOENT && TryOfNew(full, path) is { } missing) return missing;
            if (errno is not (0 or Errno.ENOENT)) throw ErrnoErrors.ToException(errno, $"open '{path}'", path, SnapshotError.WriteFailed);
        }
        throw new SnapshotException(SnapshotError.WriteFailed, $"'{path}' was moved again and again while it was opened.", path);
    }

    /// <summary>
    /// Refuses a directory in which a commit could not create a file, so that no work is put into a snapshot that cannot be committed.
    /// </summary>
    /// <exception cref="SnapshotException">AccessDenied: no permission, or read-only; FileNotFound: it was deleted.</exception>
    internal void ThrowUnlessFilesCanBeCreated()
    {
        bool isDeleted = Directory.IsDeleted();
        var errno = isDeleted ? Errno.ENOENT : Kernel.CheckWritable(Directory.Handle);
        if (!isDeleted && errno is not (Errno.EACCES or Errno.EPERM or Errno.EROFS)) return; // a commit finds out what else there may be
        string obstacle = isDeleted ? "its directory was deleted"
            : errno == Errno.EROFS ? "its filesystem is read-only"
            : "this user may not create files in its directory";
        string path = FullPath;
        throw ErrnoErrors.ToException(
            errno, $"create '{path}', as {obstacle}", path, SnapshotError.WriteFailed, SnapshotRemedy.UseOtherDirectory);
    }

    public void Dispose() => Directory.Dispose();

    /// <summary>The place of an existing file; null when it was moved.</summary>
    private static Destination? TryOf(SafeFileHandle place, string path)
    {
        var status = FileStatus.Of(place, path);
        if (!status.IsRegular) throw SourceFile.NotRegular(path, status.Mode);
        ErrnoErrors.ThrowIfError(Kernel.ReadProcFdLink(place, out string real), $"resolve '{path}'", path, SnapshotError.WriteFailed);
        if (!SourceFile.StillLeadsTo(path, status, real)) return null;
        if (!real.StartsWith('/'))
        {
            throw new SnapshotException(
                SnapshotError.NotSupported, $"'{path}' is outside of the directories that this process can reach ({real}).", path);
        }
        string name = Path.GetFileName(real);
        var errno = ParentDirectory.Open(Path.GetDirectoryName(real) ?? "/", out var directory);
        if (errno == 0 && directory.Find(name) is { } now && now.IsSameFileAs(status)) return new Destination(directory, name, status);
        directory.Dispose();
        if (errno is 0 or Errno.ENOENT) return null;
        throw ErrnoErrors.ToException(errno, $"open the directory of '{path}'", path, SnapshotError.WriteFailed);
    }

    /// <summary>The place of a file that does not exist; null when it exists by now.</summary>
    private static Destination? TryOfNew(string full, string path)
    {
        string parent = Path.GetDirectoryName(full)!, name = Path.GetFileName(full);
        var errno = ParentDirectory.OpenTrusted(parent, out var directory);
        if (errno != 0)
        {
            directory.Dispose();
            throw ErrnoErrors.ToException(errno, $"open the directory '{parent}'", path, SnapshotError.WriteFailed);
        }
        var existing = directory.Find(name);
        if (existing is null) return new Destination(directory, name, Existing: null);
        directory.Dispose();
        if (existing is { IsLink: true })
            throw new SnapshotException(SnapshotError.FileNotFound, $"'{path}' is a symbolic link that leads nowhere.", path);
        return null;
    }
}

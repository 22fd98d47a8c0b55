using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>The permissions of a file that replaces none.</summary>
/// <param name="Permissions">The mode's bits.</param>
/// <param name="IsExact">Whether neither the umask nor a default ACL of the directory changes them, as they do with every new file.</param>
internal readonly record struct NewFileMode(FilePermissions Permissions, bool IsExact)
{
    /// <summary>What the file is created with.</summary>
    internal FilePermissions Initial => IsExact ? Kernel.PrivateMode : Permissions;

    /// <summary>Gives an exact mode to the file, which has no name yet.</summary>
    /// <exception cref="SnapshotException">AttributesNotPreservable: a setgid bit that this user may not set; WriteFailed.</exception>
    internal void Apply(SafeFileHandle file, string path)
    {
        if (!IsExact) return;
        ErrnoErrors.ThrowIfError(Kernel.FChmod(file, Permissions), $"give '{path}' its mode", path, SnapshotError.WriteFailed);
        // man 2 fchmod: the kernel drops a setgid bit for a group that is not the caller's, and reports success.
        if (FileStatus.Of(file, path).Permissions == Permissions) return;
        throw new SnapshotException(
            SnapshotError.AttributesNotPreservable,
            $"'{path}' was not created: this process may not set the setgid bit for the group that the file gets.",
            path);
    }
}

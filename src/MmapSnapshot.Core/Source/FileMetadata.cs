using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Source;

/// <summary>What a file has besides its bytes, and a new file must take over: owner, mode, extended attributes, inode flags.</summary>
internal sealed class FileMetadata
{
    private const string Capability = "security.capability";

    /// <summary>The bits of a mode that let a program run as another user or group.</summary>
    private const FilePermissions Privileges = FilePermissions.S_ISUID | FilePermissions.S_ISGID;

    /// <summary>man 2 chown: -1 leaves the owner as the kernel made it.</summary>
    private const uint Unchanged = uint.MaxValue;

    private readonly FileStatus _status;

    private readonly KeyValuePair<string, byte[]>[] _attributes;

    private readonly InodeFlags _flags;

    /// <summary>Why not all of it could be read; null where it could. Only a new file needs all of it.</summary>
    private readonly (Errno Errno, string Operation)? _unread;

    /// <summary>Whether owner and group are who they are shown as.</summary>
    private readonly bool _showsOwner;

    private FileMetadata(
        FileStatus status,
        bool showsOwner,
        KeyValuePair<string, byte[]>[] attributes,
        InodeFlags flags,
        (Errno Errno, string Operation)? unread)
    {
        _unread = unread;
        _showsOwner = showsOwner;
        _status = status;
        _attributes = attributes;
        _flags = flags;
    }

    /// <summary>Whether it has <c>chattr +C</c>, which must be settled while a file is empty.</summary>
    internal bool IsNoCopyOnWrite => _flags.HasFlag(InodeFlags.NoCopyOnWrite);

    /// <summary>Whether a write by this process clears its capabilities, or its setuid or setgid bit (man 2 write).</summary>
    internal bool LosesPrivilegesOnWrite =>
        _attributes.Any(own => own.Key == Capability) || ((_status.Mode & Privileges) != 0 && !Kernel.HasFSetId());

    /// <summary>
    /// Reads it. Attributes that cannot be read (E2BIG: their names take more than 64 KiB, man 7 xattr) do not keep a file from being
    /// opened, nor from being saved in place or by exchange; a save as a new file is refused.
    /// </summary>
    internal static FileMetadata Of(SafeFileHandle file, in FileStatus status, string path)
    {
        (Errno Errno, string Operation)? unread = null;
        var listed = Kernel.FListXattr(file, out string[] names);
        if (listed != 0)
        {
            unread = (listed, "list the attributes");
            names = [Capability]; // which a write in place clears, and must give back
        }
        var attributes = new List<KeyValuePair<string, byte[]>>(names.Length);
        foreach (string name in names.Where(IsCarriedOver))
        {
            var errno = Kernel.FGetXattr(file, name, out byte[] value);
            if (errno == 0) attributes.Add(new(name, value));
            else if (errno != Errno.ENODATA && listed == 0) unread ??= (errno, $"read the attribute {name}"); // ENODATA: removed since
        }
        ErrnoErrors.ThrowIfError(Kernel.GetInodeFlags(file, out var flags), $"read the flags of '{path}'", path, SnapshotError.ReadFailed);
        return new FileMetadata(status, UserNamespace.ShowsOwner(file, status), [.. attributes], flags & InodeFlags.CarriedOver, unread);
    }

    /// <summary>The same without setuid, setgid and capabilities, which were given to the bytes of this file and to no others.</summary>
    internal FileMetadata WithoutPrivileges() =>
        new(
            _status with { Mode = _status.Mode & ~Privileges },
            _showsOwner,
            [.. _attributes.Where(own => own.Key != Capability)],
            _flags,
            _unread);

    /// <summary>The same with other permissions.</summary>
    internal FileMetadata WithPermissions(FilePermissions permissions) =>
        new(_status with { Mode = (_status.Mode & ~FilePermissions.ALLPERMS) | permissions }, _showsOwner, _attributes, _flags, _unread);

    /// <summary>
    /// Takes over owner and group; first of all, because a right that is missing shows here before any work is done, and
    /// because the kernel clears setuid, setgid and capabilities at a change of owner.
    /// </summary>
    /// <param name="file">The new file.</param>
    /// <param name="path">Its path.</param>
    /// <param name="remedies">Finds out what the user can do if owner or attributes cannot be taken over.</param>
    /// <exception cref="SnapshotException">OwnerNotPreservable, WriteFailed.</exception>
    internal void ApplyOwner(SafeFileHandle file, string path, Func<SnapshotRemedy[]> remedies)
    {
        if (_unread is { } unread) throw Unreadable(unread, path, remedies());
        if (!_showsOwner)
        {
            throw OwnerNotPreservable(
                path, "its owner or group has no mapping in this user namespace (man 7 user_namespaces)", remedies());
        }
        var now = FileStatus.Of(file, path);
        if (_status.User == now.User && _status.Group == now.Group) return;
        // -1 leaves what is right already: it takes no privilege.
        var errno = Kernel.FChown(
            file, _status.User == now.User ? Unchanged : _status.User, _status.Group == now.Group ? Unchanged : _status.Group);
        if (errno == 0) return;
        if (errno is not (Errno.EPERM or Errno.EINVAL)) throw ErrnoErrors.ToException(errno, $"give '{path}' its owner", path, SnapshotError.WriteFailed);
        throw OwnerNotPreservable(
            path,
            $"it belongs to user {_status.User}, group {_status.Group}, and this process may not give a new file to them "
            + $"({ErrnoErrors.Describe(errno)})",
            remedies(),
            errno);
    }

    /// <summary>
    /// Takes over all the rest. The order matters: attributes that the new file got from its directory (a default ACL, a label) and
    /// the old one lacks go first; user attributes need the permission to write (man 7 xattr), which the mode may take; and a chmod
    /// rewrites the mask of an ACL, so all other attributes come after the mode.
    /// </summary>
    internal void ApplyModeXattrsAndFlags(SafeFileHandle file, string path)
    {
        ErrnoErrors.ThrowIfError(Kernel.FListXattr(file, out string[] names), $"list the attributes of '{path}'", path, SnapshotError.WriteFailed);
        foreach (string name in names.Where(IsCarriedOver).Where(name => !_attributes.Any(own => own.Key == name)))
        {
            var errno = Kernel.FRemoveXattr(file, name);
            if (errno is not (0 or Errno.ENODATA)) throw NotPreservable(errno, $"remove the attribute {name}", path);
        }

        foreach (var (name, value) in _attributes.Where(IsUserAttribute)) SetAttribute(file, name, value, path);
        ErrnoErrors.ThrowIfError(Kernel.FChmod(file, _status.Permissions), $"give '{path}' its mode", path, SnapshotError.WriteFailed);
        // man 2 fchmod: the kernel drops a setgid bit for a group that is not the caller's, and says nothing.
        if (FileStatus.Of(file, path).Permissions != _status.Permissions) throw NotPreservable(Errno.EPERM, "set the setgid bit", path);
        foreach (var (name, value) in _attributes.Where(own => !IsUserAttribute(own)).OrderBy(own => own.Key == Capability))
            SetAttribute(file, name, value, path);
        ApplyFlags(file, path);
    }

    /// <summary>Throws if what writing to the file will take from it could not be given back; tried by setting it as it is.</summary>
    internal void CheckRestorable(SafeFileHandle file, string path)
    {
        if (!LosesPrivilegesOnWrite) return;
        var errno = Kernel.FChmod(file, _status.Permissions);
        if (errno != 0) throw NotPreservable(errno, "give back the setuid or setgid bit, which writing clears,", path);
        foreach (var (name, value) in _attributes.Where(own => own.Key == Capability))
        {
            errno = Kernel.FSetXattr(file, name, value);
            if (errno != 0) throw NotPreservable(errno, $"give back the attribute {name}, which writing clears,", path);
        }
    }

    /// <summary>Takes from a file what it has and this has not of setuid, setgid and capabilities, before it is written to.</summary>
    internal void DropPrivileges(SafeFileHandle file, string path)
    {
        // EPERM: the write itself takes them from the file, as it does for all who may not keep them (man 2 write).
        if (FileStatus.Of(file, path).Permissions != _status.Permissions
            && Kernel.FChmod(file, _status.Permissions) is not (0 or Errno.EPERM) and var mode)
        {
            throw ErrnoErrors.ToException(mode, $"take the setuid and setgid bits from '{path}'", path, SnapshotError.WriteFailed);
        }
        if (Kernel.FGetXattr(file, Capability, out _) == 0
            && Kernel.FRemoveXattr(file, Capability) is not (0 or Errno.ENODATA or Errno.EPERM) and var errno)
        {
            throw ErrnoErrors.ToException(errno, $"take the capabilities from '{path}'", path, SnapshotError.WriteFailed);
        }
    }

    /// <summary>Gives back what writing to a file takes from it: setuid and setgid for others than root, capabilities for all.</summary>
    internal void RestoreAfterWrite(SafeFileHandle file, string path)
    {
        var now = FileStatus.Of(file, path).Permissions;
        if (now != _status.Permissions && (now | Privileges) == (_status.Permissions | Privileges)) // else another process has set it
        {
            var errno = Kernel.FChmod(file, _status.Permissions);
            if (errno != 0) throw NotPreservable(errno, "set the setuid or setgid bit, which writing cleared,", path);
        }
        foreach (var (name, value) in _attributes.Where(own => own.Key == Capability))
        {
            if (Kernel.FGetXattr(file, name, out _) != 0) SetAttribute(file, name, value, path);
        }
    }

    private static void SetAttribute(SafeFileHandle file, string name, byte[] value, string path)
    {
        if (Kernel.FGetXattr(file, name, out byte[] now) == 0 && now.AsSpan().SequenceEqual(value)) return;
        var errno = Kernel.FSetXattr(file, name, value);
        if (errno is Errno.ENOSPC or Errno.EDQUOT or Errno.EIO)
            throw ErrnoErrors.ToException(errno, $"set the attribute {name} of '{path}'", path, SnapshotError.WriteFailed);
        if (errno != 0) throw NotPreservable(errno, $"set the attribute {name}", path);
    }

    private void ApplyFlags(SafeFileHandle file, string path)
    {
        ErrnoErrors.ThrowIfError(Kernel.GetInodeFlags(file, out var now), $"read the flags of the new '{path}'", path, SnapshotError.WriteFailed);
        var wanted = (now & ~InodeFlags.CarriedOver) | _flags;
        if (wanted == now) return;
        var errno = Kernel.SetInodeFlags(file, wanted);
        if (errno != 0) throw NotPreservable(errno, $"set the inode flags ({_flags})", path);
    }

    /// <summary>IMA's hash and EVM's signature are of the old bytes and inode: the kernel makes them anew.</summary>
    private static bool IsCarriedOver(string attribute) => attribute is not ("security.ima" or "security.evm");

    private static bool IsUserAttribute(KeyValuePair<string, byte[]> attribute) =>
        attribute.Key.StartsWith("user.", StringComparison.Ordinal);

    private static SnapshotException OwnerNotPreservable(string path, string why, SnapshotRemedy[] remedies, Errno errno = 0) =>
        new(SnapshotError.OwnerNotPreservable, $"Cannot replace '{path}': {why}.", path, NativeConvert.FromErrno(errno), remedies);

    private static SnapshotException NotPreservable(Errno errno, string operation, string path) => new(
        SnapshotError.AttributesNotPreservable,
        $"Cannot {operation} of '{path}': {ErrnoErrors.Describe(errno)}.",
        path,
        NativeConvert.FromErrno(errno),
        Kernel.EffectiveUser() == 0 ? [SnapshotRemedy.RemoveAttribute] : [SnapshotRemedy.SaveAsRoot, SnapshotRemedy.RemoveAttribute]);

    private static SnapshotException Unreadable((Errno Errno, string Operation) unread, string path, SnapshotRemedy[] remedies) => new(
        SnapshotError.AttributesNotPreservable,
        $"Cannot {unread.Operation} of '{path}', so a new file cannot be given them: {ErrnoErrors.Describe(unread.Errno)}.",
        path,
        NativeConvert.FromErrno(unread.Errno),
        remedies);
}

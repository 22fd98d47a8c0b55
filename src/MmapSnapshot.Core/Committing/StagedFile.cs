using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// The new file on its way to the target's name. It has no name at all while it is made (or, where the filesystem knows no
/// nameless files, only its temporary one). Disposing it removes whatever name it has not got for good.
/// </summary>
internal sealed class StagedFile : IDisposable
{
    private readonly ParentFolder _folder;

    private readonly string _target;

    private readonly PrivateFile? _given;

    private string? _temporaryName;

    private StagedFile(ParentFolder folder, string target, SafeFileHandle handle, PrivateFile? given)
    {
        _folder = folder;
        _target = target;
        Handle = handle;
        _given = given;
    }

    internal SafeFileHandle Handle { get; }

    /// <summary>A new, empty file for <paramref name="target"/> in <paramref name="folder"/>.</summary>
    internal static StagedFile Create(ParentFolder folder, string target, FilePermissions mode)
    {
        var errno = Kernel.OpenTmpFile(folder.Handle, out var handle, mode);
        if (errno == 0) return new StagedFile(folder, target, handle, given: null);
        if (errno is Errno.EOPNOTSUPP or Errno.EISDIR)
        {
            string name = TemporaryName.For(target);
            errno = Kernel.OpenAt(folder.Handle, name, OpenMode.Create | OpenMode.Exclusive | OpenMode.ReadWrite | OpenMode.NoFollow, out handle, mode);
            if (errno == 0)
            {
                var named = new StagedFile(folder, target, handle, given: null) { _temporaryName = name };
                named.Lock();
                return named;
            }
        }
        string path = folder.Combine(target);
        throw Failure.From(
            errno,
            $"create a new file in the folder of '{path}'",
            path,
            SnapshotError.WriteFailed,
            errno is Errno.EACCES or Errno.EPERM or Errno.EROFS ? "Save with -Method InPlace if the file itself can be written to, or with -Destination elsewhere." : null);
    }

    /// <summary>The private file itself, which can be given a name once.</summary>
    internal static StagedFile GiveAway(PrivateFile content, ParentFolder folder, string target) => new(folder, target, content.Handle, content);

    /// <summary>Gives the file the target's name in place of the one that bears it: readers find the one or the other.</summary>
    internal void Replace()
    {
        string path = _folder.Combine(_target);
        for (int attempt = 0; _temporaryName is null; attempt++)
        {
            Lock();
            string name = TemporaryName.For(_target);
            var errno = LinkAs(name);
            if (errno == 0) _temporaryName = name;
            else if (errno != Errno.EEXIST || attempt == 3) throw Failure.From(errno, $"give the new '{path}' a name", path, SnapshotError.WriteFailed);
        }
        var renamed = Kernel.RenameAt(_folder.Handle, _temporaryName, _target);
        if (renamed != 0) throw CannotReplace(renamed, path);
        _temporaryName = null;
    }

    /// <summary>Gives the file the target's name unless something bears it.</summary>
    /// <returns>
    /// False where the filesystem cannot do that in one step (man 2 rename: EINVAL, it does not know RENAME_NOREPLACE): NFS, and many
    /// in user space. A second name, and then the removal of the first, would not do: it stays, hidden, while the file is open.
    /// </returns>
    internal bool TryPublish()
    {
        string path = _folder.Combine(_target);
        var errno = _temporaryName is null ? LinkAs(_target) : Kernel.RenameAtNoReplace(_folder.Handle, _temporaryName, _target);
        if (errno == Errno.EEXIST) throw Exists(path);
        if (errno == Errno.EINVAL && _temporaryName is not null) return false;
        Failure.Check(errno, $"create '{path}'", path, SnapshotError.WriteFailed);
        _temporaryName = null;
        return true;
    }

    internal static SnapshotException Exists(string path) =>
        new(SnapshotError.DestinationExists, $"'{path}' exists already. Save with -Force to overwrite it.", path);

    private static SnapshotException CannotReplace(Errno errno, string path) => errno switch
    {
        Errno.EBUSY => new SnapshotException(
            SnapshotError.NotSupported,
            $"Cannot replace '{path}': it is a mount point ({Failure.Describe(errno)}). Save with -Method InPlace.",
            path,
            NativeConvert.FromErrno(errno)),
        Errno.EISDIR => new SnapshotException(
            SnapshotError.NotARegularFile, $"Cannot replace '{path}': it is a folder now.", path, NativeConvert.FromErrno(errno)),
        _ => Failure.From(
            errno,
            $"replace '{path}'",
            path,
            SnapshotError.WriteFailed,
            errno == Errno.EPERM ? "It is immutable or append-only (man 1 lsattr), or another user's in a sticky folder." : null),
    };

    private Errno LinkAs(string name)
    {
        var errno = Kernel.LinkAt(Handle, _folder.Handle, name);
        if (errno == 0) _given?.HasBeenLinked();
        return errno;
    }

    /// <summary>Tells others that the maker of the temporary name lives. A filesystem without locks goes without.</summary>
    private void Lock() => _ = Kernel.Lock(Handle);

    public void Dispose()
    {
        if (_temporaryName is not null) _ = Kernel.UnlinkAt(_folder.Handle, _temporaryName);
        if (_given is null) Handle.Dispose();
    }
}

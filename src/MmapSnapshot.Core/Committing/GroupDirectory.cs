using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>Where a new file of a group is until it is published, and the old one from then on.</summary>
/// <param name="Directory">The directory.</param>
/// <param name="Name">The name in it.</param>
internal readonly record struct GroupPlace(GroupDirectory Directory, string Name);

/// <summary>
/// The directory that a group makes beside its targets: for this user alone (man 2 mkdir, 0700), with the new files and, while the group
/// is saved, the old ones, and with the journal. There is one in each directory of the targets, under the same name.
/// </summary>
internal sealed class GroupDirectory : IDisposable
{
    internal const string JournalName = "journal";

    private const int Attempts = 8;

    private readonly string _name;

    private FileSystem? _fileSystem;

    private GroupDirectory(ParentDirectory parent, string name, ParentDirectory staging, GroupJournal journal, FileStatus status)
    {
        Parent = parent;
        _name = name;
        Staging = staging;
        Journal = journal;
        Status = status;
    }

    /// <summary>The directory of the targets.</summary>
    internal ParentDirectory Parent { get; }

    /// <summary>This one.</summary>
    internal ParentDirectory Staging { get; }

    internal GroupJournal Journal { get; }

    /// <summary>The status of the journal, which the markers are further names of.</summary>
    internal FileStatus Status { get; }

    internal FileSystem FileSystem => _fileSystem ??= FileSystem.Of(Staging.Handle);

    /// <summary>Whether it stays with what is in it, for a repair.</summary>
    internal bool IsLeft { get; set; }

    internal string JournalPath => Staging.Combine(JournalName);

    /// <summary>Makes it, with a locked journal that records nothing yet.</summary>
    /// <exception cref="SnapshotException">AccessDenied, NoSpace, NotSupported, TooManyOpenFiles, WriteFailed: there is none.</exception>
    internal static GroupDirectory Create(ParentDirectory parent, string name)
    {
        string path = parent.Combine(name);
        for (int attempt = 1; ; attempt++)
        {
            var errno = Kernel.MakeDirectoryAt(parent.Handle, name);
            if (errno != 0) throw CannotCreate(errno, parent);
            errno = ParentDirectory.OpenBelow(parent, name, out var staging);
            SafeFileHandle? file = null;
            // The owner of the parent could have put another one in its place.
            if (errno == 0 && FileStatus.Of(staging.Handle, path).User != Kernel.EffectiveUser()) errno = Errno.ENOENT;
            if (errno == 0)
            {
                errno = Kernel.OpenAt(
                    staging.Handle,
                    JournalName,
                    OpenMode.Create | OpenMode.Exclusive | OpenMode.ReadWrite | OpenMode.NoFollow,
                    out file);
            }
            if (errno == 0)
            {
                // Where there are no locks, the names alone exclude others.
                var locked = Kernel.SetOfdWriteLock(file!);
                if (locked is not (Errno.EAGAIN or Errno.EACCES) && staging.Find(JournalName) is not null)
                    return Begin(parent, name, staging, new GroupJournal(file!, staging.Combine(JournalName)));
                errno = Errno.ENOENT;
            }
            file?.Dispose();
            staging.Dispose();
            _ = Kernel.RemoveDirectoryAt(parent.Handle, name);
            // A repair may take the empty directory for what a dead process has left.
            if (errno != Errno.ENOENT || attempt == Attempts) throw CannotCreate(errno, parent);
        }
    }

    /// <summary>Finds that of a group, which may be alive.</summary>
    /// <param name="parent">The directory of the targets.</param>
    /// <param name="name">Its name.</param>
    /// <param name="access">How to open the journal.</param>
    /// <param name="errno">Why there is none; ENOENT: there is none.</param>
    internal static GroupDirectory? Find(ParentDirectory parent, string name, int access, out Errno errno)
    {
        errno = ParentDirectory.OpenBelow(parent, name, out var staging);
        if (errno == 0)
        {
            errno = Kernel.OpenAt(
                staging.Handle,
                JournalName,
                access | OpenMode.NoFollow | OpenMode.NonBlocking | OpenMode.NoControllingTerminal,
                out var file);
            if (errno == 0 && Kernel.Stat(file, out var status) == 0)
                return new GroupDirectory(parent, name, staging, new GroupJournal(file, staging.Combine(JournalName)),
                    FileStatus.From(status));
            file.Dispose();
            if (errno == Errno.ENOENT && access == OpenMode.ReadWrite) errno = RemoveWithoutJournal(parent, name, staging);
        }
        staging.Dispose();
        return null;
    }

    /// <summary>Writes its names and those of the targets to the disk, with the journal.</summary>
    /// <exception cref="SnapshotException">NoSpace, WriteFailed.</exception>
    internal void Flush()
    {
        Journal.Flush();
        FlushNames();
    }

    /// <summary>Writes its names and those of the targets to the disk.</summary>
    /// <exception cref="SnapshotException">NoSpace, WriteFailed.</exception>
    internal void FlushNames()
    {
        ErrnoErrors.ThrowIfError(Staging.Sync(Journal.File), $"flush the directory '{Staging.Path}' to the disk", Staging.Path,
            SnapshotError.WriteFailed);
        ErrnoErrors.ThrowIfError(Parent.Sync(Journal.File), $"flush the directory '{Parent.Path}' to the disk", Parent.Path,
            SnapshotError.WriteFailed);
    }

    /// <summary>Removes a marker, if it is one of this group.</summary>
    internal void RemoveMarker(string marker)
    {
        if (Kernel.StatAt(Parent.Handle, marker, out var found) == 0 && FileStatus.From(found).IsSameFileAs(Status))
            _ = Kernel.UnlinkAt(Parent.Handle, marker);
    }

    /// <summary>Removes the journal and the directory.</summary>
    /// <returns>ENOTEMPTY: there is another file in it, or a marker could not be removed, and the journal stays.</returns>
    internal Errno Remove()
    {
        if (Kernel.Stat(Journal.File, out var status) == 0 && status.st_nlink > 1) return Errno.ENOTEMPTY;
        if (Kernel.ListNames(Staging.Handle, out var names) == 0 && names.Exists(name => name != JournalName)) return Errno.ENOTEMPTY;
        var errno = Kernel.UnlinkAt(Staging.Handle, JournalName);
        if (errno is 0 or Errno.ENOENT) errno = Kernel.RemoveDirectoryAt(Parent.Handle, _name);
        return errno == Errno.ENOENT ? 0 : errno;
    }

    /// <summary>
    /// Removes the new files in it, and old ones that are not required any more: of a group that recorded nothing, or has ended.
    /// </summary>
    internal static void RemoveNumbered(ParentDirectory staging)
    {
        _ = Kernel.ListNames(staging.Handle, out var names);
        foreach (string number in names.Where(name => name.All(char.IsAsciiDigit))) _ = Kernel.UnlinkAt(staging.Handle, number);
    }

    /// <summary>Releases the lock. What has a name stays.</summary>
    public void Dispose()
    {
        Journal.Dispose();
        Staging.Dispose();
    }

    /// <summary>
    /// Its process, or the computer, ended before there was a journal, or when there was none any more: a directory's names may be on
    /// the disk in another order than they were made (btrfs).
    /// </summary>
    /// <returns>ENOENT: it is removed.</returns>
    private static Errno RemoveWithoutJournal(ParentDirectory parent, string name, ParentDirectory staging)
    {
        RemoveNumbered(staging);
        var errno = Kernel.RemoveDirectoryAt(parent.Handle, name);
        return errno == 0 ? Errno.ENOENT : errno;
    }

    private static GroupDirectory Begin(ParentDirectory parent, string name, ParentDirectory staging, GroupJournal journal)
    {
        GroupDirectory? made = null;
        try
        {
            made = new GroupDirectory(parent, name, staging, journal, FileStatus.Of(journal.File, staging.Path));
            journal.Write(name, record: null);
            return made;
        }
        catch
        {
            _ = made?.Remove();
            journal.Dispose();
            staging.Dispose();
            throw;
        }
    }

    private static SnapshotException CannotCreate(Errno errno, ParentDirectory parent) => ErrnoErrors.ToException(
        errno,
        $"create a directory in '{parent.Path}', where the new files would be until all are complete",
        parent.Path,
        SnapshotError.WriteFailed);
}

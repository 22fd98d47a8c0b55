using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// The file beside a target that makes a save in place recoverable: the old and the new bytes of what it changes. Its maker holds a write
/// lock on it (man 2 fcntl, F_OFD_SETLK) from before it has its name until its name is gone, so that a process that can lock it knows
/// that the maker is dead. tests/models checks the protocol; change both together.
/// </summary>
internal sealed class Journal : IDisposable
{
    private readonly ParentDirectory _directory;

    private readonly string _target;

    /// <summary>Its name, or the one that it has before; null: it has none.</summary>
    private string? _name;

    private JournalHeader? _header;

    private Journal(ParentDirectory directory, string target, SafeFileHandle file, string? name)
    {
        _directory = directory;
        _target = target;
        File = file;
        _name = name;
    }

    /// <summary>Open for reading and writing.</summary>
    internal SafeFileHandle File { get; }

    internal JournalHeader Header => _header!;

    /// <summary>Whether it has the name under which other processes find it.</summary>
    internal bool IsLinked { get; private set; }

    /// <summary>The path that errors name.</summary>
    private string Path => _directory.Combine(_target);

    /// <summary>A locked journal that has no name yet, or one that no process looks for.</summary>
    /// <exception cref="SnapshotException">AccessDenied, NoSpace, NotSupported, WriteFailed.</exception>
    internal static Journal Create(ParentDirectory directory, string target)
    {
        string? name = null;
        var errno = Kernel.OpenTmpFile(directory.Handle, out var file);
        if (StagedFile.HasNoTmpFile(errno))
        {
            file.Dispose();
            name = SaveNames.Temporary("journal", SaveNames.Token());
            errno = Kernel.OpenAt(
                directory.Handle,
                name,
                OpenMode.Create | OpenMode.Exclusive | OpenMode.ReadWrite | OpenMode.NoFollow,
                out file);
        }
        if (errno != 0)
        {
            file.Dispose();
            throw CannotCreate(errno, directory.Combine(target));
        }
        _ = Kernel.SetOfdWriteLock(file); // where there are no locks, the marker alone excludes others
        return new Journal(directory, target, file, name);
    }

    /// <summary>A journal that was found.</summary>
    internal static Journal Of(ParentDirectory directory, string target, SafeFileHandle file, string name) =>
        new(directory, target, file, name) { IsLinked = true };

    /// <summary>Reads header and record.</summary>
    /// <returns>The record; null where it is damaged, or no journal.</returns>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal JournalRecord? TryRead()
    {
        Span<byte> sector = stackalloc byte[JournalHeader.Length];
        ErrnoErrors.ThrowIfError(Kernel.Read(File, sector, 0, out int length), $"read the journal '{Path}'", Path, SnapshotError.ReadFailed);
        _header = JournalHeader.TryParse(sector[..length]);
        return _header is null ? null : new JournalReader(File, _header, Path).ReadRecord();
    }

    /// <summary>Whether it has all bytes that were written to it. O(size).</summary>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal bool IsIntact() => JournalReader.IsIntact(File, Header, Path);

    /// <exception cref="SnapshotException">NoSpace, WriteFailed.</exception>
    internal void WriteHeader(JournalHeader header)
    {
        ErrnoErrors.ThrowIfError(Kernel.Write(File, header.ToBytes(), 0, out _), $"write the journal of '{Path}'", Path, SnapshotError.WriteFailed);
        _header = header;
    }

    /// <summary>Writes it to the disk.</summary>
    /// <exception cref="SnapshotException">NoSpace, WriteFailed.</exception>
    internal void Flush() =>
        ErrnoErrors.ThrowIfError(Kernel.FSync(File), $"flush the journal of '{Path}' to the disk", Path, SnapshotError.WriteFailed);

    /// <summary>Writes its name to the disk.</summary>
    /// <exception cref="SnapshotException">NoSpace, WriteFailed.</exception>
    internal void FlushName() =>
        ErrnoErrors.ThrowIfError(_directory.Sync(File), $"flush the directory of '{Path}' to the disk", Path, SnapshotError.WriteFailed);

    /// <summary>Gives it its name, unless there is a file of that name.</summary>
    /// <returns>False if there is one.</returns>
    /// <exception cref="SnapshotException">AccessDenied, NoSpace, NotSupported, WriteFailed.</exception>
    internal bool TryLink(string name)
    {
        var errno = Kernel.LinkAt(File, _directory.Handle, name);
        if (errno is Errno.EPERM or Errno.EOPNOTSUPP && _name is not null)
            errno = Kernel.RenameAtNoReplace(_directory.Handle, _name, _directory.Handle, name); // no hard links
        else if (errno == 0 && _name is not null) _ = Kernel.UnlinkAt(_directory.Handle, _name);
        if (errno == Errno.EEXIST) return false;
        if (errno != 0) throw CannotCreate(errno, Path);
        _name = name;
        IsLinked = true;
        return true;
    }

    /// <summary>
    /// Records that there is nothing to repair, and then removes the name. A process that moves the file aside and puts it back later
    /// finds that record. The name need not be flushed: a journal that a crash brings back is done.
    /// </summary>
    /// <exception cref="SnapshotException">WriteFailed: the name stays.</exception>
    internal void End(bool flush)
    {
        if (_header is { IsDone: false })
        {
            WriteHeader(Header with { IsDone = true });
            if (flush) ErrnoErrors.ThrowIfError(Kernel.FDataSync(File), $"flush the journal of '{Path}' to the disk", Path, SnapshotError.WriteFailed);
        }
        RemoveName();
    }

    /// <summary>Releases the lock. The name stays if it has one and <see cref="End"/> was not called: the next process repairs.</summary>
    public void Dispose()
    {
        if (!IsLinked) RemoveName();
        File.Dispose();
    }

    /// <param name="path">The journal, or its target.</param>
    /// <param name="why">What is wrong with it, as a clause.</param>
    internal static SnapshotException Invalid(string path, string why) => new(
        SnapshotError.JournalInvalid,
        $"'{path}' is damaged: {why}. It is the journal of a save that was interrupted; "
        + "whether what was saved has all its bytes is not known.",
        path,
        remedies: [SnapshotRemedy.RemoveJournal]);

    private static SnapshotException CannotCreate(Errno errno, string path) => ErrnoErrors.ToException(
        errno,
        $"create a journal beside '{path}'",
        path,
        SnapshotError.WriteFailed,
        SnapshotRemedy.SkipJournal);

    private void RemoveName()
    {
        if (_name is null) return;
        // Where this fails the name stays: of a journal that is done, or that no process looks for.
        if (Kernel.StatAt(_directory.Handle, _name, out var named) == 0
            && Kernel.Stat(File, out var own) == 0
            && FileStatus.From(named).IsSameFileAs(FileStatus.From(own)))
        {
            _ = Kernel.UnlinkAt(_directory.Handle, _name);
        }
        _name = null;
    }
}

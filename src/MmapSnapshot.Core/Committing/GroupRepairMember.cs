using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>One file of an interrupted group: what has the target's name, and what is in the directory of the group.</summary>
internal sealed class GroupRepairMember : IDisposable
{
    private const int MaxExchanges = 1000;

    private readonly GroupDirectory _part;

    private readonly GroupMemberRecord _record;

    private readonly TargetFile? _target, _kept;

    /// <summary>Finds both files.</summary>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal GroupRepairMember(GroupDirectory part, GroupMemberRecord record)
    {
        _part = part;
        _record = record;
        _target = TargetFile.Find(part.Parent, record.Name);
        try
        {
            _kept = TargetFile.Find(part.Staging, record.Number);
        }
        catch
        {
            _target?.Dispose();
            throw;
        }
    }

    internal string Path => _part.Parent.Combine(_record.Name);

    /// <summary>Whether the target is the new file, and no process has written to it.</summary>
    private bool IsNew => _record.Staged.Is(_target);

    /// <summary>Whether the target is the old file, or is not there as before, and no process has written to it.</summary>
    private bool IsOld => _record.Expected is { } expected ? expected.Is(_target) : _target is null;

    private bool IsOldKept => _record.Expected is { } expected ? expected.IsSameFile(_kept) : _kept is null;

    /// <summary>Whether no other program has changed the target.</summary>
    internal bool IsOurs => IsNew || IsOld;

    /// <summary>Whether the target is new, or can be made so.</summary>
    internal bool CanBeNew => IsNew || (IsOld && _record.Staged.Is(_kept));

    /// <summary>
    /// Whether the target is old, or can be made so, or was never made new: then it is another program's, and stays. One that was made
    /// new and then changed by another program would lose that change.
    /// </summary>
    internal bool CanBeOld => IsNew ? IsOldKept : IsOld || (!IsOldKept && !_record.Staged.IsSameFile(_target));

    /// <summary>Whether no file of it belongs to anybody else.</summary>
    internal bool BelongsTo(uint user) => (_target is null || _target.Status.User == user) && (_kept is null || _kept.Status.User == user);

    /// <summary>Makes the target new, and looks at what came out.</summary>
    /// <returns>False if another program has changed it in between: all is as it was.</returns>
    /// <exception cref="SnapshotException">AccessDenied, NoSpace, WriteFailed.</exception>
    internal bool TryMakeNew()
    {
        if (IsNew) return true;
        if (_record.Expected is not { } expected) return TryMove(_part.Staging, _record.Number, _part.Parent, _record.Name, _record.Staged);
        return TryExchange(expected.Is);
    }

    /// <summary>Makes the target old, and looks at what came out.</summary>
    /// <returns>False if another program has changed it in between: all is as it was.</returns>
    /// <exception cref="SnapshotException">AccessDenied, NoSpace, WriteFailed.</exception>
    internal bool TryMakeOld()
    {
        if (!IsNew) return true;
        if (_record.Expected is null) return TryMove(_part.Parent, _record.Name, _part.Staging, _record.Number, _record.Staged);
        return TryExchange(_record.Staged.Is);
    }

    /// <summary>
    /// Removes the file in the directory of the group if it is the new or the old one, and no process has written to it since. Any other is
    /// kept under a name that people see.
    /// </summary>
    internal void RemoveLeftover()
    {
        if (_kept is null) return;
        var target = new CommitTarget(_part.Parent, _record.Name, Expected: null);
        if (_record.Staged.Is(_kept) || _record.Expected?.Is(_kept) is true) _ = Kernel.UnlinkAt(_part.Staging.Handle, _record.Number);
        else _ = RecoveredFile.TryKeep(target, _part.Staging, _record.Number, warnings: null);
    }

    public void Dispose()
    {
        _target?.Dispose();
        _kept?.Dispose();
    }

    /// <summary>
    /// Exchanges the two files, and if another one than is wanted comes out, exchanges again, until what comes out is what was put in last:
    /// other programs may rename files to the target's name between any two steps, and the last of them keeps it.
    /// </summary>
    private bool TryExchange(Func<TargetFile?, bool> isWanted)
    {
        var open = new List<TargetFile>(); // no inode number is used again before the end
        try
        {
            var putIn = _kept?.Status;
            FileStatus? cameOut = null;
            for (int exchanges = 1; exchanges <= MaxExchanges; exchanges++)
            {
                var errno = ExchangeNames();
                if (errno == Errno.ENOENT && exchanges == 1) return false; // it was deleted in between
                Check(errno);
                var found = TargetFile.Find(_part.Staging, _record.Number);
                if (found is not null) open.Add(found);
                if (exchanges == 1 && isWanted(found)) return true;
                if (exchanges > 1 && found is not null && putIn?.IsSameFileAs(found.Status) is true) return false;
                if (exchanges == 1) cameOut = found?.Status;
                else (putIn, cameOut) = (cameOut, found?.Status);
            }
            return false;
        }
        finally
        {
            foreach (var file in open) file.Dispose();
        }
    }

    private static bool TryMove(ParentDirectory from, string name, ParentDirectory to, string newName, GroupFile wanted)
    {
        var errno = Kernel.RenameAtNoReplace(from.Handle, name, to.Handle, newName);
        if (errno is Errno.EEXIST or Errno.ENOENT) return false;
        ErrnoErrors.ThrowIfError(errno, $"rename '{from.Combine(name)}'", from.Combine(name), SnapshotError.WriteFailed);
        using (var moved = TargetFile.Find(to, newName))
            if (wanted.Is(moved)) return true;
        _ = Kernel.RenameAtNoReplace(to.Handle, newName, from.Handle, name);
        return false;
    }

    private Errno ExchangeNames() =>
        Kernel.RenameAtExchange(_part.Parent.Handle, _record.Name, _part.Staging.Handle, _record.Number);

    private void Check(Errno errno) => ErrnoErrors.ThrowIfError(errno, $"give '{Path}' its other file", Path, SnapshotError.WriteFailed);
}

using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Completes or drops a save of several files as one whose process died, by its journal. It may be interrupted, and run again, any number
/// of times. Where another program has written to a file of it, or has given its name to another, so that neither is possible, nothing is
/// touched. tests/models checks the protocol; change both together.
/// </summary>
/// <param name="directory">A directory of the group's files.</param>
/// <param name="name">The name of the group's directory in it.</param>
/// <param name="cancellation">Ends it; it is then as if it were interrupted.</param>
internal sealed class GroupRepair(ParentDirectory directory, string name, CancellationToken cancellation)
{
    /// <summary>How often it decides again, when other programs exchange files in the moments between.</summary>
    private const int Attempts = 8;

    private const string Interrupted = "a save of several files as one was interrupted";

    /// <summary>The paths of the group's files, as far as they are known.</summary>
    private List<string> _members = [];

    /// <summary>Finds out what <see cref="Repair"/> would do, without locks and writes.</summary>
    /// <param name="force">As for <see cref="Repair"/>.</param>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal JournalOutcome Inspect(bool force) => Examine(isInspection: true, force);

    /// <summary>Repairs.</summary>
    /// <param name="force">
    /// Whether to leave the files as they are, and to remove the journal, where neither old nor new is possible.
    /// </param>
    /// <exception cref="SnapshotException">AccessDenied, NoSpace, ReadFailed, WriteFailed.</exception>
    internal JournalOutcome Repair(bool force) => Examine(isInspection: false, force);

    private JournalOutcome Examine(bool isInspection, bool force)
    {
        int access = isInspection ? OpenMode.ReadOnly : OpenMode.ReadWrite;
        using var found = GroupDirectory.Find(directory, name, access, out var errno);
        if (found is null)
        {
            return errno == Errno.ENOENT
                ? Outcome(JournalState.None, RepairAction.None, "there is nothing any more")
                : Outcome(JournalState.PassedBy, RepairAction.None, $"it cannot be opened or removed ({ErrnoErrors.Describe(errno)})");
        }
        found.Journal.Read();
        // A file of another group, or of another user, that was linked here is not to be believed.
        if ((found.Journal.Staging is { } made && made != name) || FileStatus.Of(found.Staging.Handle, name).User != found.Status.User)
            return Outcome(JournalState.PassedBy, RepairAction.None, "its journal was made elsewhere");
        if (found.Journal.Record is not { Primary: { } primary }) return ExaminePrimary(found, isInspection, force);

        _members = [.. found.Journal.Record.Members.Select(member => directory.Combine(member.Name))];
        errno = ParentDirectory.OpenTrusted(primary, out var first);
        using (first)
        {
            if (errno == 0 && first.Find(name) is not null)
                return new GroupRepair(first, name, cancellation).Examine(isInspection, force);
            if (errno != 0 && !force)
                return Block($"the directory '{primary}', where its journal is, cannot be opened ({ErrnoErrors.Describe(errno)})");
        }
        // The journal is removed first: all files of the group were old or new by then, on the disk.
        var locked = isInspection ? 0 : Kernel.SetOfdWriteLock(found.Journal.File);
        if (locked is Errno.EAGAIN or Errno.EACCES) return Held(found);
        return Remove([found], isInspection, "the save had ended");
    }

    private JournalOutcome ExaminePrimary(GroupDirectory primary, bool isInspection, bool force)
    {
        var locked = isInspection ? CheckLock(primary) : Kernel.SetOfdWriteLock(primary.Journal.File);
        if (primary.Staging.Find(GroupDirectory.JournalName) is not { } now || !now.IsSameFileAs(primary.Status))
            return Outcome(JournalState.None, RepairAction.None, "there is nothing any more");
        if (locked is Errno.EAGAIN or Errno.EACCES) return Held(primary);
        primary.Journal.Read(); // what it says under the lock
        var parts = new List<GroupDirectory> { primary };
        try
        {
            if (primary.Journal.IsDamaged)
            {
                const string Damaged = "its journal is damaged: whether its files are all old or all new is not known";
                return force ? Remove(parts, isInspection, Damaged) : Block(Damaged, SnapshotError.JournalInvalid, RepairAction.Remove);
            }
            string? missing = FindParts(primary, parts, isInspection);
            _members = [.. parts.SelectMany(part => MembersOf(part).Select(member => part.Parent.Combine(member.Name)))];
            bool isOver = primary.Journal.State is GroupState.Prepared or GroupState.Done;
            if (!isOver && missing is not null && !force) return Block(missing);
            if (DescribeUntrusted(parts) is { } untrusted) return Outcome(JournalState.PassedBy, RepairAction.None, untrusted);
            if (!isInspection) foreach (var part in parts) part.Flush();
            if (!isOver) return Decide(primary, parts, isInspection, force);
            return primary.Journal.State == GroupState.Done
                ? Remove(parts, isInspection, "the save had ended")
                : Remove(parts, isInspection, $"{Interrupted} before it had changed a file", RepairAction.RollBack);
        }
        finally
        {
            foreach (var part in parts.Skip(1)) Close(part);
        }
    }

    /// <summary>Finds the directories of the group beside the primary one.</summary>
    /// <returns>Why one of them is not available; null: all are found.</returns>
    private string? FindParts(GroupDirectory primary, List<GroupDirectory> parts, bool isInspection)
    {
        string? missing = null;
        foreach (string path in primary.Journal.Record?.Directories ?? [])
        {
            var errno = ParentDirectory.OpenTrusted(path, out var parent);
            var part = errno == 0
                ? GroupDirectory.Find(parent, name, isInspection ? OpenMode.ReadOnly : OpenMode.ReadWrite, out errno)
                : null;
            part?.Journal.Read();
            if (part is { Journal.Record.Primary: not null } && part.Status.User == primary.Status.User)
            {
                parts.Add(part);
                continue;
            }
            part?.Dispose();
            parent.Dispose();
            string why = errno == 0 ? "it is another one" : ErrnoErrors.Describe(errno);
            missing ??= $"the directory of the save in '{path}' is not available ({why})";
        }
        return missing;
    }

    private JournalOutcome Decide(GroupDirectory primary, List<GroupDirectory> parts, bool isInspection, bool force)
    {
        for (int attempt = 1; attempt <= Attempts; attempt++)
        {
            cancellation.ThrowIfCancellationRequested();
            var members = new List<GroupRepairMember>();
            try
            {
                foreach (var part in parts) members.AddRange(MembersOf(part).Select(member => new GroupRepairMember(part, member)));
                bool isForward = primary.Journal.State == GroupState.Committing && members.TrueForAll(member => member.CanBeNew);
                if (!isForward && !members.TrueForAll(member => member.CanBeOld)) return Conflict(members, parts, isInspection, force);
                var action = isForward ? RepairAction.RollForward : RepairAction.RollBack;
                string reason = isForward ? $"{Interrupted}: all files are new now" : $"{Interrupted}: all files are old again";
                if (isInspection) return Outcome(JournalState.Repaired, action, Interrupted);
                if (!isForward && primary.Journal.State != GroupState.Reverting) SetState(primary, GroupState.Reverting);
                if (!members.TrueForAll(isForward ? member => member.TryMakeNew() : member => member.TryMakeOld())) continue;
                foreach (var part in parts) part.FlushNames();
                SetState(primary, GroupState.Done);
                return Remove(parts, isInspection: false, reason, action);
            }
            finally
            {
                foreach (var member in members) member.Dispose();
            }
        }
        return Block("other programs rename its files all the time");
    }

    private JournalOutcome Conflict(List<GroupRepairMember> members, List<GroupDirectory> parts, bool isInspection, bool force)
    {
        var changed = members.FindAll(member => !member.IsOurs).ConvertAll(member => $"'{member.Path}'");
        string reason = changed.Count > 0
            ? $"{string.Join(", ", changed)} {(changed.Count == 1 ? "was" : "were")} changed by another program since, so that the files "
              + "can be made neither all new nor all old"
            : "an old or a new file of it is missing, so that the files can be made neither all new nor all old";
        return force ? Remove(parts, isInspection, reason) : Block(reason, SnapshotError.JournalConflict, RepairAction.Remove);
    }

    /// <summary>Removes what the group has left: no target is touched.</summary>
    private JournalOutcome Remove(
        List<GroupDirectory> parts, bool isInspection, string reason, RepairAction action = RepairAction.Remove)
    {
        if (isInspection) return Outcome(JournalState.Repaired, action, reason);
        foreach (var part in parts)
        {
            foreach (var member in MembersOf(part))
            {
                using (var left = new GroupRepairMember(part, member)) left.RemoveLeftover();
                part.RemoveMarker(SaveNames.Marker(member.Name));
            }
            if (part.Journal.Record is null) RemoveUnrecorded(part);
        }
        foreach (var part in parts)
        {
            if (part.Remove() is not 0 and var errno)
                return Block($"'{part.Staging.Path}' cannot be removed ({ErrnoErrors.Describe(errno)})", SnapshotError.JournalConflict,
                    RepairAction.Remove);
        }
        return Outcome(JournalState.Repaired, action, reason);
    }

    /// <summary>
    /// Of a group that was killed before it recorded anything: its new files, and its markers, which are names of its journal.
    /// </summary>
    private static void RemoveUnrecorded(GroupDirectory part)
    {
        GroupDirectory.RemoveNumbered(part.Staging);
        _ = Kernel.ListNames(part.Parent.Handle, out var names);
        foreach (string marker in names.Where(SaveNames.IsMarker)) part.RemoveMarker(marker);
    }

    /// <summary>Of a user who is neither root nor this one, only that user's files are touched.</summary>
    private static string? DescribeUntrusted(List<GroupDirectory> parts)
    {
        uint user = parts[0].Status.User;
        if (user == 0 || user == Kernel.EffectiveUser()) return null;
        foreach (var part in parts)
        {
            foreach (var record in MembersOf(part))
            {
                using var member = new GroupRepairMember(part, record);
                if (!member.BelongsTo(user)) return $"it belongs to user {user}, and '{member.Path}' does not";
            }
        }
        return null;
    }

    private static void SetState(GroupDirectory primary, GroupState state)
    {
        primary.Journal.Write(state);
        primary.Journal.Flush();
    }

    private static IReadOnlyList<GroupMemberRecord> MembersOf(GroupDirectory part) => part.Journal.Record?.Members ?? [];

    private static void Close(GroupDirectory part)
    {
        part.Dispose();
        part.Parent.Dispose();
    }

    /// <summary>Whether another process holds the write lock.</summary>
    private static Errno CheckLock(GroupDirectory primary) =>
        Kernel.GetOfdLock(primary.Journal.File, out int type) == 0 && type == Constants.F_WRLCK ? Errno.EAGAIN : 0;

    private JournalOutcome Held(GroupDirectory part)
    {
        bool isOwn = part.Status.User == 0 || part.Status.User == Kernel.EffectiveUser();
        return Outcome(isOwn ? JournalState.Held : JournalState.HeldByOther, RepairAction.None, "the save is in progress");
    }

    private JournalOutcome Block(
        string reason, SnapshotError error = SnapshotError.JournalConflict, RepairAction forced = RepairAction.RollForward) =>
        Outcome(JournalState.Blocked, RepairAction.None, reason) with { Error = error, ForcedAction = forced };

    private JournalOutcome Outcome(JournalState state, RepairAction action, string reason)
    {
        string journal = Path.Join(directory.Combine(name), GroupDirectory.JournalName);
        RepairRecord[] records = [.. _members.Select(member => new RepairRecord(member, action, reason, journal))];
        return new JournalOutcome(state, records.Length > 0 ? records[0] : new RepairRecord(Path: null, action, reason, journal))
        {
            Members = records,
        };
    }
}

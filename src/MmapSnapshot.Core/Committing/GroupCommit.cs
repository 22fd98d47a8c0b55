using System.Globalization;
using System.Runtime.ExceptionServices;
using MmapSnapshot.Native;
using MmapSnapshot.Source;

namespace MmapSnapshot.Committing;

/// <summary>One file of a group, before anything is done for it.</summary>
/// <param name="Target">The name that is saved.</param>
/// <param name="Create">Makes its commit.</param>
internal sealed record GroupMember(CommitTarget Target, Func<GroupPlace, IGroupedCommit> Create)
{
    /// <summary>What <see cref="CommitOptions.Force"/> overrides in any case; null: nothing.</summary>
    internal string? Overridden { get; init; }
}

/// <summary>
/// Saves several files as one: all are complete, and on the disk, before the first target is changed; if one cannot be, those before it
/// get their old files again. A journal makes it all or none after a crash as well (<see cref="GroupRepair"/>), also where the files are
/// on several filesystems. tests/models checks the protocol; change both together.
/// </summary>
/// <param name="members">The files, each once.</param>
/// <param name="options">How.</param>
/// <param name="cancellation">Ends it: no file is changed then.</param>
internal sealed class GroupCommit(IReadOnlyList<GroupMember> members, CommitOptions options, CancellationToken cancellation) : IDisposable
{
    /// <summary>From so many files on, one flush of the filesystem takes less time than one of each file.</summary>
    private const int ManyFiles = 100;

    /// <summary>How many new files are open at a time, so that their flushes are one.</summary>
    private const int Batch = 256;

    private static readonly Consequence NothingChanged = new("No file was changed.", IsIncomplete: false);

    private readonly List<GroupDirectory> _directories = [];

    /// <summary>The directory of each.</summary>
    private readonly GroupDirectory[] _places = new GroupDirectory[members.Count];

    private readonly IGroupedCommit[] _commits = new IGroupedCommit[members.Count];

    /// <summary>What a later process has to know of each.</summary>
    private readonly (GroupFile Staged, GroupFile? Expected)[] _seals = new (GroupFile, GroupFile?)[members.Count];

    /// <summary>How many have their new file under the target's name.</summary>
    private int _published;

    private bool _isOver;

    /// <summary>The one whose journal has the state.</summary>
    private GroupDirectory Primary => _directories[0];

    /// <summary>The files that have their old file again, by their place in the group, with their status.</summary>
    internal List<(int Index, FileStatus Status)> Reverted { get; } = [];

    /// <summary>Saves it.</summary>
    /// <returns>What each file is now.</returns>
    /// <exception cref="SnapshotException">
    /// The path is that of the file that stopped it, and no file was changed, unless the message says otherwise.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled: no file was changed.</exception>
    internal PublishedFile[] Commit()
    {
        try
        {
            Prepare();
            Stage();
            Record();
            SetState(GroupState.Committing);
            Publish();
        }
        catch (SnapshotException exception)
        {
            throw Describe(exception, Revert(), RemediesForGroup(exception.Remedies));
        }
        catch (OperationCanceledException)
        {
            var consequence = Revert();
            if (consequence == NothingChanged) throw;
            var cancelled = new SnapshotException(SnapshotError.WriteFailed, "The save was cancelled.", Primary.Parent.Path);
            throw Describe(cancelled, consequence, []);
        }
        var failure = Finish();
        return [.. _commits.Select(commit => commit.Complete() with { Failure = failure })];
    }

    /// <summary>Makes the directories, and excludes other savers of the files: in the same order for every process.</summary>
    private void Prepare()
    {
        string name = SaveNames.Staging(SaveNames.Token());
        var made = new Dictionary<(ulong, ulong, ulong), GroupDirectory>();
        var keys = new (ulong Device, ulong Inode, ulong Mount)[members.Count];
        for (int i = 0; i < members.Count; i++)
        {
            var target = members[i].Target;
            var status = FileStatus.Of(target.Directory.Handle, target.Directory.Path);
            keys[i] = (status.Device, status.Inode, Kernel.MountId(target.Directory.Handle) ?? 0);
            if (!made.TryGetValue(keys[i], out var directory))
            {
                directory = GroupDirectory.Create(target.Directory, name);
                _directories.Add(directory);
                made.Add(keys[i], directory);
            }
            _places[i] = directory;
            _commits[i] = members[i].Create(new GroupPlace(directory, i.ToString(CultureInfo.InvariantCulture)));
            Check(members[i], _commits[i].Select());
        }
        int[] order = [.. Enumerable.Range(0, members.Count)];
        foreach (int i in order.OrderBy(i => keys[i]).ThenBy(i => members[i].Target.Name, StringComparer.Ordinal))
            _commits[i].Mark();
    }

    /// <summary>Makes the new files, and writes them to the disk.</summary>
    private void Stage()
    {
        bool isFileSystemFlushed = !options.NoFlush && members.Count >= ManyFiles && _directories.TrueForAll(CanFlushFileSystem);
        for (int from = 0; from < members.Count;)
        {
            int to = from;
            bool isFull = false;
            for (; to < members.Count && to - from < Batch && !isFull; to++)
            {
                cancellation.ThrowIfCancellationRequested();
                Check(members[to], _commits[to].Stage());
                var file = _commits[to].Staged!.Handle;
                isFull = DescriptorLimit.IsNear(file);
                if (isFileSystemFlushed) _seals[to] = _commits[to].Seal();
                else if (!options.NoFlush) Kernel.StartWriteBack(file);
            }
            for (; from < to; from++)
            {
                if (isFileSystemFlushed) continue;
                if (!options.NoFlush) _commits[from].Flush();
                _seals[from] = _commits[from].Seal();
            }
        }
        if (isFileSystemFlushed && !TryFlushFileSystems()) StageAgain();
    }

    /// <summary>An error of the filesystem may be another program's: each file is written and flushed for itself.</summary>
    private void StageAgain()
    {
        for (int i = 0; i < members.Count; i++)
        {
            _commits[i].RemoveLeftover();
            Check(members[i], _commits[i].Stage());
            _commits[i].Flush();
            _seals[i] = _commits[i].Seal();
        }
    }

    /// <summary>
    /// man 2 syncfs, by a descriptor that was opened before the first byte was written: it reports every error of a write-back since then.
    /// </summary>
    private bool TryFlushFileSystems()
    {
        bool isFlushed = true;
        foreach (var directory in _directories.DistinctBy(directory => directory.Status.Device))
            isFlushed &= Kernel.SyncFs(directory.Staging.Handle) == 0;
        return isFlushed;
    }

    /// <summary>Records the files in the journals, and writes those and all names to the disk.</summary>
    private void Record()
    {
        var records = _directories.ToDictionary(directory => directory, _ => new List<GroupMemberRecord>());
        for (int i = 0; i < members.Count; i++)
        {
            var (staged, expected) = _seals[i];
            records[_places[i]].Add(new GroupMemberRecord(_commits[i].Staged!.TemporaryName, members[i].Target.Name, staged, expected));
        }
        string[] others = [.. _directories.Skip(1).Select(directory => directory.Parent.CurrentPath())];
        foreach (var (directory, files) in records)
        {
            bool isPrimary = directory == Primary;
            directory.Journal.Write(
                Path.GetFileName(directory.Staging.Path),
                new GroupRecord(isPrimary ? null : Primary.Parent.CurrentPath(), isPrimary ? others : [], files));
            if (!options.NoFlush) directory.Flush();
        }
    }

    private void SetState(GroupState state)
    {
        Primary.Journal.Write(state);
        if (!options.NoFlush) Primary.Journal.Flush();
    }

    private void Publish()
    {
        for (; _published < members.Count; _published++)
        {
            cancellation.ThrowIfCancellationRequested();
            Check(members[_published], _commits[_published].Validate() ?? _commits[_published].Publish());
        }
    }

    /// <summary>All files are new: writes their names to the disk, and removes the old files.</summary>
    /// <returns>Why the names may not be on the disk; null: they are.</returns>
    private ExceptionDispatchInfo? Finish()
    {
        try
        {
            FlushNames();
            SetState(GroupState.Done);
            _isOver = true;
            return null;
        }
        catch (SnapshotException exception)
        {
            // The journal stays: if the names are not on the disk, a repair gives the files their names again.
            return ExceptionDispatchInfo.Capture(Describe(
                exception,
                new Consequence($"All {members.Count} files are in place, but that may not survive a power cut.", IsIncomplete: true),
                exception.Remedies));
        }
    }

    /// <summary>Gives the targets their old files again, the last one first.</summary>
    /// <returns>What has become of the files.</returns>
    private Consequence Revert()
    {
        var kept = new List<string>();
        try
        {
            if (_published == 0)
            {
                // A crash that brings the journal back must not complete a save that has failed; and what was put back, is.
                if (_directories is not [{ Journal.State: GroupState.Committing }, ..]) return NothingChanged;
                FlushNames();
                SetState(GroupState.Done);
                return NothingChanged;
            }
            SetState(GroupState.Reverting);
            for (int i = _published - 1; i >= 0; i--)
            {
                if (_commits[i].TryRevert() is { } obstacle) kept.Add($"'{members[i].Target.Path}' ({obstacle})");
                else if (_commits[i].Reverted is { } status) Reverted.Add((i, status));
            }
            FlushNames();
            SetState(GroupState.Done);
            _isOver = true;
        }
        catch (SnapshotException) when (_published == 0)
        {
            return NothingChanged;
        }
        catch (SnapshotException exception)
        {
            return new Consequence(
                $"Not all files that were changed before have their old bytes again: {exception.Message}", IsIncomplete: true);
        }
        return kept.Count == 0
            ? NothingChanged
            : new Consequence(
                $"The files that were changed before have their old bytes again, except for {string.Join(", ", kept)}.",
                IsIncomplete: false);
    }

    private void FlushNames()
    {
        if (options.NoFlush) return;
        foreach (var directory in _directories) directory.FlushNames();
    }

    private static bool CanFlushFileSystem(GroupDirectory directory) =>
        Environment.OSVersion.Version >= new Version(5, 8) // before, syncfs reports no error of a write-back
        && directory.FileSystem.Type is FileSystem.Xfs or FileSystem.Btrfs;

    private static void Check(GroupMember member, CommitObstacle? obstacle)
    {
        if (obstacle is { } met) throw member.Target.ToConflict(met.Reason);
    }

    private static SnapshotException Describe(
        SnapshotException cause, in Consequence consequence, IReadOnlyList<SnapshotRemedy> remedies) => new(
            cause.Error,
            $"{cause.Message} {consequence.Sentence}",
            cause.Path,
            cause.ErrorNumber,
            consequence.IsIncomplete ? [SnapshotRemedy.Repair] : remedies,
            cause);

    /// <summary>Of what helps a save of one file, what helps a group; where that is nothing, to save them one by one.</summary>
    private static SnapshotRemedy[] RemediesForGroup(IReadOnlyList<SnapshotRemedy> remedies)
    {
        SnapshotRemedy[] forGroup = [.. remedies.Where(remedy => !IsForSingleSave(remedy))];
        return forGroup.Length == remedies.Count || forGroup.Contains(SnapshotRemedy.Reopen)
            ? forGroup
            : [.. forGroup, SnapshotRemedy.SaveSeparately];
    }

    /// <summary>Whether a remedy is an option that <see cref="Snapshot.CommitAll"/> refuses.</summary>
    private static bool IsForSingleSave(SnapshotRemedy remedy) => remedy is SnapshotRemedy.SaveElsewhere
        or SnapshotRemedy.UseInPlace
        or SnapshotRemedy.UseInPlaceWithoutJournal
        or SnapshotRemedy.SkipJournal;

    /// <summary>What has become of the files of a group that was not saved.</summary>
    /// <param name="Sentence">It as a sentence.</param>
    /// <param name="IsIncomplete">Whether a repair has to complete it.</param>
    private readonly record struct Consequence(string Sentence, bool IsIncomplete);

    /// <summary>Releases all. What the group has left is removed, unless a repair needs it.</summary>
    public void Dispose()
    {
        bool isLeft = (_published > 0 && !_isOver) || _directories.Exists(directory => directory.IsLeft);
        foreach (var commit in _commits.Where(commit => commit is not null))
        {
            if (isLeft) commit.LeaveMark();
            else if (commit.Staged is not null) commit.RemoveLeftover();
            commit.Dispose();
        }
        foreach (var directory in _directories)
        {
            if (!isLeft) _ = directory.Remove();
            directory.Dispose();
        }
    }
}

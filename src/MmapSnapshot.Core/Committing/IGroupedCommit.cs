using MmapSnapshot.Source;

namespace MmapSnapshot.Committing;

/// <summary>
/// One file of a group. All files of it go through a phase together: <see cref="IStagedCommit.Select"/>, <see cref="Mark"/>,
/// <see cref="IStagedCommit.Stage"/>, <see cref="IStagedCommit.Flush"/>, <see cref="Seal"/>. Then one after the other is validated and
/// published, and when all are, completed. Between two phases it holds no descriptor.
/// </summary>
internal interface IGroupedCommit : IStagedCommit
{
    /// <summary>The new file; null before there is one.</summary>
    public StagedFile? Staged { get; }

    /// <summary>Excludes other savers of the file.</summary>
    public void Mark();

    /// <summary>Leaves the marker to the next saver, which repairs the group.</summary>
    public void LeaveMark();

    /// <summary>The new file is complete: what a later process has to know of it and of the file that it replaces.</summary>
    public (GroupFile Staged, GroupFile? Expected) Seal();

    /// <summary>Gives the target the old file again, after it was published.</summary>
    /// <returns>Null: it has it; else what another process did to the target, which stays as it is.</returns>
    /// <exception cref="SnapshotException">AccessDenied, NoSpace, ReadFailed, WriteFailed.</exception>
    public string? TryRevert();

    /// <summary>Removes the file that the target does not have: the old one, or after <see cref="TryRevert"/> the new one.</summary>
    public void RemoveLeftover();

    /// <summary>What the target is after <see cref="TryRevert"/>, for the snapshot; null: as it was expected before.</summary>
    public FileStatus? Reverted { get; }
}

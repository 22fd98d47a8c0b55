using MmapSnapshot.Native;
using MmapSnapshot.Source;

namespace MmapSnapshot.Committing;

/// <summary>Makes a new file, which has its name from the moment on that it is complete, and only if no other file has the name.</summary>
/// <param name="target">The new file.</param>
/// <param name="isOwn">Whether the snapshot continues as that of the new file.</param>
/// <param name="mode">Its permissions.</param>
/// <param name="content">The bytes.</param>
/// <param name="options">How.</param>
/// <param name="cancellation">Ends a copy, or the wait for another saver.</param>
/// <param name="group">Where the new file is until it is published, in a group; null: it is not of a group.</param>
internal sealed class CreateCommit(
    CommitTarget target,
    bool isOwn,
    NewFileMode mode,
    ContentWriter content,
    CommitOptions options,
    CancellationToken cancellation,
    GroupPlace? group = null) : IGroupedCommit
{
    /// <summary>Another file has the name.</summary>
    internal const string CreatedSince = "another process has created it since";

    private string? _overridden;

    private StagedFile? _staged;

    private Baseline? _after;

    /// <summary>The staged file before it is published, and what it has besides its bytes.</summary>
    private FileStatus _before;

    private FileMetadata? _metadata;

    private SaveMarker? _marker;

    public StagedFile? Staged => _staged;

    public FileStatus? Reverted => null;

    public CommitObstacle? Select()
    {
        _overridden = isOwn ? target.DescribeMove() : null;
        return _overridden is null || options.Force ? null : throw target.ToConflict(_overridden);
    }

    public void Mark() =>
        _marker = SaveMarker.TakeInGroup(target, Kernel.EffectiveUser(), group!.Value.Directory, options, cancellation);

    public CommitObstacle? Stage()
    {
        _staged = group is { } place
            ? StagedFile.CreateInGroup(target, place, mode.Initial)
            : StagedFile.Create(target, replaced: null, mode.Initial);
        content.Fill(_staged.Handle, target.Path);
        mode.Apply(_staged.Handle, target.Path);
        return null;
    }

    public void Flush() => _staged!.Flush();

    public void LeaveMark() => _marker?.Abandon();

    public (GroupFile Staged, GroupFile? Expected) Seal()
    {
        _before = _staged!.Seal();
        _metadata = FileMetadata.Of(_staged.Handle, _before, target.Path);
        var staged = GroupFile.Of(_staged.Handle, _before);
        _staged.Park();
        return (staged, null);
    }

    public CommitObstacle? Validate()
    {
        if (group is not null)
        {
            _staged!.CheckSealed();
            return null;
        }
        if (isOwn)
        {
            _before = FileStatus.OfStable(_staged!.Handle, target.Path);
            _metadata = FileMetadata.Of(_staged.Handle, _before, target.Path);
        }
        _marker = _staged!.TakeMarker(target, replaced: null, options, cancellation);
        return null;
    }

    public CommitObstacle? Publish()
    {
        if (!_staged!.TryLinkNew()) return new CommitObstacle(ObstacleKind.Changed, CreatedSince);
        if (group is null) return null;
        _after = _staged.BaselineAfterSeal();
        return null;
    }

    public string? TryRevert()
    {
        using var published = PublishedLook.TryTake(target, _before, out string obstacle);
        return published is null ? obstacle : _staged!.TryTakeBack(published);
    }

    public void RemoveLeftover() => _staged!.RemoveLeftover(target, old: null, options.Warnings);

    public PublishedFile Complete()
    {
        if (group is not null) return new PublishedFile(_after, _metadata, _overridden);
        _marker!.Dispose();
        Baseline? after = isOwn ? _staged!.BaselineAfter(_before) : null;
        return new PublishedFile(after, _metadata, _overridden, _staged!.SyncDirectory(options));
    }

    public void Dispose()
    {
        _marker?.Dispose();
        _staged?.Dispose();
    }
}

using MmapSnapshot.Source;

namespace MmapSnapshot.Committing;

/// <summary>Makes a new file, which has its name from the moment on that it is complete, and only if no other file has the name.</summary>
/// <param name="target">The new file.</param>
/// <param name="isOwn">Whether the snapshot continues as that of the new file.</param>
/// <param name="mode">Its permissions.</param>
/// <param name="content">The bytes.</param>
/// <param name="options">How.</param>
/// <param name="cancellation">Ends a copy, or the wait for another saver.</param>
internal sealed class CreateCommit(
    CommitTarget target,
    bool isOwn,
    NewFileMode mode,
    ContentWriter content,
    CommitOptions options,
    CancellationToken cancellation) : IStagedCommit
{
    /// <summary>Another file has the name.</summary>
    internal const string CreatedSince = "another process has created it since";

    private string? _overridden;

    private StagedFile? _staged;

    /// <summary>The staged file before it is published, and what it has besides its bytes.</summary>
    private FileStatus _before;

    private FileMetadata? _metadata;

    private SaveMarker? _marker;

    public CommitObstacle? Select()
    {
        _overridden = isOwn ? target.DescribeMove() : null;
        return _overridden is null || options.Force ? null : throw target.ToConflict(_overridden);
    }

    public CommitObstacle? Stage()
    {
        _staged = StagedFile.Create(target, replaced: null, mode.Initial);
        content.Fill(_staged.Handle, target.Path);
        mode.Apply(_staged.Handle, target.Path);
        return null;
    }

    public void Flush() => _staged!.Flush();

    public CommitObstacle? Validate()
    {
        if (isOwn)
        {
            _before = FileStatus.SettledOf(_staged!.Handle, target.Path);
            _metadata = FileMetadata.Of(_staged.Handle, _before, target.Path);
        }
        _marker = _staged!.TakeMarker(target, replaced: null, options, cancellation);
        return null;
    }

    public CommitObstacle? Publish() => _staged!.TryLinkNew() ? null : new CommitObstacle(ObstacleKind.Changed, CreatedSince);

    public PublishedFile Complete()
    {
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

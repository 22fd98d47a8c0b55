namespace MmapSnapshot.Committing;

/// <summary>
/// One method of saving one file, in phases that a coordinator runs in this order: <see cref="Select"/>, <see cref="Stage"/>,
/// <see cref="Flush"/>, <see cref="Validate"/>, <see cref="Publish"/>, <see cref="Complete"/>. Until <see cref="Publish"/> the target is
/// as it was. Disposing it releases all that it holds, whatever phases were run; what was published remains.
/// </summary>
/// <remarks>
/// A phase that cannot do its part returns the obstacle, and the commit is then disposed; an error is an exception. Only between
/// <see cref="Validate"/> and the end of <see cref="Publish"/> does a method hold a lease, for which other processes wait.
/// </remarks>
internal interface IStagedCommit : IDisposable
{
    /// <summary>Examines the target: whether it may be saved, and by this method.</summary>
    public CommitObstacle? Select();

    /// <summary>Prepares what will be published: no other process finds it, or can mistake it for the target.</summary>
    public CommitObstacle? Stage();

    /// <summary>Flushes what is staged to the disk. It is left out with <see cref="CommitOptions.NoFlush"/>.</summary>
    public void Flush();

    /// <summary>Excludes other savers and compares the target once more with what is expected.</summary>
    public CommitObstacle? Validate();

    /// <summary>
    /// Gives the target the new bytes. An obstacle, or an exception, leaves it as it was; null: it was changed, and
    /// <see cref="Complete"/> reports to what.
    /// </summary>
    public CommitObstacle? Publish();

    /// <summary>Removes what is no longer required, makes the change durable, and reports what the target is.</summary>
    public PublishedFile Complete();
}

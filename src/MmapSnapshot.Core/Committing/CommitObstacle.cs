namespace MmapSnapshot.Committing;

/// <summary>What another attempt can do about an obstacle.</summary>
internal enum ObstacleKind
{
    /// <summary>The method cannot save this file; another one may.</summary>
    Unavailable,

    /// <summary>As <see cref="Unavailable"/>: another process holds a lease on the file, and was asked to release it.</summary>
    Leased,

    /// <summary>
    /// Another process changed the target during the commit: a conflict, or with <see cref="CommitOptions.Force"/> a reason to start
    /// again.
    /// </summary>
    Changed,
}

/// <summary>Why a commit ended before it published anything. The target is as it was.</summary>
/// <param name="Kind">What can be done.</param>
/// <param name="Reason">A clause: it completes "because", or "'path' was not saved:".</param>
internal readonly record struct CommitObstacle(ObstacleKind Kind, string Reason);

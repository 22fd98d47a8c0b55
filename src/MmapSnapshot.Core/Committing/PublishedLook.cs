using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// A new file under its target's name, before that is taken from it again: held open, with a read lease where one can be taken, so that
/// what another process has written to it in the meantime is not lost.
/// </summary>
internal sealed class PublishedLook : IDisposable
{
    private readonly SafeFileHandle? _readable;

    private PublishedLook(TargetFile found, SafeFileHandle? readable, ReadLease? lease)
    {
        Found = found;
        _readable = readable;
        Lease = lease;
        Status = found.CurrentStatus();
    }

    internal TargetFile Found { get; }

    internal ReadLease? Lease { get; }

    internal FileStatus Status { get; }

    /// <summary>Whether no process has written to it, or is about to, since it was held.</summary>
    internal bool IsUntouched
    {
        get
        {
            var now = Found.CurrentStatus();
            return now.Length == Status.Length && now.Modified.Equals(Status.Modified) && (Lease is null || Lease.IsUnbroken);
        }
    }

    /// <summary>Holds the file.</summary>
    /// <param name="target">The name.</param>
    /// <param name="published">The new file before it was published.</param>
    /// <param name="obstacle">What another process did to it since, as a clause; empty: nothing.</param>
    /// <returns>The file; null if there is an obstacle.</returns>
    /// <exception cref="SnapshotException">ReadFailed.</exception>
    internal static PublishedLook? TryTake(CommitTarget target, in FileStatus published, out string obstacle)
    {
        obstacle = "it was replaced by another file, or deleted, since";
        var found = target.Look();
        if (found is null || !found.Status.IsSameFileAs(published))
        {
            found?.Dispose();
            return null;
        }
        PublishedLook? look = null;
        try
        {
            var errno = found.TryOpen(OpenMode.ReadOnly, out var readable);
            var lease = errno == 0 && FileSystem.Of(readable).IsLocal ? ReadLease.TryTake(readable, out errno) : null;
            look = new PublishedLook(found, readable, lease);
            obstacle = errno == Errno.EAGAIN ? "another process has it open for writing"
                : look.Status.Length != published.Length || !look.Status.Modified.Equals(published.Modified) ? "it was written to since"
                : "";
            return obstacle.Length == 0 ? look : null;
        }
        finally
        {
            if (obstacle.Length > 0)
            {
                look?.Dispose();
                found.Dispose();
            }
        }
    }

    public void Dispose()
    {
        Lease?.Dispose();
        _readable?.Dispose();
        Found.Dispose();
    }
}

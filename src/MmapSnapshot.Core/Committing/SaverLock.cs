using System.Diagnostics;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Keeps savers apart from the last check to the rename: a lock (man 2 flock) on the folder. A read lease keeps writers out,
/// but two savers could hold one each, find the file unchanged, and both rename.
/// </summary>
internal readonly ref struct SaverLock
{
    /// <summary>Other savers hold it for microseconds, or as long as an in-place commit takes.</summary>
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(10);

    private readonly ParentFolder? _held;

    private SaverLock(ParentFolder held) => _held = held;

    /// <summary>Waits for the lock. Where there are no locks (some network filesystems) it goes without.</summary>
    /// <exception cref="SnapshotException">SnapshotConflict: somebody holds it and does not let go.</exception>
    internal static SaverLock Take(CommitTarget target, CancellationToken cancellation)
    {
        long started = Stopwatch.GetTimestamp();
        while (true)
        {
            var errno = Kernel.Lock(target.Folder.Handle);
            if (errno == 0) return new SaverLock(target.Folder);
            if (errno != Errno.EAGAIN) return default;
            if (Stopwatch.GetElapsedTime(started) > _patience) throw target.Refused("another program has held a lock on its folder for 10 seconds");
            cancellation.WaitHandle.WaitOne(1);
            cancellation.ThrowIfCancellationRequested();
        }
    }

    public void Dispose()
    {
        if (_held is not null) Kernel.Unlock(_held.Handle);
    }
}

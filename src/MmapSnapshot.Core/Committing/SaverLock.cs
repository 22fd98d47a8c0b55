using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
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

    private readonly SafeFileHandle? _held;

    /// <summary>The descriptor that was opened only to be locked, or null.</summary>
    private readonly SafeFileHandle? _own;

    private SaverLock(SafeFileHandle held, SafeFileHandle? own)
    {
        _held = held;
        _own = own;
    }

    /// <summary>Waits for the lock. Where there are no locks (some network filesystems) it goes without.</summary>
    /// <exception cref="SnapshotException">SnapshotConflict: somebody holds it and does not let go.</exception>
    internal static SaverLock Take(CommitTarget target, CancellationToken cancellation)
    {
        var folder = target.Folder.Handle;
        var errno = Kernel.Lock(folder);
        if (errno == 0) return new SaverLock(folder, own: null);
        // A folder that may not be listed has no descriptor that takes a lock: the file itself will do.
        SafeFileHandle? own = null;
        if (errno == Errno.EBADF) _ = target.Open(OpenMode.ReadOnly, out own);
        try
        {
            long started = Stopwatch.GetTimestamp();
            while (true)
            {
                errno = Kernel.Lock(own is { IsInvalid: false } ? own : folder);
                if (errno == 0) return new SaverLock(own is { IsInvalid: false } ? own : folder, own);
                if (errno != Errno.EAGAIN) break;
                if (Stopwatch.GetElapsedTime(started) > _patience) throw target.Refused("another program has held a lock on its folder for 10 seconds");
                cancellation.WaitHandle.WaitOne(1);
                cancellation.ThrowIfCancellationRequested();
            }
        }
        catch
        {
            own?.Dispose();
            throw;
        }
        own?.Dispose();
        return default;
    }

    public void Dispose()
    {
        if (_held is not null) Kernel.Unlock(_held);
        _own?.Dispose();
    }
}

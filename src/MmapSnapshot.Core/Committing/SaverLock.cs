using System.Diagnostics;
using MmapSnapshot.Native;
using Microsoft.Win32.SafeHandles;
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

    private readonly bool _ownsHeld;

    private SaverLock(SafeFileHandle held, bool owns)
    {
        _held = held;
        _ownsHeld = owns;
    }

    /// <summary>Waits for the lock. Where there are no locks (some network filesystems) it goes without.</summary>
    /// <exception cref="SnapshotException">SnapshotConflict: somebody holds it and does not let go.</exception>
    internal static SaverLock Take(CommitTarget target, CancellationToken cancellation)
    {
        long started = Stopwatch.GetTimestamp();
        var held = target.Folder.Handle;
        // A folder that may not be listed has no descriptor that takes a lock: the file it is about will do.
        if (Kernel.Lock(held) is Errno.EBADF && Kernel.OpenAt(held, target.Name, OpenMode.ReadOnly | OpenMode.NoFollow | OpenMode.NonBlocking, out var file) == 0) held = file;
        while (true)
        {
            var errno = Kernel.Lock(held);
            if (errno == 0) return new SaverLock(held, owns: held != target.Folder.Handle);
            if (errno != Errno.EAGAIN) return default;
            if (Stopwatch.GetElapsedTime(started) > _patience) throw target.Refused("another program has held a lock on its folder for 10 seconds");
            cancellation.WaitHandle.WaitOne(1);
            cancellation.ThrowIfCancellationRequested();
        }
    }

    public void Dispose()
    {
        if (_held is null) return;
        Kernel.Unlock(_held);
        if (_ownsHeld) _held.Dispose();
    }
}

using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace MmapSnapshot.Benchmarks;

/// <summary>A lease that makes everyone wait who opens the file (man 2 fcntl, F_SETLEASE, F_WRLCK), until it is disposed.</summary>
public sealed partial class WriteLease : IDisposable
{
    private const int F_SETSIG = 10, F_SETLEASE = 1024, F_WRLCK = 1, SIGURG = 23;

    private readonly SafeFileHandle _file;

    /// <summary>Takes the lease.</summary>
    public WriteLease(string path)
    {
        _file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        // Not SIGIO, which would end the process.
        if (fcntl(_file, F_SETSIG, SIGURG) < 0 || fcntl(_file, F_SETLEASE, F_WRLCK) < 0)
            throw new IOException($"There is no lease on '{path}': errno {Marshal.GetLastPInvokeError()}.");
    }

    /// <summary>Releases the lease.</summary>
    public void Dispose() => _file.Dispose();

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle file, int command, int argument);
}

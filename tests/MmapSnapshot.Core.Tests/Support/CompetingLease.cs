using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests.Support;

/// <summary>
/// A lease (man 2 fcntl, F_SETLEASE) as file servers take them: when another process opens the file, its holder gets a signal, and
/// releases it a little later. Until then the other process waits, unless it asked not to (O_NONBLOCK).
/// </summary>
internal sealed class CompetingLease : IDisposable
{
    private const int Read = 0, Write = 1, None = 2, IgnoredSignal = 23;

    private readonly SafeFileHandle _file;

    private readonly Thread _holder;

    private volatile bool _disposed;

    private CompetingLease(string path, int type, FileAccess access, bool givesWay = true)
    {
        _file = File.OpenHandle(path, FileMode.Open, access, FileShare.ReadWrite);
        int descriptor = (int)_file.DangerousGetHandle();
        Assert.Equal(0, Syscall.fcntl(descriptor, FcntlCommand.F_SETSIG, IgnoredSignal));
        Assert.True(Syscall.fcntl(descriptor, FcntlCommand.F_SETLEASE, type) == 0, $"no lease: {Stdlib.GetLastError()}");
        _holder = new Thread(() =>
        {
            while (!_disposed && (!givesWay || Syscall.fcntl(descriptor, FcntlCommand.F_GETLEASE) == type)) Thread.Sleep(1);
            Thread.Sleep(50);
            _ = Syscall.fcntl(descriptor, FcntlCommand.F_SETLEASE, None);
        });
        _holder.Start();
    }

    /// <summary>Keeps others from writing.</summary>
    public static CompetingLease ToRead(string path) => new(path, Read, FileAccess.Read);

    /// <summary>Keeps others from reading too.</summary>
    public static CompetingLease ToWrite(string path) => new(path, Write, FileAccess.ReadWrite);

    /// <summary>The same, and does not give way: others wait for lease-break-time, 45 s.</summary>
    public static CompetingLease ToWriteUntilDisposed(string path) => new(path, Write, FileAccess.ReadWrite, givesWay: false);

    public void Dispose()
    {
        _disposed = true;
        _holder.Join();
        _file.Dispose();
    }
}

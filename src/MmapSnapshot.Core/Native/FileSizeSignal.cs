using System.Runtime.InteropServices;

namespace MmapSnapshot.Native;

/// <summary>
/// SIGXFSZ, which the kernel sends when a write exceeds RLIMIT_FSIZE (man 2 setrlimit): its default action ends the process, and with it
/// every snapshot. With a handler the write fails with EFBIG instead.
/// </summary>
internal static class FileSizeSignal
{
    /// <summary>The same number on x64 and arm64; the enumeration has no name for it, and takes numbers.</summary>
    private const PosixSignal SIGXFSZ = (PosixSignal)25;

    private static PosixSignalRegistration? _registration;

    /// <summary>
    /// Installs the handler, once. It stays for as long as the process lives. Programs that the process starts have the default action
    /// again, as execve(2) resets handlers; an ignored signal would stay ignored in them.
    /// </summary>
    internal static void Handle()
    {
        if (Volatile.Read(ref _registration) is not null) return;
        var registration = PosixSignalRegistration.Create(SIGXFSZ, context => context.Cancel = true);
        if (Interlocked.CompareExchange(ref _registration, registration, null) is not null) registration.Dispose();
    }
}

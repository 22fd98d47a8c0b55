using System.Runtime.InteropServices;

namespace MmapSnapshot.Native;

/// <summary>Flags of man 2 open. (Those of Mono.Posix lack O_PATH and O_TMPFILE on the platforms it was built for.)</summary>
internal static class OpenMode
{
    internal const int ReadOnly = 0, ReadWrite = 2, Create = 0x40, Exclusive = 0x80, NoControllingTerminal = 0x100, NonBlocking = 0x800;

    /// <summary>O_CLOEXEC: children do not inherit it.</summary>
    internal const int CloseOnExec = 0x80000;

    /// <summary>O_PATH: a place in the tree, not opened for any use, so that nothing happens to a FIFO or device.</summary>
    internal const int PathOnly = 0x200000;

    // Of all these only two differ between the architectures.
    private static readonly bool _arm64 = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    internal static readonly int Directory = _arm64 ? 0x4000 : 0x10000;

    internal static readonly int NoFollow = _arm64 ? 0x8000 : 0x20000;

    /// <summary>O_TMPFILE is a bit of its own together with O_DIRECTORY.</summary>
    internal static readonly int TmpFile = 0x400000 | Directory;
}

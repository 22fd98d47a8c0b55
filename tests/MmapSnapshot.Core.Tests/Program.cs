using MmapSnapshot.Tests.Support;

namespace MmapSnapshot.Tests;

internal static class Program
{
    public static int Main(string[] arguments) =>
        arguments is [SnapshotHolder.Role] ? SnapshotHolder.Serve() : Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(arguments).GetAwaiter().GetResult();
}

using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace MmapSnapshot.Tests.Support;

/// <summary>
/// Runs code whose view of the mounts is its own (man 7 mount_namespaces): it can make even /tmp read-only, and nobody else
/// notices. The kernel keeps this by thread; what the code starts inherits it.
/// </summary>
internal static partial class PrivateMounts
{
    private const int NewMountNamespace = 0x20000;

    public static void Run(Action action)
    {
        Tools.RequireRoot();
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Assert.True(Unshare(NewMountNamespace) == 0, $"unshare: errno {Marshal.GetLastPInvokeError()}");
                Shell.Run("mount --make-rprivate /");
                action();
            }
            catch (Exception exception)
            {
                failure = ExceptionDispatchInfo.Capture(exception);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
    }

    [LibraryImport("libc", EntryPoint = "unshare", SetLastError = true)]
    private static partial int Unshare(int flags);
}

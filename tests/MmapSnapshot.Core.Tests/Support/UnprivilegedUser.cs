using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace MmapSnapshot.Tests.Support;

/// <summary>
/// Runs code as a user without privileges, in this process: the kernel keeps credentials by thread, and only the C library's
/// wrappers change those of all threads, so the bare system calls change this one thread's.
/// </summary>
internal static partial class UnprivilegedUser
{
    public const int Id = 65534;

    private static readonly Lazy<string> _program = new(CopyProgram);

    /// <summary>
    /// A copy of this program that every user can run, as the build output may be in a home directory; removed when this process exits.
    /// </summary>
    public static string Program => _program.Value;

    public static void Run(Action action)
    {
        Tools.RequireRoot();
        StartLeaseThread();
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                DropPrivileges();
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

    /// <summary>
    /// The engine has one thread for all leases, with the rights of the thread that took the first: root's, whichever test runs first.
    /// </summary>
    private static void StartLeaseThread()
    {
        string path = "/tmp/mmapsnapshot-" + Guid.NewGuid().ToString("N"); // some tests change TMPDIR
        File.WriteAllText(path, "leased");
        Snapshot.Open(path).Dispose();
        File.Delete(path);
    }

    private static string CopyProgram()
    {
        string copy = Directory.CreateTempSubdirectory("mmapsnapshot-tests-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(copy, recursive: true);
        Shell.Run("cp -r \"$1/.\" \"$2\"; chmod -R a+rX \"$2\"", AppContext.BaseDirectory, copy);
        return Path.Join(copy, Path.GetFileName(Environment.ProcessPath));
    }

    private static void DropPrivileges()
    {
        // Numbers of man 2 syscalls: setgroups, setresgid, setresuid.
        bool x64 = RuntimeInformation.OSArchitecture == Architecture.X64;
        Call(x64 ? 116 : 159, 0, 0, 0);
        Call(x64 ? 119 : 149, Id, Id, Id);
        Call(x64 ? 117 : 147, Id, Id, Id);
    }

    private static void Call(long number, nint first, nint second, nint third) =>
        Assert.True(SystemCall(number, first, second, third) == 0, $"system call {number}: errno {Marshal.GetLastPInvokeError()}");

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(long number, nint first, nint second, nint third);
}

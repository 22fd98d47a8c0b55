using System.Runtime.CompilerServices;
using MmapSnapshot.Native;

namespace MmapSnapshot.Backing;

/// <summary>
/// The one thread of the process that hears of writers to leased files, and gives way to them. It begins with the first lease,
/// and sleeps in the kernel until there is something to hear.
/// </summary>
/// <remarks>
/// The kernel tells by a signal. Ours is SIGURG: ignored by default, it can kill nobody, wherever it goes. It goes to this thread
/// alone (F_OWNER_TID), which blocks it and takes it by sigwaitinfo: no handler runs, and no other thread sees it. Signals of
/// one kind coalesce, so each means no more than "look at all leases"; one that comes while we look stays pending, and has us
/// look again. Children get neither the mask, as this thread forks none, nor the descriptors, which are close-on-exec.
/// </remarks>
internal static class LeaseBreakListener
{
    /// <summary>Weak: a snapshot that was forgotten is to be collected; its descriptor, and so its lease, goes with it.</summary>
    private static readonly ConditionalWeakTable<LeasedContent, object> _watched = [];

    private static readonly object _placeholder = new();

    private static readonly Lazy<(int Thread, uint User)> _listener = new(Start);

    /// <summary>The thread that the signals go to (man 2 gettid).</summary>
    internal static int Thread => _listener.Value.Thread;

    /// <summary>
    /// Whether the kernel would deliver the signal for a lease that this thread takes: to a thread of the same user, or from
    /// root. The kernel keeps users by thread, and a host may have given one to some.
    /// </summary>
    internal static bool CanReceiveSignal() => Kernel.EffectiveUser() is var user && (user == 0 || user == _listener.Value.User);

    internal static void Watch(LeasedContent content) => _watched.Add(content, _placeholder);

    internal static void Unwatch(LeasedContent content) => _watched.Remove(content);

    private static (int Thread, uint User) Start()
    {
        using var started = new ManualResetEventSlim();
        (int Thread, uint User) listener = default;
        var thread = new Thread(() =>
        {
            Kernel.BlockSigUrg();
            listener = (Kernel.CurrentThread(), Kernel.RealUser());
            started.Set();
            Run();
        })
        {
            IsBackground = true,
            Name = "MmapSnapshot lease listener",
        };
        thread.UnsafeStart();
        started.Wait();
        return listener;
    }

    private static void Run()
    {
        while (true)
        {
            Kernel.WaitForSigUrg();
            ProcessAll();
        }
    }

    /// <summary>A method of its own, so that no variable of the sleeping thread keeps a forgotten snapshot alive.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void ProcessAll()
    {
        foreach (var (content, _) in _watched) content.OnLeaseBreak();
    }
}

using System.Runtime.CompilerServices;

namespace MmapSnapshot;

/// <summary>
/// The progress of a long operation. A listener may read the snapshot, but not change it during a change, nor commit it during a commit
/// (<see cref="LockRecursionException"/>). An exception that a listener throws is ignored: the operation
/// continues. To stop an operation, cancel its token.
/// </summary>
/// <param name="Activity">What is being done, for people: "Copying '/x/y'".</param>
/// <param name="BytesDone">Bytes of this activity done so far, holes included: from 0 to <paramref name="BytesTotal"/>, and never fewer than before.</param>
/// <param name="BytesTotal">Bytes to do in this activity. An operation can have several, one after the other.</param>
public readonly record struct SnapshotProgress(string Activity, long BytesDone, long BytesTotal);

/// <summary>Carries the user's cancellation and progress through a long operation, and counts the work done.</summary>
internal readonly record struct Progress(string Activity, long Total, IProgress<SnapshotProgress>? Listener, CancellationToken Cancellation)
{
    private readonly StrongBox<long>? _done = Listener is null ? null : new StrongBox<long>();

    /// <summary>The sum of lengths, or the highest number there is.</summary>
    internal static long Sum(IEnumerable<long> lengths) => lengths.Aggregate(0L, (sum, length) => length > long.MaxValue - sum ? long.MaxValue : sum + length);

    /// <summary>The progress of one part of the operation, counted from 0.</summary>
    internal Progress Of(string activity, long total) => new(activity, total, Listener, Cancellation);

    /// <summary>Counts work that was done: bytes of any file, holes included.</summary>
    internal void Add(long bytes)
    {
        if (_done is not null) _done.Value += Math.Min(bytes, long.MaxValue - _done.Value);
    }

    /// <summary>Throws when cancelled, else reports to the listener. Called before each part of the work.</summary>
    internal void Report()
    {
        Cancellation.ThrowIfCancellationRequested();
        if (_done is null) return;
        try
        {
            Listener!.Report(new SnapshotProgress(Activity, Math.Min(_done.Value, Total), Total));
        }
#pragma warning disable CA1031 // Whatever a listener throws, a change or a save must not end half-way because of it.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }
}

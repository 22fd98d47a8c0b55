namespace MmapSnapshot;

/// <summary>
/// How far a long operation has come. The snapshot may be locked while a listener is told: it may look at the snapshot's
/// properties, but must neither read nor write its bytes (<see cref="LockRecursionException"/>).
/// </summary>
/// <param name="Activity">What is being done, for people: "Copying '/x/y'".</param>
/// <param name="BytesDone">Bytes passed so far, holes included.</param>
/// <param name="BytesTotal">Bytes to pass in all.</param>
public readonly record struct SnapshotProgress(string Activity, long BytesDone, long BytesTotal);

/// <summary>Carries the user's cancellation and progress through a long operation.</summary>
internal readonly record struct Progress(string Activity, long Total, IProgress<SnapshotProgress>? Listener, CancellationToken Cancellation)
{
    /// <summary>Throws when cancelled, else tells the listener.</summary>
    internal void Advance(long done)
    {
        Cancellation.ThrowIfCancellationRequested();
        Listener?.Report(new SnapshotProgress(Activity, done, Total));
    }
}

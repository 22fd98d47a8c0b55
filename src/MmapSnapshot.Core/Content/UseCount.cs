namespace MmapSnapshot.Content;

/// <summary>
/// Counts the uses of something, so that it is released after the last one and not during one. Beginning a use never waits.
/// </summary>
/// <param name="release">Releases it: called once, by the thread that ends the last use after it was closed.</param>
internal sealed class UseCount(Action release)
{
    /// <summary>The highest bit: closed. The others count.</summary>
    private const int Closed = int.MinValue;

    private int _state;

    private int _isReleased;

    internal bool IsClosed => Volatile.Read(ref _state) < 0;

    /// <summary>Begins a use.</summary>
    /// <param name="path">The path that the error names.</param>
    /// <exception cref="SnapshotException">SnapshotClosed.</exception>
    internal Use Enter(string path)
    {
        if (Interlocked.Increment(ref _state) > 0) return new Use(this);
        Exit();
        throw new SnapshotException(
            SnapshotError.SnapshotClosed, $"The snapshot of '{path}' has been closed.", path, remedies: [SnapshotRemedy.Reopen]);
    }

    /// <summary>No use can begin any more.</summary>
    /// <returns>Whether it was open until now.</returns>
    internal bool Close()
    {
        int before = Interlocked.Or(ref _state, Closed);
        if (before == 0) Release();
        return before >= 0;
    }

    private void Exit()
    {
        if (Interlocked.Decrement(ref _state) == Closed) Release();
    }

    private void Release()
    {
        if (Interlocked.Exchange(ref _isReleased, 1) == 0) release();
    }

    /// <summary>A use, which ends when it is disposed.</summary>
    internal readonly struct Use(UseCount? count) : IDisposable
    {
        public void Dispose() => count?.Exit();
    }
}

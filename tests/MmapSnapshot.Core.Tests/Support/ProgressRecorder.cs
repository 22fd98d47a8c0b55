namespace MmapSnapshot.Tests.Support;

/// <summary>Progress on the thread that makes it: Progress{T} would tell of it later, on another.</summary>
internal sealed class ProgressRecorder(Action<SnapshotProgress> told) : IProgress<SnapshotProgress>
{
    public void Report(SnapshotProgress value) => told(value);
}

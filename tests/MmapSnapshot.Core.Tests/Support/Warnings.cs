namespace MmapSnapshot.Tests.Support;

/// <summary>Collects warnings of the engine.</summary>
internal sealed class Warnings(List<SnapshotWarning> heard) : IProgress<SnapshotWarning>
{
    public void Report(SnapshotWarning value) => heard.Add(value);
}

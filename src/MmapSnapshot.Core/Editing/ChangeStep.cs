namespace MmapSnapshot.Editing;

/// <summary>One change, and what it takes to take it back.</summary>
/// <param name="Ranges">The bytes it concerns: disjoint, in order.</param>
/// <param name="LengthBefore">The snapshot's length before it.</param>
/// <param name="ModifiedBefore">Which of these bytes differed from the baseline already.</param>
/// <param name="Overwritten">What stood in those; all others had their baseline's bytes. Null when there were none.</param>
internal sealed record ChangeStep(ByteRange[] Ranges, long LengthBefore, ByteRange[] ModifiedBefore, KeptBytes? Overwritten) : IDisposable
{
    public void Dispose() => Overwritten?.Dispose();
}

namespace MmapSnapshot;

/// <summary>What the user should know although an operation continues.</summary>
public sealed class SnapshotWarning
{
    internal SnapshotWarning(string message, params SnapshotRemedy[] remedies) => (Message, Remedies) = (message, remedies);

    /// <summary>What happened, as one or two sentences.</summary>
    public string Message { get; }

    /// <summary>What can be done about it, the best first; often nothing.</summary>
    public IReadOnlyList<SnapshotRemedy> Remedies { get; }

    /// <summary>The message.</summary>
    /// <returns><see cref="Message"/>.</returns>
    public override string ToString() => Message;
}

namespace MmapSnapshot;

/// <summary>What a change does with bytes.</summary>
public enum SnapshotEditKind
{
    /// <summary>Writes over bytes: nothing moves.</summary>
    Write,

    /// <summary>Puts bytes between others: what follows moves towards the end.</summary>
    Insert,

    /// <summary>Removes bytes: what follows moves towards the start.</summary>
    Remove,
}

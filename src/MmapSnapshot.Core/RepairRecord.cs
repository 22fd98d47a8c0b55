namespace MmapSnapshot;

/// <summary>What a repair does with the journal of an interrupted save in place, and with the file that was saved.</summary>
public enum RepairAction
{
    /// <summary>Nothing: the reason says why, and what can be done.</summary>
    None,

    /// <summary>The save is completed: the file gets all new bytes.</summary>
    RollForward,

    /// <summary>The save is dropped: the file has its old bytes.</summary>
    RollBack,

    /// <summary>The journal is removed, and the file stays as it is.</summary>
    Remove,
}

/// <summary>What a repair did, or would do.</summary>
/// <param name="Path">The file that was saved; null where the journal does not tell.</param>
/// <param name="Action">What was done to it.</param>
/// <param name="Reason">Why, as text: what comes after "because".</param>
/// <param name="Journal">The path of the journal.</param>
public sealed record RepairRecord(string? Path, RepairAction Action, string Reason, string Journal);

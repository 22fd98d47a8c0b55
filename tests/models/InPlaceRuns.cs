namespace MmapSnapshot.Models;

/// <summary>What is searched in the InPlace model: the protocol as it is, and each mutation with the property that it violates.</summary>
internal static class InPlaceRuns
{
    private const int MaxStates = 5_000_000;

    internal static IEnumerable<ModelRun> All =>
    [
        .. from kind in Enum.GetValues<InPlaceKind>()
           from options in (InPlaceOptions[])
           [
               new() { Kills = 2, Crashes = 1 },
               new() { Kills = 1, Crashes = 1, FailedFlushes = 2 },
               new() { Kills = 1, Crashes = 1, FailedFlushes = 1, ForeignWrites = 1 },
               new() { Kills = 1, HasRestorer = true },
               new() { Kills = 1, Crashes = 1, IsUnflushed = true },
           ]
           select Run(InPlaceMutation.None, InPlaceProperty.None, options with { Kind = kind }),
        Run(InPlaceMutation.None, InPlaceProperty.None, new() { HasMover = true }),

        // The save.
        Run(InPlaceMutation.JournalIsNotFlushed, InPlaceProperty.OldOrNew, new() { Crashes = 1 }),
        Run(InPlaceMutation.DirectoryIsNotFlushed, InPlaceProperty.OldOrNew, new() { Crashes = 1 }),
        Run(InPlaceMutation.FileIsNotFlushed, InPlaceProperty.SuccessStays, new() { Crashes = 1 }),
        Run(
            InPlaceMutation.ErrorAfterTruncationIsRolledBack,
            InPlaceProperty.OldOrNew,
            new() { Kind = InPlaceKind.Shrinks, FailedFlushes = 1 }),
        Run(InPlaceMutation.TruncationIsFirst, InPlaceProperty.OldOrNew, new() { Kind = InPlaceKind.Shrinks, FailedFlushes = 1 }),
        Run(InPlaceMutation.WrittenBackIsNotFlushed, InPlaceProperty.OldOrNew, new() { FailedFlushes = 1, Crashes = 1 }),
        Run(InPlaceMutation.DoneIsNotWritten, InPlaceProperty.ForeignChangeStays, new() { HasMover = true }),

        // Without this flush an error of the ranges is found after the truncation: then the journal stays, and a repair completes the save.
        Run(
            InPlaceMutation.RangesAreNotFlushedBeforeTruncation,
            InPlaceProperty.None,
            new() { Kind = InPlaceKind.Shrinks, Kills = 1, Crashes = 1, FailedFlushes = 1 }),

        // The repair.
        Run(InPlaceMutation.RepairDoesNotFlushDirectory, InPlaceProperty.OldOrNew, new() { Kills = 1, Crashes = 1, IsUnflushed = true }),
        Run(InPlaceMutation.RepairLeavesEqualBytes, InPlaceProperty.OldOrNew, new() { FailedFlushes = 2, Crashes = 1 }),
        Run(InPlaceMutation.RepairRollsForwardAlways, InPlaceProperty.ForeignChangeStays, new() { Kills = 1, HasRestorer = true }),
        Run(InPlaceMutation.RepairTakesZerosForForeign, InPlaceProperty.RefusesOnlyForeign, new() { Kind = InPlaceKind.Grows, Kills = 1 }),
        Run(
            InPlaceMutation.RepairDoesNotCompareTail,
            InPlaceProperty.ForeignChangeStays,
            new() { Kind = InPlaceKind.Shrinks, Kills = 1, ForeignWrites = 1 }),
        Run(InPlaceMutation.RepairTakesNoLease, InPlaceProperty.ForeignChangeStays, new() { Kills = 1, ForeignWrites = 1 }),
        Run(
            InPlaceMutation.RepairWritesBesideForeign,
            InPlaceProperty.ForeignChangeStays,
            new() { Kind = InPlaceKind.Shrinks, Kills = 1, ForeignWrites = 1 }),
        Run(InPlaceMutation.RepairDoesNotFlush, InPlaceProperty.OldOrNew, new() { Kills = 1, Crashes = 1 }),
    ];

    private static ModelRun Run(InPlaceMutation mutation, InPlaceProperty violated, InPlaceOptions options)
    {
        var complete = options with { Mutation = mutation, Only = violated };
        return new(
            "InPlace",
            mutation == InPlaceMutation.None ? "" : mutation.ToString(),
            options.ToString(),
            violated == InPlaceProperty.None ? null : violated.ToString(),
            () => new Explorer<InPlaceState>(new InPlaceModel(complete), MaxStates).Search());
    }
}

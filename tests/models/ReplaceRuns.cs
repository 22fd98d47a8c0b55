namespace MmapSnapshot.Models;

/// <summary>What is searched in the Replace model: the protocol as it is, and each mutation with the property that it violates.</summary>
internal static class ReplaceRuns
{
    /// <summary>Well above the largest search. So many need about 1 GiB.</summary>
    private const int MaxStates = 10_000_000;

    internal static IEnumerable<ModelRun> All =>
    [
        // The protocol as it is.
        Run(new() { Savers = 3, ForeignRenames = 2, HasUnlinker = true, Kills = 2 }),
        Run(new() { Savers = 3, ForeignRenames = 1, HasUnlinker = true, Kills = 1, MachineCrashes = 1 }),
        Run(new() { Savers = 2, ForeignRenames = 2, HasUnlinker = true, HasMover = true, HasWriter = true, Kills = 1 }),
        Run(new() { Savers = 2, ForeignRenames = 1, HasMover = true, HasWriter = true, Kills = 1, MachineCrashes = 1 }),
        Run(new() { Savers = 2, ForeignRenames = 2, HasUnlinker = true, ReusesInodeNumbers = true, HasGeneration = false, Kills = 1 }),
        Run(new() { Savers = 3, HasUnlinker = true, HasExchange = false, Kills = 1, MachineCrashes = 1 }),

        // The marker.
        Run(Mutation.NoMarker, Property.SavedContentStays, new()),
        Run(Mutation.NoMarker, Property.OneWinner, new() { HasExchange = false }),
        Run(Mutation.ContinuesBesideLiveSaver, Property.SavedContentStays, new()),
        Run(Mutation.TemporaryNameIsInContentAlone, Property.NothingIsLeft, new() { MachineCrashes = 1 }),
        Run(Mutation.MarkerIsLockedAfterLink, Property.LiveSaversAreUntouched, new()),
        Run(Mutation.MarkerIsUnlockedBeforeUnlink, Property.LiveSaversAreUntouched, new()),
        Run(Mutation.CleanerTakesNoLock, Property.LiveSaversAreUntouched, new() { Savers = 3, Kills = 1 }),
        Run(Mutation.CleanerComparesNoName, Property.LiveSaversAreUntouched, new() { Savers = 3, Kills = 1 }),
        Run(Mutation.CleanerUnlinksAnything, Property.NoFileIsLost, new() { ForeignRenames = 1, Kills = 1 }),
        Run(Mutation.CleanerUnlinksExpectedAlways, Property.NoFileIsLost, new() { ForeignRenames = 1, HasMover = true, Kills = 1 }),

        // The exchange.
        Run(Mutation.NoLookBeforeExchange, Property.SavedContentStays, new()),
        Run(Mutation.NoLookAfterExchange, Property.DeletesOnlyItsOwn, new() { ForeignRenames = 1 }),
        Run(Mutation.PutsBackOnce, Property.LastFileStays, new() { ForeignRenames = 2 }),
        Run(Mutation.ConflictUnlinksAnything, Property.ConflictRemovesNothing, new() { ForeignRenames = 2 }),
        Run(Mutation.ConflictUnlinksExpected, Property.NoFileIsLost, new() { ForeignRenames = 1, HasUnlinker = true, HasMover = true }),
        Run(Mutation.TargetIsUnlinkedFirst, Property.NameIsNeverMissing, new() { HasExchange = false }),

        // The flush of the directory. That it comes before the marker's removal makes no difference here: see README.md.
        Run(Mutation.NoDirectoryFlush, Property.SavedContentStays, new() { MachineCrashes = 1 }),
        Run(Mutation.DirectoryIsFlushedAfterMarker, Property.None, new() { ForeignRenames = 1, Kills = 1, MachineCrashes = 1 }),

        // Identity and leases.
        Run(Mutation.IdentityIsInodeNumber, Property.NoFileIsLost, new() { ForeignRenames = 1, ReusesInodeNumbers = true }),
        Run(
            Mutation.LookIsClosed,
            Property.NoFileIsLost,
            new() { ForeignRenames = 1, HasUnlinker = true, ReusesInodeNumbers = true, HasGeneration = false }),
        Run(Mutation.StagedFileIsNotLeased, Property.NoFileIsLost, new() { ForeignRenames = 1, HasWriter = true }),
        Run(Mutation.TargetIsNotLeased, Property.NoFileIsLost, new() { HasWriter = true }),
        Run(Mutation.TargetIsLeasedAfterCompare, Property.NoFileIsLost, new() { HasWriter = true }),

        // Not a mutation but a limit: without exchange, a file that is renamed over the name after the look is lost.
        Run(Mutation.None, Property.NoFileIsLost, new() { ForeignRenames = 1, HasExchange = false }),
    ];

    private static ModelRun Run(ReplaceOptions options) => Run(Mutation.None, Property.None, options);

    private static ModelRun Run(Mutation mutation, Property violated, ReplaceOptions options)
    {
        var complete = options with { Mutation = mutation, Only = violated };
        return new(
            "Replace",
            mutation == Mutation.None ? "" : mutation.ToString(),
            options.ToString(),
            violated == Property.None ? null : violated.ToString(),
            () => new Explorer<ReplaceState>(new ReplaceModel(complete), MaxStates).Search());
    }
}

namespace MmapSnapshot.Models;

/// <summary>What is searched in the Group model: the protocol as it is, and each mutation with the property that it violates.</summary>
internal static class GroupRuns
{
    private const int MaxStates = 12_000_000;

    internal static IEnumerable<ModelRun> All =>
    [
        .. from options in (GroupOptions[])
           [
               new() { Kills = 2, Crashes = 1 },
               new() { Kills = 2, ForeignChanges = 2 },
               new() { Kills = 1, Crashes = 1, ForeignChanges = 1 },
               new() { Crashes = 1, ForeignChanges = 1 },
           ]
           select Run(GroupMutation.None, GroupProperty.None, options),

        Run(GroupMutation.StagedIsNotFlushed, GroupProperty.AllOrNone, new() { Crashes = 1 }),
        Run(GroupMutation.RecordIsNotFlushed, GroupProperty.AllOrNone, new() { Crashes = 1 }),
        Run(GroupMutation.CommittingIsNotFlushed, GroupProperty.AllOrNone, new() { Crashes = 1 }),
        Run(GroupMutation.NamesAreNotFlushed, GroupProperty.AllOrNone, new() { Crashes = 1 }),
        Run(GroupMutation.DoneIsNotWritten, GroupProperty.SuccessStays, new() { Crashes = 1, ForeignChanges = 1 }),
        Run(GroupMutation.DoneIsNotFlushed, GroupProperty.SuccessStays, new() { Crashes = 1, ForeignChanges = 1 }),
        Run(GroupMutation.ExchangeIsNotLookedAt, GroupProperty.ForeignChangeStays, new() { ForeignChanges = 1 }),
        Run(GroupMutation.FailureIsNotWritten, GroupProperty.FailureLeavesOld, new() { Crashes = 1, ForeignChanges = 1 }),
        Run(GroupMutation.RevertingIsNotWritten, GroupProperty.None, new() { Kills = 1, ForeignChanges = 2 }),
        Run(GroupMutation.RevertIsNotLookedAt, GroupProperty.ForeignChangeStays, new() { ForeignChanges = 2 }),
        Run(GroupMutation.RevertTakesWrittenFile, GroupProperty.ForeignChangeStays, new() { ForeignChanges = 2 }),
        Run(GroupMutation.SecondDirectoryIsRemovedFirst, GroupProperty.None, new() { Kills = 1, Crashes = 1 }),
        Run(GroupMutation.RepairDoesNotFlush, GroupProperty.AllOrNone, new() { Kills = 1, Crashes = 1 }),
        Run(GroupMutation.RepairKnowsFilesByInodeOnly, GroupProperty.ForeignChangeStays, new() { Kills = 1, ForeignChanges = 1 }),
        Run(GroupMutation.RepairDoesNotLook, GroupProperty.ForeignChangeStays, new() { Kills = 1, ForeignChanges = 1 }),
        Run(GroupMutation.RepairRollsForwardAlways, GroupProperty.None, new() { Kills = 1, ForeignChanges = 1 }),
        Run(GroupMutation.RepairDoesNotFlushNames, GroupProperty.AllOrNone, new() { Kills = 1, Crashes = 1 }),
        Run(GroupMutation.RepairDoesNotWriteDone, GroupProperty.None, new() { Kills = 1, Crashes = 1, ForeignChanges = 1 }),
        Run(GroupMutation.RepairRemovesAnyLeftover, GroupProperty.ForeignChangeStays, new() { Kills = 1, ForeignChanges = 1 }),
    ];

    private static ModelRun Run(GroupMutation mutation, GroupProperty violated, GroupOptions options)
    {
        var complete = options with { Mutation = mutation, Only = violated };
        return new(
            "Group",
            mutation == GroupMutation.None ? "" : mutation.ToString(),
            options.ToString(),
            violated == GroupProperty.None ? null : violated.ToString(),
            () => new Explorer<GroupState>(new GroupModel(complete), MaxStates).Search());
    }
}

namespace MmapSnapshot.Models;

/// <summary>
/// The protocol of a group: one save of three files in two directories, one of which is new; up to three repairs, kills, machine crashes
/// and another program. Compare with GroupCommit and GroupRepair in src/MmapSnapshot.Core/Committing.
/// </summary>
internal sealed partial class GroupModel(GroupOptions options) : IModel<GroupState>
{
    private const int MaxRepairs = 3;

    /// <summary>The member that has no old file.</summary>
    private const int NewMember = 2;

    public GroupState Initial
    {
        get
        {
            var state = new GroupState { IsAlive = 1, JournalsOnDisk = 1 };
            for (int i = 0; i < PerMember<byte>.Count; i++) (state.Target[i], state.Staged[i]) = (OldOf(i), GroupFileCode.None);
            for (int directory = 0; directory < PerDirectory<byte>.Count; directory++) Flush(ref state, directory);
            return state;
        }
    }

    public string? FindViolation(in GroupState state) => state.Violated == GroupProperty.None ? null : state.Violated.ToString();

    public void Expand(in GroupState state, Successors<GroupState> successors)
    {
        if (state.IsAlive != 0)
        {
            AddKillOfSaver(state, successors);
            AddSaverStep(state, successors);
        }
        else
        {
            AddKillOfRepair(state, successors);
            AddRepairStep(state, successors);
        }
        AddCrash(state, successors);
        AddForeignChanges(state, successors);
    }

    private static GroupFileCode OldOf(int member) => member == NewMember ? GroupFileCode.None : GroupFileCode.Old;

    private static int DirectoryOf(int member) => member == 0 ? 0 : 1;

    private static bool IsNewFile(GroupFileCode file) => file is GroupFileCode.New or GroupFileCode.Torn;

    private bool Is(GroupMutation mutation) => options.Mutation == mutation;

    private void AddSaverStep(in GroupState state, Successors<GroupState> successors)
    {
        var next = state;
        int i = state.Member;
        switch (state.Step)
        {
            case GroupStep.MakeFirstDirectory or GroupStep.MakeSecondDirectory:
                int made = state.Step == GroupStep.MakeFirstDirectory ? 0 : 1;
                next.HasJournal[made] = 1;
                Record(ref next, made);
                Go(ref next, state.Step + 1);
                Add(next, successors, $"save: mkdir(directory {made})");
                break;
            case GroupStep.Stage:
                next.Staged[i] = GroupFileCode.New;
                Record(ref next, DirectoryOf(i));
                GoToNextMember(ref next, Is(GroupMutation.StagedIsNotFlushed) ? GroupStep.Record : GroupStep.FlushStaged);
                Add(next, successors, $"save: file {i} is staged");
                break;
            case GroupStep.FlushStaged:
                next.AreBytesOnDisk = 1;
                Go(ref next, GroupStep.Record);
                Add(next, successors, $"save: fsync(staged files)");
                break;
            case GroupStep.Record:
                next.Journal = GroupJournalState.Prepared;
                next.JournalsOnDisk |= 1 << (int)GroupJournalState.Prepared;
                next.IsSecondRecorded = 1;
                Go(ref next, Is(GroupMutation.RecordIsNotFlushed) ? GroupStep.WriteCommitting : GroupStep.FlushRecord);
                Add(next, successors, $"save: write(journals)");
                break;
            case GroupStep.FlushRecord:
                next.IsSecondRecordedOnDisk = 1;
                FlushJournalAndNames(ref next);
                Go(ref next, GroupStep.WriteCommitting);
                Add(next, successors, $"save: fsync(journals, directories)");
                break;
            case GroupStep.WriteCommitting:
                WriteJournal(ref next, GroupJournalState.Committing);
                Go(ref next, Is(GroupMutation.CommittingIsNotFlushed) ? GroupStep.Validate : GroupStep.FlushCommitting);
                Add(next, successors, $"save: write(committing)");
                break;
            case GroupStep.FlushCommitting or GroupStep.FlushReverting or GroupStep.FlushDone or GroupStep.FlushRevertDone:
                FlushJournal(ref next);
                next.Member = state.Step == GroupStep.FlushReverting ? state.Member : (byte)0;
                Go(ref next, state.Step switch
                {
                    GroupStep.FlushCommitting => GroupStep.Validate,
                    GroupStep.FlushReverting => GroupStep.Revert,
                    _ => GroupStep.RemoveLeftovers,
                });
                Add(next, successors, $"save: fsync(journal)");
                break;
            case GroupStep.Validate:
                bool isExpected = state.Target[i] == OldOf(i);
                // Where nothing was published yet, there is nothing to revert.
                if (isExpected) Go(ref next, GroupStep.Exchange);
                else Fail(ref next);
                Add(next, successors, $"save: file {i} is {(isExpected ? "as expected" : "another one")}");
                break;
            case GroupStep.Exchange:
                if (i == NewMember && state.Target[i] != GroupFileCode.None)
                {
                    Fail(ref next);
                    Add(next, successors, $"save: renameat2(file {i}): EEXIST");
                    break;
                }
                Swap(ref next, i);
                Go(ref next, GroupStep.Look);
                Add(next, successors, $"save: renameat2(file {i})");
                break;
            case GroupStep.Look:
                if (Is(GroupMutation.ExchangeIsNotLookedAt) || state.Staged[i] == OldOf(i))
                {
                    GoToNextMember(ref next, GroupStep.FlushNames, GroupStep.Validate);
                    if (next.Step == GroupStep.FlushNames && Is(GroupMutation.NamesAreNotFlushed)) Go(ref next, GroupStep.WriteDone);
                    Add(next, successors, $"save: the old file {i} came out");
                    break;
                }
                Swap(ref next, i);
                Go(ref next, GroupStep.PutBack);
                Add(next, successors, $"save: another file came out, renameat2 back");
                break;
            case GroupStep.PutBack:
                // If what comes out is not what was put in, yet another file had the name by then: it gets it back.
                if (state.Staged[i] is not (GroupFileCode.New or GroupFileCode.NewWritten)) Swap(ref next, i);
                Fail(ref next);
                Add(next, successors, $"save: {state.Staged[i]} came out");
                break;
            case GroupStep.FlushNames or GroupStep.FlushReverted:
                FlushNames(ref next);
                bool isReverted = state.Step == GroupStep.FlushReverted;
                Go(
                    ref next,
                    Is(GroupMutation.DoneIsNotWritten) ? GroupStep.RemoveLeftovers
                        : isReverted ? GroupStep.WriteRevertDone
                        : GroupStep.WriteDone);
                next.Member = 0;
                Add(next, successors, $"save: fsync(directories)");
                break;
            case GroupStep.WriteDone or GroupStep.WriteRevertDone:
                WriteJournal(ref next, GroupJournalState.Done);
                next.Member = 0;
                Go(ref next, Is(GroupMutation.DoneIsNotFlushed) ? GroupStep.RemoveLeftovers : state.Step + 1);
                Add(next, successors, $"save: write(done)");
                break;
            case GroupStep.RemoveLeftovers:
                RemoveLeftover(ref next, i, isVerified: true);
                GoToNextMember(ref next, FirstRemoved);
                Add(next, successors, $"save: what is left of file {i} is removed");
                break;
            case GroupStep.RemoveFirstDirectory or GroupStep.RemoveSecondDirectory:
                int removed = state.Step == GroupStep.RemoveFirstDirectory ? 0 : 1;
                next.HasJournal[removed] = 0;
                Record(ref next, removed);
                bool isLast = state.HasJournal[1 - removed] == 0;
                Go(ref next, isLast ? GroupStep.Ended : removed == 0 ? GroupStep.RemoveSecondDirectory : GroupStep.RemoveFirstDirectory);
                if (isLast) next.IsAlive = 0;
                if (isLast) next.Outcome = state.IsFailing != 0 ? GroupOutcome.Failure : GroupOutcome.Success;
                Add(next, successors, $"save: rmdir(directory {removed})");
                break;
            case GroupStep.WriteReverting:
                WriteJournal(ref next, GroupJournalState.Reverting);
                Go(ref next, GroupStep.FlushReverting);
                Add(next, successors, $"save: write(reverting)");
                break;
            case GroupStep.Revert:
                AddRevert(state, successors);
                break;
            case GroupStep.ExchangeBack:
                Swap(ref next, i);
                Go(ref next, GroupStep.LookAtReverted);
                Add(next, successors, $"save: renameat2(file {i}) back");
                break;
            case GroupStep.LookAtReverted:
                bool isTaken = state.Staged[i] == GroupFileCode.New
                    || Is(GroupMutation.RevertIsNotLookedAt)
                    || (Is(GroupMutation.RevertTakesWrittenFile) && state.Staged[i] == GroupFileCode.NewWritten);
                if (!isTaken)
                {
                    Swap(ref next, i);
                    next.IsNamed = 1;
                }
                Go(ref next, GroupStep.Revert);
                Add(next, successors, $"save: {state.Staged[i]} came out");
                break;
        }
    }

    /// <summary>Reverts the file before the current one.</summary>
    private void AddRevert(in GroupState state, Successors<GroupState> successors)
    {
        var next = state;
        if (state.Member == 0)
        {
            Go(ref next, GroupStep.FlushReverted);
            Add(next, successors, $"save: nothing more to revert");
            return;
        }
        int i = --next.Member;
        bool isOurs = state.Target[i] == GroupFileCode.New
            || (Is(GroupMutation.RevertTakesWrittenFile) && state.Target[i] == GroupFileCode.NewWritten);
        if (!isOurs)
        {
            next.IsNamed = 1;
            Add(next, successors, $"save: file {i} was changed since, and stays");
            return;
        }
        Go(ref next, GroupStep.ExchangeBack);
        Add(next, successors, $"save: file {i} is still ours");
    }

    private GroupStep FirstRemoved =>
        Is(GroupMutation.SecondDirectoryIsRemovedFirst) ? GroupStep.RemoveSecondDirectory : GroupStep.RemoveFirstDirectory;

    /// <summary>A file cannot be published: those before it are reverted.</summary>
    private void Fail(ref GroupState next)
    {
        next.IsFailing = 1;
        bool isNone = next.Member == 0;
        Go(ref next, isNone
            ? Is(GroupMutation.FailureIsNotWritten) ? GroupStep.RemoveLeftovers : GroupStep.FlushReverted
            : Is(GroupMutation.RevertingIsNotWritten) ? GroupStep.Revert
            : GroupStep.WriteReverting);
    }

    private static void Go(ref GroupState next, GroupStep step) => next.Step = step;

    private static void GoToNextMember(ref GroupState next, GroupStep afterLast, GroupStep? again = null)
    {
        next.Member++;
        if (next.Member < PerMember<byte>.Count)
        {
            if (again is { } step) next.Step = step;
            return;
        }
        next.Member = 0;
        next.Step = afterLast;
    }

    private static void Swap(ref GroupState next, int member)
    {
        (next.Target[member], next.Staged[member]) = (next.Staged[member], next.Target[member]);
        Record(ref next, DirectoryOf(member));
    }

    private static void WriteJournal(ref GroupState next, GroupJournalState state)
    {
        next.Journal = state;
        next.JournalsOnDisk |= (byte)(1 << (int)state);
    }

    private static void FlushJournal(ref GroupState next) => next.JournalsOnDisk = (byte)(1 << (int)next.Journal);

    private static void FlushNames(ref GroupState next)
    {
        for (int directory = 0; directory < PerDirectory<byte>.Count; directory++) Flush(ref next, directory);
    }

    private static void FlushJournalAndNames(ref GroupState next)
    {
        FlushJournal(ref next);
        FlushNames(ref next);
    }

    /// <summary>What the target does not have. If it is verified, another program's file gets a name that users see.</summary>
    private void RemoveLeftover(ref GroupState next, int member, bool isVerified)
    {
        var left = next.Staged[member];
        if (left == GroupFileCode.None) return;
        bool isOurs = IsNewFile(left) || left == GroupFileCode.Old || Is(GroupMutation.RepairRemovesAnyLeftover)
            || (Is(GroupMutation.RepairKnowsFilesByInodeOnly) && left != GroupFileCode.Foreign);
        if (isVerified && !isOurs) next.Kept |= (byte)(1 << member);
        next.Staged[member] = GroupFileCode.None;
        Record(ref next, DirectoryOf(member));
    }
}

namespace MmapSnapshot.Models;

/// <content>The repair.</content>
internal sealed partial class GroupModel
{
    private void AddRepairStep(in GroupState state, Successors<GroupState> successors)
    {
        var next = state;
        int i = state.RepairMember;
        switch (state.Repair)
        {
            case GroupRepairStep.None:
                AddBeginningOfRepair(state, successors);
                break;
            case GroupRepairStep.Flush:
                FlushJournalAndNames(ref next);
                next.IsSecondRecordedOnDisk = state.IsSecondRecorded;
                Go(ref next, AfterFlush(state));
                Add(next, successors, $"repair: fsync(journals, directories)");
                break;
            case GroupRepairStep.Decide:
                Decide(ref next);
                Add(next, successors, $"repair: decides for {next.Repair}");
                break;
            case GroupRepairStep.MakeNew:
                if ((state.DecidedNew >> i & 1) != 0) GoToNextRepaired(ref next, GroupRepairStep.FlushNames);
                else if (i == NewMember && state.Target[i] != GroupFileCode.None) Go(ref next, GroupRepairStep.Decide);
                else
                {
                    Swap(ref next, i);
                    Go(ref next, GroupRepairStep.LookAtNew);
                }
                Add(next, successors, $"repair: file {i} is made new");
                break;
            case GroupRepairStep.LookAtNew:
                LookAt(ref next, OldOf(i), GroupRepairStep.MakeNew, GroupRepairStep.FlushNames);
                Add(next, successors, $"repair: {state.Staged[i]} came out");
                break;
            case GroupRepairStep.PutBackNew or GroupRepairStep.PutBackOld:
                bool isPutBack = state.Repair == GroupRepairStep.PutBackNew
                    ? state.Staged[i] is GroupFileCode.New or GroupFileCode.NewWritten or GroupFileCode.Torn
                    : state.Staged[i] is GroupFileCode.Old or GroupFileCode.OldWritten or GroupFileCode.None;
                if (!isPutBack) Swap(ref next, i);
                Go(ref next, GroupRepairStep.Decide);
                Add(next, successors, $"repair: {state.Staged[i]} came out");
                break;
            case GroupRepairStep.FlushReverting:
                FlushJournal(ref next);
                Go(ref next, GroupRepairStep.MakeOld);
                Add(next, successors, $"repair: fsync(reverting)");
                break;
            case GroupRepairStep.MakeOld:
                if ((state.DecidedNew >> i & 1) == 0) GoToNextRepaired(ref next, GroupRepairStep.FlushNames);
                else
                {
                    Swap(ref next, i);
                    Go(ref next, GroupRepairStep.LookAtOld);
                }
                Add(next, successors, $"repair: file {i} is made old");
                break;
            case GroupRepairStep.LookAtOld:
                LookAt(ref next, GroupFileCode.New, GroupRepairStep.MakeOld, GroupRepairStep.FlushNames);
                Add(next, successors, $"repair: {state.Staged[i]} came out");
                break;
            case GroupRepairStep.FlushNames:
                if (!Is(GroupMutation.RepairDoesNotFlushNames)) FlushNames(ref next);
                next.RepairMember = 0;
                Go(ref next, Is(GroupMutation.RepairDoesNotWriteDone) ? GroupRepairStep.RemoveLeftovers : GroupRepairStep.WriteDone);
                Add(next, successors, $"repair: fsync(directories)");
                break;
            case GroupRepairStep.WriteDone:
                WriteJournal(ref next, GroupJournalState.Done);
                Go(ref next, GroupRepairStep.FlushDone);
                Add(next, successors, $"repair: write(done)");
                break;
            case GroupRepairStep.FlushDone:
                FlushJournal(ref next);
                Go(ref next, GroupRepairStep.RemoveLeftovers);
                Add(next, successors, $"repair: fsync(journal)");
                break;
            case GroupRepairStep.RemoveLeftovers:
                RemoveLeftover(ref next, i, IsRecorded(state, i));
                GoToNextRepaired(ref next, GroupRepairStep.RemoveFirstDirectory);
                Add(next, successors, $"repair: what is left of file {i} is removed");
                break;
            case GroupRepairStep.RemoveFirstDirectory or GroupRepairStep.RemoveSecondDirectory:
                int removed = state.Repair == GroupRepairStep.RemoveFirstDirectory ? 0 : 1;
                next.HasJournal[removed] = 0;
                Record(ref next, removed);
                Go(ref next, removed == 0 ? GroupRepairStep.RemoveSecondDirectory : GroupRepairStep.None);
                Add(next, successors, $"repair: rmdir(directory {removed})");
                break;
        }
    }

    private void AddBeginningOfRepair(in GroupState state, Successors<GroupState> successors)
    {
        bool isLeft = state.HasJournal[0] != 0 || state.HasJournal[1] != 0;
        for (int i = 0; i < PerMember<byte>.Count; i++) isLeft |= state.Staged[i] != GroupFileCode.None;
        if (!isLeft || state.Repairs == MaxRepairs) return;
        var next = state;
        next.Repairs++;
        next.RepairMember = 0;
        // A directory without the first journal had ended, or recorded nothing: what is in it is removed.
        Go(ref next, state.HasJournal[0] == 0 ? GroupRepairStep.RemoveLeftovers
            : Is(GroupMutation.RepairDoesNotFlush) ? AfterFlush(state)
            : GroupRepairStep.Flush);
        Add(next, successors, $"repair: begins, the journal is {(state.HasJournal[0] == 0 ? "gone" : state.Journal.ToString())}");
    }

    private static GroupRepairStep AfterFlush(in GroupState state) =>
        state.Journal is GroupJournalState.Committing or GroupJournalState.Reverting ? GroupRepairStep.Decide
            : GroupRepairStep.RemoveLeftovers;

    /// <summary>Whether the journal of a file's directory, as it is now, records the file.</summary>
    private static bool IsRecorded(in GroupState state, int member) => DirectoryOf(member) == 0
        ? state.HasJournal[0] != 0 && state.Journal != GroupJournalState.Empty
        : state.HasJournal[1] != 0 && state.IsSecondRecorded != 0;

    private void Decide(ref GroupState next)
    {
        bool canBeNew = next.Journal == GroupJournalState.Committing || Is(GroupMutation.RepairRollsForwardAlways), canBeOld = true;
        byte decidedNew = 0;
        for (int i = 0; i < PerMember<byte>.Count; i++)
        {
            bool isNew = IsTaken(next.Target[i], GroupFileCode.New), isOld = IsTaken(next.Target[i], OldOf(i));
            if (isNew) decidedNew |= (byte)(1 << i);
            canBeNew &= isNew || (isOld && IsTaken(next.Staged[i], GroupFileCode.New));
            bool isOldKept = i == NewMember
                ? next.Staged[i] == GroupFileCode.None
                : next.Staged[i] is GroupFileCode.Old or GroupFileCode.OldWritten;
            canBeOld &= isNew ? isOldKept : isOld || (!isOldKept && next.Target[i] != GroupFileCode.NewWritten);
        }
        next.RepairMember = 0;
        next.DecidedNew = decidedNew;
        if (canBeNew)
        {
            Go(ref next, GroupRepairStep.MakeNew);
        }
        else if (canBeOld)
        {
            WriteJournal(ref next, GroupJournalState.Reverting);
            Go(ref next, GroupRepairStep.FlushReverting);
        }
        else
        {
            next.IsNamed = 1;
            Go(ref next, GroupRepairStep.Refused);
        }
    }

    /// <summary>Whether the repair takes a file for such a one.</summary>
    private bool IsTaken(GroupFileCode file, GroupFileCode wanted) => wanted switch
    {
        GroupFileCode.New => IsNewFile(file) || (file == GroupFileCode.NewWritten && Is(GroupMutation.RepairKnowsFilesByInodeOnly)),
        GroupFileCode.Old => file == GroupFileCode.Old || (file == GroupFileCode.OldWritten
            && Is(GroupMutation.RepairKnowsFilesByInodeOnly)),
        _ => file == wanted,
    };

    private void LookAt(ref GroupState next, GroupFileCode wanted, GroupRepairStep again, GroupRepairStep afterLast)
    {
        if (Is(GroupMutation.RepairDoesNotLook) || IsTaken(next.Staged[next.RepairMember], wanted))
        {
            Go(ref next, again);
            GoToNextRepaired(ref next, afterLast);
            return;
        }
        Swap(ref next, next.RepairMember);
        Go(ref next, again == GroupRepairStep.MakeNew ? GroupRepairStep.PutBackNew : GroupRepairStep.PutBackOld);
    }

    private static void Go(ref GroupState next, GroupRepairStep step) => next.Repair = step;

    private static void GoToNextRepaired(ref GroupState next, GroupRepairStep afterLast)
    {
        next.RepairMember++;
        if (next.RepairMember < PerMember<byte>.Count) return;
        next.RepairMember = 0;
        next.Repair = afterLast;
    }
}

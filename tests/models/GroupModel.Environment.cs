using System.Runtime.CompilerServices;

namespace MmapSnapshot.Models;

/// <content>Kills, crashes, another program; and what is checked.</content>
internal sealed partial class GroupModel
{
    /// <summary>The first value: what is meant is that no other program has changed the file.</summary>
    private const GroupFileCode NoForeignFile = GroupFileCode.Old;

    private void Add(
        in GroupState state,
        Successors<GroupState> successors,
        [InterpolatedStringHandlerArgument(nameof(successors))] StepName name)
    {
        var next = state;
        if (next.Violated == GroupProperty.None) next.Violated = Check(next);
        successors.Add(next, name);
    }

    private void AddKillOfSaver(in GroupState state, Successors<GroupState> successors)
    {
        if (state.Kills == options.Kills) return;
        var next = state;
        next.Kills++;
        next.IsAlive = 0;
        next.Member = 0;
        Add(next, successors, $"SIGKILL of the saver");
    }

    private void AddKillOfRepair(in GroupState state, Successors<GroupState> successors)
    {
        if (state.Kills == options.Kills || state.Repair is GroupRepairStep.None or GroupRepairStep.Refused) return;
        var next = state;
        next.Kills++;
        next.Repair = GroupRepairStep.None;
        Add(next, successors, $"SIGKILL of the repair");
    }

    /// <summary>
    /// Each directory is, independently, as it was at some moment since it was flushed: they may be on two filesystems. The new files
    /// of one that was not flushed yet may have their names all the same, as their bytes were (btrfs).
    /// </summary>
    private void AddCrash(in GroupState state, Successors<GroupState> successors)
    {
        if (state.Crashes == options.Crashes) return;
        for (int first = 0; first < state.OnDisk[0].Count; first++)
        {
            for (int second = 0; second < state.OnDisk[1].Count; second++)
            {
                for (int journal = 0; journal <= (int)GroupJournalState.Done; journal++)
                {
                    if ((state.JournalsOnDisk >> journal & 1) == 0) continue;
                    AddCrash(state, successors, first, second, (GroupJournalState)journal, areStagedKept: false);
                    bool mayKeep = state.IsAlive != 0 && state.Step is GroupStep.Record or GroupStep.FlushRecord
                        && state.AreBytesOnDisk != 0;
                    if (mayKeep) AddCrash(state, successors, first, second, (GroupJournalState)journal, areStagedKept: true);
                }
            }
        }
    }

    private void AddCrash(
        in GroupState state, Successors<GroupState> successors, int first, int second, GroupJournalState journal, bool areStagedKept)
    {
        var next = state;
        next.Crashes++;
        next.IsAlive = 0;
        next.Member = 0;
        next.Repair = GroupRepairStep.None;
        next.RepairMember = 0;
        Restore(ref next, 0, first);
        Restore(ref next, 1, second);
        for (int i = 0; i < PerMember<byte>.Count; i++)
        {
            if (areStagedKept) next.Staged[i] = GroupFileCode.New;
            if (next.AreBytesOnDisk != 0) continue;
            if (next.Target[i] == GroupFileCode.New) next.Target[i] = GroupFileCode.Torn;
            if (next.Staged[i] == GroupFileCode.New) next.Staged[i] = GroupFileCode.Torn;
        }
        // What another program did is not on the disk either, if the crash has taken it.
        for (int i = 0; i < PerMember<byte>.Count; i++)
            if (next.Target[i] != next.ForeignFile[i] && next.Staged[i] != next.ForeignFile[i]) next.ForeignFile[i] = NoForeignFile;
        next.Journal = journal;
        next.IsSecondRecorded = next.IsSecondRecordedOnDisk;
        FlushJournalAndNames(ref next);
        Add(next, successors, $"the machine crashes: files {next.Target[0]}, {next.Target[1]}, {next.Target[2]}, journal {journal}");
    }

    private void AddForeignChanges(in GroupState state, Successors<GroupState> successors)
    {
        if (state.ForeignChanges == options.ForeignChanges) return;
        for (int i = 0; i < PerMember<byte>.Count; i++)
        {
            var next = state;
            Begin(ref next, i, GroupFileCode.Foreign);
            next.Target[i] = GroupFileCode.Foreign;
            Record(ref next, DirectoryOf(i));
            Add(next, successors, $"another program renames its file over file {i}");

            if (state.Target[i] is not (GroupFileCode.Old or GroupFileCode.New)) continue;
            next = state;
            var written = state.Target[i] == GroupFileCode.Old ? GroupFileCode.OldWritten : GroupFileCode.NewWritten;
            Begin(ref next, i, written);
            Rewrite(ref next, i, state.Target[i], written);
            Add(next, successors, $"another program writes to file {i}");
        }
    }

    private static void Begin(ref GroupState next, int member, GroupFileCode file)
    {
        next.ForeignChanges++;
        next.WasForeign = 1;
        next.ForeignFile[member] = file;
        // In the moment before another file is put back, the new one has the name: what is written to it then gets another name.
        bool isPuttingBack = file != GroupFileCode.Foreign && (next.IsAlive != 0
            ? next.Step is GroupStep.Look or GroupStep.PutBack && next.Member == member
            : next.Repair is GroupRepairStep.LookAtNew or GroupRepairStep.LookAtOld
                    or GroupRepairStep.PutBackNew or GroupRepairStep.PutBackOld
                && next.RepairMember == member);
        next.FaultsBeforeForeign[member] = isPuttingBack ? byte.MaxValue : (byte)(next.Kills + next.Crashes);
        next.Kept &= (byte)~(1 << member);
    }

    private GroupProperty Check(in GroupState state)
    {
        bool isQuiet = state.IsAlive == 0 && state.Repair == GroupRepairStep.None;
        for (int i = 0; i < PerMember<byte>.Count; i++)
        {
            var theirs = state.ForeignFile[i];
            if (theirs == NoForeignFile || state.Target[i] == theirs) continue;
            bool isLost = state.Staged[i] != theirs && (state.Kept >> i & 1) == 0;
            // Only where a process ended in between it may have another name.
            bool hasNoName = isQuiet && state.FaultsBeforeForeign[i] == state.Kills + state.Crashes;
            if ((isLost || hasNoName) && IsLookedAt(GroupProperty.ForeignChangeStays)) return GroupProperty.ForeignChangeStays;
        }
        if (state.IsAlive != 0 || state.Repair is not (GroupRepairStep.None or GroupRepairStep.Refused)) return GroupProperty.None;

        bool isRefused = state.Repair == GroupRepairStep.Refused;
        if (isRefused && state.WasForeign == 0 && IsLookedAt(GroupProperty.RefusesOnlyForeign)) return GroupProperty.RefusesOnlyForeign;
        int news = 0, olds = 0, written = 0;
        for (int i = 0; i < PerMember<byte>.Count; i++)
        {
            if (state.Target[i] == GroupFileCode.New) news++;
            if (state.Target[i] == OldOf(i)) olds++;
            if (state.Target[i] == GroupFileCode.NewWritten) written++;
        }
        // A repair to come may change what it is.
        bool isPending = state.HasJournal[0] != 0 && state.Journal is GroupJournalState.Committing or GroupJournalState.Reverting;
        if (isPending && !isRefused) return GroupProperty.None;
        bool isWhole = news == PerMember<byte>.Count || olds == PerMember<byte>.Count;
        if (state.WasForeign == 0 && !isWhole && IsLookedAt(GroupProperty.AllOrNone)) return GroupProperty.AllOrNone;
        if (state.WasForeign != 0 && news + written > 0 && olds > 0 && state.IsNamed == 0 && IsLookedAt(GroupProperty.MixIsNamed))
            return GroupProperty.MixIsNamed;
        if (state.Outcome == GroupOutcome.Success && olds > 0 && IsLookedAt(GroupProperty.SuccessStays)) return GroupProperty.SuccessStays;
        if (state.Outcome == GroupOutcome.Failure && news > 0 && state.IsNamed == 0 && IsLookedAt(GroupProperty.FailureLeavesOld))
            return GroupProperty.FailureLeavesOld;
        bool isLeft = false;
        for (int i = 0; i < PerMember<byte>.Count; i++) isLeft |= state.Staged[i] != GroupFileCode.None;
        bool isRepaired = state.HasJournal[0] == 0 && state.HasJournal[1] == 0 && state.Repairs == MaxRepairs;
        return isRepaired && isLeft && IsLookedAt(GroupProperty.NothingIsLeft) ? GroupProperty.NothingIsLeft : GroupProperty.None;
    }

    private bool IsLookedAt(GroupProperty property) => options.Only is GroupProperty.None || options.Only == property;

    /// <summary>The directory as it is now becomes one of the moments that a crash may bring back.</summary>
    private static void Record(ref GroupState state, int directory)
    {
        ushort packed = Pack(state, directory);
        ref var history = ref state.OnDisk[directory];
        if (history.Count > 0 && Entry(history, history.Count - 1) == packed) return;
        if (history.Count == History.Max) throw new InvalidOperationException("A directory has more moments than the model has room for.");
        Set(ref history, history.Count++, packed);
    }

    /// <summary>Only the directory as it is now is on the disk.</summary>
    private static void Flush(ref GroupState state, int directory)
    {
        state.OnDisk[directory] = default;
        Record(ref state, directory);
    }

    private static void Restore(ref GroupState state, int directory, int moment)
    {
        int packed = Entry(state.OnDisk[directory], moment);
        state.HasJournal[directory] = (byte)(packed & 1);
        for (int i = directory; i <= (directory == 0 ? 0 : 2); i++)
        {
            int files = packed >> (1 + (6 * (i - directory)));
            (state.Target[i], state.Staged[i]) = ((GroupFileCode)(files & 7), (GroupFileCode)(files >> 3 & 7));
        }
    }

    private static ushort Pack(in GroupState state, int directory)
    {
        int packed = state.HasJournal[directory];
        for (int i = directory; i <= (directory == 0 ? 0 : 2); i++)
            packed |= ((int)state.Target[i] | (int)state.Staged[i] << 3) << (1 + (6 * (i - directory)));
        return (ushort)packed;
    }

    /// <summary>The bytes of a file have changed, wherever it has a name, or had one.</summary>
    private static void Rewrite(ref GroupState state, int member, GroupFileCode from, GroupFileCode to)
    {
        int directory = DirectoryOf(member), shift = 1 + (6 * (member - directory));
        state.Target[member] = to;
        ref var history = ref state.OnDisk[directory];
        for (int moment = 0; moment < history.Count; moment++)
        {
            int packed = Entry(history, moment);
            for (int part = shift; part <= shift + 3; part += 3)
                if ((packed >> part & 7) == (int)from) packed = (packed & ~(7 << part)) | ((int)to << part);
            Set(ref history, moment, (ushort)packed);
        }
    }

    private static ushort Entry(in History history, int moment) => (ushort)(history.Items[2 * moment] | history.Items[(2 * moment)
        + 1] << 8);

    private static void Set(ref History history, int moment, ushort packed)
    {
        history.Items[2 * moment] = (byte)packed;
        history.Items[(2 * moment) + 1] = (byte)(packed >> 8);
    }
}

using System.Runtime.CompilerServices;

namespace MmapSnapshot.Models;

/// <content>Kills, crashes, other programs; and what is checked.</content>
internal sealed partial class InPlaceModel
{
    private void Add(
        in InPlaceState state,
        Successors<InPlaceState> successors,
        [InterpolatedStringHandlerArgument(nameof(successors))] StepName name)
    {
        var next = state;
        Check(ref next);
        successors.Add(next, name);
    }

    private void AddKillOfSaver(in InPlaceState state, Successors<InPlaceState> successors)
    {
        if (state.Kills == options.Kills) return;
        var next = state;
        next.Kills++;
        next.IsAlive = 0;
        Add(next, successors, $"SIGKILL of the saver");
    }

    private void AddKillOfRepair(in InPlaceState state, Successors<InPlaceState> successors)
    {
        if (state.Kills == options.Kills || state.Repair is RepairStep.None or RepairStep.Refused) return;
        var next = state;
        next.Kills++;
        next.Repair = RepairStep.None;
        Add(next, successors, $"SIGKILL of the repair");
    }

    /// <summary>Each block, the length, the journal and its name become, independently, what the disk may have.</summary>
    private void AddCrash(in InPlaceState state, Successors<InPlaceState> successors)
    {
        if (state.Crashes == options.Crashes
            || (options.IsUnflushed && state.Repair is not (>= RepairStep.WriteFirst and <= RepairStep.FlushDone)))
        {
            return;
        }
        for (int blocks = 0; blocks < 64; blocks++)
        {
            if (!IsPossible(state.OnDisk[0], blocks & 3)
                || !IsPossible(state.OnDisk[1], blocks >> 2 & 3)
                || !IsPossible(state.OnDisk[2], blocks >> 4))
            {
                continue;
            }
            for (int length = 0; length < 8; length++)
            {
                if (!IsPossible(state.LengthsOnDisk, length)) continue;
                for (int journal = 0; journal < 6; journal++)
                {
                    if (!IsPossible(state.JournalsOnDisk, journal >> 1) || !IsPossible(state.NamesOnDisk, journal & 1)) continue;
                    Add(
                        AfterCrash(state, blocks, length, (JournalContent)(journal >> 1), journal & 1),
                        successors,
                        $"crash: blocks {(Block)(blocks & 3)} {(Block)(blocks >> 2 & 3)} {(Block)(blocks >> 4)}, length {length}");
                }
            }
        }
    }

    private static bool IsPossible(byte set, int value) => (set >> value & 1) != 0;

    private static InPlaceState AfterCrash(in InPlaceState state, int blocks, int length, JournalContent journal, int name)
    {
        var next = state;
        next.Crashes++;
        next.IsAlive = 0;
        if (next.Repair != RepairStep.Refused) next.Repair = RepairStep.None;
        for (int block = 0; block < PerBlock<Block>.Count; block++)
        {
            var content = (Block)(blocks >> (2 * block) & 3);
            if (content != state.Content[block]) next.ForeignBlocks &= (byte)~(1 << block);
            next.Content[block] = content;
            next.OnDisk[block] = (byte)(1 << (int)content);
            next.IsDirty[block] = 0;
        }
        if (length != state.Length) next.IsForeignLength = 0;
        next.Length = (byte)length;
        next.LengthsOnDisk = (byte)(1 << length);
        next.IsLengthDirty = 0;
        for (int block = length; block < PerBlock<Block>.Count; block++)
        {
            next.ForeignBlocks &= (byte)~(1 << block);
            next.Content[block] = Block.Old;
            next.OnDisk[block] = 1;
        }
        next.Journal = journal;
        next.JournalsOnDisk = (byte)(1 << (int)journal);
        next.HasName = (byte)name;
        next.NamesOnDisk = (byte)(1 << name);
        return next;
    }

    /// <summary>After a failed flush a clean page may be dropped, and read again from the disk.</summary>
    private void AddEviction(in InPlaceState state, Successors<InPlaceState> successors)
    {
        if (options.FailedFlushes == 0) return;
        for (int block = 0; block < state.Length; block++)
        {
            byte onDisk = state.OnDisk[block];
            if (state.IsDirty[block] != 0 || (onDisk & (onDisk - 1)) == 0) continue;
            for (int content = 0; content < 4; content++)
            {
                if (!IsPossible(onDisk, content)) continue;
                var next = state;
                next.Content[block] = (Block)content;
                next.OnDisk[block] = (byte)(1 << content);
                Add(next, successors, $"block {block} is read again from the disk: {next.Content[block]}");
            }
        }
    }

    /// <summary>A write lease makes other programs wait from the comparison to the end of a repair.</summary>
    private void AddForeignWrites(in InPlaceState state, Successors<InPlaceState> successors)
    {
        bool isLeased = state.Repair is not (RepairStep.None or RepairStep.Refused) && !Is(InPlaceMutation.RepairTakesNoLease);
        if (state.IsAlive != 0 || isLeased || state.ForeignWrites == options.ForeignWrites) return;
        for (int block = 0; block < state.Length; block++)
        {
            var next = state;
            WriteForeign(ref next, block);
            Add(next, successors, $"another program: pwrite(block {block})");
        }
        if (state.Length < PerBlock<Block>.Count)
        {
            var next = state;
            SetLength(ref next, state.Length + 1);
            WriteForeign(ref next, state.Length);
            next.IsForeignLength = 1;
            Add(next, successors, $"another program: appends a block");
        }
    }

    /// <summary>What another program restores is its own, equal or not.</summary>
    private void AddRestorer(in InPlaceState state, Successors<InPlaceState> successors)
    {
        bool isFaulty = state.Kills + state.Crashes > 0;
        if (!options.HasRestorer
            || !isFaulty
            || state.IsAlive != 0
            || state.WasForeign != 0
            || state.Repair is not (RepairStep.None or RepairStep.Refused))
        {
            return;
        }
        var next = state;
        next.WasForeign = 1;
        SetLength(ref next, 2);
        for (int block = 0; block < 2; block++) Write(ref next, block, Block.Old);
        next.ForeignBlocks = 3;
        Add(next, successors, $"another program: restores the old file");
    }

    private static void WriteForeign(ref InPlaceState state, int block)
    {
        state.ForeignWrites++;
        state.WasForeign = 1;
        Write(ref state, block, Block.Foreign);
        state.ForeignBlocks |= (byte)(1 << block);
    }

    /// <summary>
    /// The owner of the directory moves the journal aside while the save runs, restores the old file after it, and puts the journal back.
    /// </summary>
    private void AddMover(in InPlaceState state, Successors<InPlaceState> successors)
    {
        if (!options.HasMover) return;
        var next = state;
        if (state is { HasName: not 0, Moves: 0 })
        {
            next.HasName = 0;
            next.IsAside = 1;
            next.Moves = 1;
            Add(next, successors, $"another program: rename(journal, aside)");
        }
        else if (state is { IsAside: not 0, Moves: 1, Outcome: InPlaceOutcome.Success })
        {
            SetLength(ref next, 2);
            Write(ref next, 0, Block.Old);
            next.Moves = 2;
            next.WasForeign = 1;
            next.ForeignBlocks = 1;
            Add(next, successors, $"another program: restores block 0");
        }
        else if (state is { IsAside: not 0, Moves: 2 })
        {
            next.HasName = 1;
            next.IsAside = 0;
            Add(next, successors, $"another program: rename(aside, journal)");
        }
    }

    /// <summary>What must hold when no process works and no other program wrote.</summary>
    private void Check(ref InPlaceState state)
    {
        bool isPending = state is { HasName: not 0, Journal: JournalContent.Pending };
        bool isBusy = state.IsAlive != 0 || state.Repair is not (RepairStep.None or RepairStep.Refused);
        if (isBusy || state.WasForeign != 0 || isPending || state.IsAside != 0) return;
        bool isNew = IsNew(state), isOld = state is { Length: 2 } && state.Content[0] == Block.Old && state.Content[1] == Block.Old;
        if (!isOld && !isNew) Violate(ref state, InPlaceProperty.OldOrNew);
        if (state.Outcome == InPlaceOutcome.Success && !isNew) Violate(ref state, InPlaceProperty.SuccessStays);
        if (state.Outcome == InPlaceOutcome.Failure && !isOld) Violate(ref state, InPlaceProperty.FailureLeavesOld);
    }

    private bool IsNew(in InPlaceState state)
    {
        if (state.Length != NewLength) return false;
        for (int block = 0; block < state.Length; block++)
        {
            if (state.Content[block] != (IsInRange(block) ? Block.New : Block.Old)) return false;
        }
        return true;
    }

    private void Violate(ref InPlaceState state, InPlaceProperty property)
    {
        if (state.Violated == InPlaceProperty.None && (options.Only == InPlaceProperty.None || options.Only == property))
            state.Violated = property;
    }
}

namespace MmapSnapshot.Models;

/// <summary>
/// The InPlace protocol: one save of a file of two blocks, up to three repairs, kills, machine crashes, failed flushes and another program
/// that writes. Compare with InPlaceCommit, JournalReplay and JournalRepair in src/MmapSnapshot.Core/Committing.
/// </summary>
internal sealed partial class InPlaceModel(InPlaceOptions options) : IModel<InPlaceState>
{
    private const int MaxRepairs = 3;

    public InPlaceState Initial
    {
        get
        {
            var state = new InPlaceState { Length = 2, LengthsOnDisk = 1 << 2, JournalsOnDisk = 1, NamesOnDisk = 1, IsAlive = 1 };
            for (int block = 0; block < PerBlock<Block>.Count; block++) state.OnDisk[block] = 1;
            return state;
        }
    }

    public string? FindViolation(in InPlaceState state) => state.Violated == InPlaceProperty.None ? null : state.Violated.ToString();

    public void Expand(in InPlaceState state, Successors<InPlaceState> successors)
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
        AddEviction(state, successors);
        AddForeignWrites(state, successors);
        AddRestorer(state, successors);
        AddMover(state, successors);
    }

    private int NewLength => options.Kind switch { InPlaceKind.Grows => 3, InPlaceKind.Shrinks => 1, _ => 2 };

    private bool Is(InPlaceMutation mutation) => options.Mutation == mutation;

    private bool IsInRange(int block) => options.Kind switch
    {
        InPlaceKind.Grows => block is 0 or 2,
        InPlaceKind.Shrinks => block == 0,
        _ => block < 2,
    };

    private void AddSaverStep(in InPlaceState state, Successors<InPlaceState> successors)
    {
        var next = state;
        switch (state.Step)
        {
            case InPlaceStep.WriteJournal:
                next.Journal = JournalContent.Pending;
                next.JournalsOnDisk = 1 | 1 << (int)JournalContent.Pending;
                Go(
                    ref next,
                    options.IsUnflushed || Is(InPlaceMutation.JournalIsNotFlushed) ? InPlaceStep.LinkJournal : InPlaceStep.FlushJournal);
                Add(next, successors, $"save: write(journal)");
                break;
            case InPlaceStep.FlushJournal:
                next.JournalsOnDisk = 1 << (int)JournalContent.Pending;
                Go(ref next, InPlaceStep.LinkJournal);
                Add(next, successors, $"save: fsync(journal)");
                break;
            case InPlaceStep.LinkJournal:
                next.HasName = 1;
                next.NamesOnDisk |= 2;
                Go(
                    ref next,
                    options.IsUnflushed || Is(InPlaceMutation.DirectoryIsNotFlushed) ? InPlaceStep.WriteFirst : InPlaceStep.FlushDirectory);
                Add(next, successors, $"save: linkat(journal)");
                break;
            case InPlaceStep.FlushDirectory:
                next.NamesOnDisk = state.HasName != 0 ? (byte)2 : (byte)1;
                Go(ref next, InPlaceStep.WriteFirst);
                Add(next, successors, $"save: fsync(directory)");
                break;
            case InPlaceStep.WriteFirst:
                if (Is(InPlaceMutation.TruncationIsFirst)) SetLength(ref next, NewLength);
                Write(ref next, 0, Block.New);
                Go(ref next, options.Kind == InPlaceKind.Shrinks ? AfterRanges : InPlaceStep.WriteSecond);
                Add(next, successors, $"save: pwrite(block 0)");
                break;
            case InPlaceStep.WriteSecond:
                if (options.Kind == InPlaceKind.Grows)
                {
                    // A crash, or a kill, can come between the growth and the bytes.
                    SetLength(ref next, 3);
                    Go(ref next, InPlaceStep.WriteThird);
                    Add(next, successors, $"save: pwrite(block 2) has made the file longer");
                }
                else
                {
                    Write(ref next, 1, Block.New);
                    Go(ref next, AfterWrites);
                    Add(next, successors, $"save: pwrite(block 1)");
                }
                AddFailedWrite(state, successors);
                break;
            case InPlaceStep.WriteThird:
                Write(ref next, 2, Block.New);
                Go(ref next, AfterWrites);
                Add(next, successors, $"save: pwrite(block 2)");
                break;
            case InPlaceStep.FlushRanges:
                Flush(ref next);
                Go(ref next, InPlaceStep.Truncate);
                Add(next, successors, $"save: fsync(file)");
                AddFailedFlush(state, successors, InPlaceStep.WriteBack, InPlaceOutcome.None);
                break;
            case InPlaceStep.Truncate:
                SetLength(ref next, NewLength);
                Go(ref next, options.IsUnflushed ? AfterFlush : InPlaceStep.FlushAfterTruncate);
                Add(next, successors, $"save: ftruncate(file)");
                break;
            case InPlaceStep.FlushAfterTruncate:
                Flush(ref next);
                Go(ref next, AfterFlush);
                Add(next, successors, $"save: fsync(file)");
                AddFailedFlush(
                    state,
                    successors,
                    Is(InPlaceMutation.ErrorAfterTruncationIsRolledBack) ? InPlaceStep.WriteBack : InPlaceStep.Ended,
                    InPlaceOutcome.FailureWithJournal);
                break;
            case InPlaceStep.Flush:
                Flush(ref next);
                Go(ref next, AfterFlush);
                Add(next, successors, $"save: fsync(file)");
                AddFailedFlush(state, successors, InPlaceStep.WriteBack, InPlaceOutcome.None);
                break;
            case InPlaceStep.WriteDone:
                next.Journal = JournalContent.Done;
                next.JournalsOnDisk |= 1 << (int)JournalContent.Done;
                Go(ref next, options.IsUnflushed ? InPlaceStep.UnlinkJournal : InPlaceStep.FlushDone);
                Add(next, successors, $"save: pwrite(journal, done)");
                break;
            case InPlaceStep.FlushDone:
                next.JournalsOnDisk = 1 << (int)JournalContent.Done;
                Go(ref next, InPlaceStep.UnlinkJournal);
                Add(next, successors, $"save: fdatasync(journal)");
                break;
            case InPlaceStep.UnlinkJournal:
                Unlink(ref next);
                End(ref next, state.HasFailed != 0 ? InPlaceOutcome.Failure : InPlaceOutcome.Success);
                Add(next, successors, $"save: unlinkat(journal), reports {next.Outcome}");
                break;
            case InPlaceStep.WriteBack:
                next.HasFailed = 1;
                for (int block = 0; block < 2; block++)
                {
                    if (IsInRange(block)) Write(ref next, block, Block.Old);
                }
                Go(ref next, InPlaceStep.SetOldLength);
                Add(next, successors, $"save: writes the old bytes back");
                break;
            case InPlaceStep.SetOldLength:
                SetLength(ref next, 2);
                Go(ref next, Is(InPlaceMutation.WrittenBackIsNotFlushed) ? AfterFlush : InPlaceStep.FlushWrittenBack);
                Add(next, successors, $"save: ftruncate(file)");
                break;
            case InPlaceStep.FlushWrittenBack:
                Flush(ref next);
                Go(ref next, AfterFlush);
                Add(next, successors, $"save: fsync(file)");
                AddFailedFlush(state, successors, InPlaceStep.Ended, InPlaceOutcome.FailureWithJournal);
                break;
        }
    }

    private InPlaceStep AfterRanges =>
        options.IsUnflushed || Is(InPlaceMutation.RangesAreNotFlushedBeforeTruncation) ? InPlaceStep.Truncate
        : Is(InPlaceMutation.TruncationIsFirst) ? InPlaceStep.Flush
        : InPlaceStep.FlushRanges;

    private InPlaceStep AfterWrites => options.IsUnflushed || Is(InPlaceMutation.FileIsNotFlushed) ? AfterFlush : InPlaceStep.Flush;

    private InPlaceStep AfterFlush => Is(InPlaceMutation.DoneIsNotWritten) ? InPlaceStep.UnlinkJournal : InPlaceStep.WriteDone;

    private void AddFailedWrite(in InPlaceState state, Successors<InPlaceState> successors)
    {
        if (state.FailedFlushes == options.FailedFlushes) return;
        var next = state;
        next.FailedFlushes++;
        Go(ref next, InPlaceStep.WriteBack);
        Add(next, successors, $"save: the write fails, ENOSPC");
    }

    /// <summary>The pages are clean then, and what the disk has is not known.</summary>
    private void AddFailedFlush(in InPlaceState state, Successors<InPlaceState> successors, InPlaceStep step, InPlaceOutcome outcome)
    {
        if (state.FailedFlushes == options.FailedFlushes) return;
        var next = state;
        next.FailedFlushes++;
        for (int block = 0; block < PerBlock<byte>.Count; block++) next.IsDirty[block] = 0;
        if (step == InPlaceStep.Ended)
        {
            next.IsLengthDirty = 0;
            End(ref next, outcome);
        }
        else
        {
            Go(ref next, step);
        }
        Add(next, successors, $"save: the flush fails, EIO");
    }

    private void AddRepairStep(in InPlaceState state, Successors<InPlaceState> successors)
    {
        var next = state;
        switch (state.Repair)
        {
            case RepairStep.None:
                if (state.HasName == 0 || state.Repairs == MaxRepairs) return;
                next.Repairs++;
                next.Repair = state.Journal != JournalContent.Pending ? RepairStep.UnlinkJournal
                    : Is(InPlaceMutation.RepairDoesNotFlushDirectory) ? RepairStep.Compare
                    : RepairStep.FlushDirectory;
                if (state.Journal == JournalContent.Pending && state.Outcome == InPlaceOutcome.Success)
                    Violate(ref next, InPlaceProperty.SuccessStays);
                Add(next, successors, $"repair: finds a journal, {state.Journal}");
                break;
            case RepairStep.FlushDirectory:
                next.NamesOnDisk = state.HasName != 0 ? (byte)2 : (byte)1;
                next.JournalsOnDisk = (byte)(1 << (int)state.Journal);
                next.Repair = RepairStep.Compare;
                Add(next, successors, $"repair: fsync(journal), fsync(directory)");
                break;
            case RepairStep.Compare:
                Compare(ref next);
                Add(
                    next,
                    successors,
                    $"repair: compares: {(next.Repair == RepairStep.Refused ? "refuses" : next.IsForward != 0 ? "forward" : "back")}");
                break;
            case RepairStep.WriteFirst:
                if (MustWrite(state, 0)) WriteInRepair(ref next, 0);
                next.Repair = RepairStep.WriteRest;
                Add(next, successors, $"repair: pwrite(block 0)");
                break;
            case RepairStep.WriteRest:
                WriteRest(ref next);
                next.Repair = Is(InPlaceMutation.RepairDoesNotFlush) ? RepairStep.WriteDone : RepairStep.Flush;
                Add(next, successors, $"repair: second range, and length");
                break;
            case RepairStep.Flush:
                Flush(ref next);
                next.Repair = RepairStep.WriteDone;
                Add(next, successors, $"repair: fsync(file)");
                break;
            case RepairStep.WriteDone:
                next.Journal = JournalContent.Done;
                next.JournalsOnDisk |= 1 << (int)JournalContent.Done;
                next.Repair = RepairStep.FlushDone;
                Add(next, successors, $"repair: pwrite(journal, done)");
                break;
            case RepairStep.FlushDone:
                next.JournalsOnDisk = 1 << (int)JournalContent.Done;
                next.Repair = RepairStep.UnlinkJournal;
                Add(next, successors, $"repair: fdatasync(journal)");
                break;
            case RepairStep.UnlinkJournal:
                Unlink(ref next);
                next.Repair = RepairStep.None;
                Add(next, successors, $"repair: unlinkat(journal)");
                break;
        }
    }

    /// <summary>After the old end zeros are old; every length between the old and the new one is the save's.</summary>
    private void Compare(ref InPlaceState state)
    {
        bool isOld = true, isForeign = false;
        for (int block = 0; block < PerBlock<Block>.Count; block++)
        {
            state.Seen[block] = block < state.Length ? (byte)state.Content[block] : byte.MaxValue;
            if (!IsInRange(block)) continue;
            var content = block < state.Length ? state.Content[block] : Block.Old;
            if (block >= 2 && content == Block.Zeros && !Is(InPlaceMutation.RepairTakesZerosForForeign)) content = Block.Old;
            if (content == Block.New) isOld = false;
            else if (content != Block.Old) isForeign = true;
        }
        state.SeenLength = state.Length;
        if (state.Length != 2 && state.Length != NewLength) isForeign = true;
        if (state.Length != 2) isOld = false;
        bool hasTail = options.Kind == InPlaceKind.Shrinks && state.Length == 2;
        if (hasTail && state.Content[1] != Block.Old && !Is(InPlaceMutation.RepairDoesNotCompareTail)) isForeign = true;
        if (isForeign && state.WasForeign == 0) Violate(ref state, InPlaceProperty.RefusesOnlyForeign);
        if (isForeign && !Is(InPlaceMutation.RepairWritesBesideForeign))
        {
            state.Repair = RepairStep.Refused;
            return;
        }
        state.IsForward = isOld && !Is(InPlaceMutation.RepairRollsForwardAlways) ? (byte)0 : (byte)1;
        state.Repair = RepairStep.WriteFirst;
    }

    /// <summary>Every byte of every range is written again: after a failed flush only the page cache may have it.</summary>
    private bool MustWrite(in InPlaceState state, int block)
    {
        var wanted = state.IsForward != 0 ? Block.New : Block.Old;
        if (Is(InPlaceMutation.RepairWritesBesideForeign) && state.Seen[block] == (byte)Block.Foreign) return false;
        return !Is(InPlaceMutation.RepairLeavesEqualBytes) || state.Seen[block] != (byte)wanted;
    }

    private void WriteRest(ref InPlaceState state)
    {
        bool isForward = state.IsForward != 0;
        switch (options.Kind)
        {
            case InPlaceKind.Overwrites:
                if (MustWrite(state, 1)) WriteInRepair(ref state, 1);
                break;
            case InPlaceKind.Grows when isForward:
                if (Is(InPlaceMutation.RepairWritesBesideForeign) && state.Seen[2] == (byte)Block.Foreign) break;
                SetLengthInRepair(ref state, 3);
                if (MustWrite(state, 2)) WriteInRepair(ref state, 2);
                break;
            case InPlaceKind.Grows:
                SetLengthInRepair(ref state, 2);
                break;
            case InPlaceKind.Shrinks:
                SetLengthInRepair(ref state, isForward ? 1 : 2);
                break;
        }
    }

    private void WriteInRepair(ref InPlaceState state, int block)
    {
        var wanted = state.IsForward != 0 ? Block.New : Block.Old;
        if ((state.ForeignBlocks >> block & 1) != 0 && state.Content[block] != wanted)
            Violate(ref state, InPlaceProperty.ForeignChangeStays);
        Write(ref state, block, wanted);
    }

    private void SetLengthInRepair(ref InPlaceState state, int length)
    {
        for (int block = length; block < state.Length; block++)
        {
            if ((state.ForeignBlocks >> block & 1) != 0) Violate(ref state, InPlaceProperty.ForeignChangeStays);
        }
        if (state.IsForeignLength != 0 && length != state.Length) Violate(ref state, InPlaceProperty.ForeignChangeStays);
        SetLength(ref state, length);
        if (!Is(InPlaceMutation.RepairLeavesEqualBytes)) state.IsLengthDirty = 1; // man 2 ftruncate: also to the same length
    }

    private static void Write(ref InPlaceState state, int block, Block content)
    {
        state.Content[block] = content;
        state.OnDisk[block] |= (byte)(1 << (int)content);
        state.IsDirty[block] = 1;
    }

    private static void SetLength(ref InPlaceState state, int length)
    {
        if (state.Length == length) return;
        for (int block = state.Length; block < length; block++)
        {
            state.Content[block] = Block.Zeros;
            state.OnDisk[block] = 1 << (int)Block.Zeros;
            state.IsDirty[block] = 0;
        }
        state.Length = (byte)length;
        state.LengthsOnDisk |= (byte)(1 << length);
        state.IsLengthDirty = 1;
    }

    private static void Flush(ref InPlaceState state)
    {
        for (int block = 0; block < PerBlock<byte>.Count; block++)
        {
            if (state.IsDirty[block] == 0) continue;
            state.OnDisk[block] = (byte)(1 << (int)state.Content[block]);
            state.IsDirty[block] = 0;
        }
        if (state.IsLengthDirty != 0) state.LengthsOnDisk = (byte)(1 << state.Length);
        state.IsLengthDirty = 0;
    }

    /// <summary>By its name: what another program has moved aside keeps what it says.</summary>
    private static void Unlink(ref InPlaceState state)
    {
        if (state.HasName == 0) return;
        state.HasName = 0;
        state.NamesOnDisk |= 1;
    }

    private static void Go(ref InPlaceState state, InPlaceStep step) => state.Step = step;

    private static void End(ref InPlaceState state, InPlaceOutcome outcome)
    {
        state.Step = InPlaceStep.Ended;
        state.IsAlive = 0;
        state.Outcome = outcome;
    }
}

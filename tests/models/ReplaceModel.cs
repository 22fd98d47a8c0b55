using System.Runtime.CompilerServices;

namespace MmapSnapshot.Models;

/// <summary>
/// The Replace protocol: savers of one name, other processes that know nothing of the protocol, kills and machine crashes. Each
/// step of a saver is one system call, named in the trace as in its man page. Compare with src/MmapSnapshot.Core/Committing.
/// </summary>
internal sealed partial class ReplaceModel(ReplaceOptions options) : IModel<ReplaceState>
{
    public ReplaceState Initial
    {
        get
        {
            var state = new ReplaceState { LastPlaced = FileId.Original };
            state.Directory.Target = FileId.Original;
            state.Directory.Placed = default(FileSet).With(FileId.Original);
            state.Created = state.Directory.Placed;
            for (int file = 0; file < PerFile<byte>.Count; file++) state.Number[file] = (byte)file;
            return state;
        }
    }

    public string? FindViolation(in ReplaceState state) => state.Violated == Property.None ? null : state.Violated.ToString();

    public void Expand(in ReplaceState state, Successors<ReplaceState> successors)
    {
        // A step that no other process can notice, and that notices no other, need not be interleaved with theirs.
        for (int p = 0; p < options.Savers; p++)
        {
            if (!IsUnnoticeable(state.Savers[p].Step)) continue;
            AddSaverStep(state, p, successors);
            return;
        }
        for (int p = 0; p < options.Savers; p++)
        {
            // Savers are alike until they start, so they start in order.
            if (p > 0 && state.Savers[p - 1].Step == Step.Open) break;
            AddSaverStep(state, p, successors);
            AddKill(state, p, successors);
        }
        AddForeignRenames(state, successors);
        AddUnlinker(state, successors);
        AddWriter(state, successors);
        AddMover(state, successors);
        AddMachineCrash(state, successors);
    }

    private bool IsUnnoticeable(Step step) => step switch
    {
        Step.StageFile => !options.ReusesInodeNumbers,
        Step.LeaseStagedFile or Step.MakeMarker or Step.ReadFoundMarker => true,
        Step.LockMarker => options.Mutation != Mutation.MarkerIsLockedAfterLink,
        Step.LeaseTarget or Step.CompareTarget => !options.HasWriter,
        _ => false,
    };

    private void AddSaverStep(in ReplaceState state, int p, Successors<ReplaceState> successors)
    {
        var step = state.Savers[p].Step;
        switch (step)
        {
            case Step.Open: AddOpen(state, p, successors); break;
            case >= Step.StageFile and <= Step.LeaseStagedFile: AddStaging(state, p, successors); break;
            case >= Step.MakeMarker and <= Step.LinkMarker: AddMarkerStep(state, p, successors); break;
            case >= Step.OpenFoundMarker and <= Step.CloseFoundMarker: AddCleaningStep(state, p, successors); break;
            case >= Step.LinkTemporary and <= Step.CompareTarget: AddLook(state, p, successors); break;
            case Step.UnlinkTarget or Step.Rename: AddRename(state, p, successors); break;
            case >= Step.Exchange and <= Step.LookAfterExchangeBack: AddExchangeStep(state, p, successors); break;
            case >= Step.UnlinkExpected and <= Step.CloseMarker: AddCompletion(state, p, successors); break;
        }
    }

    private void AddOpen(in ReplaceState state, int p, Successors<ReplaceState> successors)
    {
        if (state.Directory.Target == FileId.None) return;
        var next = state;
        ref var saver = ref next.Savers[p];
        saver.Expected = state.Directory.Target;
        saver.StartedAfterFault = state.Kills + state.MachineCrashes > 0;
        saver.Step = Step.StageFile;
        Add(successors, next, $"{Saver(p)}: open(target) = {Name(saver.Expected)}");
    }

    private void AddStaging(in ReplaceState state, int p, Successors<ReplaceState> successors)
    {
        var next = state;
        ref var saver = ref next.Savers[p];
        if (saver.Step == Step.StageFile)
        {
            saver.Step = Step.LeaseStagedFile;
            AddCreation(state, next, StagedBy(p), successors, $"{Saver(p)}: open(O_TMPFILE), pwrite, fsync: {Name(StagedBy(p))}");
            return;
        }
        saver.Step = options.Mutation == Mutation.NoMarker ? Step.LinkTemporary : Step.MakeMarker;
        Add(successors, next, $"{Saver(p)}: fcntl(staged, F_SETLEASE, F_RDLCK) = 0");
    }

    private void AddMarkerStep(in ReplaceState state, int p, Successors<ReplaceState> successors)
    {
        var next = state;
        ref var saver = ref next.Savers[p];
        bool isLockedFirst = options.Mutation != Mutation.MarkerIsLockedAfterLink;
        switch (saver.Step)
        {
            case Step.MakeMarker:
                saver.Step = isLockedFirst ? Step.LockMarker : Step.LinkMarker;
                Add(successors, next, $"{Saver(p)}: open(O_TMPFILE), pwrite: the marker, without a name");
                break;
            case Step.LockMarker:
                if (state.LockHolder[p] != 0) break; // it waits
                next.LockHolder[p] = Holder(p);
                saver.Step = isLockedFirst ? Step.LinkMarker : Step.LinkTemporary;
                Add(successors, next, $"{Saver(p)}: fcntl(marker, F_OFD_SETLK, F_WRLCK) = 0");
                break;
            case Step.LinkMarker when state.Directory.Marker == MarkerId.None:
                next.Directory.Marker = MarkerOf(p);
                saver.HasMarker = true;
                saver.Step = isLockedFirst ? Step.LinkTemporary : Step.LockMarker;
                AddDirectoryOperation(successors, state, next, $"{Saver(p)}: linkat(marker) = 0");
                break;
            case Step.LinkMarker:
                saver.Step = Step.OpenFoundMarker;
                Add(successors, next, $"{Saver(p)}: linkat(marker) = EEXIST");
                break;
        }
    }

    private void AddCleaningStep(in ReplaceState state, int p, Successors<ReplaceState> successors)
    {
        var next = state;
        ref var saver = ref next.Savers[p];
        if (saver.Step == Step.OpenFoundMarker)
        {
            if (state.Directory.Marker == MarkerId.None)
            {
                saver.Step = Step.LinkMarker;
                Add(successors, next, $"{Saver(p)}: openat(marker) = ENOENT");
                return;
            }
            saver.FoundMarker = state.Directory.Marker;
            saver.Step = Step.LockFoundMarker;
            Add(successors, next, $"{Saver(p)}: openat(marker) = the marker of {Saver(MakerOf(saver.FoundMarker))}");
            return;
        }

        int maker = MakerOf(saver.FoundMarker);
        var leftover = state.Directory.Temporary[maker];
        switch (saver.Step)
        {
            case Step.LockFoundMarker when state.LockHolder[maker] != 0:
                AddWaiting(state, p, successors);
                break;
            case Step.LockFoundMarker:
                if (options.Mutation != Mutation.CleanerTakesNoLock) next.LockHolder[maker] = Holder(p);
                saver.Step = options.Mutation == Mutation.CleanerComparesNoName ? Step.ReadFoundMarker : Step.CompareFoundMarker;
                Add(successors, next, $"{Saver(p)}: fcntl(found marker, F_OFD_SETLK) = 0: its maker is dead");
                break;
            case Step.CompareFoundMarker:
                bool isSame = state.Directory.Marker == saver.FoundMarker;
                saver.Step = isSame ? Step.ReadFoundMarker : Step.CloseFoundMarker;
                Add(successors, next, $"{Saver(p)}: fstatat(marker) {(isSame ? "is" : "is not")} the found marker");
                break;
            case Step.ReadFoundMarker:
                bool hasNoName = state.IsMarkerEmpty[maker] && options.Mutation == Mutation.TemporaryNameIsInContentAlone;
                saver.Step = hasNoName ? Step.UnlinkFoundMarker : Step.LookAtLeftover;
                Add(successors, next, $"{Saver(p)}: pread(found marker){(state.IsMarkerEmpty[maker] ? " = 0: it is empty" : "")}");
                break;
            case Step.LookAtLeftover:
                saver.Step = StepForLeftover(state, leftover, maker);
                Add(successors, next, $"{Saver(p)}: fstatat(temporary name of {Saver(maker)}) = {Name(leftover)}");
                break;
            case Step.LookAtTargetForLeftover:
                bool isPublished = IsSame(state, state.Directory.Target, StagedBy(maker));
                saver.Step = isPublished ? Step.UnlinkLeftover : Step.RecoverLeftover;
                Add(
                    successors,
                    next,
                    $"{Saver(p)}: fstatat(target) = {Name(state.Directory.Target)}, {(isPublished ? "" : "not ")}what {Saver(maker)} staged");
                break;
            case Step.UnlinkLeftover:
                if (leftover != StagedBy(maker) && leftover != state.Savers[maker].Expected) Violate(ref next, Property.DeletesOnlyItsOwn);
                if (state.Savers[maker].IsRunning) Violate(ref next, Property.LiveSaversAreUntouched);
                next.Directory.Temporary[maker] = FileId.None;
                saver.Step = Step.UnlinkFoundMarker;
                AddDirectoryOperation(successors, state, next, $"{Saver(p)}: unlinkat(temporary name of {Saver(maker)}), {Name(leftover)}");
                break;
            case Step.RecoverLeftover:
                if (state.Savers[maker].IsRunning) Violate(ref next, Property.LiveSaversAreUntouched);
                next.Directory.Temporary[maker] = FileId.None;
                next.Directory.Recovered = state.Directory.Recovered.With(leftover);
                saver.Step = Step.UnlinkFoundMarker;
                AddDirectoryOperation(
                    successors,
                    state,
                    next,
                    $"{Saver(p)}: renameat2(temporary name of {Saver(maker)}, recovered, RENAME_NOREPLACE), {Name(leftover)}");
                break;
            case Step.UnlinkFoundMarker:
                var marker = state.Directory.Marker;
                if (marker != MarkerId.None && state.Savers[MakerOf(marker)].IsRunning) Violate(ref next, Property.LiveSaversAreUntouched);
                next.Directory.Marker = MarkerId.None;
                saver.Step = Step.CloseFoundMarker;
                AddDirectoryOperation(successors, state, next, $"{Saver(p)}: unlinkat(marker), {Name(marker)}");
                break;
            case Step.CloseFoundMarker:
                CloseFoundMarker(ref next, p);
                saver.Step = Step.LinkMarker;
                Add(successors, next, $"{Saver(p)}: close(found marker)");
                break;
        }
    }

    /// <summary>The maker of the found marker lives: try again until the wait is over, then give up.</summary>
    private void AddWaiting(in ReplaceState state, int p, Successors<ReplaceState> successors)
    {
        var again = state;
        CloseFoundMarker(ref again, p);
        again.Savers[p].Step = Step.LinkMarker;
        Add(successors, again, $"{Saver(p)}: fcntl(found marker, F_OFD_SETLK) = EAGAIN: its maker lives, wait");

        var waited = again;
        if (options.Mutation == Mutation.ContinuesBesideLiveSaver)
        {
            waited.Savers[p].Step = Step.LinkTemporary;
            Add(successors, waited, $"{Saver(p)}: fcntl(found marker, F_OFD_SETLK) = EAGAIN: the wait is over, continue without a marker");
            return;
        }
        End(ref waited, p, Outcome.SaveInProgress);
        Add(successors, waited, $"{Saver(p)}: fcntl(found marker, F_OFD_SETLK) = EAGAIN: the wait is over, report SaveInProgress");
    }

    private static void CloseFoundMarker(ref ReplaceState state, int p)
    {
        ref var saver = ref state.Savers[p];
        int maker = MakerOf(saver.FoundMarker);
        if (state.LockHolder[maker] == Holder(p)) state.LockHolder[maker] = 0;
        saver.FoundMarker = MarkerId.None;
    }

    private Step StepForLeftover(in ReplaceState state, FileId leftover, int maker)
    {
        if (leftover == FileId.None) return Step.UnlinkFoundMarker;
        if (state.IsMarkerEmpty[maker]) return Step.RecoverLeftover; // which file it is, the content would say
        if (IsSame(state, leftover, StagedBy(maker)) || options.Mutation == Mutation.CleanerUnlinksAnything) return Step.UnlinkLeftover;
        if (!IsSame(state, leftover, state.Savers[maker].Expected)) return Step.RecoverLeftover;
        return options.Mutation == Mutation.CleanerUnlinksExpectedAlways ? Step.UnlinkLeftover : Step.LookAtTargetForLeftover;
    }

    private void AddLook(in ReplaceState state, int p, Successors<ReplaceState> successors)
    {
        var next = state;
        ref var saver = ref next.Savers[p];
        bool isLeasedFirst = options.Mutation is not (Mutation.TargetIsNotLeased or Mutation.TargetIsLeasedAfterCompare);
        switch (saver.Step)
        {
            case Step.LinkTemporary:
                next.Directory.Temporary[p] = StagedBy(p);
                saver.Step = options.Mutation == Mutation.NoLookBeforeExchange ? StepAfterLook() : Step.OpenTarget;
                AddDirectoryOperation(successors, state, next, $"{Saver(p)}: linkat(temporary) = 0, {Name(StagedBy(p))}");
                break;
            case Step.OpenTarget when state.Directory.Target == FileId.None:
                BeginConflict(ref next, p);
                Add(successors, next, $"{Saver(p)}: openat(target) = ENOENT");
                break;
            case Step.OpenTarget:
                saver.Looked = state.Directory.Target;
                saver.Step = isLeasedFirst ? Step.LeaseTarget : Step.CompareTarget;
                Add(successors, next, $"{Saver(p)}: openat(target) = {Name(saver.Looked)}");
                break;
            case Step.LeaseTarget:
                saver.HasTargetLease = true;
                saver.Step = isLeasedFirst ? Step.CompareTarget : StepAfterLook();
                Add(successors, next, $"{Saver(p)}: fcntl(target, F_SETLEASE, F_RDLCK) = 0");
                break;
            case Step.CompareTarget:
                var looked = saver.Looked;
                bool hasNumberAlone = options.Mutation == Mutation.IdentityIsInodeNumber;
                bool isExpected = !saver.ExpectedWasWritten && (hasNumberAlone ? IsSame(state, looked, saver.Expected) : looked == saver.Expected);
                saver.Step = options.Mutation == Mutation.TargetIsLeasedAfterCompare ? Step.LeaseTarget : StepAfterLook();
                if (options.Mutation == Mutation.LookIsClosed) CloseLook(ref saver);
                if (!isExpected) BeginConflict(ref next, p);
                Add(successors, next, $"{Saver(p)}: fstat({Name(looked)}) {(isExpected ? "is" : "is not")} what was opened");
                break;
        }
    }

    private Step StepAfterLook() =>
        options.HasExchange ? Step.Exchange
        : options.Mutation == Mutation.TargetIsUnlinkedFirst ? Step.UnlinkTarget
        : Step.Rename;

    /// <summary>Where names cannot be exchanged. Another process that replaces the file after the look is not noticed.</summary>
    private void AddRename(in ReplaceState state, int p, Successors<ReplaceState> successors)
    {
        var next = state;
        ref var saver = ref next.Savers[p];
        var target = state.Directory.Target;
        if (target == saver.Expected) next.Directory.Replaced = state.Directory.Replaced.With(target);
        if (saver.Step == Step.UnlinkTarget)
        {
            next.Directory.Target = FileId.None;
            saver.Step = Step.Rename;
            AddDirectoryOperation(successors, state, next, $"{Saver(p)}: unlinkat(target) = 0, {Name(target)}");
            return;
        }
        next.Directory.Target = state.Directory.Temporary[p];
        next.Directory.Temporary[p] = FileId.None;
        next.LastPlaced = next.Directory.Target;
        saver.Outcome = Outcome.Success;
        saver.Step = StepAfterUnlink();
        AddDirectoryOperation(
            successors,
            state,
            next,
            $"{Saver(p)}: renameat(temporary, target) = 0: target is {Name(next.Directory.Target)}, which was {Name(target)}");
    }

    private void AddExchangeStep(in ReplaceState state, int p, Successors<ReplaceState> successors)
    {
        var next = state;
        ref var saver = ref next.Savers[p];
        var target = state.Directory.Target;
        var temporary = state.Directory.Temporary[p];
        switch (saver.Step)
        {
            case Step.Exchange or Step.ExchangeBack when target == FileId.None || temporary == FileId.None:
                BeginConflict(ref next, p);
                Add(successors, next, $"{Saver(p)}: renameat2(target, temporary, RENAME_EXCHANGE) = ENOENT");
                break;
            case Step.Exchange or Step.ExchangeBack:
                bool isFirst = saver.Step == Step.Exchange;
                if (isFirst && target == saver.Expected && !saver.ExpectedWasWritten)
                {
                    next.Directory.Replaced = state.Directory.Replaced.With(target);
                    next.LastPlaced = temporary;
                }
                next.Directory.Target = temporary;
                next.Directory.Temporary[p] = target;
                saver.PutInBefore = saver.PutIn;
                saver.PutIn = temporary;
                saver.Step = isFirst ? Step.LookAtDisplaced : Step.LookAfterExchangeBack;
                if (isFirst && options.Mutation == Mutation.NoLookAfterExchange)
                {
                    saver.Step = Step.UnlinkExpected;
                    saver.Outcome = Outcome.Success;
                }
                AddDirectoryOperation(
                    successors,
                    state,
                    next,
                    $"{Saver(p)}: renameat2(target, temporary, RENAME_EXCHANGE) = 0: target is {Name(temporary)}, temporary is {Name(target)}");
                break;
            case Step.LookAtDisplaced:
                bool isExpected = IsSame(state, temporary, saver.Expected);
                saver.Step = isExpected ? Step.UnlinkExpected : Step.ExchangeBack;
                if (isExpected) saver.Outcome = Outcome.Success;
                Add(successors, next, $"{Saver(p)}: fstatat(temporary) = {Name(temporary)}, {(isExpected ? "as" : "not")} expected");
                break;
            case Step.LookAfterExchangeBack:
                bool isBack = IsSame(state, temporary, saver.PutInBefore);
                if (isBack || options.Mutation == Mutation.PutsBackOnce) BeginConflict(ref next, p);
                else saver.Step = Step.ExchangeBack;
                Add(successors, next, $"{Saver(p)}: fstatat(temporary) = {Name(temporary)}, {(isBack ? "" : "not ")}what was put in last");
                break;
        }
    }

    /// <summary>From here on the save is a conflict: removes the staged file, or keeps what is not ours where people see it.</summary>
    private void BeginConflict(ref ReplaceState state, int p)
    {
        ref var saver = ref state.Savers[p];
        var temporary = state.Directory.Temporary[p];
        saver.Outcome = Outcome.Conflict;
        saver.Step =
            temporary == FileId.None ? Step.FlushDirectory
            : IsSame(state, temporary, StagedBy(p)) ? Step.UnlinkStaged
            : options.Mutation == Mutation.ConflictUnlinksAnything ? Step.UnlinkStaged
            : options.Mutation == Mutation.ConflictUnlinksExpected && IsSame(state, temporary, saver.Expected) ? Step.UnlinkStaged
            : Step.RecoverTemporary;
    }

    private void AddCompletion(in ReplaceState state, int p, Successors<ReplaceState> successors)
    {
        var next = state;
        ref var saver = ref next.Savers[p];
        var temporary = state.Directory.Temporary[p];
        switch (saver.Step)
        {
            case Step.UnlinkExpected or Step.UnlinkStaged:
                if (temporary != StagedBy(p) && temporary != saver.Expected) Violate(ref next, Property.DeletesOnlyItsOwn);
                if (saver.Outcome == Outcome.Conflict && temporary != StagedBy(p)) Violate(ref next, Property.ConflictRemovesNothing);
                next.Directory.Temporary[p] = FileId.None;
                saver.Step = StepAfterUnlink();
                AddDirectoryOperation(successors, state, next, $"{Saver(p)}: unlinkat(temporary), {Name(temporary)}");
                break;
            case Step.RecoverTemporary:
                next.Directory.Temporary[p] = FileId.None;
                next.Directory.Recovered = state.Directory.Recovered.With(temporary);
                saver.Step = StepAfterUnlink();
                AddDirectoryOperation(successors, state, next, $"{Saver(p)}: renameat2(temporary, recovered, RENAME_NOREPLACE), {Name(temporary)}");
                break;
            case Step.FlushDirectory:
                if (state.IsDiskBehind) break; // the disk lags until the machine crashes, so the flush never returns
                saver.Step = saver.HasMarker && options.Mutation != Mutation.MarkerIsUnlockedBeforeUnlink ? Step.UnlinkMarker : Step.CloseMarker;
                Add(successors, next, $"{Saver(p)}: fsync(directory) = 0");
                break;
            case Step.UnlinkMarker:
                CheckBeforeUnlinkMarker(ref next, p);
                next.Directory.Marker = MarkerId.None;
                saver.HasMarker = false;
                saver.Step = options.Mutation == Mutation.DirectoryIsFlushedAfterMarker ? Step.FlushDirectory : Step.CloseMarker;
                AddDirectoryOperation(successors, state, next, $"{Saver(p)}: unlinkat(marker), {Name(state.Directory.Marker)}");
                break;
            case Step.CloseMarker when saver.HasMarker:
                next.LockHolder[p] = 0;
                saver.Step = Step.UnlinkMarker;
                Add(successors, next, $"{Saver(p)}: close(marker), which still has its name");
                break;
            case Step.CloseMarker:
                var outcome = saver.Outcome;
                CheckReport(ref next, p);
                End(ref next, p, outcome);
                Add(successors, next, $"{Saver(p)}: close(marker), report {outcome}");
                break;
        }
    }

    private Step StepAfterUnlink() =>
        options.Mutation is Mutation.NoDirectoryFlush or Mutation.DirectoryIsFlushedAfterMarker ? Step.UnlinkMarker : Step.FlushDirectory;

    /// <summary>The process ends, or is done with the save: all its descriptors are closed, and its locks and leases with them.</summary>
    private static void End(ref ReplaceState state, int p, Outcome outcome)
    {
        state.Savers[p] = new SaverState { Step = Step.Ended, Outcome = outcome, Expected = state.Savers[p].Expected };
        for (int q = 0; q < PerSaver<byte>.Count; q++)
        {
            if (state.LockHolder[q] == Holder(p)) state.LockHolder[q] = 0;
        }
    }

    /// <summary>Whether fstatat says so of two files, long after the first of them was seen.</summary>
    private bool IsSame(in ReplaceState state, FileId file, FileId other) =>
        options.HasGeneration && options.Mutation != Mutation.IdentityIsInodeNumber
            ? file == other
            : file != FileId.None && other != FileId.None && state.Number[(int)file] == state.Number[(int)other];

    /// <summary>Adds a state in which the directory has changed, and one in which the disk has not seen that when the machine crashes.</summary>
    private void AddDirectoryOperation(
        Successors<ReplaceState> successors,
        in ReplaceState before,
        ReplaceState after,
        [InterpolatedStringHandlerArgument(nameof(successors))] StepName name)
    {
        Add(successors, after, name);
        if (before.IsDiskBehind || before.MachineCrashes == options.MachineCrashes) return;
        after.IsDiskBehind = true;
        after.Disk = before.Directory;
        Add(successors, after, $"{name} [neither this nor what follows reaches the disk]");
    }

    private void Add(Successors<ReplaceState> successors, ReplaceState after, [InterpolatedStringHandlerArgument(nameof(successors))] StepName name)
    {
        CheckFiles(ref after);
        successors.Add(after, name);
    }

    private static void CloseLook(ref SaverState saver)
    {
        saver.Looked = FileId.None;
        saver.HasTargetLease = false;
    }

    private static FileId StagedBy(int p) => FileId.StagedByA + (byte)p;

    private static FileId ForeignFile(int index) => FileId.Foreign1 + (byte)index;

    private static MarkerId MarkerOf(int p) => MarkerId.OfA + (byte)p;

    private static int MakerOf(MarkerId marker) => marker - MarkerId.OfA;

    private static byte Holder(int p) => (byte)(p + 1);

    private static string Saver(int p) => p switch { 0 => "A", 1 => "B", _ => "C" };

    private static string Name(MarkerId marker) => marker == MarkerId.None ? "nothing" : $"the marker of {Saver(MakerOf(marker))}";

    private static string Name(FileId file) => file switch
    {
        FileId.None => "nothing",
        FileId.Original => "the original",
        FileId.Foreign1 => "foreign file 1",
        FileId.Foreign2 => "foreign file 2",
        _ => $"the file staged by {Saver(file - FileId.StagedByA)}",
    };
}

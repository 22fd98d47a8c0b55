using System.Runtime.CompilerServices;

namespace MmapSnapshot.Models;

/// <content>All that is not a saver: other processes, kills and crashes, and the numbers of inodes.</content>
internal sealed partial class ReplaceModel
{
    private void AddKill(in ReplaceState state, int p, Successors<ReplaceState> successors)
    {
        if (state.Kills == options.Kills || !state.Savers[p].IsRunning) return;
        var next = state;
        next.Kills++;
        End(ref next, p, Outcome.Killed);
        for (int q = 0; q < options.Savers; q++) next.Savers[q].StartedAfterFault = false;
        Add(successors, next, $"{Saver(p)}: SIGKILL");
    }

    private void AddForeignRenames(in ReplaceState state, Successors<ReplaceState> successors)
    {
        int created = state.ForeignFilesCreated;
        if (options.ReusesInodeNumbers && created < options.ForeignRenames)
        {
            var next = state;
            next.ForeignFilesCreated++;
            AddCreation(state, next, ForeignFile(created), successors, $"another process: creat({Name(ForeignFile(created))})");
        }
        if (state.ForeignFilesRenamed < (options.ReusesInodeNumbers ? created : options.ForeignRenames))
        {
            var file = ForeignFile(state.ForeignFilesRenamed);
            var next = state;
            next.ForeignFilesRenamed++;
            Place(ref next, file);
            AddDirectoryOperation(
                successors, state, next, $"another process: rename({Name(file)}, target), which was {Name(state.Directory.Target)}");
        }
    }

    private void AddUnlinker(in ReplaceState state, Successors<ReplaceState> successors)
    {
        var target = state.Directory.Target;
        if (!options.HasUnlinker || state.UnlinkerIsDone || target == FileId.None) return;
        var next = state;
        next.UnlinkerIsDone = true;
        next.Directory.Replaced = state.Directory.Replaced.With(target);
        TakeAway(ref next);
        AddDirectoryOperation(successors, state, next, $"another process: unlink(target), which was {Name(target)}");
    }

    private void AddWriter(in ReplaceState state, Successors<ReplaceState> successors)
    {
        var target = state.Directory.Target;
        if (!options.HasWriter || state.WriterIsDone || target is FileId.None or FileId.Foreign1 or FileId.Foreign2) return;
        var next = state;
        for (int p = 0; p < options.Savers; p++)
        {
            ref var saver = ref next.Savers[p];
            if (!saver.IsRunning) continue;
            if (saver.HasTargetLease && saver.Looked == target) return; // open(2) waits
            if (StagedBy(p) == target && options.Mutation != Mutation.StagedFileIsNotLeased) return;
            if (saver.Expected == target) saver.ExpectedWasWritten = true;
        }
        next.WriterIsDone = true;
        next.Directory.Written = state.Directory.Written.With(target);
        AddDirectoryOperation(successors, state, next, $"another process: open(target), write, close: changes {Name(target)}");
    }

    private void AddMover(in ReplaceState state, Successors<ReplaceState> successors)
    {
        var target = state.Directory.Target;
        if (!options.HasMover) return;
        var next = state;
        next.MoverSteps++;
        if (state.MoverSteps == 0 && target != FileId.None && target == state.LastPlaced)
        {
            next.Directory.Aside = target;
            TakeAway(ref next);
            AddDirectoryOperation(successors, state, next, $"another process: rename(target, aside), {Name(target)}");
        }
        if (state.MoverSteps == 1 && state.Directory.Aside != FileId.None)
        {
            next.Directory.Aside = FileId.None;
            Place(ref next, state.Directory.Aside);
            AddDirectoryOperation(
                successors, state, next, $"another process: rename(aside, target), {Name(state.Directory.Aside)} over {Name(target)}");
        }
    }

    /// <summary>Another process gives the name to a file on purpose.</summary>
    private static void Place(ref ReplaceState state, FileId file)
    {
        ref var directory = ref state.Directory;
        directory.Replaced = directory.Replaced.With(directory.Target).Without(file);
        directory.Target = file;
        directory.Placed = directory.Placed.With(file);
        directory.IsRemoved = false;
        state.LastPlaced = file;
    }

    private static void TakeAway(ref ReplaceState state)
    {
        state.Directory.Target = FileId.None;
        state.Directory.IsRemoved = true;
        state.LastPlaced = FileId.None;
    }

    /// <summary>All processes that save die, and the directory is what the disk has.</summary>
    private void AddMachineCrash(in ReplaceState state, Successors<ReplaceState> successors)
    {
        if (state.MachineCrashes == options.MachineCrashes) return;
        var next = state;
        next.MachineCrashes++;
        if (state.IsDiskBehind) next.Directory = state.Disk;
        next.Disk = default;
        next.IsDiskBehind = false;
        next.ForeignFilesCreated = state.ForeignFilesRenamed;
        for (int p = 0; p < options.Savers; p++)
        {
            if (state.Savers[p].IsRunning) End(ref next, p, Outcome.Killed);
            next.Savers[p].StartedAfterFault = false;
        }
        Add(successors, next, $"the machine crashes: target is {Name(next.Directory.Target)}");
        if (next.Directory.Marker is not MarkerId.None and var marker)
        {
            next.IsMarkerEmpty[MakerOf(marker)] = true;
            Add(successors, next, $"the machine crashes: target is {Name(next.Directory.Target)}, and the content of the marker is lost");
        }
    }

    /// <summary>A file comes to be, with an inode number of its own or, where that is modelled, with one that has become free.</summary>
    private void AddCreation(
        in ReplaceState before,
        ReplaceState after,
        FileId file,
        Successors<ReplaceState> successors,
        [InterpolatedStringHandlerArgument(nameof(successors))] StepName name)
    {
        after.Created = after.Created.With(file);
        if (!options.ReusesInodeNumbers)
        {
            Add(successors, after, name);
            return;
        }
        for (int number = 1; number < PerFile<byte>.Count; number++)
        {
            bool isOwn = number == (int)file;
            if (IsInUse(before, number) || !(isOwn || before.Created.Contains((FileId)number))) continue;
            after.Number[(int)file] = (byte)number;
            if (isOwn) Add(successors, after, name);
            else Add(successors, after, $"{name}, with the inode number that {Name((FileId)number)} had");
        }
    }

    private bool IsInUse(in ReplaceState state, int number)
    {
        for (var file = FileId.Original; file <= FileId.Foreign2; file++)
        {
            if (state.Created.Contains(file) && state.Number[(int)file] == number && Exists(state, file)) return true;
        }
        return false;
    }

    /// <summary>Whether a file has a name or an open descriptor.</summary>
    private bool Exists(in ReplaceState state, FileId file)
    {
        if (state.Directory.HasName(file)) return true;
        if (file >= FileId.Foreign1 && file - FileId.Foreign1 >= state.ForeignFilesRenamed) return true;
        for (int p = 0; p < options.Savers; p++)
        {
            if (state.Savers[p].IsRunning && (file == StagedBy(p) || file == state.Savers[p].Looked)) return true;
        }
        return false;
    }
}

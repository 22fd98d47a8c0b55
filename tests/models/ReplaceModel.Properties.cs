namespace MmapSnapshot.Models;

/// <content>The properties.</content>
internal sealed partial class ReplaceModel
{
    /// <summary>Those that every state must have.</summary>
    private void CheckFiles(ref ReplaceState state)
    {
        ref var directory = ref state.Directory;
        if (directory.Target == FileId.None && !directory.IsRemoved) Violate(ref state, Property.NameIsNeverMissing);
        for (var file = FileId.Original; file <= FileId.Foreign2; file++)
        {
            if (directory.Replaced.Contains(file)) continue;
            bool isOfOthers = directory.Placed.Contains(file) || directory.Written.Contains(file);
            if (isOfOthers && !directory.HasName(file)) Violate(ref state, Property.NoFileIsLost);
        }
        for (int p = 0; p < options.Savers; p++)
        {
            // What another process has moved away and back is a file of that process, as any other.
            if (state.Savers[p] is not { Step: Step.Ended, Outcome: Outcome.Success } || directory.Placed.Contains(StagedBy(p))) continue;
            if (directory.Target != StagedBy(p) && directory.Aside != StagedBy(p) && !directory.Replaced.Contains(StagedBy(p)))
                Violate(ref state, Property.SavedContentStays);
        }
    }

    /// <summary>Those that hold when a saver is about to remove its marker: no other saver is between exchange and look.</summary>
    private void CheckBeforeUnlinkMarker(ref ReplaceState state, int p)
    {
        var marker = state.Directory.Marker;
        if (marker != MarkerId.None && marker != MarkerOf(p) && state.Savers[MakerOf(marker)].IsRunning)
            Violate(ref state, Property.LiveSaversAreUntouched);
        bool isUndisturbed = state.Kills + state.MachineCrashes == 0;
        if (isUndisturbed && state.Savers[p].Outcome == Outcome.Conflict && state.Directory.Target != state.LastPlaced)
            Violate(ref state, Property.LastFileStays);
    }

    /// <summary>Those that hold when a saver reports success or a conflict.</summary>
    private void CheckReport(ref ReplaceState state, int p)
    {
        var saver = state.Savers[p];
        for (int q = 0; q < options.Savers; q++)
        {
            var other = state.Savers[q];
            bool isOtherWinner = other is { Step: Step.Ended, Outcome: Outcome.Success } && other.Expected == saver.Expected;
            if (saver.Outcome == Outcome.Success && isOtherWinner) Violate(ref state, Property.OneWinner);

            bool mustBeClean = q == p || (saver.StartedAfterFault && other.Outcome == Outcome.Killed);
            bool isClean = state.Directory.Temporary[q] == FileId.None && state.Directory.Marker != MarkerOf(q);
            if (mustBeClean && !isClean) Violate(ref state, Property.NothingIsLeft);
        }
    }

    private void Violate(ref ReplaceState state, Property property)
    {
        if (state.Violated == Property.None && (options.Only == Property.None || options.Only == property)) state.Violated = property;
    }
}

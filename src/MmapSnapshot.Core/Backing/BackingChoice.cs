using System.Globalization;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Backing;

/// <summary>Why a snapshot has been given its backing: no more than it takes to say it in words, should somebody ask.</summary>
internal readonly record struct BackingChoice
{
    /// <summary>The caller has named the backing, or a directory for it.</summary>
    internal static readonly BackingChoice AskedFor = new() { WasAskedFor = true };

    internal bool WasAskedFor { get; private init; }

    /// <summary>Why there is no clone; null where none was tried, as the filesystem has no reflinks.</summary>
    internal CloneObstacle? NoClone { get; init; }

    /// <summary>How long a clone would take; null where that did not count.</summary>
    internal TimeSpan? CloneTime { get; init; }

    /// <summary>Whether there is no room for a copy.</summary>
    internal bool HasNoRoom { get; init; }

    /// <summary>Why there is no lease, in words; null where none was tried.</summary>
    internal string? LeaseObstacle { get; init; }

    /// <summary>In words, as what follows "because".</summary>
    internal string Explain(SnapshotBacking backing) => (backing, this) switch
    {
        (_, { WasAskedFor: true }) => "it was asked for",
        (SnapshotBacking.Immutable, _) => "nobody can write to the file",
        (SnapshotBacking.Reflink, _) => "the filesystem clones",
        (SnapshotBacking.Lease, { CloneTime: { } time }) => $"a clone of the file, which is in many pieces, would take about {Seconds(time)}",
        (SnapshotBacking.Lease, { HasNoRoom: true }) => $"{NoCloneInWords}, there is no room for a copy, and no process has the file open for writing",
        (SnapshotBacking.Lease, _) => $"{NoCloneInWords}, and no process has it open for writing",
        (_, { LeaseObstacle: not null }) => $"{NoCloneInWords}, and there is no lease: {LeaseObstacle}",
        _ => "the file does not exist yet",
    };

    private string NoCloneInWords => NoClone?.ToString() ?? "the filesystem has no reflinks";

    private static string Seconds(TimeSpan time) => $"{time.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture)} s";
}

/// <summary>Why a file could not be cloned.</summary>
/// <param name="Errno">What the kernel said.</param>
/// <param name="IsTmpFileFailure">Whether it said so when a nameless file was to be made for the clone.</param>
internal readonly record struct CloneObstacle(Errno Errno, bool IsTmpFileFailure)
{
    /// <summary>In words, as a sentence about the file.</summary>
    public override string ToString() =>
        IsTmpFileFailure
            ? $"no nameless file can be made in its directory ({ErrnoErrors.Describe(Errno)})"
            : $"it cannot be cloned ({ErrnoErrors.Describe(Errno)})";
}

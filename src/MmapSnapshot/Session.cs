using System.Collections.Concurrent;
using System.Management.Automation.Runspaces;

namespace MmapSnapshot;

/// <summary>
/// The snapshots open in this process. One with unsaved changes is kept until it is closed; one without is only remembered,
/// so that the garbage collector closes it when nobody refers to it any more.
/// </summary>
internal static class Session
{
    private static readonly ConcurrentDictionary<int, Entry> _entries = new();

    /// <summary>At how many entries those of closed snapshots are removed: often enough, yet not at each.</summary>
    private static int _nextCleaning = 64;

    /// <summary>Remembers a snapshot that was just opened.</summary>
    internal static void Add(Snapshot snapshot)
    {
        var added = new Entry(snapshot);
        _entries[snapshot.Id] = added;
        added.Keep(snapshot);
        snapshot.StateChanged += UpdateRooting;
        if (_entries.Count < _nextCleaning) return;
        foreach (var (id, entry) in _entries)
        {
            if (entry.Snapshot is null or { IsClosed: true }) _entries.TryRemove(id, out _);
        }
        _nextCleaning = Math.Max(64, 2 * _entries.Count);
    }

    /// <summary>The open ones, in the order they were opened.</summary>
    internal static Snapshot[] Open() =>
        [.. _entries.Values.Select(entry => entry.Snapshot).OfType<Snapshot>().Where(snapshot => !snapshot.IsClosed).OrderBy(snapshot => snapshot.Id)];

    /// <summary>The open one with this id.</summary>
    /// <exception cref="SnapshotException">SnapshotClosed: there is none.</exception>
    internal static Snapshot Get(int id) =>
        _entries.TryGetValue(id, out var entry) && entry.Snapshot is { IsClosed: false } snapshot ? snapshot : throw ErrorFactory.NotOpen($"with the id {id}");

    /// <summary>Those opened by this runspace or by one that is gone: what Remove-Module closes.</summary>
    internal static Snapshot[] OpenedBy(Runspace? runspace) =>
        [.. Open().Where(snapshot => _entries.TryGetValue(snapshot.Id, out var entry) && entry.BelongsTo(runspace))];

    /// <summary>Sees to it that unsaved changes are not collected, however they were made.</summary>
    private static void UpdateRooting(object? sender, EventArgs arguments)
    {
        if (sender is Snapshot snapshot && _entries.TryGetValue(snapshot.Id, out var entry)) entry.Keep(snapshot);
    }

    private sealed class Entry(Snapshot snapshot)
    {
        private readonly WeakReference<Snapshot> _weak = new(snapshot);

        private readonly WeakReference<Runspace?> _runspace = new(Runspace.DefaultRunspace);

        /// <summary>Only here so that a snapshot with changes stays referred to.</summary>
        private volatile Snapshot? _strong;

        internal Snapshot? Snapshot => _strong ?? (_weak.TryGetTarget(out var target) ? target : null);

        internal void Keep(Snapshot snapshot) => _strong = snapshot is { IsModified: true, IsClosed: false } ? snapshot : null;

        internal bool BelongsTo(Runspace? runspace) =>
            !_runspace.TryGetTarget(out var owner)
            || owner == runspace
            || owner.RunspaceStateInfo.State is RunspaceState.Closed or RunspaceState.Closing or RunspaceState.Broken;
    }
}

namespace MmapSnapshot.Content;

/// <summary>
/// The tables that a snapshot has had, for undo and redo in O(1). The one lock that writers hold guards it; <see cref="Current"/> may be
/// read without.
/// </summary>
/// <remarks>
/// Memory: a table shares with its successor all but about 2 KiB of nodes, so 10,000 steps take about 20 MiB besides the last table.
/// The bytes that a step wrote stay in the additions until the snapshot is closed, undone or not: in a file, for all but about a
/// mebibyte.
/// </remarks>
internal sealed class EditHistory
{
    /// <summary>The number of steps that can be undone.</summary>
    internal const int StepLimit = 10_000;

    /// <summary>A ring: the oldest table, those after it, the current one, and those that were undone.</summary>
    private PieceTable[] _tables = new PieceTable[4];

    private int _oldest, _undo, _redo;

    private PieceTable _current;

    /// <summary>What made the last step, if it may still be continued.</summary>
    private object? _mergeToken;

    /// <param name="initial">The content before the first step.</param>
    internal EditHistory(PieceTable initial)
    {
        _tables[0] = _current = initial;
    }

    /// <summary>The content now.</summary>
    internal PieceTable Current => Volatile.Read(ref _current);

    /// <summary>The number of steps that can be undone.</summary>
    internal int UndoCount => _undo;

    /// <summary>The number of steps that can be redone.</summary>
    internal int RedoCount => _redo;

    /// <summary>Makes a table the current one, as a step that can be undone. Steps that were undone can no longer be redone.</summary>
    /// <param name="table">The content after the step. If it is the current one, there is no step.</param>
    /// <param name="mergeToken">
    /// If not null, and the step before came with the same object and was not undone since, both are one step: for the writes of a
    /// stream that continue each other.
    /// </param>
    internal void Push(PieceTable table, object? mergeToken = null)
    {
        if (ReferenceEquals(table, _current)) return;
        ForgetUndone();
        if (mergeToken is null || !ReferenceEquals(mergeToken, _mergeToken))
        {
            if (_undo == StepLimit) ForgetOldest();
            _undo++;
        }
        _mergeToken = mergeToken;
        EnsureRoom();
        this[_undo] = table;
        Volatile.Write(ref _current, table);
    }

    /// <summary>Makes the table before the last step the current one.</summary>
    /// <returns>Whether there was a step.</returns>
    internal bool Undo() => _undo > 0 && Move(-1);

    /// <summary>Makes the table after the step that was undone last the current one.</summary>
    /// <returns>Whether there was such a step.</returns>
    internal bool Redo() => _redo > 0 && Move(1);

    /// <summary>Forgets all steps; the current table stays.</summary>
    internal void Clear()
    {
        _tables = new PieceTable[4];
        _tables[0] = _current;
        _oldest = _undo = _redo = 0;
        _mergeToken = null;
    }

    private PieceTable this[int step]
    {
        get => _tables[(_oldest + step) % _tables.Length];
        set => _tables[(_oldest + step) % _tables.Length] = value;
    }

    private bool Move(int steps)
    {
        _undo += steps;
        _redo -= steps;
        _mergeToken = null;
        Volatile.Write(ref _current, this[_undo]);
        return true;
    }

    private void ForgetUndone()
    {
        for (; _redo > 0; _redo--) this[_undo + _redo] = null!;
    }

    private void ForgetOldest()
    {
        this[0] = null!;
        _oldest = (_oldest + 1) % _tables.Length;
        _undo--;
    }

    private void EnsureRoom()
    {
        if (_undo < _tables.Length) return;
        var larger = new PieceTable[Math.Min(2 * _tables.Length, StepLimit + 1)];
        for (int step = 0; step < _undo; step++) larger[step] = this[step];
        _tables = larger;
        _oldest = 0;
    }
}

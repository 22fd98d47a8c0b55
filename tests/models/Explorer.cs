using System.Runtime.InteropServices;

namespace MmapSnapshot.Models;

/// <summary>A system of processes: where it starts, what can happen next, and what must never be seen.</summary>
/// <typeparam name="TState">All there is to know about one moment. Compared byte by byte, so it must not have padding.</typeparam>
internal interface IModel<TState>
    where TState : unmanaged
{
    public TState Initial { get; }

    /// <summary>Adds every state that one step of one process, or one fault, makes of <paramref name="state"/>.</summary>
    public void Expand(in TState state, Successors<TState> successors);

    /// <summary>The property that <paramref name="state"/> violates; null if it violates none.</summary>
    public string? FindViolation(in TState state);
}

/// <summary>What a search found.</summary>
/// <param name="States">The number of different states reached.</param>
/// <param name="IsComplete">False if the search stopped at its limit of states.</param>
/// <param name="Violation">The property that is violated after the fewest steps; null if there is none.</param>
/// <param name="Trace">Those steps, one line each.</param>
internal sealed record SearchResult(int States, bool IsComplete, string? Violation, IReadOnlyList<string> Trace);

/// <summary>
/// A breadth-first search through all states of a model. It stops at the first violation, to which there is no shorter trace.
/// </summary>
/// <param name="model">What to search.</param>
/// <param name="maxStates">The number of states after which the search stops without a result.</param>
internal sealed class Explorer<TState>(IModel<TState> model, int maxStates)
    where TState : unmanaged
{
    private const int ChunkBits = 14;

    private readonly List<Node[]> _chunks = [];

    /// <summary>A hash table with open addressing: 0, or the number of a node plus 1. Its length is a power of 2.</summary>
    private int[] _table = new int[1 << 16];

    private int _count;

    internal SearchResult Search()
    {
        var successors = new Successors<TState>(areNamed: false);
        TryAdd(model.Initial, parent: -1);
        for (int i = 0; i < _count; i++)
        {
            var state = NodeAt(i).State;
            if (model.FindViolation(state) is { } violation) return new(_count, IsComplete: true, violation, TraceTo(i));
            if (_count > maxStates) return new(_count, IsComplete: false, Violation: null, []);
            successors.Clear();
            model.Expand(state, successors);
            foreach (ref readonly var next in successors.States) TryAdd(next, parent: i);
        }
        return new(_count, IsComplete: true, Violation: null, []);
    }

    private void TryAdd(in TState state, int parent)
    {
        int mask = _table.Length - 1;
        int slot = (int)Hash(state) & mask;
        for (; _table[slot] != 0; slot = (slot + 1) & mask)
        {
            if (BytesOf(NodeAt(_table[slot] - 1).State).SequenceEqual(BytesOf(state))) return;
        }
        int index = _count++;
        if (index >> ChunkBits == _chunks.Count) _chunks.Add(new Node[1 << ChunkBits]);
        NodeAt(index) = new Node { State = state, Parent = parent };
        _table[slot] = index + 1;
        if (_count > _table.Length / 2) GrowTable();
    }

    private void GrowTable()
    {
        var table = new int[_table.Length * 2];
        int mask = table.Length - 1;
        for (int i = 0; i < _count; i++)
        {
            int slot = (int)Hash(NodeAt(i).State) & mask;
            while (table[slot] != 0) slot = (slot + 1) & mask;
            table[slot] = i + 1;
        }
        _table = table;
    }

    /// <summary>The search keeps no names of steps, so the states along the trace are expanded again, with names.</summary>
    private List<string> TraceTo(int index)
    {
        var trace = new List<string>();
        var successors = new Successors<TState>(areNamed: true);
        for (int parent = NodeAt(index).Parent; parent >= 0; index = parent, parent = NodeAt(index).Parent)
        {
            successors.Clear();
            model.Expand(NodeAt(parent).State, successors);
            int step = 0;
            while (!BytesOf(successors.States[step]).SequenceEqual(BytesOf(NodeAt(index).State))) step++;
            trace.Add(successors.Names[step]);
        }
        trace.Reverse();
        return trace;
    }

    private ref Node NodeAt(int index) => ref _chunks[index >> ChunkBits][index & ((1 << ChunkBits) - 1)];

    private static ReadOnlySpan<byte> BytesOf(in TState state) => MemoryMarshal.AsBytes(new ReadOnlySpan<TState>(in state));

    private static uint Hash(in TState state)
    {
        const ulong Multiplier = 0x9E3779B97F4A7C15;
        var bytes = BytesOf(state);
        ulong hash = Multiplier;
        foreach (ulong word in MemoryMarshal.Cast<byte, ulong>(bytes)) hash = Mix(hash ^ word);
        foreach (byte rest in bytes[(bytes.Length & ~7)..]) hash = Mix(hash ^ rest);
        return (uint)(hash >> 32);

        static ulong Mix(ulong value)
        {
            value *= Multiplier;
            return value ^ (value >> 29);
        }
    }

    private struct Node
    {
        internal TState State;
        internal int Parent;
    }
}

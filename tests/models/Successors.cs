using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace MmapSnapshot.Models;

/// <summary>The states that one step leads to.</summary>
/// <param name="areNamed">Whether the steps get names, which only a trace needs.</param>
internal abstract class Successors(bool areNamed)
{
    internal bool AreNamed => areNamed;
}

/// <inheritdoc/>
internal sealed class Successors<TState>(bool areNamed) : Successors(areNamed)
    where TState : unmanaged
{
    private readonly List<TState> _states = [];

    internal ReadOnlySpan<TState> States => CollectionsMarshal.AsSpan(_states);

    internal List<string> Names { get; } = [];

    /// <summary>Adds a state. The name, an interpolated string, is only built if the steps get names.</summary>
    internal void Add(in TState state, [InterpolatedStringHandlerArgument("")] StepName name)
    {
        _states.Add(state);
        if (AreNamed) Names.Add(name.ToString());
    }

    internal void Clear()
    {
        _states.Clear();
        Names.Clear();
    }
}

/// <summary>The name of a step, as an interpolated string whose parts are not evaluated unless it is read.</summary>
[InterpolatedStringHandler]
internal readonly struct StepName
{
    private readonly StringBuilder? _text;

    public StepName(int literalLength, int formattedCount, Successors successors, out bool isEnabled)
    {
        isEnabled = successors.AreNamed;
        if (isEnabled) _text = new StringBuilder(literalLength + (formattedCount * 8));
    }

    public void AppendLiteral(string text) => _text!.Append(text);

    public void AppendFormatted<T>(T value) => _text!.Append(value);

    public override string ToString() => _text?.ToString() ?? "";
}

using System.Collections;
using System.Management.Automation;

namespace MmapSnapshot.Binding;

/// <summary>What people give as patterns to search for: hex texts with wildcards, each a pattern, or bytes.</summary>
internal static class PatternInput
{
    /// <summary>The parts of an argument that are a pattern each: a list of numbers alone, as a byte[] is, is one pattern.</summary>
    /// <param name="argument">The parameter's value, as PowerShell has bound it.</param>
    /// <param name="cancellation">Ends it.</param>
    internal static IReadOnlyList<object?> Split(object argument, CancellationToken cancellation)
    {
        if (LanguagePrimitives.GetEnumerable(argument) is not { } items || items is byte[]) return [argument];
        var parts = new List<object?>();
        bool hasPatterns = false;
        foreach (object? item in items)
        {
            cancellation.ThrowIfCancellationRequested();
            parts.Add(item);
            hasPatterns |= IsPatternOfItsOwn(item);
        }
        return hasPatterns ? parts : [parts];
    }

    /// <param name="value">One of what <see cref="Split"/> has returned.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="SnapshotException">InvalidBytes, with what is wrong and where.</exception>
    internal static BytePattern Parse(object? value, CancellationToken cancellation) =>
        Unwrap(value) is string text ? BytePattern.ParseHex(text, cancellation) : BytePattern.FromBytes(ByteInput.Parse(value, cancellation));

    private static bool IsPatternOfItsOwn(object? item) => Unwrap(item) is IEnumerable;

    private static object? Unwrap(object? value) => value is PSObject wrapped ? wrapped.BaseObject : value;
}

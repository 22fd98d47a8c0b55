using System.Collections;
using System.Management.Automation;

namespace MmapSnapshot.Binding;

/// <summary>What people give as patterns to search for: hex texts with wildcards, each a pattern, or bytes.</summary>
internal static class PatternInput
{
    /// <summary>
    /// The parts of an argument that are a pattern each. PowerShell hands over an array of bytes or numbers item by item, like
    /// one of texts; numbers alone are the bytes of one pattern.
    /// </summary>
    internal static IEnumerable<object?> Split(object?[] argument) => argument.Any(IsPatternOfItsOwn) ? argument : [argument];

    /// <param name="value">One of what <see cref="Split"/> has returned.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="SnapshotException">InvalidBytes, with what is wrong and where.</exception>
    internal static BytePattern Parse(object? value, CancellationToken cancellation) =>
        Unwrap(value) is string text ? BytePattern.ParseHex(text, cancellation) : BytePattern.FromBytes(ByteInput.Parse(value, cancellation));

    private static bool IsPatternOfItsOwn(object? item) => Unwrap(item) is IEnumerable;

    private static object? Unwrap(object? value) => value is PSObject wrapped ? wrapped.BaseObject : value;
}

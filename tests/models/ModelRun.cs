namespace MmapSnapshot.Models;

/// <summary>One search through one model.</summary>
/// <param name="Model">The protocol.</param>
/// <param name="Mutation">What was changed in it; empty: nothing.</param>
/// <param name="Processes">Who takes part.</param>
/// <param name="Expected">The property that must be violated; null: none may be.</param>
/// <param name="Search">Runs it.</param>
internal sealed record ModelRun(string Model, string Mutation, string Processes, string? Expected, Func<SearchResult> Search)
{
    /// <summary>Whether a result is what was expected.</summary>
    internal bool IsPassed(SearchResult result) => result.IsComplete && result.Violation == Expected;

    /// <summary>What was found, and what was expected where that differs.</summary>
    internal string Describe(SearchResult result)
    {
        string found =
            !result.IsComplete ? "too many states"
            : result.Violation is { } property ? $"{property} violated in {result.Trace.Count} steps"
            : "no violation";
        return IsPassed(result) ? found : $"{found}, but expected {(Expected is null ? "no violation" : $"{Expected} to be violated")}";
    }
}

using System.Diagnostics;

namespace MmapSnapshot.Benchmarks.Search;

/// <summary>Things done in turns, so that whatever else the machine does slows all of them alike.</summary>
internal sealed class Comparison(int rounds)
{
    private readonly Dictionary<string, double> _medians = [];

    private readonly Dictionary<string, long> _answers = [];

    internal void Measure(params (string Name, Func<long> Act)[] contenders)
    {
        var times = contenders.ToDictionary(contender => contender.Name, _ => new List<double>());
        for (int round = -1; round < rounds; round++)
        {
            foreach (var (name, act) in contenders)
            {
                long started = Stopwatch.GetTimestamp();
                _answers[name] = act();
                // The first round is for the compiler.
                if (round >= 0) times[name].Add(Stopwatch.GetElapsedTime(started).TotalSeconds);
            }
        }
        foreach (var (name, seconds) in times) _medians[name] = seconds.Order().ElementAt(seconds.Count / 2);
    }

    internal double Seconds(string name) => _medians[name];

    internal long Answer(string name) => _answers[name];

    /// <summary>How fast one is, as a part of another's speed.</summary>
    internal double Ratio(string reference, string measured) => _medians[reference] / _medians[measured];
}

namespace MmapSnapshot.Faults;

/// <summary>Counts what was tried, what was injected and what was lost, by class of fault and filesystem.</summary>
internal sealed class Report
{
    private readonly List<Line> _lines = [];

    internal int Losses => _lines.Sum(line => line.Losses);

    internal Line Begin(string fault, string fileSystem)
    {
        var line = new Line(fault, fileSystem);
        _lines.Add(line);
        return line;
    }

    internal void Print(TextWriter to)
    {
        to.WriteLine($"{"fault",-30} {"filesystem",-14} {"cases",7} {"faults",7} {"losses",7}");
        foreach (var line in _lines)
            to.WriteLine($"{line.Fault,-30} {line.FileSystem,-14} {line.Cases,7} {line.Injected,7} {line.Losses,7}");
        to.WriteLine($"{"all",-30} {"",-14} {_lines.Sum(line => line.Cases),7} {_lines.Sum(line => line.Injected),7} {Losses,7}");
        int failed = _lines.Count(line => line.Losses > 0 || line.Injected == 0);
        to.WriteLine($"Fault matrix: {_lines.Count - failed} passed, {failed} failed, 0 skipped");
    }

    internal sealed class Line(string fault, string fileSystem)
    {
        internal string Fault => fault;

        internal string FileSystem => fileSystem;

        internal int Cases { get; private set; }

        internal int Injected { get; private set; }

        internal int Losses { get; private set; }

        /// <summary>Counts one case.</summary>
        /// <param name="injected">Whether the fault really happened.</param>
        /// <param name="loss">What was lost, in words; null when nothing was.</param>
        internal void Case(bool injected, string? loss)
        {
            Cases++;
            if (injected) Injected++;
            if (loss is null) return;
            Losses++;
            Console.WriteLine($"LOSS: {Fault} on {FileSystem}: {loss}");
        }
    }
}

using System.Management.Automation;

namespace MmapSnapshot.Benchmarks;

/// <summary>A cmdlet that does nothing: what calling any costs, and what PowerShell takes to bind three arguments.</summary>
[Cmdlet(VerbsLifecycle.Invoke, "Nothing")]
public sealed class InvokeNothingCommand : PSCmdlet
{
    /// <summary>Is not looked at.</summary>
    [Parameter(Position = 0)]
    public object? First { get; set; }

    /// <summary>Is not looked at.</summary>
    [Parameter(Position = 1)]
    public object? Second { get; set; }

    /// <summary>Is not looked at.</summary>
    [Parameter(Position = 2)]
    public object? Third { get; set; }
}

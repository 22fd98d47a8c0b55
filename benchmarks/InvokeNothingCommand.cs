using System.Management.Automation;

namespace MmapSnapshot.Benchmarks;

/// <summary>A cmdlet that does nothing: what calling any costs.</summary>
[Cmdlet(VerbsLifecycle.Invoke, "Nothing")]
public sealed class InvokeNothingCommand : PSCmdlet
{
}

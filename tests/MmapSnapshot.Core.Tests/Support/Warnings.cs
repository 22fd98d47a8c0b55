namespace MmapSnapshot.Tests.Support;

/// <summary>Collects warnings of the engine.</summary>
internal sealed class Warnings(List<string> heard) : IProgress<string>
{
    public void Report(string value) => heard.Add(value);
}

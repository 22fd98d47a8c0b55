using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace MmapSnapshot;

/// <summary>Finds the engine in the module's folder for this machine's architecture, where it lies compiled ahead of time.</summary>
/// <remarks>
/// PowerShell loads every public class of this assembly before it runs <see cref="Start"/>, and loading a class takes the types of
/// those of its fields that are structs or enums. So no public class has such a field of one of the engine's types.
/// </remarks>
internal static class EngineLoader
{
    private const string Engine = "MmapSnapshot.Core", Posix = "Mono.Posix.NETStandard";

    private static readonly string _folder = Path.Join(
        Path.GetDirectoryName(typeof(EngineLoader).Assembly.Location), RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64");

    /// <summary>Loads the engine, so that scripts may name its types, and sees to it that it finds what it needs.</summary>
    internal static void Start()
    {
        AssemblyLoadContext.Default.Resolving += Load;
        _ = Assembly.Load(Engine);
    }

    private static Assembly? Load(AssemblyLoadContext context, AssemblyName wanted) =>
        wanted.Name is Engine or Posix ? context.LoadFromAssemblyPath(Path.Join(_folder, $"{wanted.Name}.dll")) : null;
}

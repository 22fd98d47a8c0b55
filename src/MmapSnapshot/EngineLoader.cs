using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;

namespace MmapSnapshot;

/// <summary>Loads the engine, and the libraries that it needs, from the module's folder for this machine's architecture.</summary>
/// <remarks>
/// PowerShell loads every public class of this assembly before it runs <see cref="Start"/>, and loading a class takes the types of
/// those of its fields that are structs or enums, and those of its interfaces. So no public class has such a field, or interface, of one
/// of the engine's types.
/// </remarks>
internal static class EngineLoader
{
    private const string Engine = "MmapSnapshot.Core", Posix = "Mono.Posix.NETStandard", PosixHelper = "MonoPosixHelper";

    private static readonly string _folder = Path.Join(
        Path.GetDirectoryName(typeof(EngineLoader).Assembly.Location), RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64");

    private static nint _posixHelper;

    /// <summary>Loads the engine, so that scripts may name its types, and its native library.</summary>
    /// <exception cref="InvalidOperationException">The folder is mounted noexec, or another version of the engine is loaded.</exception>
    internal static void Start()
    {
        _posixHelper = LoadPosixHelper();
        AssemblyLoadContext.Default.Resolving += Load;
        // Mono.Posix looks for it beside its own assembly, of which another module may have loaded a copy first.
        AssemblyLoadContext.Default.ResolvingUnmanagedDll += (_, name) => name is PosixHelper or $"lib{PosixHelper}" or $"lib{PosixHelper}.so" ? _posixHelper : 0;
        var wanted = typeof(EngineLoader).Assembly.GetReferencedAssemblies().Single(reference => reference.Name == Engine);
        var loaded = AssemblyLoadContext.Default.Assemblies.Where(assembly => !assembly.IsDynamic).Select(assembly => assembly.GetName());
        if (loaded.FirstOrDefault(name => name.Name == wanted.Name && name.Version != wanted.Version) is { } other)
        {
            throw new InvalidOperationException(
                $"MmapSnapshot needs version {wanted.Version} of {Engine}, but this session has loaded version {other.Version}. Import the module in a new session.");
        }
        _ = Assembly.Load(wanted);
    }

    private static Assembly? Load(AssemblyLoadContext context, AssemblyName wanted) =>
        wanted.Name is Engine or Posix ? context.LoadFromAssemblyPath(Path.Join(_folder, $"{wanted.Name}.dll")) : null;

    private static nint LoadPosixHelper()
    {
        string path = Path.Join(_folder, $"{PosixHelper}.so");
        try
        {
            return NativeLibrary.Load(path);
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
        {
            string problem = IsNoExec(_folder)
                ? "the filesystem is mounted noexec, so that no native library can be loaded from it. Install the module on another one"
                : $"its native library '{path}' cannot be loaded ({exception.Message.Trim().TrimEnd('.')})";
            throw new InvalidOperationException($"MmapSnapshot cannot be imported from '{Path.GetDirectoryName(_folder)}': {problem}.", exception);
        }
    }

    /// <summary>Whether the mount that a folder lies on is noexec (man 5 proc_pid_mountinfo).</summary>
    private static bool IsNoExec(string folder)
    {
        try
        {
            return File.ReadLines("/proc/self/mountinfo")
                .Select(line => line.Split(' '))
                .Select(fields => (Point: fields[4].Replace("\\040", " ", StringComparison.Ordinal).TrimEnd('/') + "/", Options: fields[5].Split(',')))
                .Where(mount => $"{folder}/".StartsWith(mount.Point, StringComparison.Ordinal))
                .OrderBy(mount => mount.Point.Length) // of several at one place the last counts
                .LastOrDefault()
                .Options?.Contains("noexec") == true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}

namespace MmapSnapshot.Tests.Support;

internal static class Tools
{
    private static readonly string[] _folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');

    /// <summary>The package of each program, from tests/support/packages.txt.</summary>
    private static readonly Dictionary<string, string> _packages = ReadPackages();

    /// <summary>Skips the test, and says why, if one of the system's programs is not on PATH.</summary>
    public static void Require(params string[] names) =>
        SkipWithout(names.Where(name => !_folders.Any(folder => File.Exists(Path.Join(folder, name)))));

    /// <summary>Skips the test, and names the packages, if there is a missing program.</summary>
    public static void SkipWithout(IEnumerable<string> missing)
    {
        string[] named = [.. missing.Select(name => _packages.TryGetValue(name, out string? package) ? $"{name} (package {package})" : name)];
        Assert.SkipUnless(named.Length == 0, $"needs {string.Join(", ", named)}");
    }

    public static void RequireRoot() => Assert.SkipUnless(Environment.UserName == "root", "needs root");

    private static Dictionary<string, string> ReadPackages()
    {
        using var resource = typeof(Tools).Assembly.GetManifestResourceStream("packages.txt")!;
        using var reader = new StreamReader(resource);
        var packages = new Dictionary<string, string>();
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith('#') || line.Split(": ") is not [var package, var names]) continue;
            foreach (string name in names.Split(' ')) packages[name] = package;
        }
        return packages;
    }
}

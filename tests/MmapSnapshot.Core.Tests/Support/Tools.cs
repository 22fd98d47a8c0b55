namespace MmapSnapshot.Tests.Support;

internal static class Tools
{
    private static readonly string[] _folders = [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'), "/usr/sbin", "/sbin"];

    /// <summary>Skips the test, and says why, where one of the system's tools is not installed.</summary>
    public static void Require(params string[] names)
    {
        string[] missing = [.. names.Where(name => !_folders.Any(folder => File.Exists(Path.Join(folder, name))))];
        Assert.SkipUnless(missing.Length == 0, $"Not installed on this machine: {string.Join(", ", missing)}.");
    }

    public static void RequireRoot() => Assert.SkipUnless(Environment.UserName == "root", "Only root can arrange this.");
}

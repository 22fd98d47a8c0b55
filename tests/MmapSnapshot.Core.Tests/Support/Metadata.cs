namespace MmapSnapshot.Tests.Support;

/// <summary>All that a file has besides its bytes, inode number and times, as the system's own tools tell it.</summary>
internal static class Metadata
{
    private const string Script =
        """
        cd "$1"
        stat -c 'mode %a owner %u:%g type %F' -- "$2"
        getfattr --absolute-names -h -d -m - -e hex -- "$2"
        getfacl --absolute-names -n -- "$2"
        flags=$(lsattr -d -- "$2" 2>/dev/null) || flags=none
        echo "flags ${flags%% *}"
        """;

    /// <summary>In an order that says nothing, as that of attributes does not.</summary>
    public static string Of(string path)
    {
        Tools.Require("getfattr", "getfacl", "lsattr");
        string[] lines = Shell.Run(Script, Path.GetDirectoryName(path)!, Path.GetFileName(path)).Split('\n');
        // The flag e is ext4's own, and no attribute of the file.
        var told = lines.Select(line => line.StartsWith("flags ", StringComparison.Ordinal) ? line.Replace("e-", "--", StringComparison.Ordinal) : line);
        return string.Join('\n', told.Where(line => line.Length > 0).Order(StringComparer.Ordinal));
    }
}

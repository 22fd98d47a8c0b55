namespace MmapSnapshot.Tests.Support;

/// <summary>All that a file has besides its bytes, inode number and times, as the system's own tools tell it.</summary>
internal static class Metadata
{
    private const string Script =
        """
        cd "$1"
        stat -c 'mode %a owner %u:%g type %F' -- "$2"
        getfattr --absolute-names -h -d -m - -e hex -- "$2" | sed 1d | sort
        getfacl --absolute-names -n -- "$2" | sed 1d
        # e is ext4's own, and no attribute of the file.
        lsattr -d -- "$2" 2>/dev/null | cut -d ' ' -f 1 | tr e - || echo 'no flags here'
        """;

    public static string Of(string path)
    {
        Tools.Require("getfattr", "getfacl", "lsattr");
        return Shell.Run(Script, Path.GetDirectoryName(path)!, Path.GetFileName(path));
    }
}

namespace MmapSnapshot.Tests.Support;

/// <summary>Commands that start a process in a user namespace of its own (man 7 user_namespaces).</summary>
internal static class UserNamespace
{
    /// <summary>Only this user, as root.</summary>
    public const string RootOnly = "unshare --user --map-root-user";

    /// <summary>No user at all: the process itself shows as the overflow user.</summary>
    public const string Unmapped = "unshare --user";

    /// <summary>A namespace's maps are written once, in one write, by a process outside of it.</summary>
    private const string Script =
        """
        map=$1; shift; exec 3<&0
        unshare --user bash -c "until grep -q . /proc/self/uid_map && grep -q . /proc/self/gid_map; do sleep 0.01; done
            exec \"\$@\"" - "$@" <&3 &
        until [ "$(readlink /proc/$!/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.01; done
        env printf "$map" >/proc/$!/uid_map; env printf "$map" >/proc/$!/gid_map
        wait $!
        """;

    /// <summary>As in a container: users 0 to 65535, the overflow user among them.</summary>
    public static readonly string Container = WithMap(@"0 0 65536\n");

    /// <summary>As in a container of a user who is not root: user 65534 there is another one here.</summary>
    public static readonly string RootlessContainer = WithMap(@"0 0 1\n1 100000 65535\n");

    private static string WithMap(string map) => $"bash -c '{Script}' - '{map}'";
}

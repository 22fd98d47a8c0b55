namespace MmapSnapshot.Tests.Support;

/// <summary>Something mounted for one test.</summary>
internal sealed class Mounts : IDisposable
{
    private readonly string _at;

    private Mounts(string at, string script, params string[] arguments)
    {
        Tools.RequireRoot();
        Shell.Run(script, [at, .. arguments]);
        _at = at;
    }

    /// <summary>Shows a file or folder at a second place, which must exist.</summary>
    public static Mounts Bind(string what, string at) => new(at, "mount --bind \"$2\" \"$1\"", what);

    /// <summary>Makes a folder read-only, as a mount of its own over itself.</summary>
    public static Mounts ReadOnly(string folder) => new(folder, "mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"");

    /// <summary>Mounts a filesystem that needs no device.</summary>
    public static Mounts Of(string type, string at, string options = "defaults") => new(at, "mount -t \"$2\" -o \"$3\" none \"$1\"", type, options);

    /// <summary>Mounts the image of a filesystem.</summary>
    public static Mounts Image(string image, string at) => new(at, "mount -o loop \"$2\" \"$1\"", image);

    /// <summary>
    /// Shows a folder at a second place through a filesystem in user space, which knows no nameless files, leases, clones or renames
    /// that do not replace.
    /// </summary>
    public static Mounts InUserSpace(string what, string at)
    {
        Tools.Require("bindfs");
        Assert.SkipUnless(File.Exists("/dev/fuse"), "There is no /dev/fuse here.");
        return new(at, "bindfs \"$2\" \"$1\"", what);
    }

    public void Dispose() => Shell.Run("umount \"$1\"", _at);
}

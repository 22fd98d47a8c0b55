using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Source;

/// <summary>
/// Follows a path without following symbolic links that another user could have made to misdirect this one: an extension of
/// fs.protected_symlinks (man 5 proc_sys_fs) to all directories. SECURITY.md says the rule; <see cref="IsTrusted"/> is it.
/// </summary>
internal static class TrustedPath
{
    /// <summary>As many links as the kernel follows in one path (man 7 path_resolution).</summary>
    private const int MaxLinks = 40;

    /// <summary>Opens what a path leads to (man 2 open, O_PATH). Its directories are held by descriptor all the way.</summary>
    /// <returns>The errno of man 2 open.</returns>
    /// <exception cref="SnapshotException">UntrustedLink.</exception>
    internal static Errno Open(string path, out SafeFileHandle place)
    {
        var errno = Kernel.OpenAtWithoutLinks(path, OpenMode.PathOnly, out place);
        if (errno == 0) return 0;
        place.Dispose();
        int links = 0;
        return Walk(null, path, path, ref links, out place);
    }

    /// <summary>
    /// Whether a link may be followed: it is root's or this user's; or in a directory of root's or this user's that not every user may
    /// write to; or it leads to a file or directory of the link's owner.
    /// </summary>
    private static bool IsTrusted(in FileStatus link, in FileStatus directory, in FileStatus target) =>
        IsOwn(link.User)
        || (IsOwn(directory.User) && (directory.Mode & FilePermissions.S_IWOTH) == 0)
        || target.User == link.User;

    private static bool IsOwn(uint user) => user == 0 || user == Kernel.EffectiveUser();

    /// <param name="start">The directory that a relative path starts from; null: the current one.</param>
    /// <param name="path">The path, or what a link in it says.</param>
    /// <param name="asked">The path that was asked for.</param>
    /// <param name="links">How many links were followed.</param>
    /// <param name="place">What the path leads to.</param>
    private static Errno Walk(SafeFileHandle? start, string path, string asked, ref int links, out SafeFileHandle place)
    {
        bool isAbsolute = path.StartsWith('/');
        var errno = Kernel.OpenAt(isAbsolute ? null : start, isAbsolute ? "/" : ".", OpenMode.PathOnly, out place);
        if (errno != 0) return errno;
        string[] names = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < names.Length; i++)
        {
            bool mustBeDirectory = i < names.Length - 1 || path[^1] == '/';
            SafeFileHandle next;
            using (place)
            {
                errno = Step(place, names[i], mustBeDirectory, asked, ref links, out next);
            }
            place = next;
            if (errno != 0) return errno;
        }
        return 0;
    }

    private static Errno Step(
        SafeFileHandle directory, string name, bool mustBeDirectory, string asked, ref int links, out SafeFileHandle place)
    {
        const int Flags = OpenMode.PathOnly;
        if (mustBeDirectory)
        {
            // O_DIRECTORY has the kernel mount what is to be mounted there, which O_PATH alone does not.
            var found = Kernel.OpenAt(directory, name, Flags | OpenMode.NoFollow | OpenMode.Directory, out place);
            if (found != Errno.ENOTDIR) return found;
            place.Dispose();
        }
        var errno = Kernel.OpenAt(directory, name, Flags | OpenMode.NoFollow, out place);
        if (errno != 0) return errno;
        var status = FileStatus.Of(place, asked);
        if (!status.IsLink) return mustBeDirectory ? Errno.ENOTDIR : 0;
        using var link = place;
        // The links of /proc are no paths, and only who may trace a process may follow them.
        if (Mount.Of(link)?.Type == "proc")
            return Kernel.OpenAt(directory, name, mustBeDirectory ? Flags | OpenMode.Directory : Flags, out place);
        if (++links > MaxLinks) return Errno.ELOOP;
        errno = Kernel.ReadLink(link, out string target);
        if (errno == 0) errno = Walk(directory, mustBeDirectory ? target + "/" : target, asked, ref links, out place);
        if (errno != 0) return errno;
        try
        {
            if (IsTrusted(status, FileStatus.Of(directory, asked), FileStatus.Of(place, asked))) return 0;
            throw Untrusted(asked, directory, name, status.User, place);
        }
        catch
        {
            place.Dispose();
            throw;
        }
    }

    private static SnapshotException Untrusted(string asked, SafeFileHandle directory, string name, uint owner, SafeFileHandle place)
    {
        string link = Kernel.ReadProcFdLink(directory, out string parent) == 0 ? Path.Join(parent, name) : name;
        string target = Kernel.ReadProcFdLink(place, out string real) == 0 ? $"'{real}'" : "a file";
        return new SnapshotException(
            SnapshotError.UntrustedLink,
            $"'{asked}' was not opened: '{link}' is a symbolic link of user {owner} to {target}, which is not that user's.",
            asked,
            remedies: [SnapshotRemedy.UseLinkTarget]);
    }
}

using Mono.Unix;
using Mono.Unix.Native;

namespace MmapSnapshot.Native;

/// <summary>Turns an errno into the exception a user sees. The one place that says which errno means which id.</summary>
internal static class Failure
{
    /// <param name="errno">What the kernel answered.</param>
    /// <param name="deed">What was tried, as in "Cannot {deed}": "open '/x'".</param>
    /// <param name="path">The file concerned.</param>
    /// <param name="otherwise">The id for an errno that does not speak for itself: ReadFailed or WriteFailed.</param>
    /// <param name="next">What the user can do, as a sentence.</param>
    internal static SnapshotException From(Errno errno, string deed, string path, SnapshotError otherwise, string? next = null)
    {
        var error = errno switch
        {
            Errno.ENOENT or Errno.ENOTDIR or Errno.ELOOP or Errno.ENAMETOOLONG => SnapshotError.FileNotFound,
            Errno.EACCES or Errno.EPERM or Errno.EROFS => SnapshotError.AccessDenied,
            Errno.ENOSPC or Errno.EDQUOT => SnapshotError.NoSpace,
            Errno.EFBIG or Errno.EOVERFLOW => SnapshotError.TooLarge,
            Errno.EMFILE or Errno.ENFILE => SnapshotError.TooManyOpenFiles,
            Errno.EOPNOTSUPP or Errno.ENOSYS => SnapshotError.NotSupported,
            _ => otherwise,
        };
        string message = $"Cannot {deed}: {Describe(errno)}.";
        return new SnapshotException(error, next is null ? message : $"{message} {next}", path, NativeConvert.FromErrno(errno));
    }

    /// <summary>As in "ENOSPC: No space left on device".</summary>
    internal static string Describe(Errno errno) => $"{errno}: {UnixMarshal.GetErrorDescription(errno)}";

    /// <summary>Throws unless <paramref name="errno"/> is 0.</summary>
    internal static void Check(Errno errno, string deed, string path, SnapshotError otherwise)
    {
        if (errno != 0) throw From(errno, deed, path, otherwise);
    }
}

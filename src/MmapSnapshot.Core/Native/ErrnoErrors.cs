using Mono.Unix;
using Mono.Unix.Native;

namespace MmapSnapshot.Native;

/// <summary>Turns an errno into the exception a user sees. The one place that says which errno means which id.</summary>
internal static class ErrnoErrors
{
    /// <param name="errno">What the kernel answered.</param>
    /// <param name="operation">What was tried, as in "Cannot {operation}": "open '/x'".</param>
    /// <param name="path">The file concerned.</param>
    /// <param name="fallback">The id for an errno that does not speak for itself: ReadFailed or WriteFailed.</param>
    /// <param name="remedies">What the user can do.</param>
    internal static SnapshotException ToException(
        Errno errno, string operation, string path, SnapshotError fallback, params SnapshotRemedy[] remedies)
    {
        var error = errno switch
        {
            Errno.ENOENT or Errno.ENOTDIR or Errno.ELOOP or Errno.ENAMETOOLONG => SnapshotError.FileNotFound,
            Errno.EACCES or Errno.EPERM or Errno.EROFS => SnapshotError.AccessDenied,
            Errno.ENOSPC or Errno.EDQUOT => SnapshotError.NoSpace,
            Errno.EFBIG or Errno.EOVERFLOW => SnapshotError.TooLarge,
            Errno.EMFILE or Errno.ENFILE => SnapshotError.TooManyOpenFiles,
            Errno.EOPNOTSUPP or Errno.ENOSYS => SnapshotError.NotSupported,
            _ => fallback,
        };
        if (error == SnapshotError.TooManyOpenFiles) remedies = [SnapshotRemedy.CloseSnapshots];
        return new SnapshotException(error, $"Cannot {operation}: {Describe(errno)}.", path, NativeConvert.FromErrno(errno), remedies);
    }

    /// <summary>As in "ENOSPC: No space left on device".</summary>
    internal static string Describe(Errno errno) => $"{errno}: {UnixMarshal.GetErrorDescription(errno)}";

    /// <summary>Throws unless <paramref name="errno"/> is 0.</summary>
    internal static void ThrowIfError(Errno errno, string operation, string path, SnapshotError fallback)
    {
        if (errno != 0) throw ToException(errno, operation, path, fallback);
    }
}

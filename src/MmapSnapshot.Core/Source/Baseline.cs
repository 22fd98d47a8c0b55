using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;

namespace MmapSnapshot.Source;

/// <summary>What a file was when a snapshot was taken of it or last committed to it.</summary>
/// <param name="Status">Its status.</param>
/// <param name="Freshness">The same for the kernel's eyes, on an XFS that exchanges contents; null where nobody will ask it.</param>
/// <param name="MayBeMappedForWriting">
/// Whether somebody may have had it mapped for writing then. On tmpfs their stores to pages they have written to before move no
/// timestamp; the first store to each page does.
/// </param>
internal readonly record struct Baseline(FileStatus Status, XfsFreshness? Freshness, bool MayBeMappedForWriting = false)
{
    /// <summary>
    /// The baseline of a file that has just been committed; whatever happens to it from here on is a conflict. Null when it
    /// cannot be examined, which is no failure of the commit.
    /// </summary>
    internal static Baseline? TryOf(SafeFileHandle file)
    {
        var freshness = Sample(file);
        return Kernel.Stat(file, out var status) == 0 ? new Baseline(FileStatus.From(status), freshness) : null;
    }

    /// <summary>The baseline of a file that is about to be cloned.</summary>
    internal static Baseline OfStable(SafeFileHandle file, string path, CancellationToken cancellation = default)
    {
        var status = FileStatus.OfStable(file, path, cancellation);
        return new Baseline(status, Sample(file));
    }

    /// <summary>As <see cref="OfStable"/>, for a file that has just been committed; null when it cannot be examined.</summary>
    internal static Baseline? TrySettledOf(SafeFileHandle file, string path)
    {
        try
        {
            return OfStable(file, path);
        }
        catch (SnapshotException)
        {
            return null;
        }
    }

    private static XfsFreshness? Sample(SafeFileHandle file) =>
        Kernel.ExchangesRanges(file) && Kernel.StartCommit(file, out var freshness) == 0 ? freshness : null;
}

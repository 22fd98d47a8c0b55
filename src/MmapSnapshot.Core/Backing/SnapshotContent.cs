using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace MmapSnapshot.Backing;

/// <summary>Where a snapshot's bytes are: in a private file from the start, or in the source until that can no longer be.</summary>
/// <remarks>Members may be called from several threads at once, except for <see cref="Dispose"/>: that is the last one.</remarks>
internal abstract class SnapshotContent : IDisposable
{
    /// <summary>How the bytes are kept private just now.</summary>
    internal abstract SnapshotBacking Backing { get; }

    /// <summary>The folder whose filesystem holds the bytes, or "memory".</summary>
    internal abstract string Location { get; }

    /// <summary>The private file. There is one once <see cref="MakePrivate"/> has returned.</summary>
    internal abstract PrivateFile File { get; }

    /// <summary>How many bytes there were when the snapshot was taken.</summary>
    internal abstract long Length { get; }

    /// <summary>Whether there is a private file already.</summary>
    internal abstract bool IsPrivate { get; }

    /// <summary>The first run of data in a range (man 2 lseek, SEEK_DATA); an empty one at its end if there is none.</summary>
    /// <exception cref="SnapshotException">SnapshotLost, ReadFailed.</exception>
    internal abstract ByteRange NextData(ByteRange within);

    /// <summary>All runs of data in a range, in order.</summary>
    /// <exception cref="SnapshotException">SnapshotLost, ReadFailed.</exception>
    internal IEnumerable<ByteRange> DataRanges(ByteRange within)
    {
        for (var data = NextData(within); data.Length > 0; data = NextData(ByteRange.Between(data.End, within.End))) yield return data;
    }

    /// <summary>man 2 pread; every byte it gives is the snapshot's.</summary>
    /// <exception cref="SnapshotException">SnapshotLost.</exception>
    internal abstract Errno Read(Span<byte> destination, long offset, out int done);

    /// <summary>Sees to it that the bytes lie in a private file, which can be written to.</summary>
    /// <param name="listener">Told of the progress of a copy, on this thread. May be null.</param>
    /// <param name="cancellation">Ends a copy; all is then as it was.</param>
    /// <exception cref="SnapshotException">SnapshotLost, NoSpace, ReadFailed, WriteFailed, AccessDenied.</exception>
    internal abstract void MakePrivate(IProgress<SnapshotProgress>? listener, CancellationToken cancellation);

    /// <summary>Sees to it that the bytes can be mapped and none of them vanishes from the mapping, and returns what to map.</summary>
    /// <exception cref="SnapshotException">As <see cref="MakePrivate"/>.</exception>
    internal abstract SafeFileHandle MakeMappable();

    /// <summary>Makes sure that the bytes can still be had.</summary>
    /// <exception cref="SnapshotException">SnapshotLost.</exception>
    internal abstract void Vouch();

    public abstract void Dispose();
}

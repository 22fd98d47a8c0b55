using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Backing;

/// <summary>
/// The base of a snapshot: the bytes of its file at one moment, which never change while it is open. They are in a private file, or
/// in the source until that can no longer be.
/// </summary>
/// <remarks>Members may be called from several threads at once, except for <see cref="Dispose"/>: that is the last one.</remarks>
internal abstract class SnapshotContent : IDisposable
{
    /// <summary>How the bytes are kept private just now.</summary>
    internal abstract SnapshotBacking Backing { get; }

    /// <summary>The directory whose filesystem holds the bytes, or "memory".</summary>
    internal abstract string Location { get; }

    /// <summary>The number of bytes.</summary>
    internal abstract long Length { get; }

    /// <summary>Whether the bytes are in a private file already.</summary>
    internal abstract bool IsPrivate { get; }

    /// <summary>Whether the bytes are read from this file itself, so that they change if it is written to.</summary>
    internal virtual bool IsReadFrom(in FileStatus file) => false;

    /// <summary>
    /// Takes a write lease on the file that the bytes are read from, so that a save can write to it: no other process opens it until that
    /// ends. What the save writes over must be redirected first.
    /// </summary>
    /// <param name="reason">Why that is not possible, as a clause; null: it is.</param>
    /// <returns>The file; to be disposed by the same thread. Or null.</returns>
    internal virtual SourceWriting? TryBeginWriting(out string? reason)
    {
        reason = "the snapshot is not the file itself under a lease";
        return null;
    }

    /// <summary>The first run of data in a range (man 2 lseek, SEEK_DATA); an empty one at its end if there is none.</summary>
    /// <exception cref="SnapshotException">SnapshotLost, ReadFailed.</exception>
    internal abstract ByteRange NextData(ByteRange within);

    /// <summary>man 2 pread; every byte it gives is the snapshot's.</summary>
    /// <exception cref="SnapshotException">SnapshotLost.</exception>
    internal abstract Errno Read(Span<byte> destination, long offset, out int done);

    /// <summary>
    /// Runs an action on a descriptor of the bytes, open for reading. If they were not the snapshot's for all of that time, the action
    /// runs again on a copy: it begins from the start each time.
    /// </summary>
    /// <exception cref="SnapshotException">SnapshotLost, and what the action throws.</exception>
    internal abstract void Use(Action<SafeFileHandle> action);

    /// <summary>Sees to it that the bytes are in a private file, so that this process holds nothing of the source any more.</summary>
    /// <param name="listener">Told of the progress of a copy, on this thread. May be null.</param>
    /// <param name="cancellation">Ends a copy; all is then as it was.</param>
    /// <exception cref="SnapshotException">SnapshotLost, NoSpace, ReadFailed, WriteFailed, AccessDenied.</exception>
    internal abstract void MakePrivate(IProgress<SnapshotProgress>? listener, CancellationToken cancellation);

    /// <summary>Sees to it that the bytes can be mapped and none of them vanishes from the mapping, and returns what to map.</summary>
    /// <exception cref="SnapshotException">As <see cref="MakePrivate"/>.</exception>
    internal abstract SafeFileHandle EnsureMappable();

    /// <summary>Makes sure that the bytes can still be had.</summary>
    /// <exception cref="SnapshotException">SnapshotLost.</exception>
    internal abstract void EnsureAvailable();

    public abstract void Dispose();
}

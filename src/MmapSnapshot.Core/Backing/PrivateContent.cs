using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Backing;

/// <summary>A clone or a copy: bytes in a private file, which nothing is written to any more.</summary>
internal sealed class PrivateContent(PrivateFile file, SnapshotBacking backing, long length, string path) : SnapshotContent
{
    internal override SnapshotBacking Backing => backing;

    internal override string Location => file.Location;

    internal override long Length => length;

    /// <summary>Fills a private file, which is this content's from then on, with the bytes of a source that does not change meanwhile.</summary>
    /// <param name="source">The file to clone or copy.</param>
    /// <param name="status">What it is.</param>
    /// <param name="file">An empty private file. A failure disposes it.</param>
    /// <param name="path">The source's path.</param>
    /// <param name="listener">Told of the progress of a copy, on this thread. May be null.</param>
    /// <param name="cancellation">Ends a copy.</param>
    internal static PrivateContent CopyOf(
        SafeFileHandle source, in FileStatus status, PrivateFile file, string path, IProgress<SnapshotProgress>? listener, CancellationToken cancellation)
    {
        try
        {
            var cloned = FileClone.TryClone(source, file.Handle);
            if (cloned == 0) return new PrivateContent(file, SnapshotBacking.Reflink, status.Length, path);
            if (!FileClone.IsUnavailable(cloned)) throw ErrnoErrors.ToException(cloned, $"clone '{path}'", path, SnapshotError.ReadFailed);

            long started = Stopwatch.GetTimestamp();
            var progress = new Progress($"Copying '{path}'", status.Length, listener, cancellation);
            new DataCopy(source, file.Handle, path, file.Location, progress).CopyAll(status.Length);
            Flush(file, path);
            CopyThroughput.Record(status, Stopwatch.GetElapsedTime(started));
            return new PrivateContent(file, SnapshotBacking.Copy, status.Length, path);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>man 2 fdatasync of a copy: an unlinked file whose write-back fails later would lose bytes without an error.</summary>
    /// <exception cref="SnapshotException">NoSpace, WriteFailed.</exception>
    internal static void Flush(PrivateFile copy, string path) =>
        ErrnoErrors.ThrowIfError(Kernel.FDataSync(copy.Handle), $"flush the copy of '{path}' to the disk", path, SnapshotError.WriteFailed);

    internal override bool IsPrivate => true;

    internal override ByteRange NextData(ByteRange within) => DataCopy.FirstData(file.Handle, within, path);

    internal override Errno Read(Span<byte> destination, long offset, out int done)
    {
        file.ThrowIfLost(path);
        return Kernel.Read(file.Handle, destination, offset, out done);
    }

    internal override void MakePrivate(IProgress<SnapshotProgress>? listener, CancellationToken cancellation)
    {
    }

    internal override void Use(Action<SafeFileHandle> action)
    {
        try
        {
            action(file.Handle);
        }
        finally
        {
            file.ThrowIfWriteBackFailed(path);
        }
    }

    internal override SafeFileHandle EnsureMappable()
    {
        file.ThrowIfLost(path);
        return file.Handle;
    }

    internal override void EnsureAvailable() => file.ThrowIfLost(path);

    public override void Dispose() => file.Dispose();
}

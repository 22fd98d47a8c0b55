using System.Buffers;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Backing;

/// <summary>Copies the bytes of one file to another with the holes kept, so that a sparse file costs what it holds.</summary>
/// <param name="source">What is copied.</param>
/// <param name="target">Where it goes.</param>
/// <param name="sourcePath">The path of the source, for errors.</param>
/// <param name="targetPath">The path of the target, for errors.</param>
/// <param name="progress">Told of the bytes copied.</param>
/// <param name="shift">How much further back the bytes are in the target than in the source.</param>
internal sealed class DataCopy(SafeFileHandle source, SafeFileHandle target, string sourcePath, string targetPath, Progress progress, long shift = 0)
{
    /// <summary>How much goes in one call: small enough to be cancelled within a tenth of a second on a slow disk.</summary>
    private const int Window = 4 << 20;

    /// <summary>How much of a file of unknown length: the kernel refuses to make up more than some megabytes at once (ENOMEM in /proc/sys).</summary>
    private const int GeneratedWindow = 128 << 10;

    private bool _useCopyFileRange = true;

    /// <summary>
    /// Copies all of the source to the empty target and returns how long the source turned out to be.
    /// </summary>
    /// <param name="length">The length that fstat gave; where it says 0, as in /proc, the end is found by reading.</param>
    internal long CopyAll(long length)
    {
        long end = 0;
        foreach (var data in DataRanges(source, new ByteRange(0, length), sourcePath))
        {
            progress.Add(data.Offset - end);
            end = CopyRange(data);
            if (end < data.End) return Finish(end); // the source ends early: it was truncated, or tells its length wrongly
        }
        return length == 0 ? CopyToEnd() : Finish(length);

        long Finish(long final)
        {
            SetLength(final);
            return final;
        }
    }

    /// <summary>Copies one run of bytes and returns where it ended: before its end when the source did.</summary>
    internal long CopyRange(ByteRange range)
    {
        long offset = range.Offset;
        while (offset < range.End)
        {
            progress.Report();
            long count = Math.Min(Window, range.End - offset);
            long done = _useCopyFileRange ? CopyByKernel(offset, count) : CopyWithBuffer(offset, (int)count);
            if (!_useCopyFileRange && done < 0) done = CopyWithBuffer(offset, (int)count);
            if (done == 0) break;
            offset += done;
            progress.Add(done);
        }
        return offset;
    }

    /// <summary>Whether both files hold the same bytes; reads whatever data the source has.</summary>
    internal bool IsEqual(long length, Progress checking)
    {
        byte[] left = ArrayPool<byte>.Shared.Rent(Window), right = ArrayPool<byte>.Shared.Rent(Window);
        try
        {
            long passed = 0;
            foreach (var data in DataRanges(source, new ByteRange(0, length), sourcePath))
            {
                for (long offset = data.Offset; offset < data.End; offset += Window)
                {
                    checking.Add(offset - passed);
                    passed = offset;
                    checking.Report();
                    int count = (int)Math.Min(Window, data.End - offset);
                    int first = Read(source, left.AsSpan(0, count), offset, sourcePath);
                    int second = Read(target, right.AsSpan(0, count), offset, targetPath);
                    if (first != second || !left.AsSpan(0, first).SequenceEqual(right.AsSpan(0, second))) return false;
                }
            }
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(left);
            ArrayPool<byte>.Shared.Return(right);
        }
    }

    /// <summary>The runs of a file, or of a part of it, that hold data (man 2 lseek); one run where the filesystem cannot tell.</summary>
    internal static IEnumerable<ByteRange> DataRanges(SafeFileHandle file, ByteRange within, string path)
    {
        long offset = within.Offset;
        while (offset < within.End)
        {
            var errno = Kernel.SeekData(file, offset, out long start);
            if (errno == Errno.ENXIO) yield break;
            if (errno is Errno.EINVAL or Errno.EOPNOTSUPP or Errno.ENOSYS)
            {
                yield return new ByteRange(offset, within.End - offset);
                yield break;
            }
            ErrnoErrors.ThrowIfError(errno, $"look for data in '{path}'", path, SnapshotError.ReadFailed);
            if (start >= within.End) yield break;
            ErrnoErrors.ThrowIfError(Kernel.SeekHole(file, start, out long hole), $"look for holes in '{path}'", path, SnapshotError.ReadFailed);
            long end = Math.Min(hole, within.End);
            yield return new ByteRange(start, end - start);
            offset = end;
        }
    }

    /// <summary>The first run of data in a range; an empty one at its end if there is none.</summary>
    internal static ByteRange FirstData(SafeFileHandle file, ByteRange within, string path) =>
        DataRanges(file, within, path).FirstOrDefault(new ByteRange(within.End, 0));

    private long CopyToEnd()
    {
        long offset = 0;
        while (true)
        {
            progress.Report();
            int done = CopyWithBuffer(offset, GeneratedWindow);
            if (done == 0) return offset;
            offset += done;
            progress.Add(done);
        }
    }

    /// <summary>copy_file_range; from the first refusal on the copying is done by hand (answer -1).</summary>
    private long CopyByKernel(long offset, long count)
    {
        while (true)
        {
            var errno = Kernel.CopyFileRange(source, offset, target, offset + shift, count, out long done);
            if (errno == Errno.EINTR) continue;
            // 0 can mean the end, or a file (in /proc, in FUSE) that this call cannot read: reading it tells.
            if (errno == 0 && done > 0) return done;
            // EIO can be the one report of a failed write, which no later call repeats: it is one unless the source cannot be read.
            if (errno == Errno.EIO) ThrowIfUnreadable(offset, count);
            if (errno is Errno.ENOSPC or Errno.EDQUOT or Errno.EFBIG or Errno.EIO)
                throw ErrnoErrors.ToException(
                    errno, $"write at offset 0x{offset:X} of the copy of '{sourcePath}'", targetPath, SnapshotError.WriteFailed);
            _useCopyFileRange = false;
            return -1;
        }
    }

    private void ThrowIfUnreadable(long offset, long count)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)count);
        _ = Read(source, buffer.AsSpan(0, (int)count), offset, sourcePath);
        ArrayPool<byte>.Shared.Return(buffer);
    }

    private int CopyWithBuffer(long offset, int count)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(count);
        try
        {
            int read = Read(source, buffer.AsSpan(0, count), offset, sourcePath);
            ErrnoErrors.ThrowIfError(
                Kernel.Write(target, buffer.AsSpan(0, read), offset + shift, out _),
                $"write at offset 0x{offset:X} of the copy of '{sourcePath}'",
                targetPath,
                SnapshotError.WriteFailed);
            return read;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void SetLength(long length) =>
        ErrnoErrors.ThrowIfError(Kernel.FTruncate(target, length), $"set the length of the copy of '{sourcePath}' to {length}", targetPath, SnapshotError.WriteFailed);

    private static int Read(SafeFileHandle file, Span<byte> destination, long offset, string path)
    {
        var errno = Kernel.Read(file, destination, offset, out int done);
        ErrnoErrors.ThrowIfError(errno, $"read '{path}' at offset 0x{offset:X}", path, SnapshotError.ReadFailed);
        return done;
    }
}

using System.Buffers;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Native;

namespace MmapSnapshot.Source;

/// <summary>
/// A file's bytes in 32, for the one case in which no timestamp tells of a change: on tmpfs, somebody who has a file mapped may
/// store to it unseen.
/// </summary>
internal static class ContentHash
{
    internal static byte[] Of(SafeFileHandle file, string path)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 20);
        try
        {
            long length = FileStatus.Of(file, path).Length;
            foreach (var data in DataCopy.DataRanges(file, new ByteRange(0, length), path))
            {
                hash.AppendData(BitConverter.GetBytes(data.Offset));
                for (long offset = data.Offset; offset < data.End; offset += buffer.Length)
                {
                    int count = (int)Math.Min(buffer.Length, data.End - offset);
                    Failure.Check(Kernel.Read(file, buffer.AsSpan(0, count), offset, out int done), $"read '{path}' at offset {offset}", path, SnapshotError.ReadFailed);
                    hash.AppendData(buffer, 0, done);
                }
            }
            return hash.GetHashAndReset();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}

using System.Buffers;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
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
            for (long offset = 0; ; offset += buffer.Length)
            {
                Failure.Check(Kernel.Read(file, buffer, offset, out int done), $"read '{path}' at offset {offset}", path, SnapshotError.ReadFailed);
                hash.AppendData(buffer, 0, done);
                if (done < buffer.Length) return hash.GetHashAndReset();
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}

using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;

namespace MmapSnapshot.Committing;

/// <summary>Appends to the body of a journal through a buffer, and computes its SHA-256.</summary>
/// <param name="file">The journal, empty.</param>
/// <param name="path">The path that errors name.</param>
internal sealed class JournalWriter(SafeFileHandle file, string path) : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    private readonly byte[] _buffer = new byte[64 << 10];

    private int _buffered;

    /// <summary>The number of bytes of the body so far.</summary>
    internal long Length { get; private set; }

    /// <exception cref="SnapshotException">NoSpace, WriteFailed.</exception>
    internal void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_buffered == _buffer.Length) Flush();
            int count = Math.Min(bytes.Length, _buffer.Length - _buffered);
            bytes[..count].CopyTo(_buffer.AsSpan(_buffered));
            _buffered += count;
            bytes = bytes[count..];
        }
    }

    /// <summary>Writes what is buffered.</summary>
    /// <returns>The SHA-256 of the body.</returns>
    /// <exception cref="SnapshotException">NoSpace, WriteFailed.</exception>
    internal byte[] Complete()
    {
        Flush();
        return _hash.GetHashAndReset();
    }

    public void Dispose() => _hash.Dispose();

    private void Flush()
    {
        var bytes = _buffer.AsSpan(0, _buffered);
        var errno = Kernel.Write(file, bytes, JournalHeader.Length + Length, out _);
        ErrnoErrors.ThrowIfError(errno, $"write the journal of '{path}'", path, SnapshotError.WriteFailed);
        _hash.AppendData(bytes);
        Length += _buffered;
        _buffered = 0;
    }
}

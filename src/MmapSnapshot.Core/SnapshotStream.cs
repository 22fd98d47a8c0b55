namespace MmapSnapshot;

/// <summary>
/// A snapshot as a seekable stream: for Get-FileHash -InputStream, PEReader, ZipArchive and the like. Writing past the end
/// grows the snapshot. Disposing the stream leaves the snapshot open.
/// </summary>
internal sealed class SnapshotStream(Snapshot snapshot) : Stream
{
    private long _position;

    private bool _disposed;

    /// <summary>Where the last write has ended, and what tells that the next one continues it.</summary>
    private long _written = -1;

    private object _run = new();

    public override bool CanRead => !_disposed;

    public override bool CanSeek => !_disposed;

    public override bool CanWrite => !_disposed && !snapshot.IsReadOnly;

    public override long Length
    {
        get
        {
            ThrowIfDisposed();
            return snapshot.Length;
        }
    }

    public override long Position
    {
        get
        {
            ThrowIfDisposed();
            return _position;
        }

        set
        {
            ThrowIfDisposed();
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _position = value;
        }
    }

    public override int Read(Span<byte> buffer)
    {
        ThrowIfDisposed();
        int count = snapshot.ReadAvailable(_position, buffer);
        _position += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        return Read(buffer.AsSpan(offset, count));
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        ThrowIfDisposed();
        // Writes that continue each other are taken back as one.
        if (_written != _position) _run = new object();
        snapshot.WriteGrowing(_position, buffer, _run);
        _written = _position += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        Write(buffer.AsSpan(offset, count));
    }

    public override long Seek(long offset, SeekOrigin origin)
    {
        ThrowIfDisposed();
        long start = origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => _position,
            SeekOrigin.End => snapshot.Length,
            _ => throw new ArgumentOutOfRangeException(nameof(origin)),
        };
        long target = unchecked(start + offset);
        bool overflown = offset > 0 && target < start;
        if (overflown || target < 0) throw new IOException("An attempt was made to move the position before the beginning or past the largest offset.");
        return _position = target;
    }

    public override void SetLength(long value)
    {
        ThrowIfDisposed();
        snapshot.Resize(value);
        _position = Math.Min(_position, value);
    }

    /// <summary>Nothing to do: every write has reached the snapshot already.</summary>
    public override void Flush() => ThrowIfDisposed();

    protected override void Dispose(bool disposing)
    {
        _disposed = true;
        base.Dispose(disposing);
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed, this);
}

using MmapSnapshot.Content;

namespace MmapSnapshot;

/// <summary>
/// A snapshot, or a part of it, as a seekable stream: for SHA256.HashData, PEReader, ZipArchive and the like. Writing past
/// the end grows the snapshot, but not a part. Disposing the stream leaves the snapshot open.
/// </summary>
/// <param name="snapshot">The snapshot.</param>
/// <param name="start">Where the stream begins.</param>
/// <param name="count">How many bytes it has at most; null: up to the end, wherever that is.</param>
/// <param name="writable">Whether it can be written to.</param>
internal sealed class SnapshotStream(Snapshot snapshot, long start, long? count, bool writable) : Stream
{
    private long _position;

    private bool _isDisposed;

    /// <summary>Where the last write has ended, and what tells that the next one continues it.</summary>
    private long _written = -1;

    private object _run = new();

    /// <summary>Bytes for <see cref="ReadByte"/>: those that a table has from an offset on. Another table: read again.</summary>
    private byte[] _buffer = [];

    private PieceTable? _bufferTable;

    private long _bufferOffset;

    private int _buffered;

    public override bool CanRead => !_isDisposed && !snapshot.IsClosed;

    public override bool CanSeek => CanRead;

    public override bool CanWrite => writable && CanRead;

    public override long Length
    {
        get
        {
            ThrowIfDisposed();
            long available = Math.Max(0, snapshot.Length - start);
            return count is { } most ? Math.Min(most, available) : available;
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
        if (count is { } most) buffer = buffer[..(int)Math.Clamp(most - _position, 0, buffer.Length)];
        int read = _position > long.MaxValue - start ? 0 : snapshot.ReadAvailable(start + _position, buffer);
        _position += read;
        return read;
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        return Read(buffer.AsSpan(offset, count));
    }

    public override int ReadByte()
    {
        ThrowIfDisposed();
        bool isBuffered = _position >= _bufferOffset && _position < _bufferOffset + _buffered;
        if (snapshot.IsClosed || _bufferTable != snapshot.CurrentTable || !isBuffered)
        {
            if (_buffer.Length == 0) _buffer = new byte[4096];
            _bufferTable = snapshot.CurrentTable;
            _bufferOffset = _position;
            _buffered = Read(_buffer);
            _position = _bufferOffset;
            if (_buffered == 0) return -1;
        }
        return _buffer[(int)(_position++ - _bufferOffset)];
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        ThrowIfNotWritable();
        if (count is { } most && buffer.Length > Math.Max(0, most - _position))
            throw new NotSupportedException("A stream of a part of a snapshot cannot be written to past its end.");
        // Writes that continue each other are taken back as one.
        if (_written != _position) _run = new object();
        snapshot.WriteGrowing(_position > long.MaxValue - start ? long.MaxValue : start + _position, buffer, _run);
        _written = _position += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        Write(buffer.AsSpan(offset, count));
    }

    public override void WriteByte(byte value) => Write([value]);

    public override long Seek(long offset, SeekOrigin origin)
    {
        ThrowIfDisposed();
        long from = origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => _position,
            SeekOrigin.End => Length,
            _ => throw new ArgumentOutOfRangeException(nameof(origin)),
        };
        long target = unchecked(from + offset);
        bool overflown = offset > 0 && target < from;
        if (overflown || target < 0) throw new IOException("An attempt was made to move the position before the beginning or past the largest offset.");
        return _position = target;
    }

    public override void SetLength(long value)
    {
        ThrowIfNotWritable();
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        if (count is not null) throw new NotSupportedException("A stream of a part of a snapshot cannot change its length.");
        snapshot.Resize(start + value);
        _position = Math.Min(_position, value);
    }

    /// <summary>Nothing to do: every write has reached the snapshot already.</summary>
    public override void Flush() => ThrowIfDisposed();

    public override Task FlushAsync(CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested) return Task.FromCanceled(cancellationToken);
        Flush();
        return Task.CompletedTask;
    }

    protected override void Dispose(bool disposing)
    {
        _isDisposed = true;
        base.Dispose(disposing);
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_isDisposed, this);

    private void ThrowIfNotWritable()
    {
        ThrowIfDisposed();
        if (!writable) throw new NotSupportedException("The stream is read-only.");
    }
}

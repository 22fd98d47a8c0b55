using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using MmapSnapshot.Content;
using MmapSnapshot.Searching;

namespace MmapSnapshot;

/// <content>Reading: bytes, views, streams, matches, and what was changed.</content>
public sealed partial class Snapshot
{
    /// <summary>How many bytes of a view are read, and not mapped.</summary>
    private const int SmallView = 64 << 20;

    /// <summary>
    /// Reads exactly as many bytes as <paramref name="destination"/> has, with pread: a bad sector is an error, not a signal.
    /// </summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="destination">Where the bytes go.</param>
    /// <exception cref="SnapshotException">OutOfRange, SnapshotClosed, ReadFailed.</exception>
    public void Read(long offset, Span<byte> destination)
    {
        using (_uses.Enter(Path))
        {
            var table = _bytes.Current;
            ByteRange.Check(offset, destination.Length, table.Length, Path);
            _bytes.Reader.Read(table, offset, destination);
        }
    }

    /// <summary>Reads bytes into a new array.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many; at most what an array holds, 2,147,483,591.</param>
    /// <exception cref="SnapshotException">OutOfRange, TooLarge, SnapshotClosed, ReadFailed.</exception>
    public byte[] Read(long offset, long count)
    {
        using (_uses.Enter(Path))
        {
            var table = _bytes.Current;
            ByteRange.Check(offset, count, table.Length, Path);
            if (count > Array.MaxLength)
            {
                throw new SnapshotException(
                    SnapshotError.TooLarge,
                    $"{count} bytes of '{Path}' do not fit into one byte array ({Array.MaxLength}).",
                    Path,
                    remedies: [SnapshotRemedy.ReadParts]);
            }
            var bytes = GC.AllocateUninitializedArray<byte>((int)count);
            _bytes.Reader.Read(table, offset, bytes);
            return bytes;
        }
    }

    /// <summary>
    /// Reads a value of a type without references, as it is in memory: in the byte order of this machine, with all padding. O(log pieces),
    /// one pread (man 2 pread) for each piece; allocates nothing.
    /// </summary>
    /// <typeparam name="T">As many bytes as it has in memory are read.</typeparam>
    /// <param name="offset">Where its first byte is, in bytes from the start, at any alignment. All of it lies within the snapshot.</param>
    /// <returns>The value. Its bits are not checked: a bool, for example, can be neither true nor false.</returns>
    /// <exception cref="SnapshotException">OutOfRange, SnapshotClosed, SnapshotLost, ReadFailed.</exception>
    public T Read<T>(long offset)
        where T : unmanaged
    {
        T value = default;
        Read(offset, MemoryMarshal.AsBytes(new Span<T>(ref value)));
        return value;
    }

    /// <summary>Reads the bytes that the snapshot had when it was opened or last committed.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="destination">Where the bytes go; all of them lie within <see cref="BaselineLength"/>.</param>
    /// <exception cref="SnapshotException">OutOfRange, SnapshotClosed, ReadFailed.</exception>
    public void ReadBaseline(long offset, Span<byte> destination)
    {
        using (_uses.Enter(Path))
        {
            var table = _bytes.Baseline;
            ByteRange.Check(offset, destination.Length, table.Length, Path);
            _bytes.Reader.Read(table, offset, destination);
        }
    }

    /// <summary>
    /// The changes since the snapshot was opened or last committed, in the order of their offsets: runs of bytes that differ, those less
    /// than 8 equal bytes apart as one, and insertions and removals as such. Where bytes were replaced by more or by fewer, the one place
    /// is taken for the insertion or removal that leaves the fewest bytes different. Costs what was changed, whatever the length of the
    /// snapshot. A long run is listed in parts of at most 65,536 bytes, except if it has one value. To make the changes in another
    /// snapshot, <see cref="Apply"/> what <see cref="SnapshotEdit.Of"/> makes of them.
    /// </summary>
    /// <param name="progress">Told of the progress, on the thread that enumerates. May be null.</param>
    /// <param name="cancellation">Ends the enumeration.</param>
    /// <exception cref="SnapshotException">SnapshotClosed, ReadFailed; when enumerated.</exception>
    public IEnumerable<SnapshotChange> GetChanges(IProgress<SnapshotProgress>? progress = null, CancellationToken cancellation = default) =>
        Comparison.WithBaseline(this, new Progress($"Comparing '{Path}'", 0, progress, cancellation));

    /// <summary>
    /// What it takes to make another snapshot's bytes into those of this one, as <see cref="GetChanges"/> gives it. Both are read, except
    /// for holes. If they have the same length, bytes at the same offset are compared; else they differ by one insertion or removal, at
    /// the place that leaves the fewest bytes different, and by writes before and after it.
    /// </summary>
    /// <param name="before">The other one: what the file was before.</param>
    /// <param name="progress">Told of the progress, on the thread that enumerates. May be null.</param>
    /// <param name="cancellation">Ends the enumeration.</param>
    /// <exception cref="SnapshotException">SnapshotClosed, ReadFailed; when enumerated.</exception>
    public IEnumerable<SnapshotChange> GetChangesFrom(
        Snapshot before, IProgress<SnapshotProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(before);
        return Comparison.Between(before, this, new Progress($"Comparing '{Path}'", 0, progress, cancellation));
    }

    /// <summary>One byte.</summary>
    /// <param name="offset">Where it is, in bytes from the start.</param>
    /// <exception cref="SnapshotException">OutOfRange, SnapshotClosed, ReadFailed; setting it, as <see cref="Write"/>.</exception>
    public byte this[long offset]
    {
        get
        {
            byte value = 0;
            Read(offset, new Span<byte>(ref value));
            return value;
        }

        set => Write(offset, [value]);
    }

    /// <summary>All bytes as memory, as <see cref="GetView(long, int)"/> gives them.</summary>
    /// <exception cref="SnapshotException">TooLarge, SnapshotClosed, SnapshotLost, ReadFailed.</exception>
    public SnapshotView GetView() => GetView(0, Length <= Array.MaxLength ? (int)Length : throw new SnapshotException(
        SnapshotError.TooLarge,
        $"'{Path}' has {Length} bytes, more than a view can have ({Array.MaxLength}).",
        Path,
        remedies: [SnapshotRemedy.ReadParts]));

    /// <summary>
    /// Bytes as memory: those of this moment, whatever is written later, and also after the snapshot is closed. Up to 64 MiB are
    /// read into memory. Of more the private file is mapped, unless something was changed in them.
    /// </summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes.</param>
    /// <exception cref="SnapshotException">
    /// OutOfRange, TooLarge, SnapshotClosed, SnapshotLost, ReadFailed; NoSpace, WriteFailed: of a copy.
    /// </exception>
    public SnapshotView GetView(long offset, int count)
    {
        using (_uses.Enter(Path))
        {
            var table = _bytes.Current;
            ByteRange.Check(offset, count, table.Length, Path);
            if (count > SmallView) return new SnapshotView(_bytes.Reader.Map(table, offset, count), offset);
            var bytes = GC.AllocateUninitializedArray<byte>(count);
            _bytes.Reader.Read(table, offset, bytes);
            return new SnapshotView(bytes, offset);
        }
    }

    /// <summary>The snapshot as a seekable stream. Disposing the stream leaves the snapshot open.</summary>
    /// <exception cref="SnapshotException">SnapshotClosed.</exception>
    public Stream AsStream()
    {
        using (_uses.Enter(Path)) return new SnapshotStream(this, 0, count: null, writable: !IsReadOnly);
    }

    /// <summary>A part of the snapshot as a seekable stream, which cannot grow. Disposing the stream leaves the snapshot open.</summary>
    /// <param name="offset">Where it begins, in bytes from the start.</param>
    /// <param name="count">How many bytes it has, fewer if the snapshot becomes shorter.</param>
    /// <param name="writable">Whether it can be written to; that of a read-only snapshot never can.</param>
    /// <exception cref="SnapshotException">OutOfRange, SnapshotClosed.</exception>
    public Stream AsStream(long offset, long count, bool writable = true)
    {
        using (_uses.Enter(Path))
        {
            ByteRange.Check(offset, count, Length, Path);
            return new SnapshotStream(this, offset, count, writable && !IsReadOnly);
        }
    }

    /// <summary>
    /// Looks for bytes. Matches come in the order of their offsets (at one offset in that of the patterns) and are found as they
    /// are asked for. One that begins within another is a match as well: "AA AA" is found twice in "AA AA AA".
    /// </summary>
    /// <param name="patterns">What to look for: all at once, so that memory is read once. None finds nothing.</param>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes to search; a match lies among them whole.</param>
    /// <param name="progress">Told of the progress, on the thread that asks for matches. May be null.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>
    /// The matches; each enumeration searches again, and throws SnapshotClosed, ReadFailed or
    /// <see cref="OperationCanceledException"/>. The snapshot may be changed during the search, which reads the bytes
    /// as they were when the enumeration began.
    /// </returns>
    /// <exception cref="SnapshotException">OutOfRange, SnapshotClosed.</exception>
    public IEnumerable<SnapshotMatch> Find(
        IReadOnlyList<BytePattern> patterns,
        long offset,
        long count,
        IProgress<SnapshotProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(patterns);
        using (_uses.Enter(Path)) ByteRange.Check(offset, count, Length, Path);
        return new ByteSearch(this, patterns, new ByteRange(offset, count), progress, cancellation).Matches();
    }

    /// <summary>Looks for one pattern everywhere, as the other does.</summary>
    /// <param name="pattern">What to look for.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="SnapshotException">SnapshotClosed.</exception>
    public IEnumerable<SnapshotMatch> Find(BytePattern pattern, CancellationToken cancellation = default) =>
        Find([pattern], 0, Length, progress: null, cancellation);

    /// <summary>
    /// Finds what a regular expression matches in a range, each byte being the character of its number (ISO 8859-1), as it is when
    /// the search begins. Matches do not overlap; empty ones are left out. O(count), if the expression has RegexOptions.NonBacktracking.
    /// </summary>
    /// <param name="regex">The expression. ^ and $ match at the ends of the range.</param>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes to search; a match lies within them.</param>
    /// <param name="progress">Told of the progress, on the thread that searches. May be null.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <returns>The matches, in order, found as they are enumerated.</returns>
    /// <exception cref="SnapshotException">
    /// OutOfRange, SnapshotClosed; when enumerated: InvalidBytes (a match is longer than 64 KiB), SnapshotClosed, SnapshotLost, ReadFailed.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled; when enumerated.</exception>
    public IEnumerable<SnapshotMatch> Find(
        Regex regex, long offset, long count, IProgress<SnapshotProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(regex);
        using (_uses.Enter(Path)) ByteRange.Check(offset, count, Length, Path);
        return new RegexSearch(this, regex, new ByteRange(offset, count), progress, cancellation).Matches();
    }

    /// <summary>The runs of bytes that it had not, or not there, when it was opened or last committed, in order.</summary>
    public IReadOnlyList<ByteRange> GetModifiedRanges()
    {
        using (_uses.Enter(Path)) return _bytes.ModifiedRanges;
    }

    /// <summary>For streams: the bytes now, to be told from those of another moment.</summary>
    internal PieceTable CurrentTable => _bytes.Current;

    /// <summary>For streams: reads what there is from <paramref name="offset"/> on, 0 at or past the end.</summary>
    internal int ReadAvailable(long offset, Span<byte> destination)
    {
        using (_uses.Enter(Path))
        {
            var table = _bytes.Current;
            if (offset >= table.Length) return 0;
            int count = (int)Math.Min(destination.Length, table.Length - offset);
            _bytes.Reader.Read(table, offset, destination[..count]);
            return count;
        }
    }

    /// <summary>For searches: the bytes of this moment.</summary>
    internal ISearchSource GetSearchSource() => Freeze();

    /// <summary>For comparisons: the bytes of this moment.</summary>
    internal FrozenBytes Freeze()
    {
        using (_uses.Enter(Path)) return new FrozenBytes(_bytes.Reader, _bytes.Current, _uses, Path);
    }

    /// <summary>As <see cref="Freeze"/>, for the bytes that it had when it was opened or last committed.</summary>
    internal FrozenBytes FreezeBaseline()
    {
        using (_uses.Enter(Path)) return new FrozenBytes(_bytes.Reader, _bytes.Baseline, _uses, Path);
    }
}

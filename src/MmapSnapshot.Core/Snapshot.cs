using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Committing;
using MmapSnapshot.Content;
using MmapSnapshot.Native;
using MmapSnapshot.Searching;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot;

/// <summary>
/// A file at one instant, in private: nobody else's write changes what is read here, and nobody sees what is written here until
/// it is committed. All members may be called from several threads at once.
/// </summary>
public sealed class Snapshot : IDisposable
{
    /// <summary>0666, of which the umask takes its part (man 2 umask).</summary>
    private const FilePermissions DefaultMode = FilePermissions.DEFFILEMODE;

    /// <summary>How many bytes of a view are read, and not mapped.</summary>
    private const int SmallView = 64 << 20;

    private const string AskedFor = "it was asked for";

    private static int _lastId;

    /// <summary>Held while something is changed: for a moment. Nothing else is waited for, and no foreign code runs under it.</summary>
    private readonly object _changing = new();

    /// <summary>Held by a commit.</summary>
    private readonly object _committing = new();

    private readonly UseCount _uses;

    private readonly SnapshotBytes _bytes;

    private readonly ParentFolder _folder;

    private readonly string _name;

    /// <summary>Null for a read-only snapshot, which is never committed to its own file, and for a file that is not there yet.</summary>
    private FileMetadata? _metadata;

    /// <summary>The permissions of this file, if it is new, and of those that are saved elsewhere.</summary>
    private readonly NewFileMode _newFileMode;

    /// <summary>The file as it was when the snapshot was taken or last committed; null: it is not there yet.</summary>
    private Baseline? _baseline;

    /// <summary>Whether the file was not there when the snapshot was made.</summary>
    private readonly bool _isNew;

    /// <summary>The reason why the file cannot be saved, as a clause after "because"; null if it can.</summary>
    private readonly string? _readOnlyReason;

    /// <summary>Whether a commit in place has failed half-way: the file is a mix of its bytes and the snapshot's.</summary>
    private bool _fileIsMixed;

    /// <summary>How long a writer may be kept waiting by a lease; zero where none may be taken.</summary>
    private readonly TimeSpan _maxWriterDelay;

    /// <summary>The backing it began with, and why it was that one.</summary>
    private readonly SnapshotBacking _firstBacking;

    private readonly BackingChoice _choice;

    private Snapshot(SourceFile source, PrivateBytes bytes, SnapshotOptions options)
        : this(
            source.Folder,
            source.Name,
            bytes.Content,
            bytes.Content.Length == 0 ? PieceTable.Empty : PieceTable.Of(Piece.OfBase(0, bytes.Content.Length)),
            options.ScratchPath is { } scratch ? System.IO.Path.GetFullPath(scratch) : null)
    {
        _baseline = bytes.Baseline;
        _choice = bytes.Choice;
        _isNew = false;
        _newFileMode = new NewFileMode(bytes.Baseline.Status.Mode & FilePermissions.ACCESSPERMS, IsExact: false);
        _readOnlyReason = source.ReadOnlyReason;
        IsReadOnly = options.ReadOnly || _readOnlyReason is not null;
        _maxWriterDelay = options.Backing is SnapshotBacking.Auto or SnapshotBacking.Lease ? options.MaxWriterDelay : TimeSpan.Zero;
        if (!IsReadOnly) _metadata = FileMetadata.Of(source.Handle, bytes.Baseline.Status, Path);
    }

    private Snapshot(
        ParentFolder folder, string name, SnapshotContent content, PieceTable initial, string? scratchPath, UnixFileMode? mode = null)
    {
        _folder = folder;
        _name = name;
        _isNew = true;
        _newFileMode = new NewFileMode(mode is { } exact ? (FilePermissions)exact : DefaultMode, IsExact: mode is not null);
        Path = folder.Combine(name);
        ByteRange.CheckMaxLength(initial.Length, Path);
        _bytes = new SnapshotBytes(content, initial, () => PrivateFile.CreateEverywhere(folder, scratchPath), Path);
        _uses = new UseCount(Release);
        _firstBacking = content.Backing;
        Id = Interlocked.Increment(ref _lastId);
    }

    /// <summary>
    /// Raised, on the thread that made the change, when <see cref="IsModified"/> has changed or the snapshot was closed. A handler may
    /// use the snapshot.
    /// </summary>
    public event EventHandler? StateChanged;

    /// <summary>A number that no other snapshot of this process has.</summary>
    public int Id { get; }

    /// <summary>The full path of the file, symbolic links resolved.</summary>
    public string Path { get; }

    /// <summary>How many bytes the snapshot has; that of a closed one is its last.</summary>
    public long Length => _bytes.Current.Length;

    /// <summary>How many bytes it had when it was opened or last committed.</summary>
    public long BaselineLength => _bytes.Baseline.Length;

    /// <summary>Whether changes are refused: as asked for, and where the file cannot be saved (deleted, or in /proc or /sys).</summary>
    public bool IsReadOnly { get; }

    /// <summary>
    /// Whether it may have other bytes than when it was opened or last committed; false: it has the same. The snapshot of a file that
    /// is not there yet is modified until it is committed.
    /// </summary>
    public bool IsModified { get; private set; }

    /// <summary>How the bytes of the file are kept private just now: a lease becomes a copy, or a clone, when it must.</summary>
    public SnapshotBacking Backing => _bytes.Reader.Base.Backing;

    /// <summary>Why it is this backing, in words: what comes after "because".</summary>
    public string BackingReason => Backing is var backing && backing == _firstBacking ? _choice.Explain(backing)
        : $"another process wanted to write to the file, or a save or a large view required it; until then it was {_firstBacking}";

    /// <summary>The folder whose filesystem holds the private bytes, or "memory"; under a lease, the file's own.</summary>
    public string BackingLocation => _bytes.Reader.Base.Location;

    /// <summary>How many bytes it has that it had not, or not there, when it was opened or last committed.</summary>
    public long ModifiedBytes => Progress.Sum(_bytes.ModifiedRanges.Select(range => range.Length));

    /// <summary>When the snapshot was opened.</summary>
    public DateTimeOffset OpenedAt { get; } = DateTimeOffset.Now;

    /// <summary>Whether the snapshot has been closed.</summary>
    public bool IsClosed => _uses.IsClosed;

    /// <summary>Opens a file as a snapshot.</summary>
    /// <param name="path">The file; a symbolic link is followed. A relative path starts from the process's current folder.</param>
    /// <param name="options">How; null is writable, with the best backing there is.</param>
    /// <param name="cancellation">Ends a copy; nothing stays behind.</param>
    /// <exception cref="SnapshotException">
    /// FileNotFound, NotARegularFile, UntrustedLink (unless it is read-only), AccessDenied, SourceChanging, TooLarge, NoSpace, ReadFailed,
    /// WriteFailed, NotSupported.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static Snapshot Open(string path, SnapshotOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        FileSizeSignal.Handle();
        options ??= new SnapshotOptions();
        // Through a read-only snapshot nothing is saved to what the path leads to.
        var source = SourceFile.Open(path, trustedLinksOnly: !options.ReadOnly, cancellation);
        PrivateBytes? bytes = null;
        try
        {
            bytes = PrivateBytes.Take(source, options, cancellation);
            var snapshot = new Snapshot(source, bytes, options);
            source.CloseFile();
            return snapshot;
        }
        catch
        {
            bytes?.Content.Dispose();
            source.Dispose();
            throw;
        }
    }

    /// <summary>
    /// A snapshot of a file that does not exist yet: zeros, to be written to. The file appears at <see cref="Commit"/>, whole.
    /// </summary>
    /// <param name="path">The file to be; its folder exists. A relative path starts from the process's current folder.</param>
    /// <param name="length">How many bytes it begins with; they take no space until they are written to.</param>
    /// <param name="mode">
    /// Its permissions, exactly, from the moment that it has a name; null: as with every new file, 0666 less the umask or as the
    /// directory's default ACL has it.
    /// </param>
    /// <exception cref="SnapshotException">
    /// DestinationExists, FileNotFound (the directory), NotARegularFile, UntrustedLink, AccessDenied, OutOfRange (the length or mode),
    /// TooLarge, NoSpace, WriteFailed.
    /// </exception>
    public static Snapshot Create(string path, long length = 0, UnixFileMode? mode = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        FileSizeSignal.Handle();
        if (mode is { } asked && ((FilePermissions)asked & ~FilePermissions.ALLPERMS) != 0)
        {
            throw new SnapshotException(
                SnapshotError.OutOfRange, $"'{path}' was not created: the mode has bits beyond 7777 (octal).", path);
        }
        var destination = Destination.Resolve(path);
        PrivateFile? file = null;
        try
        {
            if (destination.Existing is not null)
                throw new SnapshotException(SnapshotError.DestinationExists, $"'{path}' exists already. Open it with Open-MmapSnapshot.", path);
            file = PrivateFile.CreateAnywhere(destination.Folder, scratchPath: null);
            var content = new PrivateContent(file, SnapshotBacking.Copy, 0, destination.Folder.Combine(destination.Name));
            ByteRange.CheckMaxLength(ByteRange.CheckLength(length, path), path);
            var initial = length == 0 ? PieceTable.Empty : PieceTable.Of(Piece.OfByte(0, length));
            var snapshot = new Snapshot(destination.Folder, destination.Name, content, initial, scratchPath: null, mode) { IsModified = true };
            return snapshot;
        }
        catch
        {
            file?.Dispose();
            destination.Dispose();
            throw;
        }
    }

    /// <summary>Reads exactly as many bytes as <paramref name="destination"/> has, with pread: a bad sector is an error, not a signal.</summary>
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
                    SnapshotError.TooLarge, $"{count} bytes of '{Path}' do not fit into one byte array ({Array.MaxLength}). Read them in parts.", Path);
            }
            var bytes = GC.AllocateUninitializedArray<byte>((int)count);
            _bytes.Reader.Read(table, offset, bytes);
            return bytes;
        }
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

    /// <summary>Writes bytes over those that stand there. The file does not see them until they are committed.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="bytes">The new bytes. All must lie within the snapshot: <see cref="Resize"/> makes it longer.</param>
    /// <param name="expected">If not empty, the bytes that must stand at <paramref name="offset"/> now.</param>
    /// <exception cref="SnapshotException">
    /// OutOfRange, ReadOnlySnapshot, SnapshotClosed, ExpectationFailed, ReadFailed, SnapshotLost. Nothing was changed then.
    /// </exception>
    public void Write(long offset, ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> expected = default)
    {
        using (BeginChange())
        {
            ByteRange.Check(offset, bytes.Length, Length, Path);
            ByteRange.Check(offset, expected.Length, Length, Path);
            if (_bytes.CheckExpected(offset, expected) is { } unexpected) throw unexpected;
            _bytes.Write(offset, bytes);
        }
    }

    /// <summary>Writes one byte value over a whole range.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes to write.</param>
    /// <param name="value">The byte.</param>
    /// <param name="expected">If not empty, the bytes that must stand at <paramref name="offset"/> now.</param>
    /// <param name="progress">Told of the progress, on this thread. May be null.</param>
    /// <param name="cancellation">Ends it; nothing was changed.</param>
    /// <exception cref="SnapshotException">As <see cref="Write"/>.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Fill(
        long offset,
        long count,
        byte value,
        ReadOnlyMemory<byte> expected = default,
        IProgress<SnapshotProgress>? progress = null,
        CancellationToken cancellation = default) =>
        Apply([SnapshotEdit.Fill(offset, count, value, expected)], progress: progress, cancellation: cancellation);

    /// <summary>
    /// Makes several writes as one change: all of them or, if one cannot be made, none. All expectations are checked before the
    /// first write.
    /// </summary>
    /// <param name="edits">The writes, made in this order.</param>
    /// <param name="length">The length in bytes that the snapshot is to have afterwards; null leaves it.</param>
    /// <param name="expectedLength">If not null, the length it must have now.</param>
    /// <param name="progress">Told of the progress, on this thread. May be null.</param>
    /// <param name="cancellation">Ends it; nothing was changed.</param>
    /// <exception cref="SnapshotException">As <see cref="Write"/> and <see cref="Resize"/>.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Apply(
        IReadOnlyList<SnapshotEdit> edits,
        long? length = null,
        long? expectedLength = null,
        IProgress<SnapshotProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(edits);
        using (BeginChange())
        {
            if (Unexpected(edits, length, expectedLength).FirstOrDefault() is { } unexpected) throw unexpected;
            string activity = edits is [{ IsFill: true }] ? "Filling" : "Writing to";
            long total = Progress.Sum(edits.Select(edit => edit.Count));
            _bytes.Apply(edits, length ?? Length, new Progress($"{activity} '{Path}'", total, progress, cancellation));
        }
    }

    /// <summary>What would keep <see cref="Apply"/> from making these writes: one exception for each that cannot be made; changes nothing.</summary>
    /// <param name="edits">The writes.</param>
    /// <param name="length">The length in bytes that the snapshot is to have afterwards; null leaves it.</param>
    /// <param name="expectedLength">If not null, the length it must have now.</param>
    /// <exception cref="SnapshotException">ReadOnlySnapshot, SnapshotClosed, ReadFailed.</exception>
    public IReadOnlyList<SnapshotException> Verify(IReadOnlyList<SnapshotEdit> edits, long? length = null, long? expectedLength = null)
    {
        ArgumentNullException.ThrowIfNull(edits);
        using (_uses.Enter(Path)) return IsReadOnly ? throw ReadOnly() : [.. Unexpected(edits, length, expectedLength)];
    }

    /// <summary>Makes the snapshot longer (with zeros, which take no space) or shorter.</summary>
    /// <param name="length">The new length in bytes.</param>
    /// <exception cref="SnapshotException">OutOfRange, TooLarge, ReadOnlySnapshot, SnapshotClosed: nothing was changed.</exception>
    public void Resize(long length)
    {
        using (BeginChange()) _bytes.Apply([], ByteRange.CheckLength(length, Path), default);
    }

    /// <summary>
    /// Puts bytes between those that are there: what follows moves towards the end. O(bytes), whatever the length of the snapshot.
    /// </summary>
    /// <param name="offset">Where the first of them will be, in bytes from the start; at the end, they are appended.</param>
    /// <param name="bytes">The bytes.</param>
    /// <exception cref="SnapshotException">OutOfRange, TooLarge, ReadOnlySnapshot, SnapshotClosed: nothing was changed.</exception>
    public void Insert(long offset, ReadOnlySpan<byte> bytes)
    {
        using (BeginChange())
        {
            ByteRange.Check(offset, 0, Length, Path);
            _bytes.Insert(offset, bytes);
        }
    }

    /// <summary>As the other, one byte again and again. O(1).</summary>
    /// <param name="offset">Where the first of them will be, in bytes from the start; at the end, they are appended.</param>
    /// <param name="count">How many.</param>
    /// <param name="value">The byte.</param>
    /// <exception cref="SnapshotException">OutOfRange, TooLarge, ReadOnlySnapshot, SnapshotClosed: nothing was changed.</exception>
    public void Insert(long offset, long count, byte value)
    {
        using (BeginChange())
        {
            ByteRange.Check(offset, 0, Length, Path);
            ByteRange.Check(0, count, long.MaxValue, Path);
            _bytes.Insert(offset, count, value);
        }
    }

    /// <summary>Removes bytes: what follows them moves towards the start. O(1), whatever the length of the snapshot.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes.</param>
    /// <exception cref="SnapshotException">OutOfRange, ReadOnlySnapshot, SnapshotClosed: nothing was changed.</exception>
    public void Remove(long offset, long count) => Remove([new ByteRange(offset, count)]);

    /// <summary>As the other, for several ranges, as one change.</summary>
    /// <param name="ranges">The bytes, where they are before the change.</param>
    /// <exception cref="SnapshotException">OutOfRange, ReadOnlySnapshot, SnapshotClosed: nothing was changed.</exception>
    public void Remove(IReadOnlyList<ByteRange> ranges)
    {
        ArgumentNullException.ThrowIfNull(ranges);
        using (BeginChange())
        {
            foreach (var range in ranges) ByteRange.Check(range.Offset, range.Length, Length, Path);
            _bytes.Remove(ranges);
        }
    }

    /// <summary>
    /// Takes the last change back: a write, fill, resize, insertion, removal, <see cref="Apply"/>, or one that gave bytes back. Called
    /// again, the one before it: the last 10,000, also those that were committed. O(1).
    /// </summary>
    /// <returns>Whether there was a change.</returns>
    /// <exception cref="SnapshotException">ReadOnlySnapshot, SnapshotClosed.</exception>
    public bool Undo()
    {
        using (BeginChange()) return _bytes.Undo();
    }

    /// <summary>Makes the change again that <see cref="Undo"/> has taken back last, unless another was made since. O(1).</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="SnapshotException">ReadOnlySnapshot, SnapshotClosed.</exception>
    public bool Redo()
    {
        using (BeginChange()) return _bytes.Redo();
    }

    /// <summary>
    /// Gives a range the bytes that were at the same offsets when the snapshot was opened or last committed. This is a change itself,
    /// which <see cref="Undo"/> takes back. The snapshot's length stays.
    /// </summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes.</param>
    /// <exception cref="SnapshotException">OutOfRange, ReadOnlySnapshot, SnapshotClosed.</exception>
    public void Revert(long offset, long count)
    {
        using (BeginChange())
        {
            ByteRange.Check(offset, count, Length, Path);
            _bytes.Revert([new ByteRange(offset, count)], Length);
        }
    }

    /// <summary>As the other, for several ranges and the length, as one change.</summary>
    /// <param name="ranges">The bytes; what lies behind the end is left out.</param>
    /// <param name="length">The length in bytes that the snapshot is to have afterwards; null leaves it.</param>
    /// <exception cref="SnapshotException">As the other.</exception>
    public void Revert(IReadOnlyList<ByteRange> ranges, long? length = null)
    {
        ArgumentNullException.ThrowIfNull(ranges);
        using (BeginChange())
        {
            foreach (var range in ranges) ByteRange.Check(range.Offset, range.Length, long.MaxValue, Path);
            _bytes.Revert(ranges, ByteRange.CheckLength(length ?? Length, Path));
        }
    }

    /// <summary>
    /// Makes all bytes, and the length, what they were when the snapshot was opened or last committed. This is a change itself, which
    /// <see cref="Undo"/> takes back.
    /// </summary>
    /// <exception cref="SnapshotException">ReadOnlySnapshot, SnapshotClosed.</exception>
    public void RevertAll()
    {
        using (BeginChange()) _bytes.RevertAll();
    }

    /// <summary>
    /// The changes since the snapshot was opened or last committed, in order: runs of bytes that differ, those that lie close
    /// together as one. Takes as long as what was written, not as what the file weighs.
    /// </summary>
    /// <param name="progress">Told of the progress, on the thread that enumerates. May be null.</param>
    /// <param name="cancellation">Ends the enumeration.</param>
    /// <exception cref="SnapshotException">SnapshotClosed, ReadFailed; when enumerated.</exception>
    public IEnumerable<SnapshotChange> GetChanges(IProgress<SnapshotProgress>? progress = null, CancellationToken cancellation = default) =>
        Comparison.WithBaseline(this, new Progress($"Comparing '{Path}'", 0, progress, cancellation));

    /// <summary>What it takes to make another snapshot's bytes into those of this one, as <see cref="GetChanges"/> gives it.</summary>
    /// <param name="before">The other one: what the file was before.</param>
    /// <param name="progress">Told of the progress, on the thread that enumerates. May be null.</param>
    /// <param name="cancellation">Ends the enumeration.</param>
    /// <exception cref="SnapshotException">SnapshotClosed, ReadFailed; when enumerated.</exception>
    public IEnumerable<SnapshotChange> GetChangesFrom(Snapshot before, IProgress<SnapshotProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(before);
        return Comparison.Between(before, this, new Progress($"Comparing '{Path}'", 0, progress, cancellation));
    }

    /// <summary>One byte.</summary>
    /// <param name="offset">Where it stands, in bytes from the start.</param>
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
        SnapshotError.TooLarge, $"'{Path}' has {Length} bytes, more than a view can have ({Array.MaxLength}). View parts of it.", Path));

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
    /// The matches, searched for anew by each enumeration, which throws SnapshotClosed, ReadFailed or
    /// <see cref="OperationCanceledException"/>. The snapshot may be changed during the search, which reads the bytes
    /// as they were when the enumeration began.
    /// </returns>
    /// <exception cref="SnapshotException">OutOfRange, SnapshotClosed.</exception>
    public IEnumerable<SnapshotMatch> Find(
        IReadOnlyList<BytePattern> patterns, long offset, long count, IProgress<SnapshotProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(patterns);
        using (_uses.Enter(Path)) ByteRange.Check(offset, count, Length, Path);
        return new ByteSearch(this, patterns, new ByteRange(offset, count), progress, cancellation).Matches();
    }

    /// <summary>Looks for one pattern everywhere, as the other does.</summary>
    /// <param name="pattern">What to look for.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="SnapshotException">SnapshotClosed.</exception>
    public IEnumerable<SnapshotMatch> Find(BytePattern pattern, CancellationToken cancellation = default) => Find([pattern], 0, Length, progress: null, cancellation);

    /// <summary>The runs of bytes that it had not, or not there, when it was opened or last committed, in order.</summary>
    public IReadOnlyList<ByteRange> GetModifiedRanges()
    {
        using (_uses.Enter(Path)) return _bytes.ModifiedRanges;
    }

    /// <summary>
    /// Puts the snapshot's bytes into its file, or into another one. The snapshot stays private: later writes do not reach the
    /// file until the next commit.
    /// </summary>
    /// <param name="options">How; null is atomic, durable, and keeps the snapshot open.</param>
    /// <param name="cancellation">Ends a copy; the file is then as it was.</param>
    /// <exception cref="SnapshotException">
    /// SnapshotConflict, HardLinked, OwnerNotPreservable, AttributesNotPreservable, DestinationExists, UntrustedLink, AccessDenied, NoSpace,
    /// NotSupported, NotARegularFile, ReadOnlySnapshot, SnapshotClosed, SnapshotLost, ReadFailed, WriteFailed. Except with InPlace the
    /// file is then as it was, unless the message says otherwise; the snapshot has all its bytes.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public CommitResult Commit(CommitOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new CommitOptions();
        if (Monitor.IsEntered(_committing)) throw new LockRecursionException("A listener of a commit has asked for another commit.");
        CommitResult result;
        using (_uses.Enter(Path))
        {
            lock (_committing)
            {
                long started = Stopwatch.GetTimestamp();
                long modifiedBytes = ModifiedBytes;
                var table = _bytes.Current;
                using var destination = options.Destination is null ? null : Destination.Resolve(options.Destination);
                var (path, method, reason, overridden) = destination is null || IsOwnPath(destination, options)
                    ? CommitToOwnFile(table, options, cancellation)
                    : CommitElsewhere(table, destination, options, cancellation);
                result = new CommitResult(
                    path, method, reason, table.Length, modifiedBytes, !options.NoFlush, Stopwatch.GetElapsedTime(started), overridden);
            }
        }
        if (options.Close) Close();
        return result;
    }

    /// <summary>
    /// Closes the snapshot; changes that were not committed are lost. What other threads are doing with it just now ends first. Closing
    /// twice does nothing.
    /// </summary>
    public void Close()
    {
        if (_uses.Close()) StateChanged?.Invoke(this, EventArgs.Empty);
    }

    /// <summary>As <see cref="Close"/>.</summary>
    public void Dispose() => Close();

    /// <summary>"MmapSnapshot 3: /usr/bin/tool".</summary>
    public override string ToString() => $"MmapSnapshot {Id}: {DisplayText.Of(Path)}";

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

    /// <summary>For streams: writes, after growing the snapshot if it is too short, as one change.</summary>
    /// <param name="offset">Where to begin.</param>
    /// <param name="bytes">The new bytes.</param>
    /// <param name="mergeToken">As in <see cref="EditHistory.Push"/>.</param>
    internal void WriteGrowing(long offset, ReadOnlySpan<byte> bytes, object mergeToken)
    {
        using (BeginChange())
        {
            if (offset > long.MaxValue - bytes.Length) ByteRange.Check(offset, bytes.Length, Length, Path);
            _bytes.Write(offset, bytes, mergeToken);
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

    private (string Path, CommitMethod Method, string Reason, string? Overridden) CommitToOwnFile(
        PieceTable table, CommitOptions options, CancellationToken cancellation)
    {
        if (IsReadOnly) throw ReadOnly();
        if (_metadata is null) return CommitNewFile(table, options, cancellation);
        var target = new CommitTarget(_folder, _name, _baseline, HasBaselineBytes);
        // The file has these bytes already, unless somebody changed it; then it is a matter for -Force as always.
        if (!_fileIsMixed && _bytes.HasBaselineBytes(table) && IsUnchanged(target))
        {
            using (BeginUpdate()) _bytes.MarkSaved(table);
            return (Path, CommitMethod.None, "the file has these bytes already", null);
        }
        _bytes.Reader.Base.EnsureAvailable();
        if (options.Method == CommitMethod.InPlace) return CommitInPlace(table, target, _metadata, options, cancellation);

        var content = new ContentWriter(_bytes.Reader, table, options.Progress, cancellation);
        string reason = AskedFor;
        bool isLeased = false;
        if (options.Method is CommitMethod.Auto or CommitMethod.Exchange)
        {
            var exchange = new ExchangeCommit(content, options, cancellation);
            if (exchange.TryExchange(target, _metadata) is { } exchanged)
            {
                MoveBaseline(table, exchanged, exchange.Metadata);
                return (target.CurrentPath, CommitMethod.Exchange, "the filesystem exchanges the contents of files", exchange.Overridden);
            }
            reason = exchange.Unavailable!;
            isLeased = exchange.IsLeased;
            if (options.Method == CommitMethod.Exchange)
            {
                throw new SnapshotException(
                    SnapshotError.NotSupported, $"'{Path}' cannot be saved by exchange: {exchange.Unavailable}. Leave -Method out, or give Replace.", Path);
            }
        }

        var replace = new ReplaceCommit(content, options, cancellation, isLeased);
        MoveBaseline(table, replace.Replace(target, _metadata), replace.Metadata);
        CheckFolderSync(replace, Path);
        return (target.CurrentPath, CommitMethod.Replace, reason, replace.Overridden);
    }

    private (string Path, CommitMethod Method, string Reason, string? Overridden) CommitElsewhere(
        PieceTable table, Destination destination, CommitOptions options, CancellationToken cancellation)
    {
        if (options.Method is CommitMethod.InPlace or CommitMethod.Exchange)
        {
            throw new SnapshotException(
                SnapshotError.NotSupported,
                $"A destination is always written as a new file: -Method {options.Method} goes without -Destination.",
                options.Destination);
        }
        var target = new CommitTarget(destination.Folder, destination.Name, Expected: null);
        bool exists = destination.Existing is not null;
        if (exists && !options.Force) throw StagedFile.Exists(target.Path);
        var commit = new ReplaceCommit(new ContentWriter(_bytes.Reader, table, options.Progress, cancellation), options, cancellation);
        if (exists) commit.Replace(target, known: null, _newFileMode);
        else commit.Create(target, _newFileMode);
        CheckFolderSync(commit, target.Path);
        return (target.Path, CommitMethod.Replace, "a destination is always written as a new file", exists ? "it existed" : null);
    }

    /// <summary>Whether a destination is the snapshot's own file under any name: overwriting it takes -Force, but is a save like any other.</summary>
    private bool IsOwnPath(Destination destination, CommitOptions options)
    {
        if (destination.Folder.Combine(destination.Name) != Path) return false;
        if (_folder.Find(_name) is not { } own) return _baseline is null && destination.Existing is null;
        if (destination.Existing?.IsSameFileAs(own) is not true) return false;
        if (!options.Force) throw StagedFile.Exists(Path);
        return true;
    }

    private static void CheckFolderSync(ReplaceCommit commit, string path)
    {
        if (commit.FolderSync == 0) return;
        throw Failure.From(
            commit.FolderSync, $"flush the folder of '{path}' to the disk", path, SnapshotError.WriteFailed, "The new file is in place, but may not survive a power cut.");
    }

    private (string Path, CommitMethod Method, string Reason, string? Overridden) CommitInPlace(
        PieceTable table, CommitTarget target, FileMetadata metadata, CommitOptions options, CancellationToken cancellation)
    {
        var content = new ContentWriter(_bytes.Reader, table, options.Progress, cancellation);
        var places = _fileIsMixed ? null : SnapshotBytes.ChangedPlaces(_bytes.Baseline, table);
        var commit = new InPlaceCommit(content, places, options, cancellation);
        try
        {
            MoveBaseline(table, commit.Write(target, metadata), commit.Metadata);
        }
        finally
        {
            if (commit.Interrupted is { } mixed)
            {
                // What is there now is our own doing: the next commit, which writes all of it, is no conflict.
                using (BeginUpdate())
                {
                    _fileIsMixed = true;
                    _baseline = Exchangeable(mixed);
                }
            }
        }
        return (target.CurrentPath, CommitMethod.InPlace, AskedFor, commit.Overridden);
    }

    private (string Path, CommitMethod Method, string Reason, string? Overridden) CommitNewFile(
        PieceTable table, CommitOptions options, CancellationToken cancellation)
    {
        if (options.Method is CommitMethod.InPlace or CommitMethod.Exchange)
        {
            throw new SnapshotException(
                SnapshotError.NotSupported, $"'{Path}' does not exist yet, so there is nothing for -Method {options.Method} to keep. Leave it out.", Path);
        }
        var target = new CommitTarget(_folder, _name, Expected: null);
        var commit = new ReplaceCommit(new ContentWriter(_bytes.Reader, table, options.Progress, cancellation), options, cancellation);
        string? overridden = null;
        Baseline committed;
        FileMetadata? metadata;
        if (target.Find() is null)
        {
            overridden = _folder.HasMoved() ? "its folder was moved or deleted since the snapshot was made" : null;
            if (overridden is not null && !options.Force) throw target.ToConflict(overridden);
            try
            {
                (committed, metadata) = commit.CreateExpected(target, _newFileMode);
            }
            catch (SnapshotException refused) when (options.Force && refused.Error == SnapshotError.SnapshotConflict)
            {
                return CommitNewFile(table, options, cancellation); // somebody has just made it
            }
        }
        else
        {
            overridden = "another process has created it since";
            if (!options.Force) throw target.ToConflict(overridden);
            committed = commit.Replace(target, known: null, _newFileMode);
            metadata = commit.Metadata;
        }
        MoveBaseline(table, committed, metadata);
        CheckFolderSync(commit, Path);
        return (target.CurrentPath, CommitMethod.Replace, "the file is new", overridden);
    }

    private static bool IsUnchanged(CommitTarget target)
    {
        using var found = target.Look();
        if (found is null || target.DescribeConflict(found.Status) is not null) return false;
        var errno = found.TryOpen(OpenMode.ReadOnly, out var file);
        using (file) return errno == 0 && target.DescribeMappedWrite(file) is null;
    }

    private bool HasBaselineBytes(SafeFileHandle file) => _fileIsMixed || _bytes.Reader.HasBytes(_bytes.Baseline, file);

    private void MoveBaseline(PieceTable table, in Baseline committed, FileMetadata? metadata)
    {
        using (BeginUpdate())
        {
            _baseline = Exchangeable(committed);
            _metadata = metadata ?? _metadata;
            _fileIsMixed = false;
            _bytes.MarkSaved(table);
        }
    }

    /// <summary>An exchange takes a clone of the private bytes: a copy, perhaps on another filesystem, will not ask for one.</summary>
    private Baseline Exchangeable(in Baseline file) => Backing == SnapshotBacking.Reflink || _isNew ? file : file with { Freshness = null };

    private IEnumerable<SnapshotException> Unexpected(IReadOnlyList<SnapshotEdit> edits, long? length, long? expectedLength)
    {
        if (expectedLength is { } lengthNow && lengthNow != Length)
            yield return new SnapshotException(SnapshotError.ExpectationFailed, $"'{Path}' was not changed: it has {Length} bytes, not {lengthNow}.", Path);
        if (length is < 0)
        {
            yield return ByteRange.NegativeLength(length.Value, Path);
            yield break;
        }
        foreach (var edit in edits)
        {
            // One that only expects may do so behind the new end, and one that expects nothing may write behind the present one.
            bool writes = edit.Count != 0 || edit.Expected.IsEmpty;
            if (writes && ByteRange.Outside(edit.Offset, edit.Count, length ?? Length, Path) is { } outside) yield return outside;
            else if (edit.Expected.IsEmpty) continue;
            else if (ByteRange.Outside(edit.Offset, edit.Expected.Length, Length, Path) is { } missing) yield return missing;
            else if (_bytes.CheckExpected(edit.Offset, edit.Expected.Span) is { } unexpected) yield return unexpected;
        }
    }

    private SnapshotException ReadOnly() => new(
        SnapshotError.ReadOnlySnapshot,
        _readOnlyReason is null
            ? $"The snapshot of '{Path}' is read-only. Open it without -ReadOnly to change it, or save it with -Destination elsewhere."
            : $"The snapshot of '{Path}' is read-only, because {_readOnlyReason}. Save it with -Destination elsewhere, and change that file.",
        Path);

    /// <summary>The last use of a closed snapshot has ended.</summary>
    private void Release()
    {
        _bytes.Dispose();
        _folder.Dispose();
    }

    private ChangeScope BeginChange()
    {
        if (IsReadOnly) throw ReadOnly();
        if (Monitor.IsEntered(_changing)) throw new LockRecursionException("A listener of a change has asked for another change.");
        var use = _uses.Enter(Path);
        Monitor.Enter(_changing);
        return new ChangeScope(this, use);
    }

    /// <summary>As <see cref="BeginChange"/>, for a commit, which is a use already.</summary>
    private ChangeScope BeginUpdate()
    {
        Monitor.Enter(_changing);
        return new ChangeScope(this, default);
    }

    /// <summary>What was changed counts when the scope ends; then <see cref="StateChanged"/> is raised, outside of all locks.</summary>
    private readonly ref struct ChangeScope(Snapshot snapshot, UseCount.Use use)
    {
        private readonly UseCount.Use _use = use;

        public void Dispose()
        {
            bool before = snapshot.IsModified;
            bool after = snapshot._bytes.IsModified || snapshot._fileIsMixed || snapshot._baseline is null;
            snapshot.IsModified = after;
            Monitor.Exit(snapshot._changing);
            _use.Dispose();
            if (before != after) snapshot.StateChanged?.Invoke(snapshot, EventArgs.Empty);
        }
    }
}

using System.Buffers;
using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Committing;
using MmapSnapshot.Editing;
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

    private const string AskedFor = "it was asked for";

    private static int _lastId;

    /// <summary>
    /// Readers share it. A commit holds it upgradeable: others may read meanwhile, none may write. All else is exclusive.
    /// </summary>
    private readonly ReaderWriterLockSlim _lock = new();

    private readonly EditedBytes _bytes;

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

    /// <summary>Why the file can never be saved, in words that follow "because"; null where it may be.</summary>
    private readonly string? _readOnlyReason;

    /// <summary>Whether a commit in place has failed half-way: the file is a mix of its bytes and the snapshot's.</summary>
    private bool _fileIsMixed;

    /// <summary>How long a writer may be kept waiting by a lease; zero where none may be taken.</summary>
    private readonly TimeSpan _maxWriterDelay;

    /// <summary>The backing it began with, and why it was that one.</summary>
    private readonly SnapshotBacking _firstBacking;

    private readonly BackingChoice _choice;

    private long _baselineLength;

    private int _views;

    private Snapshot(SourceFile source, PrivateBytes bytes, SnapshotOptions options)
        : this(source.Folder, source.Name, bytes.Content, options.ScratchPath is { } scratch ? System.IO.Path.GetFullPath(scratch) : null)
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

    private Snapshot(ParentFolder folder, string name, SnapshotContent content, string? scratchPath, UnixFileMode? mode = null)
    {
        _folder = folder;
        _name = name;
        _isNew = true;
        _newFileMode = new NewFileMode(mode is { } exact ? (FilePermissions)exact : DefaultMode, IsExact: mode is not null);
        Path = folder.Combine(name);
        _bytes = new EditedBytes(content, folder, Path, scratchPath);
        _baselineLength = _bytes.Length;
        _firstBacking = content.Backing;
        Id = Interlocked.Increment(ref _lastId);
    }

    /// <summary>
    /// Raised, on the thread that made the change, when <see cref="IsModified"/> has changed or the snapshot was closed. The
    /// snapshot is locked meanwhile: a handler may look at its properties, but must neither read nor write its bytes.
    /// </summary>
    public event EventHandler? StateChanged;

    /// <summary>A number that no other snapshot of this process has.</summary>
    public int Id { get; }

    /// <summary>The full path of the file, symbolic links resolved.</summary>
    public string Path { get; }

    /// <summary>How many bytes the snapshot has; that of a closed one is its last.</summary>
    public long Length => _bytes.Length;

    /// <summary>How many bytes it had when it was opened or last committed.</summary>
    public long BaselineLength => Volatile.Read(ref _baselineLength);

    /// <summary>Whether changes are refused: as asked for, and where the file cannot be saved (deleted, or in /proc or /sys).</summary>
    public bool IsReadOnly { get; }

    /// <summary>
    /// Whether anything was written or resized since the snapshot was opened or last committed, and not taken back. The snapshot
    /// of a file that is not there yet is modified until it is committed.
    /// </summary>
    public bool IsModified { get; private set; }

    /// <summary>How the bytes are kept private just now: a lease becomes a copy, or a clone, when it must.</summary>
    public SnapshotBacking Backing => _bytes.Content.Backing;

    /// <summary>Why it is this backing, in words: what comes after "because".</summary>
    public string BackingReason => Backing is var backing && backing == _firstBacking ? _choice.Explain(backing)
        : backing is SnapshotBacking.Lease or SnapshotBacking.Immutable ? "what was saved is read where it lies, until it is changed"
        : $"it was changed, viewed or saved, or somebody else wanted to write to the file; until then it was {_firstBacking}";

    /// <summary>The folder whose filesystem holds the private bytes, or "memory"; under a lease, the file's own.</summary>
    public string BackingLocation => _bytes.Content.Location;

    /// <summary>How many bytes were written since the snapshot was opened or last committed; rewriting a byte counts once.</summary>
    public long ModifiedBytes { get; private set; }

    /// <summary>When the snapshot was opened.</summary>
    public DateTimeOffset OpenedAt { get; } = DateTimeOffset.Now;

    /// <summary>Whether the snapshot has been closed.</summary>
    public bool IsClosed { get; private set; }

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
            var snapshot = new Snapshot(destination.Folder, destination.Name, content, scratchPath: null, mode);
            snapshot._bytes.Resize(ByteRange.CheckLength(length, path), default);
            snapshot._bytes.Changes.Reset(length);
            snapshot.UpdateModified();
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
        using (EnterRead())
        {
            ByteRange.Check(offset, destination.Length, Length, Path);
            _bytes.Read(offset, destination);
        }
    }

    /// <summary>Reads bytes into a new array.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many; at most what an array holds, 2,147,483,591.</param>
    /// <exception cref="SnapshotException">OutOfRange, TooLarge, SnapshotClosed, ReadFailed.</exception>
    public byte[] Read(long offset, long count)
    {
        using (EnterRead())
        {
            ByteRange.Check(offset, count, Length, Path);
            if (count > Array.MaxLength)
            {
                throw new SnapshotException(
                    SnapshotError.TooLarge, $"{count} bytes of '{Path}' do not fit into one byte array ({Array.MaxLength}). Read them in parts.", Path);
            }
            var bytes = GC.AllocateUninitializedArray<byte>((int)count);
            _bytes.Read(offset, bytes);
            return bytes;
        }
    }

    /// <summary>Reads the bytes that the snapshot had when it was opened or last committed.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="destination">Where the bytes go; all of them lie within <see cref="BaselineLength"/>.</param>
    /// <exception cref="SnapshotException">OutOfRange, SnapshotClosed, ReadFailed.</exception>
    public void ReadBaseline(long offset, Span<byte> destination)
    {
        using (EnterRead())
        {
            ByteRange.Check(offset, destination.Length, _bytes.Changes.BaselineLength, Path);
            _bytes.Changes.ReadFormer(_bytes.Content, offset, destination);
        }
    }

    /// <summary>Writes bytes over those that stand there. The file does not see them until they are committed.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="bytes">The new bytes. All must lie within the snapshot: <see cref="Resize"/> makes it longer.</param>
    /// <param name="expected">If not empty, the bytes that must stand at <paramref name="offset"/> now.</param>
    /// <exception cref="SnapshotException">
    /// OutOfRange, ReadOnlySnapshot, SnapshotClosed, ExpectationFailed: nothing was changed. NoSpace, WriteFailed: nothing was
    /// changed either, or the message says which bytes were.
    /// </exception>
    public void Write(long offset, ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> expected = default)
    {
        using (EnterWrite())
        {
            ByteRange.Check(offset, bytes.Length, Length, Path);
            ByteRange.Check(offset, expected.Length, Length, Path);
            if (_bytes.Unexpected(offset, expected) is { } unexpected) throw unexpected;
            try
            {
                _bytes.Write(offset, bytes);
            }
            finally
            {
                UpdateModified();
            }
        }
    }

    /// <summary>Writes one byte value over a whole range.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes to write.</param>
    /// <param name="value">The byte.</param>
    /// <param name="expected">If not empty, the bytes that must stand at <paramref name="offset"/> now.</param>
    /// <param name="progress">Told of the progress, on this thread. May be null.</param>
    /// <param name="cancellation">Ends it; what was filled by then stays filled, and counts as modified.</param>
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
    /// <param name="cancellation">Ends it; a single fill leaves what it has filled, all else is taken back.</param>
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
        using (EnterWrite(progress, cancellation))
        {
            if (Unexpected(edits, length, expectedLength).FirstOrDefault() is { } unexpected) throw unexpected;
            string deed = edits is [{ IsFill: true }] ? "Filling" : "Writing to";
            ApplyChecked(edits, length ?? Length, $"{deed} '{Path}'", progress, cancellation);
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
        using (EnterRead()) return IsReadOnly ? throw ReadOnly() : [.. Unexpected(edits, length, expectedLength)];
    }

    /// <summary>Makes the snapshot longer (with zeros, which take no space) or shorter.</summary>
    /// <param name="length">The new length in bytes.</param>
    /// <param name="progress">Told of the progress of putting aside what is cut off, on this thread. May be null.</param>
    /// <param name="cancellation">Ends that; nothing was changed.</param>
    /// <exception cref="SnapshotException">OutOfRange, TooLarge, NoSpace, ReadOnlySnapshot, SnapshotClosed, ViewOpen: nothing was changed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Resize(long length, IProgress<SnapshotProgress>? progress = null, CancellationToken cancellation = default)
    {
        using (EnterWrite(progress, cancellation)) ApplyChecked([], ByteRange.CheckLength(length, Path), $"Resizing '{Path}'", progress, cancellation);
    }

    /// <summary>
    /// Takes the last change back: a write, fill, resize, <see cref="Apply"/> or
    /// <see cref="Undo(long, long, IProgress{SnapshotProgress}?, CancellationToken)"/>. Called again, the one before it: the last
    /// thousand, as long as what they have overwritten twice is below 64 MiB.
    /// </summary>
    /// <param name="progress">Told of the progress, on this thread. May be null.</param>
    /// <param name="cancellation">Ends it; what was taken back by then is, and the rest can be.</param>
    /// <returns>Whether there was a change since the snapshot was opened or last committed.</returns>
    /// <exception cref="SnapshotException">ReadOnlySnapshot, SnapshotClosed, ViewOpen, NoSpace, WriteFailed, ReadFailed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public bool UndoLast(IProgress<SnapshotProgress>? progress = null, CancellationToken cancellation = default)
    {
        using (EnterWrite(progress, cancellation))
        {
            if (_bytes.Changes.Last is { } last && last.LengthBefore != Length) ThrowIfViewed("resized");
            return Modify(() => _bytes.UndoLast(new Progress($"Undoing changes of '{Path}'", 0, progress, cancellation)));
        }
    }

    /// <summary>
    /// Gives a range the bytes again that it had when the snapshot was opened or last committed. This is a change itself, which
    /// <see cref="UndoLast"/> takes back. The snapshot's length stays.
    /// </summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes.</param>
    /// <param name="progress">Told of the progress, on this thread. May be null.</param>
    /// <param name="cancellation">Ends it; what was taken back by then is, and the rest can be.</param>
    /// <exception cref="SnapshotException">OutOfRange, ReadOnlySnapshot, SnapshotClosed, NoSpace, WriteFailed, ReadFailed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Undo(long offset, long count, IProgress<SnapshotProgress>? progress = null, CancellationToken cancellation = default)
    {
        using (EnterWrite(progress, cancellation))
        {
            ByteRange.Check(offset, count, Length, Path);
            UndoChecked([new ByteRange(offset, count)], Length, progress, cancellation);
        }
    }

    /// <summary>As the other, for several ranges and the length, as one change.</summary>
    /// <param name="ranges">The bytes; what lies behind the end is left out.</param>
    /// <param name="length">The length in bytes that the snapshot is to have afterwards; null leaves it.</param>
    /// <param name="progress">Told of the progress, on this thread. May be null.</param>
    /// <param name="cancellation">Ends it; what was taken back by then is, and the rest can be.</param>
    /// <exception cref="SnapshotException">As the other; ViewOpen, where the length changes.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Undo(
        IReadOnlyList<ByteRange> ranges, long? length = null, IProgress<SnapshotProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(ranges);
        using (EnterWrite(progress, cancellation))
        {
            foreach (var range in ranges) ByteRange.Check(range.Offset, range.Length, long.MaxValue, Path);
            UndoChecked(ranges, ByteRange.CheckLength(length ?? Length, Path), progress, cancellation);
        }
    }

    /// <summary>Makes all bytes, and the length, what they were when the snapshot was opened or last committed; this cannot be taken back.</summary>
    /// <param name="progress">Told of the progress, on this thread. May be null.</param>
    /// <param name="cancellation">Ends it; what was taken back by then is, and the rest can be.</param>
    /// <exception cref="SnapshotException">ReadOnlySnapshot, SnapshotClosed, ViewOpen, NoSpace, WriteFailed, ReadFailed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void UndoAll(IProgress<SnapshotProgress>? progress = null, CancellationToken cancellation = default)
    {
        using (EnterWrite(progress, cancellation))
        {
            if (_bytes.Changes.BaselineLength != Length) ThrowIfViewed("resized");
            Modify(() => _bytes.UndoAll(new Progress($"Undoing changes of '{Path}'", 0, progress, cancellation)));
        }
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

    /// <summary>The bytes as memory, without a copy; dispose it before the snapshot is closed or resized.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes.</param>
    /// <exception cref="SnapshotException">OutOfRange, SnapshotClosed, ReadFailed.</exception>
    public SnapshotView GetView(long offset, int count)
    {
        using (EnterRead())
        {
            ByteRange.Check(offset, count, Length, Path);
            var mapped = _bytes.Content.MakeMappable();
            _bytes.Region.EnsureMapped(mapped, Length, Path);
            if (count > 0) _bytes.Region.Populate(mapped, offset, count, Path);
            var view = new SnapshotView(this, _bytes.Region, offset, count);
            ViewTaken();
            return view;
        }
    }

    /// <summary>The snapshot as a seekable stream. Disposing the stream leaves the snapshot open.</summary>
    /// <exception cref="SnapshotException">SnapshotClosed.</exception>
    public Stream AsStream()
    {
        using (EnterRead()) return new SnapshotStream(this);
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
    /// <see cref="OperationCanceledException"/>. The snapshot may be used meanwhile: matches are found some way ahead, so that
    /// bytes written during a search are found as they were or as they are; one made shorter is searched to its new end.
    /// </returns>
    /// <exception cref="SnapshotException">OutOfRange, SnapshotClosed.</exception>
    public IEnumerable<SnapshotMatch> Find(
        IReadOnlyList<BytePattern> patterns, long offset, long count, IProgress<SnapshotProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(patterns);
        using (EnterRead()) ByteRange.Check(offset, count, Length, Path);
        return new ByteSearch(this, patterns, new ByteRange(offset, count), progress, cancellation).Matches();
    }

    /// <summary>Looks for one pattern everywhere, as the other does.</summary>
    /// <param name="pattern">What to look for.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="SnapshotException">SnapshotClosed.</exception>
    public IEnumerable<SnapshotMatch> Find(BytePattern pattern, CancellationToken cancellation = default) => Find([pattern], 0, Length, progress: null, cancellation);

    /// <summary>The runs of bytes written since the snapshot was opened or last committed, in order.</summary>
    public IReadOnlyList<ByteRange> GetModifiedRanges()
    {
        using (EnterRead()) return _bytes.Changes.ModifiedRanges;
    }

    /// <summary>
    /// Puts the snapshot's bytes into its file, or into another one. The snapshot stays private: later writes do not reach the
    /// file until the next commit.
    /// </summary>
    /// <param name="options">How; null is atomic, durable, and keeps the snapshot open.</param>
    /// <param name="cancellation">Ends a copy; the file is then as it was.</param>
    /// <exception cref="SnapshotException">
    /// SnapshotConflict, HardLinked, OwnerNotPreservable, AttributesNotPreservable, DestinationExists, UntrustedLink, AccessDenied,
    /// NoSpace, NotSupported, NotARegularFile, ReadOnlySnapshot, SnapshotClosed, ViewOpen, ReadFailed, WriteFailed. Except with InPlace the
    /// file is then as it was, unless the message says otherwise; the snapshot has all its bytes.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public CommitResult Commit(CommitOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new CommitOptions();
        using (EnterCommit())
        {
            if (options.Close) ThrowIfViewed("closed");
            long started = Stopwatch.GetTimestamp();
            long modifiedBytes = ModifiedBytes;
            using var destination = options.Destination is null ? null : Destination.Resolve(options.Destination);
            var (path, method, reason, overridden) = destination is null || IsOwnPath(destination, options)
                ? CommitToOwnFile(options, cancellation)
                : CommitElsewhere(destination, options, cancellation);
            var result = new CommitResult(
                path, method, reason, Length, modifiedBytes, !options.NoFlush, Stopwatch.GetElapsedTime(started), overridden);
            if (options.Close) Dispose(); // with a view that was taken meanwhile, its memory goes together with it
            return result;
        }
    }

    /// <summary>Lets go of everything; changes that were not committed are lost. Closing twice does nothing.</summary>
    /// <exception cref="SnapshotException">ViewOpen.</exception>
    public void Close()
    {
        using (EnterExclusive())
        {
            if (IsClosed) return;
            ThrowIfViewed("closed");
            Release();
        }
    }

    /// <summary>As <see cref="Close"/>, except that with a view still out the memory is let go of together with the last view.</summary>
    public void Dispose()
    {
        using (EnterExclusive())
        {
            if (!IsClosed) Release();
        }
    }

    /// <summary>"MmapSnapshot 3: /usr/bin/tool".</summary>
    public override string ToString() => $"MmapSnapshot {Id}: {DisplayText.Of(Path)}";

    /// <summary>For streams and searches: reads what there is from <paramref name="offset"/> on, 0 at or past the end.</summary>
    internal int ReadAvailable(long offset, Span<byte> destination)
    {
        using (EnterRead())
        {
            if (offset >= Length) return 0;
            int count = (int)Math.Min(destination.Length, Length - offset);
            _bytes.Read(offset, destination[..count]);
            return count;
        }
    }

    /// <summary>For streams: writes, after growing the snapshot if it is too short, as one change.</summary>
    internal void WriteGrowing(long offset, ReadOnlySpan<byte> bytes)
    {
        using (EnterWrite())
        {
            if (offset > long.MaxValue - bytes.Length) ByteRange.Check(offset, bytes.Length, Length, Path);
            if (bytes.Length > 0 && offset + bytes.Length > Length) ThrowIfViewed("resized");
            try
            {
                _bytes.Write(offset, bytes);
            }
            finally
            {
                UpdateModified();
            }
        }
    }

    /// <summary>For comparisons: something of the private bytes and what was changed in them, at one instant.</summary>
    internal T Examine<T>(Func<EditedBytes, T> what)
    {
        using (EnterRead()) return what(_bytes);
    }

    /// <summary>
    /// For searching: shows <paramref name="action"/> the bytes from <paramref name="offset"/> on, <paramref name="count"/> of
    /// them or as many as there are. The one other way by which a search gets at bytes is <see cref="ReadAvailable"/>.
    /// </summary>
    /// <returns>False at or past the end, where there is nothing to show.</returns>
    internal unsafe bool TryScan(long offset, int count, ScanAction action)
    {
        using (EnterRead())
        {
            int there = (int)Math.Min(count, Length - offset);
            if (there <= 0) return false;
            // Not the file itself, through whose mapping bytes could vanish; and not where the addresses do not suffice.
            if (!_bytes.Content.IsPrivate || !_bytes.Region.TryMap(_bytes.File.Handle, Length, Path))
            {
                byte[] buffer = ArrayPool<byte>.Shared.Rent(there);
                try
                {
                    _bytes.Read(offset, buffer.AsSpan(0, there));
                    action(buffer.AsSpan(0, there));
                    return true;
                }
                finally
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                }
            }
            var region = _bytes.Region;
            if (!region.IsResident(offset, there)) region.Populate(_bytes.File.Handle, offset, there, Path);
            // Sound: the range lies within the region, which stays as it is while the lock is held.
            action(new ReadOnlySpan<byte>(region.Address + offset, there));
            return true;
        }
    }

    /// <summary>
    /// For searching: the first run of data at or after <paramref name="offset"/>. Where holes alone follow it is an empty one at
    /// <paramref name="end"/>, or at the end of the snapshot if that comes first.
    /// </summary>
    internal ByteRange NextData(long offset, long end)
    {
        using (EnterRead()) return _bytes.Content.NextData(ByteRange.Between(offset, Math.Max(offset, Math.Min(end, Length))));
    }

    internal void ViewTaken() => Interlocked.Increment(ref _views);

    internal void ViewReleased() => Interlocked.Decrement(ref _views);

    private (string Path, CommitMethod Method, string Reason, string? Overridden) CommitToOwnFile(CommitOptions options, CancellationToken cancellation)
    {
        if (IsReadOnly) throw ReadOnly();
        if (_metadata is null) return CommitNewFile(options, cancellation);
        var target = new CommitTarget(_folder, _name, _baseline, HasBaselineBytes);
        // The file has these bytes already, unless somebody changed it; then it is a matter for -Force as always.
        if (!IsModified && IsUnchanged(target)) return (Path, CommitMethod.None, "the file has these bytes already", null);
        _bytes.MakePrivate(options.Progress, cancellation);

        if (options.Method == CommitMethod.InPlace)
        {
            return CommitInPlace(target, _metadata, options, cancellation);
        }

        string reason = AskedFor;
        bool isLeased = false;
        if (options.Method is CommitMethod.Auto or CommitMethod.Exchange)
        {
            var exchange = new ExchangeCommit(_bytes.File, options, cancellation);
            if (exchange.TryExchange(target, _metadata) is { } exchanged)
            {
                MoveBaseline(exchanged, exchange.Metadata);
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

        var replace = new ReplaceCommit(_bytes.File, Length, options, cancellation, isLeased);
        MoveBaseline(replace.Replace(target, _metadata), replace.Metadata);
        CheckFolderSync(replace, Path);
        return (target.CurrentPath, CommitMethod.Replace, reason, replace.Overridden);
    }

    private (string Path, CommitMethod Method, string Reason, string? Overridden) CommitElsewhere(
        Destination destination, CommitOptions options, CancellationToken cancellation)
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
        _bytes.MakePrivate(options.Progress, cancellation);
        var commit = new ReplaceCommit(_bytes.File, Length, options, cancellation);
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
        CommitTarget target, FileMetadata metadata, CommitOptions options, CancellationToken cancellation)
    {
        var commit = new InPlaceCommit(_bytes.File, Length, _fileIsMixed ? null : _bytes.Changes.ModifiedRanges, options, cancellation);
        try
        {
            MoveBaseline(commit.Write(target, metadata), commit.Metadata);
        }
        finally
        {
            if (commit.Interrupted is { } mixed)
            {
                // What is there now is our own doing: the next commit, which writes all of it, is no conflict.
                _fileIsMixed = true;
                _baseline = Exchangeable(mixed);
                UpdateModified();
            }
        }
        return (target.CurrentPath, CommitMethod.InPlace, AskedFor, commit.Overridden);
    }

    private (string Path, CommitMethod Method, string Reason, string? Overridden) CommitNewFile(CommitOptions options, CancellationToken cancellation)
    {
        if (options.Method is CommitMethod.InPlace or CommitMethod.Exchange)
        {
            throw new SnapshotException(
                SnapshotError.NotSupported, $"'{Path}' does not exist yet, so there is nothing for -Method {options.Method} to keep. Leave it out.", Path);
        }
        var target = new CommitTarget(_folder, _name, Expected: null);
        var commit = new ReplaceCommit(_bytes.File, Length, options, cancellation);
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
                return CommitNewFile(options, cancellation); // somebody has just made it
            }
        }
        else
        {
            overridden = "another process has created it since";
            if (!options.Force) throw target.ToConflict(overridden);
            committed = commit.Replace(target, known: null, _newFileMode);
            metadata = commit.Metadata;
        }
        MoveBaseline(committed, metadata);
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

    private bool HasBaselineBytes(SafeFileHandle file) => _fileIsMixed || _bytes.Changes.IsBaseline(file, _bytes.Content, default);

    private void MoveBaseline(in Baseline committed, FileMetadata? metadata)
    {
        using (EnterExclusive())
        {
            _baseline = Exchangeable(committed);
            _metadata = metadata ?? _metadata;
            _fileIsMixed = false;
            _bytes.Changes.Reset(Length);
            UpdateModified();
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
            else if (_bytes.Unexpected(edit.Offset, edit.Expected.Span) is { } unexpected) yield return unexpected;
        }
    }

    private void ApplyChecked(IReadOnlyList<SnapshotEdit> edits, long length, string activity, IProgress<SnapshotProgress>? progress, CancellationToken cancellation)
    {
        if (length != Length) ThrowIfViewed("resized");
        Modify(() => _bytes.Apply(edits, length, new Progress(activity, 0, progress, cancellation)));
    }

    private void UndoChecked(IReadOnlyList<ByteRange> ranges, long length, IProgress<SnapshotProgress>? progress, CancellationToken cancellation)
    {
        if (length != Length) ThrowIfViewed("resized");
        Modify(() => _bytes.Undo(ranges, length, new Progress($"Undoing changes of '{Path}'", 0, progress, cancellation)));
    }

    private void Modify(Action change) => Modify(() =>
    {
        change();
        return true;
    });

    private T Modify<T>(Func<T> change)
    {
        try
        {
            return change();
        }
        finally
        {
            UpdateModified();
        }
    }

    private void UpdateModified()
    {
        var changes = _bytes.Changes;
        ModifiedBytes = changes.ModifiedBytes;
        Volatile.Write(ref _baselineLength, changes.BaselineLength);
        bool before = IsModified;
        IsModified = changes.ModifiedBytes > 0 || Length != changes.BaselineLength || _fileIsMixed || _baseline is null;
        if (IsModified != before) StateChanged?.Invoke(this, EventArgs.Empty);
    }

    private void ThrowIfViewed(string deed)
    {
        int views = Volatile.Read(ref _views);
        if (views == 0) return;
        throw new SnapshotException(
            SnapshotError.ViewOpen, $"'{Path}' cannot be {deed}: {views} view(s) of its memory are in use. Dispose them first.", Path);
    }

    private SnapshotException ReadOnly() => new(
        SnapshotError.ReadOnlySnapshot,
        _readOnlyReason is null
            ? $"The snapshot of '{Path}' is read-only. Open it without -ReadOnly to change it, or save it with -Destination elsewhere."
            : $"The snapshot of '{Path}' is read-only, because {_readOnlyReason}. Save it with -Destination elsewhere, and change that file.",
        Path);

    private void Release()
    {
        IsClosed = true;
        _bytes.Dispose();
        _folder.Dispose();
        StateChanged?.Invoke(this, EventArgs.Empty);
    }

    private Held EnterRead()
    {
        _lock.EnterReadLock();
        return HeldWhileOpen(new Held(_lock, HeldFor.Reading));
    }

    private Held EnterCommit()
    {
        _lock.EnterUpgradeableReadLock();
        return HeldWhileOpen(new Held(_lock, HeldFor.Committing));
    }

    private Held EnterWrite(IProgress<SnapshotProgress>? progress = null, CancellationToken cancellation = default)
    {
        var held = EnterExclusive();
        if (IsReadOnly)
        {
            held.Dispose();
            throw ReadOnly();
        }
        held = HeldWhileOpen(held);
        try
        {
            _bytes.MakePrivate(progress, cancellation);
            return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    private Held EnterExclusive()
    {
        _lock.EnterWriteLock();
        return new Held(_lock, HeldFor.Writing);
    }

    private Held HeldWhileOpen(Held held)
    {
        if (!IsClosed) return held;
        held.Dispose();
        throw new SnapshotException(SnapshotError.SnapshotClosed, $"The snapshot of '{Path}' has been closed. Open the file again.", Path);
    }

    private enum HeldFor
    {
        Reading,
        Committing,
        Writing,
    }

    /// <summary>The snapshot's lock, let go of when disposed.</summary>
    private readonly ref struct Held(ReaderWriterLockSlim held, HeldFor purpose)
    {
        public void Dispose()
        {
            if (purpose == HeldFor.Reading) held.ExitReadLock();
            else if (purpose == HeldFor.Committing) held.ExitUpgradeableReadLock();
            else held.ExitWriteLock();
        }
    }
}

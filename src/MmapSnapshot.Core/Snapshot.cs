using System.Buffers;
using System.Diagnostics;
using MmapSnapshot.Backing;
using MmapSnapshot.Committing;
using MmapSnapshot.Mapping;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot;

/// <summary>
/// A file at one instant, in private: nobody else's write changes what is read here, and nobody sees what is written here until
/// it is committed. All members may be called from several threads at once.
/// </summary>
public sealed class Snapshot : IDisposable
{
    /// <summary>How much a fill writes at a time.</summary>
    private const int FillWindow = 1 << 20;

    private static int _lastId;

    /// <summary>
    /// Readers share it. A commit holds it upgradeable: others may read meanwhile, none may write. All else is exclusive.
    /// </summary>
    private readonly ReaderWriterLockSlim _lock = new();

    private readonly SnapshotContent _content;

    private readonly MappedRegion _region;

    private readonly ParentFolder _folder;

    private readonly string _name;

    private readonly ModifiedRanges _modified = new();

    /// <summary>Null for a read-only snapshot, which is never committed to its own file.</summary>
    private FileMetadata? _metadata;

    /// <summary>The rights a copy under another name begins with.</summary>
    private readonly FilePermissions _permissions;

    /// <summary>The file as it was when the snapshot was taken or last committed.</summary>
    private Baseline _baseline;

    private long _length;

    private long _baselineLength;

    private int _views;

    private Snapshot(SourceFile source, PrivateBytes bytes, SnapshotOptions options)
    {
        _content = bytes.Content;
        _folder = source.Folder;
        _name = source.Name;
        _baseline = bytes.Baseline;
        _permissions = bytes.Baseline.Status.Mode & FilePermissions.ACCESSPERMS;
        Path = source.Path;
        IsReadOnly = options.ReadOnly;
        if (!IsReadOnly) _metadata = FileMetadata.Of(source.Handle, bytes.Baseline.Status, Path);
        _length = _baselineLength = _content.Length;
        _region = new MappedRegion();
        if (_content is PrivateContent) _region.EnsureMapped(_file.Handle, _length, Path);
        Id = Interlocked.Increment(ref _lastId);
    }

    /// <summary>The private bytes. There are some where the snapshot may be written to (<see cref="EnterWrite"/>).</summary>
    private PrivateFile _file => _content.File;

    /// <summary>A number that no other snapshot of this process has.</summary>
    public int Id { get; }

    /// <summary>The full path of the file, symbolic links resolved.</summary>
    public string Path { get; }

    /// <summary>How many bytes the snapshot has; that of a closed one is its last.</summary>
    public long Length => Volatile.Read(ref _length);

    /// <summary>Whether changes are refused.</summary>
    public bool IsReadOnly { get; }

    /// <summary>Whether anything was written or resized since the snapshot was opened or last committed.</summary>
    public bool IsModified { get; private set; }

    /// <summary>How the bytes are kept private just now: a lease becomes a copy, or a clone, when it must.</summary>
    public SnapshotBacking Backing => _content.Backing;

    /// <summary>The folder whose filesystem holds the private bytes, or "memory"; under a lease, the file's own.</summary>
    public string BackingLocation => _content.Location;

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
    /// FileNotFound, NotARegularFile, AccessDenied, SourceChanging, TooLarge, NoSpace, ReadFailed, WriteFailed, NotSupported.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static Snapshot Open(string path, SnapshotOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        options ??= new SnapshotOptions();
        var source = SourceFile.Open(path);
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

    /// <summary>Reads exactly as many bytes as <paramref name="destination"/> has, with pread: a bad sector is an error, not a signal.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="destination">Where the bytes go.</param>
    /// <exception cref="SnapshotException">OutOfRange, SnapshotClosed, ReadFailed.</exception>
    public void Read(long offset, Span<byte> destination)
    {
        using (EnterRead())
        {
            ByteRange.Check(offset, destination.Length, _length, Path);
            ReadExactly(offset, destination);
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
            ByteRange.Check(offset, count, _length, Path);
            if (count > Array.MaxLength)
            {
                throw new SnapshotException(
                    SnapshotError.TooLarge, $"{count} bytes of '{Path}' do not fit into one byte array ({Array.MaxLength}). Read them in parts.", Path);
            }
            var bytes = GC.AllocateUninitializedArray<byte>((int)count);
            ReadExactly(offset, bytes);
            return bytes;
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
            ByteRange.Check(offset, bytes.Length, _length, Path);
            CheckExpected(offset, expected);
            WriteChecked(offset, bytes);
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
    public void Fill(
        long offset,
        long count,
        byte value,
        ReadOnlySpan<byte> expected = default,
        IProgress<SnapshotProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        using (EnterWrite(progress, cancellation))
        {
            ByteRange.Check(offset, count, _length, Path);
            CheckExpected(offset, expected);
            FillChecked(offset, count, value, progress, cancellation);
        }
    }

    /// <summary>Makes the snapshot longer (with zeros, which take no space) or shorter.</summary>
    /// <param name="length">The new length in bytes.</param>
    /// <exception cref="SnapshotException">OutOfRange, TooLarge, NoSpace, ReadOnlySnapshot, SnapshotClosed, ViewOpen: nothing was changed.</exception>
    public void Resize(long length)
    {
        using (EnterWrite()) ResizeTo(length);
    }

    /// <summary>The bytes as memory, without a copy; dispose it before the snapshot is closed or resized.</summary>
    /// <param name="offset">Where to begin, in bytes from the start.</param>
    /// <param name="count">How many bytes.</param>
    /// <exception cref="SnapshotException">OutOfRange, SnapshotClosed, ReadFailed.</exception>
    public SnapshotView GetView(long offset, int count)
    {
        using (EnterRead())
        {
            ByteRange.Check(offset, count, _length, Path);
            var mapped = _content.MakeMappable();
            _region.EnsureMapped(mapped, _length, Path);
            if (count > 0) _region.Populate(mapped, offset, count, Path);
            var view = new SnapshotView(this, _region, offset, count);
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

    /// <summary>The runs of bytes written since the snapshot was opened or last committed, in order.</summary>
    public IReadOnlyList<ByteRange> GetModifiedRanges()
    {
        using (EnterRead()) return _modified.ToArray();
    }

    /// <summary>
    /// Puts the snapshot's bytes into its file, or into another one. The snapshot stays private: later writes do not reach the
    /// file until the next commit.
    /// </summary>
    /// <param name="options">How; null is atomic, durable, and keeps the snapshot open.</param>
    /// <param name="cancellation">Ends a copy; the file is then as it was.</param>
    /// <exception cref="SnapshotException">
    /// SnapshotConflict, HardLinked, OwnerNotPreservable, AttributesNotPreservable, DestinationExists, AccessDenied, NoSpace,
    /// NotSupported, NotARegularFile, ReadOnlySnapshot, SnapshotClosed, ViewOpen, ReadFailed, WriteFailed. Except with InPlace the
    /// file is then as it was, unless the message says otherwise; the snapshot has all its bytes.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public CommitResult Commit(CommitOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new CommitOptions();
        using (EnterCommit())
        {
            _content.Vouch();
            if (options.Close) ThrowIfViewed("closed");
            long started = Stopwatch.GetTimestamp();
            long modifiedBytes = ModifiedBytes;
            var (path, method, overridden) = options.Destination is { } destination && !IsOwnPath(destination, options)
                ? CommitElsewhere(destination, options, cancellation)
                : CommitToOwnFile(options, cancellation);
            var result = new CommitResult(
                path, method, _length, modifiedBytes, !options.NoFlush, Stopwatch.GetElapsedTime(started), overridden);
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
    public override string ToString() => $"MmapSnapshot {Id}: {Path}";

    /// <summary>For streams: reads what there is from <paramref name="offset"/> on, 0 at or past the end.</summary>
    internal int ReadAvailable(long offset, Span<byte> destination)
    {
        using (EnterRead())
        {
            if (offset >= _length) return 0;
            int count = (int)Math.Min(destination.Length, _length - offset);
            ReadExactly(offset, destination[..count]);
            return count;
        }
    }

    /// <summary>For streams: writes, after growing the snapshot if it is too short. A failure leaves its length as it was.</summary>
    internal void WriteGrowing(long offset, ReadOnlySpan<byte> bytes)
    {
        using (EnterWrite())
        {
            long before = _length;
            if (offset > long.MaxValue - bytes.Length) ByteRange.Check(offset, bytes.Length, before, Path);
            bool grows = bytes.Length > 0 && offset + bytes.Length > before;
            if (grows) ResizeTo(offset + bytes.Length);
            try
            {
                WriteChecked(offset, bytes);
            }
            catch when (grows)
            {
                ResizeTo(before);
                throw;
            }
        }
    }

    internal void ViewTaken() => Interlocked.Increment(ref _views);

    internal void ViewReleased() => Interlocked.Decrement(ref _views);

    private (string Path, CommitMethod Method, string? Overridden) CommitToOwnFile(CommitOptions options, CancellationToken cancellation)
    {
        if (IsReadOnly || _metadata is null) throw ReadOnly();
        var target = new CommitTarget(_folder, _name, _baseline);
        if (!IsModified)
        {
            // The file has these bytes already, unless somebody changed it; then it is a matter for -Force as always.
            string? conflict = target.Conflict(target.Find());
            if (conflict is null) return (Path, CommitMethod.None, null);
        }
        _content.MakePrivate(options.Progress, cancellation);

        if (options.Method == CommitMethod.InPlace)
        {
            var commit = new InPlaceCommit(_file, _length, _modified.ToArray(), options, cancellation);
            MoveBaseline(commit.Write(target, _metadata), commit.Metadata);
            return (target.CurrentPath, CommitMethod.InPlace, commit.Overridden);
        }

        if (options.Method is CommitMethod.Auto or CommitMethod.Exchange)
        {
            var exchange = new ExchangeCommit(_file, options);
            if (exchange.TryExchange(target, _metadata) is { } exchanged)
            {
                MoveBaseline(exchanged, exchange.Metadata);
                return (target.CurrentPath, CommitMethod.Exchange, exchange.Overridden);
            }
            if (options.Method == CommitMethod.Exchange)
            {
                throw new SnapshotException(
                    SnapshotError.NotSupported, $"'{Path}' cannot be saved by exchange: {exchange.Unavailable}. Leave -Method out, or give Replace.", Path);
            }
        }

        var replace = new ReplaceCommit(_file, _length, options, cancellation);
        MoveBaseline(replace.Replace(target, _metadata), replace.Metadata);
        CheckFolderSync(replace, Path);
        return (target.CurrentPath, CommitMethod.Replace, replace.Overridden);
    }

    private (string Path, CommitMethod Method, string? Overridden) CommitElsewhere(string destination, CommitOptions options, CancellationToken cancellation)
    {
        if (options.Method is CommitMethod.InPlace or CommitMethod.Exchange)
        {
            throw new SnapshotException(
                SnapshotError.NotSupported, $"A destination is always written as a new file: -Method {options.Method} goes without -Destination.", destination);
        }
        _content.MakePrivate(options.Progress, cancellation);
        using var found = Destination.Resolve(destination);
        var target = new CommitTarget(found.Folder, found.Name, Expected: null);
        var commit = new ReplaceCommit(_file, _length, options, cancellation);
        if (found.Existing is null)
        {
            commit.Create(target, _permissions);
        }
        else
        {
            if (!options.Force) throw StagedFile.Exists(target.Path);
            commit.Replace(target, found.Existing);
        }
        CheckFolderSync(commit, target.Path);
        return (target.Path, CommitMethod.Replace, found.Existing is null ? null : "it existed");
    }

    /// <summary>Whether a destination is the snapshot's own file under any name: overwriting it takes -Force, but is a save like any other.</summary>
    private bool IsOwnPath(string destination, CommitOptions options)
    {
        if (_folder.Find(_name) is not { } own || Kernel.OpenAt(null, destination, OpenMode.PathOnly, out var other) != 0) return false;
        using (other)
        {
            if (Kernel.PathOf(other, out string path) != 0 || path != Path || !FileStatus.Of(other, destination).IsSameFileAs(own)) return false;
        }
        if (!options.Force) throw StagedFile.Exists(Path);
        return true;
    }

    private static void CheckFolderSync(ReplaceCommit commit, string path)
    {
        if (commit.FolderSync == 0) return;
        throw Failure.From(
            commit.FolderSync, $"flush the folder of '{path}' to the disk", path, SnapshotError.WriteFailed, "The new file is in place, but may not survive a power cut.");
    }

    private void MoveBaseline(in Baseline committed, FileMetadata? metadata)
    {
        using (EnterExclusive())
        {
            // An exchange takes a clone of the private bytes: a copy, perhaps on another filesystem, will not ask for one.
            _baseline = Backing == SnapshotBacking.Reflink ? committed : committed with { Freshness = null };
            _metadata = metadata ?? _metadata;
            _baselineLength = _length;
            _modified.Clear();
            UpdateModified();
        }
    }

    private void UpdateModified()
    {
        ModifiedBytes = _modified.TotalBytes;
        IsModified = _modified.TotalBytes > 0 || _length != _baselineLength;
    }

    private void ReadExactly(long offset, Span<byte> destination)
    {
        var errno = _content.Read(destination, offset, out int done);
        if (errno == 0 && done < destination.Length) errno = Errno.EIO; // the private file is shorter than it was made
        Failure.Check(errno, $"read {destination.Length} bytes at offset {offset} of the snapshot of '{Path}'", Path, SnapshotError.ReadFailed);
    }

    private void CheckExpected(long offset, ReadOnlySpan<byte> expected)
    {
        if (expected.IsEmpty) return;
        ByteRange.Check(offset, expected.Length, _length, Path);
        byte[] now = ArrayPool<byte>.Shared.Rent(expected.Length);
        try
        {
            var there = now.AsSpan(0, expected.Length);
            ReadExactly(offset, there);
            int same = there.CommonPrefixLength(expected);
            if (same == expected.Length) return;
            throw new SnapshotException(
                SnapshotError.ExpectationFailed,
                $"'{Path}' was not changed at offset {offset}: at offset {offset + same} stands {there[same]:X2}, not {expected[same]:X2} "
                + $"({Excerpt(there)} instead of {Excerpt(expected)}).",
                Path);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(now);
        }

        static string Excerpt(ReadOnlySpan<byte> bytes) =>
            bytes.Length <= 16 ? Convert.ToHexString(bytes) : Convert.ToHexString(bytes[..16]) + "...";
    }

    private void WriteChecked(long offset, ReadOnlySpan<byte> bytes)
    {
        var errno = WriteOrRestore(offset, bytes, out int changed);
        MarkModified(offset, changed);
        if (errno != 0) throw NotWritten(errno, new ByteRange(offset, bytes.Length), changed);
    }

    private void FillChecked(long offset, long count, byte value, IProgress<SnapshotProgress>? listener, CancellationToken cancellation)
    {
        var pattern = new byte[Math.Min(count, FillWindow)];
        Array.Fill(pattern, value);
        var progress = new Progress($"Filling '{Path}'", count, listener, cancellation);
        // What one write does not do it cannot put back by itself.
        using var rollback = count <= FillWindow
            ? null
            : Rollback.Take(_file, new ByteRange(offset, count), _length, PrivateFile.CreateAnywhere(_folder, scratchPath: null), Path, progress);
        var modifiedBefore = _modified.ToArray();
        for (long done = 0; done < count;)
        {
            progress.Advance(done);
            var errno = WriteOrRestore(offset + done, pattern.AsSpan(0, (int)Math.Min(pattern.Length, count - done)), out int changed);
            MarkModified(offset + done, changed);
            done += changed;
            if (errno == 0) continue;
            if (rollback is not null && rollback.TryRestore(new ByteRange(offset, done)))
            {
                done = 0;
                _modified.Clear();
                foreach (var range in modifiedBefore) MarkModified(range.Offset, range.Length);
                UpdateModified();
            }
            throw NotWritten(errno, new ByteRange(offset, count), done);
        }
    }

    /// <summary>
    /// Writes a checked range. When the kernel stops half-way the old bytes are put back; should even that fail,
    /// <paramref name="changed"/> says how many bytes from <paramref name="offset"/> on are new.
    /// </summary>
    private Errno WriteOrRestore(long offset, ReadOnlySpan<byte> bytes, out int changed)
    {
        changed = 0;
        byte[] old = ArrayPool<byte>.Shared.Rent(bytes.Length);
        try
        {
            ReadExactly(offset, old.AsSpan(0, bytes.Length));
            var errno = Kernel.Write(_file.Handle, bytes, offset, out int done);
            bool restored = errno != 0 && Kernel.Write(_file.Handle, old.AsSpan(0, done), offset, out _) == 0;
            if (!restored) changed = done;
            return errno;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(old);
        }
    }

    private void MarkModified(long offset, long count)
    {
        _modified.Add(offset, count);
        UpdateModified();
    }

    private SnapshotException NotWritten(Errno errno, ByteRange range, long changed) => Failure.From(
        errno,
        $"write {range.Length} bytes at offset {range.Offset} of the snapshot of '{Path}'",
        Path,
        SnapshotError.WriteFailed,
        changed == 0 ? "Nothing was changed." : $"{changed} bytes from offset {range.Offset} on were changed, nothing else.");

    private void ResizeTo(long length)
    {
        if (length < 0) throw new SnapshotException(SnapshotError.OutOfRange, $"'{Path}' cannot have {length} bytes: a length is not negative.", Path);
        long before = _length;
        if (length == before) return;
        ThrowIfViewed("resized");
        SetFileLength(length);
        try
        {
            _region.Resize(_file.Handle, length, Path);
        }
        catch when (length > before)
        {
            SetFileLength(before);
            throw;
        }
        Volatile.Write(ref _length, length);
        if (length < before) _modified.TruncateTo(length);
        else _modified.Add(before, length - before);
        UpdateModified();
    }

    private void SetFileLength(long length)
    {
        var errno = Kernel.Truncate(_file.Handle, length);
        // man 2 ftruncate: EFBIG, or EINVAL from filesystems that check late.
        if (errno is Errno.EINVAL) errno = Errno.EFBIG;
        Failure.Check(errno, $"give the snapshot of '{Path}' a length of {length} bytes", Path, SnapshotError.WriteFailed);
    }

    private void ThrowIfViewed(string deed)
    {
        int views = Volatile.Read(ref _views);
        if (views == 0) return;
        throw new SnapshotException(
            SnapshotError.ViewOpen, $"'{Path}' cannot be {deed}: {views} view(s) of its memory are in use. Dispose them first.", Path);
    }

    private SnapshotException ReadOnly() => new(
        SnapshotError.ReadOnlySnapshot, $"The snapshot of '{Path}' is read-only. Open it without -ReadOnly to change it, or save it with -Destination elsewhere.", Path);

    private void Release()
    {
        IsClosed = true;
        _region.Dispose();
        _content.Dispose();
        _folder.Dispose();
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
            _content.MakePrivate(progress, cancellation);
            _region.EnsureShows(_file.Handle, Path);
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

using System.Diagnostics;
using MmapSnapshot.Backing;
using MmapSnapshot.Committing;
using MmapSnapshot.Content;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot;

/// <summary>
/// A private, point-in-time snapshot of a file: no other process's write changes the bytes that are read here, and no process sees the
/// bytes that are written here until they are committed. All members can be called from several threads at once.
/// </summary>
public sealed partial class Snapshot : IDisposable
{
    private static int _lastId;

    /// <summary>Held for the moment of a change. No other lock is requested, and no foreign code runs, while it is held.</summary>
    private readonly object _changing = new();

    /// <summary>Held by a commit.</summary>
    private readonly object _committing = new();

    private readonly UseCount _uses;

    private readonly SnapshotBytes _bytes;

    /// <summary>The file that it belongs to; replaced as a whole, under <see cref="_changing"/>.</summary>
    private SnapshotFile _file;

    /// <summary>The backing at the time of opening, and the reason for it.</summary>
    private readonly SnapshotBacking _initialBacking;

    private readonly BackingChoice _backingChoice;

    private Snapshot(SourceFile source, SelectedBacking bytes, SnapshotOptions options)
        : this(
            SnapshotFile.Of(source, bytes.Baseline, isReadOnly: options.ReadOnly),
            bytes.Content,
            bytes.Content.Length == 0 ? PieceTable.Empty : PieceTable.Of(Piece.OfBase(0, bytes.Content.Length)),
            options.ScratchPath is { } scratch ? System.IO.Path.GetFullPath(scratch) : null) => _backingChoice = bytes.Choice;

    private Snapshot(SnapshotFile file, SnapshotContent content, PieceTable initial, string? scratchPath)
    {
        _file = file;
        Path = file.Path;
        ByteRange.CheckMaxLength(initial.Length, Path);
        _bytes = new SnapshotBytes(content, initial, () => PrivateFile.EnumerateCandidates(file.Directory, scratchPath), Path);
        _uses = new UseCount(Release);
        _initialBacking = content.Backing;
        Id = Interlocked.Increment(ref _lastId);
    }

    /// <summary>
    /// Raised, on the thread that made the change, when <see cref="IsModified"/> has changed or the snapshot was closed. A handler may
    /// use the snapshot.
    /// </summary>
    public event EventHandler? StateChanged;

    /// <summary>A number that is unique in this process.</summary>
    public int Id { get; }

    /// <summary>The full path of the file, symbolic links resolved.</summary>
    public string Path { get; }

    /// <summary>The length in bytes. After the snapshot was closed: its last length.</summary>
    public long Length => _bytes.Current.Length;

    /// <summary>The length in bytes at the time of opening or of the last commit.</summary>
    public long BaselineLength => _bytes.Baseline.Length;

    /// <summary>Whether changes are refused: on request, or because the file cannot be saved (deleted, or in /proc or /sys).</summary>
    public bool IsReadOnly => _file.IsReadOnly;

    /// <summary>
    /// False: the bytes are equal to those at the time of opening or of the last commit. True: they may differ. The snapshot of a new
    /// file is modified until it is committed.
    /// </summary>
    public bool IsModified { get; private set; }

    /// <summary>The current kind of base. A lease becomes a copy, or a clone, when a process opens the file for writing.</summary>
    public SnapshotBacking Backing => _bytes.Reader.Base.Backing;

    /// <summary>The reason for this backing: a clause that completes "because ...".</summary>
    public string BackingReason => Backing is var backing && backing == _initialBacking ? _backingChoice.Explain(backing)
        : $"another process wanted to write to the file, or a save or a large view required it; until then it was {_initialBacking}";

    /// <summary>The directory whose filesystem holds the private bytes, or "memory"; under a lease, the file's own.</summary>
    public string BackingLocation => _bytes.Reader.Base.Location;

    /// <summary>The number of bytes that differ from those at the time of opening or of the last commit. O(changes).</summary>
    public long ModifiedBytes => Progress.Sum(_bytes.ModifiedRanges.Select(range => range.Length));

    /// <summary>When the snapshot was opened.</summary>
    public DateTimeOffset OpenedAt { get; } = DateTimeOffset.Now;

    /// <summary>Whether the snapshot has been closed.</summary>
    public bool IsClosed => _uses.IsClosed;

    /// <summary>Opens a file as a snapshot.</summary>
    /// <param name="path">The file; a symbolic link is followed. A relative path starts from the process's current directory.</param>
    /// <param name="options">The options; null: writable, with the best backing that is available.</param>
    /// <param name="cancellation">Cancels a copy; no file remains.</param>
    /// <exception cref="SnapshotException">
    /// FileNotFound, NotARegularFile, UntrustedLink (unless it is read-only), AccessDenied, SourceChanging, TooLarge, TooManyOpenFiles,
    /// NoSpace, ReadFailed, WriteFailed, NotSupported; SaveInProgress, JournalConflict, JournalInvalid (unless it is read-only).
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static Snapshot Open(string path, SnapshotOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        FileSizeSignal.Handle();
        options ??= new SnapshotOptions();
        // Through a read-only snapshot nothing is saved to what the path leads to.
        var source = OpenSource(path, options, cancellation);
        try
        {
            DescriptorLimit.Check(source.Handle, path);
            var snapshot = Take(source, options, cancellation);
            source.CloseFile();
            return snapshot;
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Creates a snapshot of a file that does not exist yet, filled with zeros. <see cref="Commit"/> creates the file, complete.
    /// </summary>
    /// <param name="path">The new file; its directory exists. A relative path starts from the process's current directory.</param>
    /// <param name="length">The initial length in bytes; zeros take no space.</param>
    /// <param name="mode">
    /// The exact permissions, which the file has from the moment it appears; null: as for every new file, 0666 without the umask, or the
    /// directory's default ACL.
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
            {
                throw new SnapshotException(
                    SnapshotError.DestinationExists,
                    $"'{path}' exists already.",
                    path,
                    remedies: [SnapshotRemedy.OpenExisting]);
            }
            destination.ThrowUnlessFilesCanBeCreated();
            file = PrivateFile.Create(destination.Directory, scratchPath: null);
            var content = new PrivateContent(file, SnapshotBacking.Copy, 0, destination.FullPath);
            ByteRange.CheckMaxLength(ByteRange.CheckLength(length, path), path);
            var initial = length == 0 ? PieceTable.Empty : PieceTable.Of(Piece.OfByte(0, length));
            return new Snapshot(SnapshotFile.New(destination, mode), content, initial, scratchPath: null) { IsModified = true };
        }
        catch
        {
            file?.Dispose();
            destination.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Saves the snapshot's bytes to its file, or to another one. The snapshot stays private: later changes are not written until the
    /// next commit.
    /// </summary>
    /// <param name="options">The options; null: atomic, durable, and the snapshot stays open.</param>
    /// <param name="cancellation">Cancels a copy; the file is then unchanged.</param>
    /// <exception cref="SnapshotException">
    /// SnapshotConflict, HardLinked, OwnerNotPreservable, AttributesNotPreservable, DestinationExists, UntrustedLink, AccessDenied, NoSpace,
    /// NotSupported, NotARegularFile, ReadOnlySnapshot, SnapshotClosed, SnapshotLost, SaveInProgress, JournalConflict, JournalInvalid,
    /// ReadFailed, WriteFailed. The file is then as it was, unless the message says otherwise, or it was written in place without a
    /// journal; the snapshot has all its bytes.
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
                RepairFile(options, cancellation);
                var outcome = new CommitCoordinator(_file, _bytes, table, options, cancellation).Commit();
                if (outcome.File is { } file) TakeOver(file, file.IsMixed || outcome.IsRolledBack ? null : table);
                outcome.Failure?.Throw();
                result = outcome.ToResult(table.Length, modifiedBytes, options, Stopwatch.GetElapsedTime(started));
            }
        }
        if (options.Close) Close();
        return result;
    }

    /// <summary>
    /// Closes the snapshot; changes that were not committed are lost. Calls of other threads in progress finish first. A second call has
    /// no effect.
    /// </summary>
    public void Close()
    {
        if (_uses.Close()) StateChanged?.Invoke(this, EventArgs.Empty);
    }

    /// <summary>As <see cref="Close"/>.</summary>
    public void Dispose() => Close();

    /// <summary>"MmapSnapshot 3: /usr/bin/tool".</summary>
    public override string ToString() => $"MmapSnapshot {Id}: {DisplayText.Of(Path)}";

    /// <summary>The file was changed by this process.</summary>
    /// <param name="file">Its new state.</param>
    /// <param name="saved">The table of the bytes it holds, which is the new baseline; null: the baseline is unchanged, or unknown.</param>
    private void TakeOver(SnapshotFile file, PieceTable? saved)
    {
        using (BeginUpdate())
        {
            _file = file;
            if (saved is not null) _bytes.MarkSaved(saved);
        }
    }

    /// <summary>Makes a snapshot of an open file; the snapshot owns its directory from then on.</summary>
    private static Snapshot Take(SourceFile source, SnapshotOptions options, CancellationToken cancellation)
    {
        var bytes = BackingSelector.Open(source, options, cancellation);
        try
        {
            return new Snapshot(source, bytes, options);
        }
        catch
        {
            bytes.Content.Dispose();
            throw;
        }
    }

    /// <summary>Opens the file. If an earlier save was interrupted and the snapshot is writable, the file is repaired first.</summary>
    private static SourceFile OpenSource(string path, SnapshotOptions options, CancellationToken cancellation)
    {
        // Through a read-only snapshot nothing is saved to what the path leads to.
        var source = SourceFile.Open(path, trustedLinksOnly: !options.ReadOnly, cancellation);
        try
        {
            if (!InterruptedSave.IsLeftBy(source.Directory, source.Name)) return source;
            if (options.ReadOnly || source.ReadOnlyReason is not null)
            {
                if (InterruptedSave.Describe(source.Directory, source.Name, cancellation) is { } found) options.Warnings?.Report(found);
                return source;
            }
            source.CloseFile(); // for the write lease
            var outcome = InterruptedSave.Settle(source.Directory, source.Name, force: false, cancellation)
                ?? InterruptedSave.SettleGroup(source.Directory, source.Name, cancellation);
            if (outcome is not null) options.Warnings?.Report(InterruptedSave.Describe(outcome));
        }
        catch
        {
            source.Dispose();
            throw;
        }
        source.Dispose();
        return SourceFile.Open(path, trustedLinksOnly: true, cancellation);
    }

    /// <summary>Repairs the file if a save in place of it was interrupted.</summary>
    private void RepairFile(CommitOptions options, CancellationToken cancellation)
    {
        if (_file.Metadata is null || options.Destination is not null) return;
        if (InterruptedSave.Settle(_file.Directory, _file.Name, options.Force, cancellation) is not { } outcome) return;
        if (outcome.State == JournalState.PassedBy) return; // only a save in place is concerned
        options.Warnings?.Report(InterruptedSave.Describe(outcome));
        TakeOver(_file.After(outcome), saved: null);
    }

    /// <summary>The last use of a closed snapshot has ended.</summary>
    private void Release()
    {
        _bytes.Dispose();
        _file.Directory.Dispose();
    }

    /// <summary>As <see cref="BeginChange"/>, for a commit, which is counted as a use already.</summary>
    private ChangeScope BeginUpdate()
    {
        Monitor.Enter(_changing);
        return new ChangeScope(this, default);
    }

    /// <summary>
    /// When the scope ends, <see cref="IsModified"/> is updated and <see cref="StateChanged"/> is raised, outside all locks.
    /// </summary>
    private readonly ref struct ChangeScope(Snapshot snapshot, UseCount.Use use)
    {
        private readonly UseCount.Use _use = use;

        public void Dispose()
        {
            bool before = snapshot.IsModified;
            bool after = snapshot._bytes.IsModified || snapshot._file.IsMixed || snapshot._file.Baseline is null;
            snapshot.IsModified = after;
            Monitor.Exit(snapshot._changing);
            _use.Dispose();
            if (before != after) snapshot.StateChanged?.Invoke(snapshot, EventArgs.Empty);
        }
    }
}

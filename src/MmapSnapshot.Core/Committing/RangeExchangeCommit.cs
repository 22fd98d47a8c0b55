using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Exchanges only the blocks that were changed (man 2 ioctl_xfs_commit_range, XFS_EXCHANGE_RANGE_FILE1_WRITTEN), with the guarantees of
/// <see cref="ExchangeCommit"/>, at a cost that depends on the change and not on the number of extents of the file.
/// </summary>
/// <remarks>
/// <para>
/// The staged file has written blocks where the file is changed, zeros as bytes, and holes elsewhere: the kernel leaves holes and blocks
/// that are allocated but not written as they are in the file. What it has written is compared with the plan before the exchange.
/// </para>
/// <para>
/// All in the staged file is one block further on than in the file. With the same offsets and the whole length the kernel takes both
/// reflink flags for exchanged, and later writes to the file would change the blocks of other clones of it.
/// </para>
/// <para>
/// No other process has the file open from the exchange until its status is sampled (a write lease), so that a later change is seen.
/// Under a leased base that is the file itself, the write lease takes the place of the read lease for that time.
/// </para>
/// </remarks>
/// <param name="target">The file. It has the baseline's bytes.</param>
/// <param name="known">The metadata of the expected file.</param>
/// <param name="content">The bytes.</param>
/// <param name="places">Where they are not the baseline's; nothing has moved.</param>
/// <param name="options">How.</param>
/// <param name="cancellation">Ends a copy, or the wait for another saver.</param>
internal sealed class RangeExchangeCommit(
    CommitTarget target,
    FileMetadata known,
    ContentWriter content,
    IReadOnlyList<ByteRange> places,
    CommitOptions options,
    CancellationToken cancellation) : IStagedCommit
{
    /// <summary>More changed bytes are saved by a whole exchange, in which zeros are holes.</summary>
    internal const long MaxBytes = 64 << 20;

    private TargetFile? _found;

    /// <summary>Whether the file is the base of the snapshot itself.</summary>
    private bool _isBase;

    /// <summary>The file, open for writing: at once, or only for the exchange.</summary>
    private SafeFileHandle? _file;

    private SourceWriting? _writing;

    private WriteLease? _lease;

    private SafeFileHandle? _staged;

    private SaveMarker? _marker;

    private int _blockSize;

    /// <summary>The changed blocks, in order; those that touch are one range.</summary>
    private List<ByteRange> _blocks = [];

    public CommitObstacle? Select()
    {
        if (target.Expected is not { Freshness: not null } expected)
            return Refuse("the filesystem does not exchange the contents of files");
        if (known.LosesPrivilegesOnWrite) return Refuse("the file has capabilities, or is setuid or setgid");
        _found = target.Look();
        if (FindConflict(_found?.Status) is { } conflict) return conflict;
        if (_found is null || !expected.Status.IsSameFileAs(_found.Status)) return Refuse("another file has its name now");
        target.ThrowIfWriteProtected(_found, options);

        _isBase = content.Base.IsReadFrom(_found.Status);
        if (_isBase && !content.IsBaseFragmented())
        {
            content.MakeBasePrivate(); // its clone costs little, and no writer that comes in between can take the bytes
            _isBase = false;
        }
        if (_isBase)
        {
            content.Base.Use(file => _blockSize = Kernel.GetXfsBlockSize(file));
        }
        else
        {
            var errno = _found.TryOpenSoon(OpenMode.ReadWrite, cancellation, out _file);
            if (errno == Errno.EAGAIN) return new CommitObstacle(ObstacleKind.Leased, "another process holds a lease on the file");
            if (errno != 0) return Refuse($"the file cannot be opened for writing ({ErrnoErrors.Describe(errno)})");
            if (FindConflict(FileStatus.Of(_file, target.Path)) is { } changed) return changed;
            _blockSize = Kernel.GetXfsBlockSize(_file);
            // Only to see, before anything is staged, whether it will be possible.
            if (TakeLease() is { } refused) return refused;
            _lease?.Dispose();
        }
        return _blockSize == 0 ? Refuse("the file is not in blocks of the filesystem") : null;
    }

    public CommitObstacle? Stage()
    {
        _blocks = BlocksOf(places, _blockSize);
        var errno = Kernel.OpenTmpFile(target.Directory.Handle, out _staged);
        if (errno != 0) return Refuse($"no new file can be made in its directory ({ErrnoErrors.Describe(errno)})");
        errno = Kernel.FTruncate(_staged, content.Length + _blockSize);
        if (errno != 0) return Refuse($"a file that is longer by a block cannot be made ({ErrnoErrors.Describe(errno)})");
        foreach (var block in _blocks) content.WriteBytes(block.Before(content.Length), _staged, shift: _blockSize, target.Path);
        return null;
    }

    public void Flush() =>
        ErrnoErrors.ThrowIfError(Kernel.FSync(_staged!), $"flush the new bytes of '{target.Path}' to the disk", target.Path, SnapshotError.WriteFailed);

    public CommitObstacle? Validate()
    {
        var planned = _blocks.Select(block => block with { Offset = block.Offset + _blockSize });
        // A block that could not be written would be left out of the exchange.
        if (ExtentMap.WrittenRanges(_staged!) is not { } written || !written.SequenceEqual(planned))
            return Refuse("not all changed blocks are on the disk");
        _marker = SaveMarker.Take(target, _found!.Status.User, default, options, cancellation);
        // The kernel exchanges nothing if the file is another one by then.
        if (_isBase) content.Base.Use(file => target.Backup?.Copy(file));
        else target.Backup?.Copy(_file!);
        return null;
    }

    public CommitObstacle? Publish()
    {
        if ((_isBase ? BeginWriting() : TakeLease()) is { } obstacle) return obstacle;
        var range = ByteRange.Between(_blocks[0].Offset, _blocks[^1].Before(content.Length).End);
        ulong flags = Constants.XFS_EXCHANGE_RANGE_FILE1_WRITTEN | (options.NoFlush ? 0 : Constants.XFS_EXCHANGE_RANGE_DSYNC);
        var errno = Kernel.CommitRange(_staged!, _file!, range.Offset + _blockSize, range, flags, target.Expected!.Value.Freshness!.Value);
        if (errno == Errno.EBUSY) return Conflict("it was written to in the moment it was saved");
        if (errno is Errno.EOPNOTSUPP or Errno.ENOTTY or Errno.EINVAL or Errno.EPERM or Errno.EXDEV)
            return Refuse($"the filesystem does not exchange these blocks ({ErrnoErrors.Describe(errno)})");
        ErrnoErrors.ThrowIfError(errno, $"exchange the contents of '{target.Path}'", target.Path, SnapshotError.WriteFailed);
        target.Backup?.Keep();
        return null;
    }

    public PublishedFile Complete()
    {
        _marker!.Dispose();
        known.RestoreAfterWrite(_file!, target.Path);
        var unknown = new Baseline(_found!.Status, Freshness: null); // what the file was: the next save finds a conflict
        if (options.Close) return new PublishedFile(unknown, Metadata: null, Overridden: null);
        var after = Baseline.TrySettledOf(_file!, target.Path);
        // Until here no other process had it open, unless the kernel has removed the lease after lease-break-time.
        bool isKnown = after is not null && (_writing?.End() ?? _lease!.TryRelease());
        return new PublishedFile(isKnown ? after : unknown, Metadata: null, Overridden: null);
    }

    public void Dispose()
    {
        _marker?.Dispose();
        _staged?.Dispose();
        _lease?.Dispose();
        if (_writing is not null) _writing.Dispose();
        else _file?.Dispose();
        _found?.Dispose();
    }

    /// <summary>The whole blocks that ranges touch, in order; those that touch each other are one range.</summary>
    internal static List<ByteRange> BlocksOf(IReadOnlyList<ByteRange> ranges, int blockSize)
    {
        var blocks = new List<ByteRange>();
        foreach (var range in ranges)
        {
            long start = range.Offset / blockSize * blockSize, end = (range.End + blockSize - 1) / blockSize * blockSize;
            if (blocks.Count > 0 && blocks[^1].End >= start) blocks[^1] = ByteRange.Between(blocks[^1].Offset, end);
            else blocks.Add(ByteRange.Between(start, end));
        }
        return blocks;
    }

    /// <summary>For a base that is the file itself: keeps what will be written over, and takes the file for writing.</summary>
    private CommitObstacle? BeginWriting()
    {
        content.RedirectBase(places);
        _writing = content.Base.TryBeginWriting(out string? reason);
        _file = _writing?.File;
        return _writing is not null ? null : FindConflict(target.Find()) ?? Refuse(reason!);
    }

    /// <summary>If the file is to be known afterwards: sees to it that no other process has it open.</summary>
    private CommitObstacle? TakeLease()
    {
        if (options.Close) return null;
        _lease = WriteLease.TryTake(_file!, out var errno);
        return _lease is not null ? null : Refuse($"no write lease can be taken on the file ({ErrnoErrors.Describe(errno)})");
    }

    private CommitObstacle? FindConflict(FileStatus? now) =>
        target.DescribeConflict(now) is { } conflict ? Conflict(conflict) : null;

    /// <summary>Blocks are exchanged in a file that has the baseline's bytes; what Force overwrites is exchanged as a whole.</summary>
    private CommitObstacle Conflict(string conflict) => options.Force ? Refuse(conflict) : throw target.ToConflict(conflict);

    private static CommitObstacle Refuse(string why) => new(ObstacleKind.Unavailable, why);
}

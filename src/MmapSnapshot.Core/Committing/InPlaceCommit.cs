using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Writes the bytes into the file itself. It stays the same inode; but readers, and a crash, can see a mix of old and new, so
/// this is done only when asked for by name.
/// </summary>
/// <param name="content">The bytes.</param>
/// <param name="length">How many.</param>
/// <param name="modified">Which of them the file has not; null: all.</param>
/// <param name="options">How.</param>
/// <param name="cancellation">Ends it, half-way.</param>
internal sealed class InPlaceCommit(PrivateFile content, long length, ByteRange[]? modified, CommitOptions options, CancellationToken cancellation)
{
    /// <summary>What the file was when a write that had begun has failed, and left it a mix of old and new; else null.</summary>
    internal Baseline? Interrupted { get; private set; }

    /// <summary>What <see cref="CommitOptions.Force"/> overrode.</summary>
    internal string? Overridden { get; private set; }

    /// <summary>What the committed file has besides its bytes; null: what it had when it was opened.</summary>
    internal FileMetadata? Metadata { get; private set; }

    /// <summary>Writes into the target, and returns what it is then.</summary>
    /// <param name="target">The file to write into.</param>
    /// <param name="known">The metadata of the expected file: what writing takes from it is given back.</param>
    internal Baseline Write(CommitTarget target, FileMetadata known)
    {
        string path = target.Path;
        using var marker = TakeMarker(target);
        using var found = target.Look() ?? throw Deleted(path);
        Overridden = target.DescribeConflict(found.Status);
        if (Overridden is not null && !options.Force) throw target.ToConflict(Overridden);
        target.ThrowIfWriteProtected(found, options);
        var errno = found.Open(OpenMode.ReadWrite, cancellation, out var file); // the file that was compared, whatever the name refers to by now
        using (file)
        {
            if (errno == Errno.ETXTBSY)
            {
                throw new SnapshotException(
                    SnapshotError.NotSupported,
                    $"Cannot write into '{path}': {Failure.Describe(errno)}, it is a running program. Save with -Method Replace: what runs keeps the old file.",
                    path,
                    NativeConvert.FromErrno(errno));
            }
            if (errno != 0)
                throw Failure.From(errno, $"open '{path}' for writing", path, SnapshotError.WriteFailed, RemedyFor(errno, found));

            var now = FileStatus.Of(file, path);
            // overlayfs copies a file up when it is opened for writing: another inode, and another change time, but the same
            // bytes as long as length and modification time are.
            if (Overridden is null && (now.Length != found.Status.Length || !now.Modified.Equals(found.Status.Modified)))
                throw target.ToConflict("it was written to in the moment it was saved");
            if (Overridden is null && target.DescribeMappedWrite(file) is { } unseen)
            {
                if (!options.Force) throw target.ToConflict(unseen);
                Overridden = unseen;
            }
            var metadata = Overridden is null ? known : FileMetadata.Of(file, now, path);
            if (target.Expected is { } expected && !expected.Status.IsSameFileAs(found.Status))
            {
                // -Force: another file has the name now, whose privileges were not given to these bytes.
                metadata = metadata.WithoutPrivileges();
                metadata.DropPrivileges(file, path);
            }
            Metadata = metadata;
            metadata.CheckRestorable(file, path);

            try
            {
                try
                {
                    if (!TryClone(file, now, path)) CopyInto(file, now.Length, path);
                }
                finally
                {
                    content.ThrowIfWriteBackFailed(path);
                }
                metadata.RestoreAfterWrite(file, path);
                if (!options.NoFlush) Failure.Check(Kernel.Sync(file), $"flush '{path}' to the disk", path, SnapshotError.WriteFailed);
            }
            catch
            {
                Interrupted = Baseline.TryOf(file) is { } mixed ? mixed with { MayChangeUnseen = true } : null;
                throw;
            }
            // Whoever had it mapped has it still.
            return (Baseline.TryOf(file) ?? new Baseline(now, Freshness: null)) with { MayChangeUnseen = true };
        }
    }

    /// <summary>What works where the file cannot be opened for writing.</summary>
    private string? RemedyFor(Errno errno, TargetFile found) => errno switch
    {
        Errno.EROFS => "Save with -Destination elsewhere.",
        Errno.EACCES when options.Force && found.Status.User == Syscall.geteuid() =>
            "Save with -Force and -Method Replace to replace it, or with -Destination elsewhere.",
        Errno.EACCES => "Save with -Destination elsewhere.",
        _ => null,
    };

    private static SnapshotException Deleted(string path) => new(
        SnapshotError.SnapshotConflict,
        $"'{path}' was not saved: it was deleted since the snapshot was opened, so there is no file to write into. Save with -Method Replace or "
        + "with -Destination to create one.",
        path);

    /// <summary>Where no marker can be made, no other process of this user can replace the file either.</summary>
    private SaveMarker TakeMarker(CommitTarget target)
    {
        uint owner = (target.Find() ?? throw Deleted(target.Path)).User;
        try
        {
            return SaveMarker.Take(target, owner, default, options, cancellation);
        }
        catch (SnapshotException exception) when (exception.Error is SnapshotError.AccessDenied or SnapshotError.NoSpace)
        {
            return SaveMarker.None(target);
        }
    }

    private bool TryClone(SafeFileHandle file, in FileStatus now, string path)
    {
        // FICLONE never shrinks a file, and refuses one that is longer than an unaligned source (EINVAL): so cut it first,
        // but only where there is hope, as the cut cannot be taken back.
        if (now.Length > length)
        {
            if (FileStatus.Of(content.Handle, path).Device != now.Device) return false;
            SetLength(file, path);
        }
        var errno = Kernel.Clone(content.Handle, file);
        if (errno == 0) return true;
        if (FileClone.IsUnavailable(errno)) return false;
        throw Failure.From(errno, $"clone the snapshot into '{path}'", path, SnapshotError.WriteFailed, "The snapshot still has all its bytes.");
    }

    private void CopyInto(SafeFileHandle file, long lengthNow, string path)
    {
        var progress = new Progress($"Saving '{path}'", length, options.Progress, cancellation);
        var copy = new DataCopy(content.Handle, file, path, path, progress);
        if (modified is null || Overridden is not null)
        {
            SetLengthTo(0, file, path); // what others wrote must not show through our holes
            copy.CopyAll(length);
            return;
        }
        foreach (var range in modified)
        {
            long overwritten = Math.Clamp(lengthNow - range.Offset, 0, range.Length);
            copy.CopyRange(range with { Length = overwritten });
            // Past its end the file has no old bytes to overwrite: holes can stay holes.
            var added = new ByteRange(range.Offset + overwritten, range.Length - overwritten);
            foreach (var data in DataCopy.DataRanges(content.Handle, added, path)) copy.CopyRange(data);
        }
        SetLength(file, path);
    }

    private void SetLength(SafeFileHandle file, string path) => SetLengthTo(length, file, path);

    private static void SetLengthTo(long length, SafeFileHandle file, string path) =>
        Failure.Check(Kernel.Truncate(file, length), $"set the length of '{path}' to {length}", path, SnapshotError.WriteFailed);
}

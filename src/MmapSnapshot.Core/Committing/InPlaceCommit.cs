using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// Writes the bytes into the file itself. It stays the same inode; but readers, and a crash, can see a mix of old and new, so
/// this is done only when asked for by name.
/// </summary>
/// <param name="content">The bytes.</param>
/// <param name="modified">Which of them the file has not; null: all.</param>
/// <param name="options">How.</param>
/// <param name="cancellation">Ends it, half-way.</param>
internal sealed class InPlaceCommit(ContentWriter content, IReadOnlyList<ByteRange>? modified, CommitOptions options, CancellationToken cancellation)
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
        content.MakeBasePrivate(); // it would change with the file
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
                WriteBytes(file, now.Length, path);
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

    private void WriteBytes(SafeFileHandle file, long lengthNow, string path)
    {
        if (modified is not null && Overridden is null)
        {
            content.WriteOver(file, modified, lengthNow, path);
            return;
        }
        // What others wrote must not show through our holes.
        Failure.Check(Kernel.Truncate(file, 0), $"empty '{path}'", path, SnapshotError.WriteFailed);
        content.Fill(file, path);
    }
}

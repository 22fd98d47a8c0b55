using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Backing;

/// <summary>The bytes of the source itself, which nobody can write to; a private copy is made only for a save into a file itself.</summary>
internal sealed class ImmutableContent : SnapshotContent
{
    private readonly SafeFileHandle _source;

    private readonly string _path;

    private readonly FileStatus _status;

    private readonly ParentDirectory _directory;

    private readonly object _copying = new();

    private PrivateContent? _copy;

    private ImmutableContent(SafeFileHandle own, string path, ParentDirectory directory, in FileStatus status)
    {
        _source = own;
        _path = path;
        _directory = directory;
        _status = status;
    }

    internal override SnapshotBacking Backing => Copy?.Backing ?? SnapshotBacking.Immutable;

    internal override string Location => Copy?.Location ?? _directory.Path;

    internal override long Length => _status.Length;

    private PrivateContent? Copy => Volatile.Read(ref _copy);

    /// <summary>Takes the file as it is, if nobody can write to it; else null.</summary>
    internal static ImmutableContent? TryTake(SourceFile source, CancellationToken cancellation, out Baseline baseline)
    {
        baseline = default;
        if (!IsImmutable(source.Handle, source.FileSystem)) return null;
        // A descriptor of its own, which lives as long as the snapshot.
        if (Kernel.Reopen(source.Handle, OpenMode.ReadOnly | OpenMode.NoControllingTerminal, out var own) != 0) return null;
        try
        {
            baseline = Baseline.OfStable(own, source.Path, cancellation);
            return new ImmutableContent(own, source.Path, source.Directory, baseline.Status);
        }
        catch
        {
            own.Dispose();
            throw;
        }
    }

    /// <summary>Whether nobody can write to a file, or to the files in a directory.</summary>
    /// <param name="file">The file or directory.</param>
    /// <param name="fileSystem">The filesystem it is on.</param>
    internal static bool IsImmutable(SafeFileHandle file, FileSystem fileSystem) =>
        fileSystem.Type is FileSystem.Erofs or FileSystem.Squashfs
        || (Kernel.GetInodeFlags(file, out var flags) == 0 && flags.HasFlag(InodeFlags.Verity));

    internal override bool IsPrivate => Copy is not null;

    internal override ByteRange NextData(ByteRange within) => Copy?.NextData(within) ?? DataCopy.FirstData(_source, within, _path);

    internal override Errno Read(Span<byte> destination, long offset, out int done) =>
        Copy is { } copy ? copy.Read(destination, offset, out done) : Kernel.Read(_source, destination, offset, out done);

    internal override void MakePrivate(IProgress<SnapshotProgress>? listener, CancellationToken cancellation)
    {
        lock (_copying)
        {
            if (Copy is not null) return;
            var file = PrivateFile.Create(_directory, scratchPath: null);
            Volatile.Write(ref _copy, PrivateContent.CopyOf(_source, _status, file, _path, listener, cancellation));
        }
    }

    internal override void Use(Action<SafeFileHandle> action)
    {
        if (Copy is { } copy) copy.Use(action);
        else action(_source);
    }

    internal override SafeFileHandle EnsureMappable() => Copy?.EnsureMappable() ?? _source;

    internal override void EnsureAvailable()
    {
    }

    public override void Dispose()
    {
        _source.Dispose();
        Copy?.Dispose();
    }
}

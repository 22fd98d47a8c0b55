using System.Diagnostics;
using MmapSnapshot.Native;
using MmapSnapshot.Source;

namespace MmapSnapshot;

/// <content>Several files as of one moment.</content>
public sealed partial class Snapshot
{
    /// <summary>How long files that change are opened again.</summary>
    private static readonly TimeSpan _consistencyPatience = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Opens several files as snapshots that all hold at one moment: none of the files was changed, or had its name taken by another
    /// file, between the first and the last snapshot. If one was, all are opened again, for up to 5 seconds. O(the openings), and each
    /// file is flushed (man 2 fdatasync), so that a later write through a mapping moves its times. On tmpfs such a write is not seen.
    /// </summary>
    /// <param name="paths">The files; symbolic links are followed. A relative path starts from the process's current directory.</param>
    /// <param name="options">How; null is writable, with the best backing there is.</param>
    /// <param name="cancellation">Ends it; none is open then.</param>
    /// <returns>The snapshots, in the order of the paths: all, or none is open.</returns>
    /// <exception cref="SnapshotException">
    /// As of <see cref="Open"/>; SourceChanging: the file that it names changes without pause.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IReadOnlyList<Snapshot> OpenConsistent(
        IReadOnlyList<string> paths, SnapshotOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(paths);
        FileSizeSignal.Handle();
        options ??= new SnapshotOptions();
        long started = Stopwatch.GetTimestamp();
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            if (TryOpenConsistent(paths, options, cancellation, out string? changed) is { } snapshots) return snapshots;
            if (Stopwatch.GetElapsedTime(started) <= _consistencyPatience) continue;
            throw new SnapshotException(
                SnapshotError.SourceChanging,
                $"'{changed}' was changed each time that {paths.Count} files were opened as of one moment.",
                changed,
                remedies: [SnapshotRemedy.Retry]);
        }
    }

    /// <summary>Opens all once.</summary>
    /// <returns>The snapshots; null if one of the files was changed in the meantime.</returns>
    private static List<Snapshot>? TryOpenConsistent(
        IReadOnlyList<string> paths, SnapshotOptions options, CancellationToken cancellation, out string? changed)
    {
        var sources = new List<SourceFile>();
        var snapshots = new List<Snapshot>();
        bool isDone = false;
        try
        {
            foreach (string path in paths)
            {
                sources.Add(OpenSource(path, options, cancellation));
                DescriptorLimit.Check(sources[^1].Handle, path);
            }
            FileStatus[] before = [.. sources.Select(source => FlushedStatusOf(source, cancellation))];
            // From here on, a file that loses its name has another change time at the end.
            changed = sources.Find(source => !HasItsName(source))?.Path;
            if (changed is not null) return null;
            foreach (var source in sources) snapshots.Add(Take(source, options, cancellation));
            changed = sources.Where((source, i) => HasChanged(source, before[i])).FirstOrDefault()?.Path;
            isDone = changed is null;
            return isDone ? snapshots : null;
        }
        finally
        {
            for (int i = 0; i < sources.Count; i++)
            {
                if (i >= snapshots.Count)
                {
                    sources[i].Dispose();
                    continue;
                }
                sources[i].CloseFile();
                if (!isDone) snapshots[i].Dispose();
            }
        }
    }

    private static FileStatus FlushedStatusOf(SourceFile source, CancellationToken cancellation)
    {
        _ = Kernel.FDataSync(source.Handle); // where it fails, or is not available, only the times tell
        return FileStatus.OfStable(source.Handle, source.Path, cancellation);
    }

    private static bool HasItsName(SourceFile source) =>
        source.ReadOnlyReason is not null
        || source.Directory.Find(source.Name)?.IsSameFileAs(FileStatus.Of(source.Handle, source.Path)) is true;

    private static bool HasChanged(SourceFile source, in FileStatus before) =>
        before.DifferenceTo(FileStatus.Of(source.Handle, source.Path)) is not null;
}

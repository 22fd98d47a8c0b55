using System.Diagnostics;
using System.Management.Automation;
using Microsoft.PowerShell.Commands;
using DriveNotFoundException = System.Management.Automation.DriveNotFoundException;

namespace MmapSnapshot;

/// <summary>What all cmdlets share: errors by item, Ctrl+C, progress, and the way from PowerShell's paths to the file system's.</summary>
public abstract class SnapshotCmdlet : PSCmdlet, IDisposable
{
    private readonly CancellationTokenSource _stopped = new();

    /// <summary>Whether forgotten snapshots were collected since a file was opened: then there are no more of them.</summary>
    private bool _hasCollected;

    /// <summary>Cancelled on Ctrl+C.</summary>
    protected CancellationToken CancellationToken => _stopped.Token;

    /// <summary>As the base method; control characters of file names are escaped (<see cref="DisplayText"/>), here and in the next ones.</summary>
    /// <param name="text">The text.</param>
    private protected new void WriteWarning(string text) => base.WriteWarning(DisplayText.Of(text));

    /// <summary>Writes warnings of the engine, with what can be done about them.</summary>
    private protected IProgress<SnapshotWarning> EngineWarnings => new WarningWriter(this);

    /// <inheritdoc cref="WriteWarning"/>
    private protected new void WriteVerbose(string text) => base.WriteVerbose(DisplayText.Of(text));

    /// <inheritdoc cref="WriteWarning"/>
    private protected new void WriteDebug(string text) => base.WriteDebug(DisplayText.Of(text));

    /// <summary>As the base method, see <see cref="WriteWarning"/>.</summary>
    /// <param name="target">What is changed.</param>
    /// <param name="action">How.</param>
    private protected new bool ShouldProcess(string target, string action) => base.ShouldProcess(DisplayText.Of(target), DisplayText.Of(action));

    /// <summary>Called by PowerShell, on another thread, on Ctrl+C.</summary>
    protected override void StopProcessing() => _stopped.Cancel();

    /// <summary>Called by PowerShell when the pipeline has ended.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Releases what the cmdlet holds.</summary>
    /// <param name="disposing">True.</param>
    protected virtual void Dispose(bool disposing)
    {
        if (disposing) _stopped.Dispose();
    }

    /// <summary>Whether a parameter was given.</summary>
    private protected bool IsGiven(string parameter) => MyInvocation.BoundParameters.ContainsKey(parameter);

    /// <summary>Ends the cmdlet because of parameters that exclude each other, by PowerShell's own error id.</summary>
    private protected void RefuseCombination(string why) =>
        ThrowTerminatingError(
            new ErrorRecord(new PSArgumentException(why), "AmbiguousParameterSet", ErrorCategory.InvalidArgument, targetObject: null));

    /// <summary>Does something with one item. What goes wrong is that item's error, and the next one has its turn.</summary>
    /// <returns>Whether it worked.</returns>
    private protected bool TryDo(object? target, Action action) => TryDo(() => target, action);

    private bool TryDo(Func<object?> target, Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (SnapshotException exception)
        {
            WriteError(ErrorFactory.From(exception, target()));
            return false;
        }
        catch (OutOfMemoryException)
        {
            WriteError(ErrorFactory.From(ErrorFactory.OutOfMemory(reads: this is SnapshotReadingCmdlet), target()));
            return false;
        }
        catch (OperationCanceledException) when (CancellationToken.IsCancellationRequested)
        {
            throw new PipelineStoppedException();
        }
    }

    /// <summary>As the other, with a progress bar once it has gone on for a second.</summary>
    private protected bool TryDo(object? target, Action<IProgress<SnapshotProgress>> action) => TryDo(() => target, action);

    /// <summary>As the other, with several items: the target is the one that an error is about.</summary>
    private protected bool TryDo(Func<object?> target, Action<IProgress<SnapshotProgress>> action)
    {
        var bar = new ProgressBar(this);
        try
        {
            return TryDo(target, () => action(bar));
        }
        finally
        {
            bar.Complete();
        }
    }

    /// <summary>As the other, with something that may give the snapshot another backing: -Debug tells of it.</summary>
    private protected bool TryDo(Snapshot snapshot, Action<IProgress<SnapshotProgress>> action)
    {
        var before = snapshot.Backing;
        bool done = TryDo((object)snapshot, action);
        if (snapshot.Backing != before && !snapshot.IsClosed) WriteDebug($"'{snapshot.Path}' is now {BackingOf(snapshot)}.");
        return done;
    }

    /// <summary>Throws if a snapshot can take no change, before anybody is asked about one (-Confirm) or told of it (-WhatIf).</summary>
    private protected static void CheckWritable(Snapshot snapshot)
    {
        if (snapshot.IsClosed || snapshot.IsReadOnly) _ = snapshot.Verify([]);
    }

    /// <summary>As <see cref="CheckWritable"/>, and throws if a range does not lie within the snapshot.</summary>
    private protected static void CheckWritableRange(Snapshot snapshot, long offset, long count)
    {
        if (snapshot.Verify([SnapshotEdit.Fill(offset, count, 0)]) is [var outside, ..]) throw outside;
    }

    /// <summary>
    /// Opens a file. If there are too many open files, snapshots that nothing refers to are collected, which closes their files, and it
    /// is tried once more.
    /// </summary>
    private protected Snapshot Open(string path, SnapshotOptions options)
    {
        while (true)
        {
            try
            {
                var opened = Snapshot.Open(path, options, CancellationToken);
                _hasCollected = false;
                return opened;
            }
            catch (SnapshotException exception) when (exception.Error == SnapshotError.TooManyOpenFiles && !_hasCollected)
            {
                _hasCollected = true;
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        }
    }

    /// <summary>An offset that is negative counts from the end of the snapshot: -1 is its last byte.</summary>
    /// <exception cref="SnapshotException">OutOfRange: it is before the start.</exception>
    private protected static long FromStart(long offset, Snapshot snapshot)
    {
        if (offset >= 0) return offset;
        long fromStart = snapshot.Length + offset;
        return fromStart >= 0 ? fromStart : throw ErrorFactory.BeforeStart(offset, snapshot);
    }

    /// <summary>Makes a snapshot that was just opened one of the session's.</summary>
    private protected void Remember(Snapshot snapshot)
    {
        Session.Add(snapshot);
        ModuleLifetime.Watch(MyInvocation.MyCommand.Module);
    }

    /// <summary>As in "Lease in /srv, because ...".</summary>
    private protected static string BackingOf(Snapshot snapshot) => $"{snapshot.Backing} in {snapshot.BackingLocation}, because {snapshot.BackingReason}";

    /// <summary>The files that -Path (wildcards) or -LiteralPath name, as full paths; an error for each that names none.</summary>
    private protected IEnumerable<string> ResolvePaths(string[]? paths, string[]? literalPaths)
    {
        foreach (string path in paths ?? [])
        {
            IReadOnlyList<string> resolved = [];
            if (!TryDo(path, () => resolved = ResolveWildcards(path))) continue;
            foreach (string file in resolved) yield return file;
        }
        foreach (string path in literalPaths ?? [])
        {
            string resolved = "";
            if (TryDo(path, () => resolved = ResolveLiteral(path))) yield return resolved;
        }
    }

    /// <summary>The full path that a path stands for, taken literally; there need not be a file.</summary>
    private protected string ResolveLiteral(string path)
    {
        // The kernel would take it for the end of the path.
        if (path.Contains('\0')) throw ErrorFactory.NoSuchFile(path, "has a NUL character, which no path has");
        try
        {
            string resolved = SessionState.Path.GetUnresolvedProviderPathFromPSPath(path, out var provider, out _);
            ThrowUnlessFileSystem(path, provider);
            return resolved.Length > 0 ? resolved : throw ErrorFactory.NoSuchFile(path, "names no file");
        }
        catch (Exception exception) when (exception is ItemNotFoundException or DriveNotFoundException or ProviderNotFoundException)
        {
            throw ErrorFactory.NoSuchFile(path, $"cannot be found ({exception.Message})");
        }
    }

    /// <summary>PowerShell's current folder, or the last one if it is elsewhere now.</summary>
    private protected string CurrentFileSystemLocation => SessionState.Path.CurrentFileSystemLocation.ProviderPath;

    private string[] ResolveWildcards(string path)
    {
        if (path.Contains('\0')) return [ResolveLiteral(path)];
        // PowerShell's way to resolve wildcards reads /proc/self/mountinfo five times. (A backtick can escape one.)
        if (!path.Contains('`') && !WildcardPattern.ContainsWildcardCharacters(path)) return [ResolveLiteral(path)];
        try
        {
            var resolved = SessionState.Path.GetResolvedProviderPathFromPSPath(path, out var provider);
            ThrowUnlessFileSystem(path, provider);
            return resolved.Count > 0 ? [.. resolved] : throw ErrorFactory.NoSuchFile(path, "matches no file");
        }
        catch (ItemNotFoundException) when (!WildcardPattern.ContainsWildcardCharacters(path))
        {
            // It may be there, in a folder that may not be entered: opening it tells.
            return [ResolveLiteral(path)];
        }
        catch (WildcardPatternException) when (!File.Exists(ResolveLiteral(path)))
        {
            throw ErrorFactory.NoSuchFile(path, "does not exist, and is not a valid pattern");
        }
        catch (WildcardPatternException)
        {
            return [ResolveLiteral(path)]; // a bracket that is not closed, in the name of a file
        }
        catch (Exception exception) when (exception is ItemNotFoundException or DriveNotFoundException or ProviderNotFoundException)
        {
            throw ErrorFactory.NoSuchFile(path, "does not exist");
        }
    }

    private static void ThrowUnlessFileSystem(string path, ProviderInfo provider)
    {
        if (provider.ImplementingType != typeof(FileSystemProvider)) throw ErrorFactory.NotAFileSystem(path, provider.Name);
    }

    /// <summary>Not the cmdlet, because of what <see cref="EngineLoader"/> says.</summary>
    private sealed class WarningWriter(SnapshotCmdlet cmdlet) : IProgress<SnapshotWarning>
    {
        public void Report(SnapshotWarning value) =>
            cmdlet.WriteWarning(RemedyText.Of(value.Remedies, error: null) is { } next ? $"{value.Message} {next}" : value.Message);
    }

    private sealed class ProgressBar(SnapshotCmdlet cmdlet) : IProgress<SnapshotProgress>
    {
        private static readonly TimeSpan _patience = TimeSpan.FromSeconds(1), _interval = TimeSpan.FromMilliseconds(200);

        private readonly Stopwatch _clock = Stopwatch.StartNew();

        private TimeSpan _next = _patience;

        private ProgressRecord? _record;

        public void Report(SnapshotProgress value)
        {
            if (_clock.Elapsed < _next) return;
            _next = _clock.Elapsed + _interval;
            _record ??= new ProgressRecord(Environment.TickCount & int.MaxValue, DisplayText.Of(value.Activity), " ");
            _record.Activity = DisplayText.Of(value.Activity);
            _record.StatusDescription = $"{value.BytesDone >> 20} of {value.BytesTotal >> 20} MiB";
            _record.PercentComplete = value.BytesTotal > 0 ? (int)Math.Clamp(100.0 * value.BytesDone / value.BytesTotal, 0, 100) : -1;
            cmdlet.WriteProgress(_record);
        }

        internal void Complete()
        {
            if (_record is null) return;
            _record.RecordType = ProgressRecordType.Completed;
            try
            {
                cmdlet.WriteProgress(_record);
            }
            catch (PipelineStoppedException)
            {
                // Ctrl+C: PowerShell removes the bar.
            }
        }
    }
}

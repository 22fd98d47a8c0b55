using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Backing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;

namespace MmapSnapshot.Editing;

/// <summary>
/// What was changed since the baseline, and the bytes that stood there: enough to show changes and to take them back, at the
/// cost of what was changed and not of what the file weighs. The snapshot's lock guards it.
/// </summary>
/// <param name="createFile">Makes a private file for bytes that are too many for the memory.</param>
/// <param name="path">The path that errors name.</param>
internal sealed class ChangeLog(Func<PrivateFile> createFile, string path) : IDisposable
{
    /// <summary>How many changes can be taken back one by one, and how many overwritten bytes are kept for that.</summary>
    private const int StepLimit = 1000, OverwrittenLimit = 64 << 20;

    private readonly ModifiedRanges _modified = new();

    /// <summary>The baseline's bytes, wherever the snapshot was changed.</summary>
    private readonly KeptBytes _baseline = new(createFile, path);

    private readonly LinkedList<ChangeStep> _steps = new();

    private long _overwritten;

    /// <summary>How long the baseline is, in bytes.</summary>
    internal long BaselineLength { get; private set; }

    /// <summary>Another number for every baseline.</summary>
    internal int Generation { get; private set; }

    internal long ModifiedBytes => _modified.TotalBytes;

    internal ByteRange[] ModifiedRanges => _modified.ToArray();

    /// <summary>The change that can be taken back next, or null.</summary>
    internal ChangeStep? Last => _steps.Last?.Value;

    /// <summary>From here on, all that is there counts as unchanged.</summary>
    internal void Reset(long length)
    {
        BaselineLength = length;
        Generation++;
        _modified.Clear();
        _baseline.Clear();
        Forget(all: true);
    }

    /// <summary>
    /// Puts aside what a change is about to overwrite or cut off. It fails (a full disk) before anything is changed.
    /// </summary>
    /// <param name="file">The private file.</param>
    /// <param name="ranges">The bytes to be changed: disjoint, in order. Those behind <paramref name="length"/> are yet to come.</param>
    /// <param name="length">The snapshot's length.</param>
    /// <param name="progress">Told of the progress.</param>
    internal ChangeStep Begin(PrivateFile file, ByteRange[] ranges, long length, Progress progress)
    {
        if (progress.Listener is not null) progress = progress.Of($"Keeping the former bytes of '{path}'", Progress.Sum(ranges.Select(range => range.Before(length).Length)));
        var modifiedBefore = new List<ByteRange>();
        KeptBytes? overwritten = null;
        try
        {
            foreach (var range in ranges)
            {
                var existing = range.Before(length);
                foreach (var untouched in _modified.Missing(existing)) _baseline.Keep(file, untouched.Before(BaselineLength), progress);
                foreach (var modified in _modified.Within(existing))
                {
                    overwritten ??= new KeptBytes(createFile, path);
                    overwritten.Keep(file, modified, progress);
                    modifiedBefore.Add(modified);
                }
            }
        }
        catch
        {
            overwritten?.Dispose();
            throw;
        }
        return new ChangeStep(ranges, length, [.. modifiedBefore], overwritten);
    }

    /// <summary>Counts what has become of a change: the bytes it made different, and how to take it back.</summary>
    /// <param name="step">The change, from <see cref="Begin"/>.</param>
    /// <param name="changed">Which of its bytes were changed: disjoint, in order.</param>
    /// <param name="length">The snapshot's length now.</param>
    internal void Complete(ChangeStep step, IEnumerable<ByteRange> changed, long length)
    {
        foreach (var range in changed) _modified.Add(range.Offset, range.Before(length).Length);
        _modified.TruncateTo(length);
        Push(step);
    }

    /// <summary>Puts back what a change has overwritten. The file has the length from before the change again already.</summary>
    /// <exception cref="SnapshotException">NoSpace, WriteFailed, ReadFailed: it was taken back in part, and can be again.</exception>
    internal void TakeBack(ChangeStep step, PrivateFile file, Progress progress)
    {
        var modified = new ModifiedRanges();
        foreach (var range in step.ModifiedBefore) modified.Add(range.Offset, range.Length);
        foreach (var range in step.Ranges)
        {
            foreach (var fresh in modified.Missing(range.Before(step.LengthBefore))) _baseline.PutBack(fresh.Before(BaselineLength), file, progress);
        }
        foreach (var range in step.ModifiedBefore) step.Overwritten!.PutBack(range, file, progress);
    }

    /// <summary>The last change was taken back: what it changed counts as it did before.</summary>
    internal void Forget(ChangeStep step)
    {
        foreach (var range in step.Ranges) _modified.Remove(range);
        foreach (var range in step.ModifiedBefore) _modified.Add(range.Offset, range.Length);
        _modified.TruncateTo(step.LengthBefore);
        _steps.RemoveLast();
        Drop(step);
    }

    /// <summary>Counts bytes as changed that may be neither what they were nor what they shall be.</summary>
    internal void MarkModified(ByteRange range) => _modified.Add(range.Offset, range.Length);

    /// <summary>Forgets changes at or behind <paramref name="length"/>: the snapshot ends there now.</summary>
    internal void TruncateTo(long length) => _modified.TruncateTo(length);

    /// <summary>What of a range differs from the baseline and lies within it: what can be given its former bytes.</summary>
    internal ByteRange[] Revertible(ByteRange range) => [.. _modified.Within(range).Select(part => part.Before(BaselineLength)).Where(part => part.Length > 0)];

    /// <summary>Gives bytes back what the baseline has there, and counts them as unchanged; if it fails, those it came to.</summary>
    /// <param name="revertible">From <see cref="Revertible"/>.</param>
    /// <param name="file">The private file.</param>
    /// <param name="progress">Told of the progress.</param>
    internal void Revert(ByteRange[] revertible, PrivateFile file, Progress progress)
    {
        progress = progress.Of(progress.Activity, Progress.Sum(revertible.Select(range => range.Length)));
        foreach (var range in revertible)
        {
            _baseline.PutBack(range, file, progress);
            _modified.Remove(range);
        }
    }

    /// <summary>Counts a change as the last one, to be taken back first.</summary>
    internal void Push(ChangeStep step)
    {
        _steps.AddLast(step);
        _overwritten += step.Overwritten?.Total ?? 0;
        Forget(all: false);
    }

    /// <summary>Reads what the baseline has; 0 behind its end.</summary>
    internal void ReadBaseline(SnapshotContent content, long offset, Span<byte> destination)
    {
        int count = (int)Math.Clamp(BaselineLength - offset, 0, destination.Length);
        ReadFormer(content, offset, destination[..count]);
        destination[count..].Clear();
    }

    /// <summary>Where the baseline has data, in a range that was changed or cut off.</summary>
    internal IEnumerable<ByteRange> BaselineData(ByteRange range) => _baseline.DataWithin(range);

    /// <summary>Whether <paramref name="other"/> has the baseline's bytes. Holes that both files have are not read.</summary>
    internal bool IsBaseline(SafeFileHandle other, SnapshotContent content, Progress progress)
    {
        if (FileStatus.Of(other, path).Length != BaselineLength) return false;
        var whole = new ByteRange(0, BaselineLength);
        var interesting = new ModifiedRanges();
        foreach (var run in DataCopy.DataRanges(other, whole, path)) interesting.Add(run.Offset, run.Length);
        foreach (var run in content.DataRanges(whole)) interesting.Add(run.Offset, run.Length);
        foreach (var run in _modified.Within(whole)) interesting.Add(run.Offset, run.Length);
        var here = new byte[256 << 10];
        var there = new byte[here.Length];
        foreach (var run in interesting.ToArray())
        {
            for (long offset = run.Offset; offset < run.End; offset += here.Length)
            {
                progress.Report();
                int count = (int)Math.Min(here.Length, run.End - offset);
                ReadFormer(content, offset, here.AsSpan(0, count));
                Failure.Check(Kernel.Read(other, there.AsSpan(0, count), offset, out int done), $"read '{path}' at offset {offset}", path, SnapshotError.ReadFailed);
                if (done < count || !here.AsSpan(0, count).SequenceEqual(there.AsSpan(0, count))) return false;
                progress.Add(count);
            }
        }
        return true;
    }

    /// <summary>Reads the baseline wherever it is: unchanged where it was, or put aside.</summary>
    internal void ReadFormer(SnapshotContent content, long offset, Span<byte> destination)
    {
        Failure.Check(content.Read(destination, offset, out int done), $"read the snapshot of '{path}' at offset {offset}", path, SnapshotError.ReadFailed);
        if (done < destination.Length) _baseline.Read(offset + done, destination[done..]); // cut off since
        foreach (var part in _modified.Within(new ByteRange(offset, done)))
            _baseline.Read(part.Offset, destination.Slice((int)(part.Offset - offset), (int)part.Length));
    }

    public void Dispose() => Reset(0);

    /// <summary>Lets go of the oldest changes that are too many, though never of the last one; or of all.</summary>
    private void Forget(bool all)
    {
        while (_steps.Count > 0 && (all || _steps.Count > StepLimit || (_steps.Count > 1 && _overwritten > OverwrittenLimit)))
        {
            var oldest = _steps.First!.Value;
            _steps.RemoveFirst();
            Drop(oldest);
        }
    }

    private void Drop(ChangeStep step)
    {
        _overwritten -= step.Overwritten?.Total ?? 0;
        step.Dispose();
    }
}

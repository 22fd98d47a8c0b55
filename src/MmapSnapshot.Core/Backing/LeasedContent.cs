using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Backing;

/// <summary>
/// The bytes of the source itself, for as long as nobody writes to it. A read lease (man 2 fcntl) has whoever opens it for
/// writing, or truncates it, wait in the kernel; we are told, make a private copy, and let them go on.
/// </summary>
/// <remarks>
/// What the kernel promises (fs/locks.c): a writer is let in only when the lease is off the file's list. It comes off when we
/// release it or, lease-break-time after the writer came, by force. So bytes that were read are the snapshot's if F_GETLEASE
/// still says F_RDLCK afterwards: nobody has even asked. From the moment somebody asks it says F_UNLCK for good, whether the
/// lease still stands or is lost; which of the two shows when it is released: F_SETLEASE finds it on the list, and then
/// everything that was read until then is good, or answers EAGAIN. While the copy is made, bytes that were read are good if the
/// status of the file is afterwards what it was, so that readers need not wait for the copy.
/// </remarks>
internal sealed class LeasedContent : SnapshotContent
{
    /// <summary>How often, each millisecond, a lease is requested while readers in this process close the previous descriptor.</summary>
    private const int LeaseAttempts = 50;

    internal const string NotOwnerReason = "only its owner and root may take a lease (man 2 fcntl, CAP_LEASE)";

    private readonly string _path;

    /// <summary>The length and identity of the base, whatever a save has made of the file since.</summary>
    private readonly FileStatus _status;

    private readonly LeaseBudget _budget;

    private readonly ParentDirectory _directory;

    private readonly string? _scratchPath;

    /// <summary>Held while the copy replaces the source. Never held while foreign code runs: the listener thread waits for it.</summary>
    private readonly object _transitionLock = new();

    /// <summary>Held while a private copy is made on request, and while a save writes to the source: never both at once.</summary>
    private readonly object _handover = new();

    /// <summary>How the source is held; replaced as a whole, under <see cref="_transitionLock"/>.</summary>
    private Hold _hold;

    /// <summary>Whether a save holds the source: it will see itself what another process has done.</summary>
    private bool _isWritten;

    private PrivateContent? _copy;

    /// <summary>Whether the lease is about to be released: whoever waited for that may look here before the copy is seen.</summary>
    private volatile bool _transitioning;

    /// <summary>Why the bytes are lost; null while they are available.</summary>
    private Loss? _loss;

    private bool _disposed;

    private LeasedContent(
        SafeFileHandle own,
        string path,
        ParentDirectory directory,
        in FileStatus status,
        ReadLease lease,
        LeaseBudget budget,
        string? scratchPath)
    {
        _hold = new Hold(own, status, lease, Writing: null);
        _path = path;
        _directory = directory;
        _status = status;
        _budget = budget;
        _scratchPath = scratchPath;
    }

    internal override SnapshotBacking Backing => CopyOrWait()?.Backing ?? SnapshotBacking.Lease;

    internal override string Location => CopyOrWait()?.Location ?? _directory.Path;

    internal override long Length => _status.Length;

    private PrivateContent? Copy => Volatile.Read(ref _copy);

    /// <summary>Takes the lease, or tells why there can be none.</summary>
    /// <param name="source">The file.</param>
    /// <param name="scratchPath">Where the copy goes; null: to the first place that has room.</param>
    /// <param name="maxWriterDelay">How long a writer may be kept waiting.</param>
    /// <param name="copyTime">
    /// How long a private copy or clone takes to be made, where that is known; null: as long as copying all bytes is expected to take.
    /// </param>
    /// <param name="cancellation">Ends the wait for a settled status.</param>
    /// <param name="baseline">What the source was when the lease began, and is until it ends.</param>
    /// <param name="reason">Why there is no lease, in words; null when there is one.</param>
    internal static LeasedContent? TryTake(
        SourceFile source,
        string? scratchPath,
        TimeSpan maxWriterDelay,
        TimeSpan? copyTime,
        CancellationToken cancellation,
        out Baseline baseline,
        out string? reason)
    {
        baseline = default;
        reason = !source.FileSystem.IsLocal ? FileSystem.NotLocalReason
            : !LeaseBreakListener.CanReceiveSignal() ? "this thread acts as another user than the process"
            : null;
        if (reason is not null) return null;

        // A descriptor of its own: this content closes it as soon as it has a copy, whatever the opener is doing just then.
        var errno = Kernel.Reopen(source.Handle, OpenMode.ReadOnly | OpenMode.NoControllingTerminal, out var own);
        if (errno == 0)
        {
            return TryTake(
                own,
                source.FileSystem,
                source.Path,
                source.Directory,
                scratchPath,
                maxWriterDelay,
                copyTime,
                cancellation,
                out baseline,
                out reason);
        }
        own.Dispose();
        reason = $"it cannot be opened again ({ErrnoErrors.Describe(errno)})";
        return null;
    }

    private static LeasedContent? TryTake(
        SafeFileHandle own,
        FileSystem fileSystem,
        string path,
        ParentDirectory directory,
        string? scratchPath,
        TimeSpan maxWriterDelay,
        TimeSpan? copyTime,
        CancellationToken cancellation,
        out Baseline baseline,
        out string? reason)
    {
        baseline = default;
        LeaseBudget? budget = null;
        LeasedContent? content = null;
        try
        {
            var lease = ReadLease.TryTake(own, out var errno, fileSystem, LeaseBreakListener.Thread);
            if (lease is null)
            {
                reason = errno switch
                {
                    Errno.EAGAIN => "another process has it open for writing",
                    Errno.EACCES => NotOwnerReason,
                    _ => $"there is no lease ({ErrnoErrors.Describe(errno)})",
                };
                return null;
            }
            baseline = Baseline.OfStable(own, path, cancellation);
            var delay = copyTime ?? CopyThroughput.Estimate(fileSystem, baseline.Status);
            budget = LeaseBudget.TryReserve(baseline.Status, delay, maxWriterDelay, out reason);
            if (budget is null) return null;

            var taken = new LeasedContent(own, path, directory, baseline.Status, lease, budget, scratchPath);
            LeaseBreakListener.Watch(taken);
            // Whoever came before the keeper knew of the lease was announced to nobody.
            taken.GiveWayIfAsked();
            reason = taken._loss?.Reason;
            if (reason is null) content = taken;
            return content;
        }
        finally
        {
            if (content is null)
            {
                own.Dispose(); // and so releases the lease
                budget?.Dispose();
            }
        }
    }

    private Hold CurrentHold => Volatile.Read(ref _hold);

    internal override bool IsPrivate => Copy is not null;

    internal override bool IsReadFrom(in FileStatus file) => Copy is null && _status.IsSameFileAs(file);

    internal override ByteRange NextData(ByteRange within)
    {
        while (true)
        {
            if (Copy is { } copy) return copy.NextData(within);
            ThrowIfLost();
            var hold = CurrentHold;
            try
            {
                var data = DataCopy.FirstData(hold.File, within, _path);
                if (hold.IsUnchanged()) return data;
            }
            catch (ObjectDisposedException)
            {
                continue; // the copy, or a save, has just taken over
            }
            AwaitHandover();
        }
    }

    internal override Errno Read(Span<byte> destination, long offset, out int done)
    {
        while (true)
        {
            if (Copy is { } copy) return copy.Read(destination, offset, out done);
            ThrowIfLost();
            var hold = CurrentHold;
            try
            {
                var errno = Kernel.Read(hold.File, destination, offset, out done);
                if (hold.IsUnchanged()) return errno;
            }
            catch (ObjectDisposedException)
            {
                continue; // the copy, or a save, has just taken over
            }
            AwaitHandover();
        }
    }

    internal override void MakePrivate(IProgress<SnapshotProgress>? listener, CancellationToken cancellation)
    {
        EnsureAvailable();
        if (Copy is not null) return;
        lock (_handover)
        {
            if (Copy is not null) return;
            PrivateContent copy;
            try
            {
                // Not inside the gate: the listener may take its time, and the keeper must not wait for it.
                var file = PrivateFile.Create(_directory, _scratchPath);
                copy = PrivateContent.CopyOf(CurrentHold.File, _status, file, _path, listener, cancellation);
            }
            catch (Exception exception) when (exception is SnapshotException or ObjectDisposedException)
            {
                // The keeper, or another thread, was quicker, and has closed the source before it is seen to have taken over.
                bool takenOver;
                lock (_transitionLock) takenOver = Copy is not null || _loss is not null;
                if (!takenOver) throw;
                ThrowIfLost();
                return;
            }
            lock (_transitionLock)
            {
                if (Copy is null && _loss is null) SwitchToCopy(copy, failure: null);
                else copy.Dispose();
            }
        }
        ThrowIfLost();
    }

    internal override SourceWriting? TryBeginWriting(out string? reason)
    {
        Monitor.Enter(_handover);
        bool isBegun = false;
        try
        {
            reason = "the snapshot is not the file itself under a lease any more";
            Hold hold;
            lock (_transitionLock)
            {
                hold = CurrentHold;
                if (_disposed || Copy is not null || _loss is not null || !hold.IsUnbroken) return null;
                // An overlay copies a file of a lower layer when it is opened for writing: its status is another one then.
                reason = FileSystem.Of(hold.File).Type == FileSystem.Overlay
                    ? "an overlay may copy the file when it is opened for writing"
                    : null;
                if (reason is not null) return null;
                // Before the lease is released for a moment: if another process has the file open, nothing is risked.
                reason = DescribeRefusal(Kernel.SetWriteLease(hold.File));
                if (reason is not null) return null;
                _isWritten = true;
            }
            isBegun = true;
            if (TryExchangeLease(hold, out var errno) is { } file) return new SourceWriting(file, EndWriting);
            reason = DescribeRefusal(errno) ?? "it was written to in the moment it was saved";
            return null;
        }
        finally
        {
            // Not begun, or not with success.
            if (!isBegun) Monitor.Exit(_handover);
            else if (CurrentHold.Writing is null) _ = EndWriting();
        }
    }

    internal override void Use(Action<SafeFileHandle> action)
    {
        while (true)
        {
            if (Copy is { } copy)
            {
                copy.Use(action);
                return;
            }
            ThrowIfLost();
            var hold = CurrentHold;
            try
            {
                action(hold.File);
                if (hold.IsUnchanged()) return;
            }
            catch (Exception exception) when (exception is SnapshotException or ObjectDisposedException && !hold.IsUnchanged())
            {
                // A writer has cut the file short, or the copy has taken over and closed it.
            }
            AwaitHandover();
        }
    }

    internal override SafeFileHandle EnsureMappable()
    {
        MakePrivate(listener: null, CancellationToken.None);
        return Copy!.EnsureMappable();
    }

    internal override void EnsureAvailable()
    {
        GiveWayIfAsked();
        ThrowIfLost();
    }

    /// <summary>
    /// If somebody waits to write to the source: copies it and lets them go on. The keeper calls this when it is told, and
    /// whoever notices before the keeper does, so that nothing hangs on one thread. It does not throw.
    /// </summary>
    internal void OnLeaseBreak()
    {
        lock (_transitionLock)
        {
            if (_disposed || Copy is not null || _loss is not null || _isWritten || CurrentHold.IsUnbroken) return;
            var copy = CopyToFirstAvailable(out string? failure);
            SwitchToCopy(copy, failure);
        }
    }

    public override void Dispose()
    {
        lock (_transitionLock)
        {
            _disposed = true;
            if (Copy is { } copy) copy.Dispose();
            else if (_loss is null) ReleaseLease();
        }
    }

    /// <summary>What was read may be another process's: after this there is a copy, or the source is held again.</summary>
    private void AwaitHandover()
    {
        if (Volatile.Read(ref _isWritten))
        {
            // The save that it would wait for cannot continue before this read ends.
            if (Monitor.IsEntered(_handover))
                throw new LockRecursionException("A listener of a save has read what another process waits for.");
            lock (_handover)
            {
            }
        }
        else
        {
            OnLeaseBreak();
        }
    }

    private void GiveWayIfAsked()
    {
        if (Copy is null && !CurrentHold.IsUnbroken) OnLeaseBreak();
    }

    private static string? DescribeRefusal(Errno errno) => errno switch
    {
        0 => null,
        Errno.EAGAIN => "another process has it open",
        _ => $"it cannot be opened for writing ({ErrnoErrors.Describe(errno)})",
    };

    /// <summary>
    /// Exchanges the read lease for a write lease, under which this process has the only descriptor of the source.
    /// </summary>
    /// <param name="hold">How it is held.</param>
    /// <param name="errno">Why it is not possible; 0: another process wrote to the file in between.</param>
    /// <returns>The source, open for reading and writing; null: it was not possible, and the source is held without a lease.</returns>
    private SafeFileHandle? TryExchangeLease(Hold hold, out Errno errno)
    {
        bool stood = hold.Reading!.TryRelease(); // one's own lease too keeps a file from being opened for writing
        errno = Kernel.Reopen(hold.File, OpenMode.ReadWrite | OpenMode.NoControllingTerminal | OpenMode.NonBlocking, out var file);
        if (!stood || errno != 0)
        {
            file.Dispose();
            SetHold(hold with { Reading = null });
            return null;
        }
        var held = new Hold(file, hold.Status, Reading: null, Writing: null);
        SetHold(held);
        hold.File.Dispose();
        if (TryTakeLease(() => (WriteLease.TryTake(file, out var refusal), refusal), hold.File, out errno) is not { } lease) return null;
        if ((errno = Kernel.Stat(file, out var now)) != 0 || hold.Status.DifferenceTo(FileStatus.From(now)) is not null)
        {
            lease.Dispose();
            return null;
        }
        SetHold(held with { Writing = lease });
        return file;
    }

    /// <summary>Takes a lease, after a moment if readers in this process have not closed the previous descriptor yet.</summary>
    private static TLease? TryTakeLease<TLease>(Func<(TLease? Lease, Errno Errno)> take, SafeFileHandle previous, out Errno errno)
        where TLease : class
    {
        for (int attempt = 1; ; attempt++)
        {
            bool isInUse = !previous.IsClosed;
            (var lease, errno) = take();
            if (lease is not null || errno != Errno.EAGAIN || !isInUse || attempt == LeaseAttempts) return lease;
            Thread.Sleep(1);
        }
    }

    /// <summary>
    /// Holds the source under a read lease again, as what it is now: under the write lease only this process has written to it. Without
    /// one, or if another process was quicker, it is copied as long as it is what it was, or is lost.
    /// </summary>
    /// <returns>Whether a write lease was held until now.</returns>
    private bool EndWriting()
    {
        try
        {
            var hold = CurrentHold;
            bool isKnown = true, wasHeld = false;
            if (hold.Writing is { } writing)
            {
                var after = Baseline.TrySettledOf(hold.File, _path);
                isKnown = after is not null;
                if (after is not null)
                {
                    // From here on what is read is good as long as the status stays this.
                    hold = hold with { Status = after.Value.Status, Writing = null };
                    SetHold(hold);
                    wasHeld = writing.TryRelease();
                }
            }
            if (isKnown) hold = TakeReadLease(hold);
            lock (_transitionLock)
            {
                _isWritten = false;
                if (hold.IsUnbroken && hold.HasStatus()) return wasHeld;
                var copy = CopyToFirstAvailable(out string? failure);
                // Without a status the write lease still says that no other process has written to it.
                SwitchToCopy(copy, failure, isKnown ? hold.HasStatus() : null);
                return wasHeld;
            }
        }
        finally
        {
            Monitor.Exit(_handover);
        }
    }

    private Hold TakeReadLease(Hold hold)
    {
        var errno = Kernel.Reopen(hold.File, OpenMode.ReadOnly | OpenMode.NoControllingTerminal | OpenMode.NonBlocking, out var file);
        if (errno != 0)
        {
            file.Dispose();
            return hold;
        }
        var previous = hold.File;
        hold = hold with { File = file };
        SetHold(hold);
        previous.Dispose();
        var lease = TryTakeLease(() => (ReadLease.TryTake(file, out var refusal, listener: LeaseBreakListener.Thread), refusal), previous, out _);
        hold = hold with { Reading = lease };
        SetHold(hold);
        return hold;
    }

    private void SetHold(Hold hold) => Volatile.Write(ref _hold, hold);

    /// <summary>
    /// Copies the source to the first place that has room. It does not throw: the writer must not wait for what went wrong.
    /// </summary>
    private PrivateContent? CopyToFirstAvailable(out string? failure)
    {
        failure = "there is no place for a private file";
        var places = PrivateFile.EnumerateCandidates(_directory, _scratchPath).GetEnumerator();
        while (true)
        {
            try
            {
                if (!places.MoveNext()) return null;
                if (!CanClone(places.Current) && !places.Current.HasRoomFor(_status.DataLength, out long available))
                {
                    failure = $"there is no room for its {_status.DataLength} bytes: '{places.Current.Location}' has {available}";
                    places.Current.Dispose();
                    continue;
                }
                return PrivateContent.CopyOf(CurrentHold.File, _status, places.Current, _path, listener: null, CancellationToken.None);
            }
#pragma warning disable CA1031 // Nor must the other leases, if it is the keeper that this happens to.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                failure = exception.Message;
            }
        }
    }

    private bool CanClone(PrivateFile place) => FileClone.CanClone(CurrentHold.File, place.Handle) && Kernel.FTruncate(place.Handle, 0) == 0;

    /// <summary>Releases the lease; with a copy that was made while it was held, the snapshot continues. Inside the gate.</summary>
    /// <param name="copy">The copy, or null.</param>
    /// <param name="failure">Why there is none.</param>
    /// <param name="isUnchanged">Whether the file was what it is known as after it was copied; null: if the lease was held, it was.</param>
    private void SwitchToCopy(PrivateContent? copy, string? failure, bool? isUnchanged = null)
    {
        _transitioning = true;
        bool isHeld = ReleaseLease(), isGood = isUnchanged ?? isHeld;
        if (copy is not null && isGood)
        {
            Volatile.Write(ref _copy, copy);
            return;
        }
        copy?.Dispose();
        Volatile.Write(
            ref _loss,
            isGood
                ? new Loss(
                    $"another process opened the file for writing, and its bytes could not be copied before ({failure})",
                    SnapshotRemedy.UseScratchPath)
                : isUnchanged is null
                ? new Loss(
                    "another process opened the file for writing, and this process did not copy it within /proc/sys/fs/lease-break-time, "
                    + "because it was stopped or the machine was too busy",
                    SnapshotRemedy.UseCopy)
                : new Loss("another process wrote to the file in the moment it was saved", SnapshotRemedy.Reopen));
    }

    /// <summary>Releases the lease and the source. Inside the gate.</summary>
    /// <returns>Whether the lease was held until now.</returns>
    private bool ReleaseLease()
    {
        LeaseBreakListener.Unwatch(this);
        var hold = CurrentHold;
        bool stood;
        try
        {
            stood = hold.Reading?.TryRelease() ?? hold.Writing?.TryRelease() ?? false;
        }
        catch (ObjectDisposedException)
        {
            stood = false; // a forgotten snapshot: its descriptor was finalized already
        }
        hold.File.Dispose();
        _budget.Dispose();
        return stood;
    }

    /// <summary>The copy, once it is certain that there is one or none.</summary>
    private PrivateContent? CopyOrWait()
    {
        if (Copy is null && _transitioning)
        {
            lock (_transitionLock) return _copy;
        }
        return Copy;
    }

    private void ThrowIfLost()
    {
        if (Volatile.Read(ref _loss) is not { } lost) return;
        throw new SnapshotException(
            SnapshotError.SnapshotLost, $"The snapshot of '{_path}' is lost: {lost.Reason}.", _path, remedies: [lost.Remedy]);
    }

    /// <summary>Why the bytes are lost.</summary>
    /// <param name="Reason">In words, as a clause.</param>
    /// <param name="Remedy">How to open the file again.</param>
    private sealed record Loss(string Reason, SnapshotRemedy Remedy);

    /// <summary>How the source is held.</summary>
    /// <param name="File">Open for reading or, under a write lease, for both.</param>
    /// <param name="Status">What it is; as long as that is so its bytes are the snapshot's.</param>
    /// <param name="Reading">The read lease, or null.</param>
    /// <param name="Writing">The write lease, or null.</param>
    private sealed record Hold(SafeFileHandle File, FileStatus Status, ReadLease? Reading, WriteLease? Writing)
    {
        /// <summary>Whether there is a lease, and no process waits for its end.</summary>
        internal bool IsUnbroken
        {
            get
            {
                try
                {
                    return Reading?.IsUnbroken ?? (Writing is not null && Kernel.HasWriteLease(File));
                }
                catch (ObjectDisposedException)
                {
                    return false;
                }
            }
        }

        /// <summary>Whether what was read is the snapshot's: no process waits to write to the file, or none has written yet.</summary>
        internal bool IsUnchanged() => IsUnbroken || HasStatus();

        /// <summary>Whether the file is what it was.</summary>
        internal bool HasStatus()
        {
            try
            {
                return Kernel.Stat(File, out var now) == 0 && Status.DifferenceTo(FileStatus.From(now)) is null;
            }
            catch (ObjectDisposedException)
            {
                return false; // the copy, or a save, has taken over
            }
        }
    }
}

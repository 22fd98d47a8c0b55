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
    internal const string NotOwnerReason = "only its owner and root may take a lease (man 2 fcntl, CAP_LEASE)";

    private readonly SafeFileHandle _source;

    private readonly string _path;

    private readonly FileStatus _status;

    private readonly ReadLease _lease;

    private readonly LeaseBudget _budget;

    private readonly ParentFolder _folder;

    private readonly string? _scratchPath;

    /// <summary>Held while the copy takes over from the source. Never while code of others runs: the keeper waits for it.</summary>
    private readonly object _gate = new();

    private PrivateContent? _copy;

    /// <summary>Whether the lease is about to be released: whoever waited for that may look here before the copy is seen.</summary>
    private volatile bool _changesHands;

    /// <summary>The reason why the bytes are lost, and what to do next; null while they are available.</summary>
    private string? _lost;

    private bool _disposed;

    private LeasedContent(SafeFileHandle own, string path, ParentFolder folder, in FileStatus status, ReadLease lease, LeaseBudget budget, string? scratchPath)
    {
        _source = own;
        _path = path;
        _folder = folder;
        _status = status;
        _lease = lease;
        _budget = budget;
        _scratchPath = scratchPath;
    }

    internal override SnapshotBacking Backing => Settled()?.Backing ?? SnapshotBacking.Lease;

    internal override string Location => Settled()?.Location ?? _folder.Path;

    internal override long Length => _status.Length;

    private PrivateContent? Copy => Volatile.Read(ref _copy);

    /// <summary>Takes the lease, or tells why there can be none.</summary>
    /// <param name="source">The file.</param>
    /// <param name="scratchPath">Where the copy goes; null: to the first place that has room.</param>
    /// <param name="maxWriterDelay">How long a writer may be kept waiting.</param>
    /// <param name="copyTime">How long a private copy or clone takes to be made, where that is known; null: as long as copying all bytes is expected to take.</param>
    /// <param name="cancellation">Ends the wait for a settled status.</param>
    /// <param name="baseline">What the source was when the lease began, and is until it ends.</param>
    /// <param name="reason">Why there is no lease, in words; null when there is one.</param>
    internal static LeasedContent? TryTake(
        SourceFile source, string? scratchPath, TimeSpan maxWriterDelay, TimeSpan? copyTime, CancellationToken cancellation, out Baseline baseline, out string? reason)
    {
        baseline = default;
        reason = !source.FileSystem.IsLocal ? FileSystem.NotLocalReason
            : !LeaseKeeper.CanHear() ? "this thread acts as another user than the process"
            : null;
        if (reason is not null) return null;

        // A descriptor of its own: this content closes it as soon as it has a copy, whatever the opener is doing just then.
        var errno = Kernel.Reopen(source.Handle, OpenMode.ReadOnly | OpenMode.NoControllingTerminal, out var own);
        if (errno == 0) return TryTake(own, source.FileSystem, source.Path, source.Folder, scratchPath, maxWriterDelay, copyTime, cancellation, out baseline, out reason);
        own.Dispose();
        reason = $"it cannot be opened again ({Failure.Describe(errno)})";
        return null;
    }

    private static LeasedContent? TryTake(
        SafeFileHandle own, FileSystem fileSystem, string path, ParentFolder folder, string? scratchPath, TimeSpan maxWriterDelay, TimeSpan? copyTime, CancellationToken cancellation, out Baseline baseline, out string? reason)
    {
        baseline = default;
        LeaseBudget? budget = null;
        LeasedContent? content = null;
        try
        {
            var lease = ReadLease.TryTake(own, out var errno, fileSystem, LeaseKeeper.Thread);
            if (lease is null)
            {
                reason = errno switch
                {
                    Errno.EAGAIN => "another process has it open for writing",
                    Errno.EACCES => NotOwnerReason,
                    _ => $"there is no lease ({Failure.Describe(errno)})",
                };
                return null;
            }
            baseline = Baseline.SettledOf(own, path, cancellation);
            var delay = copyTime ?? CopySpeed.Expect(fileSystem, baseline.Status);
            budget = LeaseBudget.TryReserve(baseline.Status, delay, maxWriterDelay, out reason);
            if (budget is null) return null;

            var taken = new LeasedContent(own, path, folder, baseline.Status, lease, budget, scratchPath);
            LeaseKeeper.Watch(taken);
            // Whoever came before the keeper knew of the lease was announced to nobody.
            taken.GiveWayIfAsked();
            reason = taken._lost;
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

    internal override bool IsPrivate => Copy is not null;

    internal override ByteRange NextData(ByteRange within)
    {
        while (true)
        {
            if (Copy is { } copy) return copy.NextData(within);
            ThrowIfLost();
            try
            {
                var data = DataCopy.FirstData(_source, within, _path);
                if (IsUnchanged()) return data;
            }
            catch (ObjectDisposedException)
            {
                continue; // the copy has just taken over
            }
            GiveWay();
        }
    }

    internal override Errno Read(Span<byte> destination, long offset, out int done)
    {
        while (true)
        {
            if (Copy is { } copy) return copy.Read(destination, offset, out done);
            ThrowIfLost();
            try
            {
                var errno = Kernel.Read(_source, destination, offset, out done);
                if (IsUnchanged()) return errno;
            }
            catch (ObjectDisposedException)
            {
                continue; // the copy has just taken over
            }
            GiveWay();
        }
    }

    internal override void MakePrivate(IProgress<SnapshotProgress>? listener, CancellationToken cancellation)
    {
        EnsureAvailable();
        if (Copy is not null) return;
        PrivateContent copy;
        try
        {
            // Not behind the gate: the listener may take its time, and the keeper must not wait for it.
            copy = PrivateContent.CopyOf(_source, _status, PrivateFile.CreateAnywhere(_folder, _scratchPath), _path, listener, cancellation);
        }
        catch (Exception exception) when (exception is SnapshotException or ObjectDisposedException)
        {
            // Whoever was quicker, the keeper or another thread, has closed the source before it is seen to have taken over.
            bool takenOver;
            lock (_gate) takenOver = Copy is not null || _lost is not null;
            if (!takenOver) throw;
            ThrowIfLost();
            return;
        }
        lock (_gate)
        {
            if (Copy is null && _lost is null) TakeOver(copy, failure: null);
            else copy.Dispose();
        }
        ThrowIfLost();
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
            try
            {
                action(_source);
                if (IsUnchanged()) return;
            }
            catch (Exception exception) when (exception is SnapshotException or ObjectDisposedException && !IsUnchanged())
            {
                // A writer has cut the file short, or the copy has taken over and closed it.
            }
            GiveWay();
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
    internal void GiveWay()
    {
        lock (_gate)
        {
            if (_disposed || Copy is not null || _lost is not null || Stands()) return;
            var copy = CopyWherever(out string? failure);
            TakeOver(copy, failure);
        }
    }

    public override void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            if (Copy is { } copy) copy.Dispose();
            else if (_lost is null) LetGo();
        }
    }

    private void GiveWayIfAsked()
    {
        if (Copy is null && !Stands()) GiveWay();
    }

    /// <summary>Whether what was read before is the snapshot's: no process waits to write to the file, or none has written yet.</summary>
    private bool IsUnchanged()
    {
        try
        {
            return _lease.Stands || _status.DifferenceTo(FileStatus.Of(_source, _path)) is null;
        }
        catch (ObjectDisposedException)
        {
            return false; // the copy has taken over
        }
    }

    private bool Stands()
    {
        try
        {
            return _lease.Stands;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>Copies the source to the first place that has room. It does not throw: the writer must not wait for what went wrong.</summary>
    private PrivateContent? CopyWherever(out string? failure)
    {
        failure = "there is no place for a private file";
        var places = PrivateFile.CreateEverywhere(_folder, _scratchPath).GetEnumerator();
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
                return PrivateContent.CopyOf(_source, _status, places.Current, _path, listener: null, CancellationToken.None);
            }
#pragma warning disable CA1031 // Nor must the other leases, if it is the keeper that this happens to.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                failure = exception.Message;
            }
        }
    }

    private bool CanClone(PrivateFile place) => FileClone.CanClone(_source, place.Handle) && Kernel.Truncate(place.Handle, 0) == 0;

    /// <summary>Releases the lease; with a copy that was made while it stood, the snapshot goes on. Behind the gate.</summary>
    private void TakeOver(PrivateContent? copy, string? failure)
    {
        _changesHands = true;
        bool stood = LetGo();
        if (copy is not null && stood)
        {
            Volatile.Write(ref _copy, copy);
            return;
        }
        copy?.Dispose();
        Volatile.Write(
            ref _lost,
            stood
                ? $"another process opened the file for writing, and its bytes could not be copied before ({failure}). "
                + "Close it and open the file again, with -ScratchPath for a folder that a copy can be made in"
                : "another process opened the file for writing, and this process did not copy it within /proc/sys/fs/lease-break-time, "
                + "because it was stopped or the machine was too busy. Close it and open the file again; with -Backing Copy, or a smaller "
                + "-MaxWriterDelay, it is copied when it is opened, and cannot be lost");
    }

    /// <summary>Releases the lease and the source. Behind the gate.</summary>
    /// <returns>Whether the lease had stood until now.</returns>
    private bool LetGo()
    {
        LeaseKeeper.Forget(this);
        bool stood;
        try
        {
            stood = _lease.TryRelease();
        }
        catch (ObjectDisposedException)
        {
            stood = false; // a forgotten snapshot: its descriptor was finalized already
        }
        _source.Dispose();
        _budget.Dispose();
        return stood;
    }

    /// <summary>The copy, once it is certain that there is one or none.</summary>
    private PrivateContent? Settled()
    {
        if (Copy is null && _changesHands)
        {
            lock (_gate) return _copy;
        }
        return Copy;
    }

    private void ThrowIfLost()
    {
        if (Volatile.Read(ref _lost) is not { } why) return;
        throw new SnapshotException(
            SnapshotError.SnapshotLost,
            $"The snapshot of '{_path}' is lost: {why}.",
            _path);
    }
}

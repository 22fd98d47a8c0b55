using MmapSnapshot.Native;

namespace MmapSnapshot.Backing;

/// <summary>
/// The bytes of a range before it is overwritten, so that they can be put back when the writing fails half-way. Where the
/// filesystem clones, they are shared and not copied, and putting them back takes no space; elsewhere a full disk shows here,
/// before anything is changed.
/// </summary>
internal sealed class Rollback : IDisposable
{
    /// <summary>Ranges are cloned in whole blocks only, and no filesystem has larger ones.</summary>
    private const long Block = 64 << 10;

    private readonly PrivateFile _kept;

    private readonly PrivateFile _file;

    private readonly string _path;

    private readonly List<ByteRange> _data = [];

    private Rollback(PrivateFile file, PrivateFile kept, string path)
    {
        _file = file;
        _kept = kept;
        _path = path;
    }

    /// <param name="file">The file that is about to be written to.</param>
    /// <param name="range">Where.</param>
    /// <param name="length">The file's length.</param>
    /// <param name="kept">An empty file for the bytes; disposed with this.</param>
    /// <param name="path">The path that errors name.</param>
    /// <param name="progress">Told of the progress.</param>
    internal static Rollback Take(PrivateFile file, ByteRange range, long length, PrivateFile kept, string path, Progress progress)
    {
        var rollback = new Rollback(file, kept, path);
        try
        {
            long start = range.Offset / Block * Block;
            long end = Math.Min(length, (range.End + Block - 1) / Block * Block);
            var copy = new DataCopy(file.Handle, kept.Handle, path, path, progress);
            foreach (var data in DataCopy.DataRanges(file.Handle, new ByteRange(start, end - start), path))
            {
                copy.CopyRange(data);
                rollback._data.Add(data);
            }
            return rollback;
        }
        catch
        {
            rollback.Dispose();
            throw;
        }
    }

    /// <summary>Puts back what a write has changed, holes too.</summary>
    /// <param name="changed">What it has changed, from the start of the range on.</param>
    internal bool TryRestore(ByteRange changed)
    {
        try
        {
            // Holes first: that frees the space which putting the data back may take.
            long hole = changed.Offset;
            foreach (var data in _data.TakeWhile(data => data.Offset < changed.End))
            {
                if (!TryMakeHole(hole, data.Offset)) return false;
                hole = Math.Max(hole, data.End);
            }
            if (!TryMakeHole(hole, changed.End)) return false;

            var copy = new DataCopy(_kept.Handle, _file.Handle, _path, _path, default);
            foreach (var data in _data.TakeWhile(data => data.Offset < changed.End))
            {
                long end = Math.Min(data.End, (changed.End + Block - 1) / Block * Block);
                if (copy.CopyRange(data with { Length = end - data.Offset }) != end) return false;
            }
            return true;
        }
        catch (SnapshotException)
        {
            return false;
        }
    }

    public void Dispose() => _kept.Dispose();

    private bool TryMakeHole(long from, long to) => to <= from || Kernel.PunchHole(_file.Handle, from, to - from) == 0;
}

using Microsoft.Win32.SafeHandles;

namespace MmapSnapshot.Backing;

/// <summary>
/// The file that a base is read from, held under a write lease, so that a save can write to it: no other descriptor of it exists. What the
/// save writes over was redirected before (<see cref="Content.BaseRedirection"/>).
/// </summary>
/// <param name="file">The file, open for reading and writing.</param>
/// <param name="end">
/// Takes a read lease on it again, as what it is then; returns whether the write lease was held until then.
/// </param>
internal sealed class SourceWriting(SafeFileHandle file, Func<bool> end) : IDisposable
{
    private bool _isEnded;

    internal SafeFileHandle File => file;

    /// <summary>Ends it, on the thread that began it; the file is closed then.</summary>
    /// <returns>Whether the write lease was held until now, so that no other process has written to the file.</returns>
    internal bool End()
    {
        _isEnded = true;
        return end();
    }

    public void Dispose()
    {
        if (!_isEnded) _ = End();
    }
}

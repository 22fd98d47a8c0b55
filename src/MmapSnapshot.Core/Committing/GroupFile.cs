using System.Globalization;
using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>
/// A file of a group, as a later process can tell it from any other, and from the same one after a process has written to it.
/// </summary>
/// <param name="Identity">The file, and its size.</param>
/// <param name="Modified">When it was written to.</param>
internal readonly record struct GroupFile(FileIdentity Identity, Timespec Modified)
{
    /// <summary>The number of fields of <see cref="ToString"/>.</summary>
    internal const int Fields = 5;

    /// <param name="file">Open for reading, or not at all.</param>
    /// <param name="status">Its status.</param>
    internal static GroupFile Of(SafeFileHandle file, in FileStatus status) => new(FileIdentity.Of(file, status), status.Modified);

    /// <summary>A file that was found. Where it cannot be opened its generation is 0.</summary>
    internal static GroupFile Of(TargetFile found)
    {
        var status = found.Status;
        if (!status.IsRegular) return new GroupFile(new FileIdentity(status.Inode, 0, status.Length), status.Modified);
        _ = found.TryOpen(OpenMode.ReadOnly, out var file);
        using (file) return Of(file, status);
    }

    /// <summary>Whether a file is this one, and no process has written to it.</summary>
    internal bool Is(TargetFile? found) =>
        found is not null && IsSameFile(found) && found.Status.Length == Identity.Length && found.Status.Modified.Equals(Modified);

    /// <summary>Whether a file is this one, also if a process has written to it.</summary>
    internal bool IsSameFile(TargetFile? found)
    {
        if (found is null || !found.Status.IsRegular || found.Status.Inode != Identity.Inode) return false;
        uint generation = Of(found).Identity.Generation;
        return generation == Identity.Generation || generation == 0 || Identity.Generation == 0; // 0: not known
    }

    /// <summary>As <see cref="TryParse"/> reads it.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Identity} {Modified.tv_sec} {Modified.tv_nsec}");

    internal static bool TryParse(ReadOnlySpan<string> fields, out GroupFile file)
    {
        file = default;
        if (fields.Length != Fields || !FileIdentity.TryParse(string.Join(' ', fields[..3].ToArray()), out var identity)) return false;
        if (!long.TryParse(fields[3], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long seconds)) return false;
        if (!long.TryParse(fields[4], NumberStyles.None, CultureInfo.InvariantCulture, out long nanoseconds)) return false;
        file = new GroupFile(identity, new Timespec { tv_sec = seconds, tv_nsec = nanoseconds });
        return true;
    }
}

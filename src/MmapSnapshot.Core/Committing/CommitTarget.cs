using Microsoft.Win32.SafeHandles;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>The name a commit is about, and the file that is expected to bear it.</summary>
/// <param name="Folder">The folder, by descriptor.</param>
/// <param name="Name">The name in it.</param>
/// <param name="Expected">What the file was when the snapshot was taken or last committed; null: whatever is there.</param>
/// <param name="HasBaselineBytes">Tells of an open file whether it has the bytes it had then.</param>
internal sealed record CommitTarget(ParentFolder Folder, string Name, Baseline? Expected, Func<SafeFileHandle, bool>? HasBaselineBytes = null)
{
    internal string Path => Folder.Combine(Name);

    /// <summary>The same where the folder is now: it may have been moved, and the commit forced.</summary>
    internal string CurrentPath => System.IO.Path.Join(Folder.CurrentPath(), Name);

    /// <summary>What the name stands for now, null when there is nothing.</summary>
    internal FileStatus? Find() => Folder.Find(Name);

    /// <summary>
    /// Opens the file that the name stands for now. A symbolic link is not followed, and what is no regular file not opened:
    /// that alone would do something to a FIFO or a device.
    /// </summary>
    /// <exception cref="SnapshotException">NotARegularFile.</exception>
    internal Errno Open(int access, out SafeFileHandle file)
    {
        var errno = Kernel.OpenAt(Folder.Handle, Name, OpenMode.PathOnly | OpenMode.NoFollow, out file);
        if (errno != 0) return errno;
        using var place = file;
        var status = FileStatus.Of(place, Path);
        if (!status.IsRegular) throw SourceFile.NotRegular(Path, status.Mode);
        return Kernel.Reopen(place, access | OpenMode.NoControllingTerminal, out file);
    }

    /// <summary>What has happened to the file since, in words that go on from "'path' was not saved:"; null when nothing has.</summary>
    internal string? Conflict(FileStatus? now)
    {
        if (Expected is not { } expected) return null;
        if (Folder.HasMoved()) return "its folder was moved or deleted since the snapshot was opened";
        if (now is not { } found) return "it was deleted since the snapshot was opened";
        if (expected.Status.DifferenceTo(found) is { } difference) return $"{difference} since the snapshot was opened";
        return null;
    }

    /// <summary>
    /// As <see cref="Conflict"/>, for the one case in which no timestamp tells of a change: on tmpfs, somebody who had the file
    /// mapped may have stored to it unseen. That costs reading it.
    /// </summary>
    /// <param name="file">The file that bears the name, open for reading.</param>
    internal string? UnseenConflict(SafeFileHandle file) =>
        HasBaselineBytes is not null && Kernel.FileSystemType(file) == FileSystemType.Tmpfs && !HasBaselineBytes(file)
            ? "it was written to through a mapping since the snapshot was opened"
            : null;

    internal SnapshotException Refused(string conflict) => new(
        SnapshotError.SnapshotConflict,
        $"'{Path}' was not saved: {conflict}. Open it again and repeat the change, or save with -Force to overwrite it, or with -Destination elsewhere.",
        Path);
}

using MmapSnapshot.Source;
using MmapSnapshot.Native;
using Mono.Unix.Native;

namespace MmapSnapshot.Committing;

/// <summary>The name a commit is about, and the file that is expected to bear it.</summary>
/// <param name="Folder">The folder, by descriptor.</param>
/// <param name="Name">The name in it.</param>
/// <param name="Expected">What the file was when the snapshot was taken or last committed; null: whatever is there.</param>
internal sealed record CommitTarget(ParentFolder Folder, string Name, Baseline? Expected)
{
    internal string Path => Folder.Combine(Name);

    /// <summary>What the name stands for now, null when there is nothing.</summary>
    internal FileStatus? Find() => Folder.Find(Name);

    /// <summary>Opens what the name stands for now; a symbolic link is not followed.</summary>
    internal Errno Open(int access, out Microsoft.Win32.SafeHandles.SafeFileHandle file) =>
        Kernel.OpenAt(Folder.Handle, Name, access | OpenMode.NoFollow | OpenMode.NonBlocking | OpenMode.NoControllingTerminal, out file);

    /// <summary>What has happened to the file since, in words that go on from "'path' was not saved:"; null when nothing has.</summary>
    internal string? Conflict(FileStatus? now)
    {
        if (Expected is not { } expected) return null;
        if (Folder.HasMoved()) return "its folder was moved or deleted since the snapshot was opened";
        if (now is not { } found) return "it was deleted since the snapshot was opened";
        return expected.Status.DifferenceTo(found) is { } difference ? $"{difference} since the snapshot was opened" : null;
    }

    internal SnapshotException Refused(string conflict) => new(
        SnapshotError.SnapshotConflict,
        $"'{Path}' was not saved: {conflict}. Open it again and repeat the change, or save with -Force to overwrite it, or with -Destination elsewhere.",
        Path);
}

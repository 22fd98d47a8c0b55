using MmapSnapshot.Committing;

namespace MmapSnapshot.Tests.Support;

/// <summary>Makes a file and its journal what an in-place save leaves that is killed.</summary>
internal static class PendingJournal
{
    /// <summary>Saves in place, and returns what the journal held before the first byte was written.</summary>
    public static byte[] Capture(Snapshot snapshot)
    {
        string journal = PathOf(snapshot.Path);
        byte[]? bytes = null;
        var listener = new ProgressRecorder(_ => bytes ??= File.ReadAllBytes(journal));
        snapshot.Commit(new CommitOptions { Method = CommitMethod.InPlace, Progress = listener });
        Assert.NotNull(bytes);
        Assert.False(File.Exists(journal));
        return bytes;
    }

    /// <summary>Puts the journal beside the file, and then bytes into the file, which stays the same inode.</summary>
    public static void Leave(string path, byte[] journal, byte[] bytes)
    {
        File.WriteAllBytes(PathOf(path), journal);
        FileStat.Chmod(PathOf(path), "600");
        WriteInto(path, bytes);
    }

    public static void WriteInto(string path, byte[] bytes)
    {
        // The journal is older than what the save wrote.
        Thread.Sleep(15);
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        RandomAccess.Write(file, bytes, 0);
        RandomAccess.SetLength(file, bytes.Length);
    }

    /// <summary>Changes the header of a journal, in the file.</summary>
    public static void ChangeHeader(string path, Func<JournalHeader, JournalHeader> change)
    {
        byte[] bytes = File.ReadAllBytes(PathOf(path));
        change(JournalHeader.TryParse(bytes)!).ToBytes().CopyTo(bytes, 0);
        File.WriteAllBytes(PathOf(path), bytes);
    }

    public static string PathOf(string path) => Path.Join(Path.GetDirectoryName(path), NameOf(Path.GetFileName(path)));

    public static string NameOf(string name) => $".{name}.mmap-snapshot-journal";
}

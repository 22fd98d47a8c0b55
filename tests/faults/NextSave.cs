namespace MmapSnapshot.Faults;

/// <summary>Whatever happened to a file: its next save goes well, and takes away what earlier saves have left.</summary>
internal static class NextSave
{
    /// <summary>Changes the first byte of a file and saves it.</summary>
    /// <returns>What went wrong; null when nothing did.</returns>
    internal static string? Judge(string path)
    {
        try
        {
            using var snapshot = Snapshot.Open(path);
            snapshot.Write(0, "x"u8);
            snapshot.Commit(new CommitOptions { Close = true, Method = CommitMethod.Replace });
        }
        catch (SnapshotException exception)
        {
            return $"the next save failed: {exception.Error}: {exception.Message}";
        }
        // What is found to be another program's gets a name that users see.
        return Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}.*").FirstOrDefault() is { } left ? $"{left} was still there after the next save" : null;
    }
}

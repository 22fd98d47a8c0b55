using System.Text;
using Mono.Unix.Native;

namespace MmapSnapshot.Faults;

/// <summary>Files that are saved as one: some in one directory, some in another, the last of which is new.</summary>
internal sealed class GroupSpecimen
{
    private readonly int _count;

    private readonly string _padding;

    /// <summary>Makes the files.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="count">How many.</param>
    /// <param name="length">How many bytes each has, about.</param>
    internal GroupSpecimen(string folder, int count = 4, int length = 20)
        : this(folder, count, length, Enumerable.Range(0, count).Select(i => Path.Join(folder, i < count / 2 ? "one" : "two", $"{i}.txt")))
    {
        foreach (string name in (string[])["one", "two"]) Directory.CreateDirectory(Path.Join(folder, name));
        Renew();
    }

    private GroupSpecimen(string folder, int count, int length, IEnumerable<string> paths)
    {
        Folder = folder;
        _count = count;
        _padding = new string('.', length);
        Paths = [.. paths];
    }

    internal string Folder { get; }

    internal string[] Paths { get; }

    /// <summary>The specimen that is in a folder.</summary>
    internal static GroupSpecimen In(string folder)
    {
        string[] paths = [.. Directory.EnumerateFiles(folder, "*.txt", SearchOption.AllDirectories)];
        int count = paths.Length + 1; // the new one is not there
        int length = (int)new FileInfo(paths[0]).Length - "old 000".Length;
        return new GroupSpecimen(folder, count, length, Enumerable.Range(0, count).Select(i => Path.Join(folder, i < count / 2 ? "one"
            : "two", $"{i}.txt")));
    }

    /// <summary>Makes the files again, as they are before a case.</summary>
    internal void Renew()
    {
        foreach (string name in (string[])["one", "two"])
        {
            foreach (string directory in Directory.EnumerateDirectories(Path.Join(Folder, name)))
                Directory.Delete(directory, recursive: true);
            foreach (string file in Directory.EnumerateFiles(Path.Join(Folder, name))) File.Delete(file);
        }
        for (int i = 0; i < _count - 1; i++)
        {
            File.WriteAllText(Paths[i], Text(i, isNew: false));
            _ = Syscall.chown(Paths[i], Specimen.Owner, Specimen.Owner);
        }
    }

    /// <summary>Opens all, and changes them.</summary>
    internal Snapshot[] Open()
    {
        var snapshots = new Snapshot[_count];
        for (int i = 0; i < _count; i++)
        {
            byte[] bytes = Encoding.ASCII.GetBytes(Text(i, isNew: true));
            snapshots[i] = i < _count - 1 ? Snapshot.Open(Paths[i]) : Snapshot.Create(Paths[i], bytes.Length);
            snapshots[i].Write(0, bytes);
        }
        return snapshots;
    }

    /// <summary>"yes" if the snapshots have all that was written to them; else what is wrong, with the id of an error first.</summary>
    internal string JudgeSnapshots(Snapshot[] snapshots)
    {
        try
        {
            foreach (var snapshot in snapshots)
            {
                string text = Encoding.ASCII.GetString(snapshot.Read(0, snapshot.Length));
                if (text != Text(Array.IndexOf(Paths, snapshot.Path), isNew: true)) return "a snapshot has other bytes";
            }
            return "yes";
        }
        catch (SnapshotException exception)
        {
            return $"{exception.Error}: {exception.Message.ReplaceLineEndings(" ")}";
        }
    }

    /// <summary>What is wrong: null when all are old, or all are new, with their owner, and no other name is there.</summary>
    /// <param name="isNew">Which of both; null: either.</param>
    /// <param name="except">A file that another program has changed: it is not looked at.</param>
    internal string? Judge(bool? isNew, int except = -1)
    {
        foreach (bool expected in isNew is { } known ? [known] : (bool[])[false, true])
        {
            int right = 0;
            for (int i = 0; i < _count; i++)
            {
                string? text = File.Exists(Paths[i]) ? File.ReadAllText(Paths[i]) : null;
                bool isRight = text == (i == _count - 1 && !expected ? null : Text(i, expected));
                bool isOwned = i == _count - 1 || (Syscall.stat(Paths[i], out var status) == 0 && status.st_uid == Specimen.Owner);
                if (i == except || (isRight && isOwned)) right++;
            }
            if (right == _count) return Strangers().FirstOrDefault() is { } left ? $"{left} was left" : null;
        }
        string[] states = [.. Paths.Select((path, i) => !File.Exists(path) ? "none" : File.ReadAllText(path) == Text(i, true) ? "new"
            : File.ReadAllText(path) == Text(i, false) ? "old" : "other")];
        return $"the files are {string.Join(' ', states)}{(isNew is { } wanted ? wanted ? ", not new" : ", not old" : "")}";
    }

    /// <summary>Names beside the files.</summary>
    internal IEnumerable<string> Strangers() => Directory.EnumerateFileSystemEntries(Path.Join(Folder, "one"))
        .Concat(Directory.EnumerateFileSystemEntries(Path.Join(Folder, "two")))
        .Except(Paths);

    private string Text(int file, bool isNew) => $"{(isNew ? "new" : "old")} {file:000}{_padding}";
}

using System.Globalization;
using MmapSnapshot.Committing;
using MmapSnapshot.Native;
using MmapSnapshot.Source;
using Mono.Unix.Native;

namespace MmapSnapshot.Tests.Support;

/// <summary>
/// What a save of four files as one leaves that is killed: a.txt and b.txt in one directory, c.txt and the new file d.txt in another.
/// </summary>
internal sealed class InterruptedGroup : IDisposable
{
    public const int Count = 4;

    private readonly ParentDirectory[] _parents = new ParentDirectory[2];

    public InterruptedGroup(string fileSystem)
    {
        Workspace = Workspace.On(fileSystem);
        Folders = [Workspace.MakeFolder("one"), Workspace.MakeFolder("two")];
        Paths = [Path.Join(Folders[0], "a.txt"), Path.Join(Folders[0], "b.txt"), Path.Join(Folders[1], "c.txt"), Path.Join(Folders[1],
            "d.txt")];
        foreach (string path in Paths[..3]) File.WriteAllText(path, $"old {Path.GetFileName(path)}");
        for (int i = 0; i < Folders.Length; i++) Assert.Equal((Errno)0, ParentDirectory.Open(Folders[i], out _parents[i]));
        Staging = SaveNames.Staging(SaveNames.Token());
    }

    public Workspace Workspace { get; }

    public string[] Folders { get; }

    public string[] Paths { get; }

    /// <summary>The name of the group's directories.</summary>
    public string Staging { get; }

    public string Journal => Path.Join(Folders[0], Staging, GroupDirectory.JournalName);

    public string NumberOf(int member) => Path.Join(Path.GetDirectoryName(Paths[member]), Staging,
        member.ToString(CultureInfo.InvariantCulture));

    /// <summary>Leaves the group in a state, with some of its files published.</summary>
    public void Leave(GroupState state, IReadOnlyCollection<int> published, bool withRecord = true)
    {
        using var first = GroupDirectory.Create(_parents[0], Staging);
        using var second = GroupDirectory.Create(_parents[1], Staging);
        GroupDirectory[] places = [first, first, second, second];
        var records = new GroupMemberRecord[Count];
        for (int i = 0; i < Count; i++)
        {
            string name = Path.GetFileName(Paths[i]);
            FileStat.HardLink(places[i].JournalPath, Path.Join(places[i].Parent.Path, SaveNames.Marker(name)));
            using var old = TargetFile.Find(_parents[i / 2], name);
            GroupFile? expected = old is null ? null : GroupFile.Of(old);
            File.WriteAllText(NumberOf(i), $"new {name}");
            using var staged = TargetFile.Find(places[i].Staging, i.ToString(CultureInfo.InvariantCulture))!;
            records[i] = new GroupMemberRecord(i.ToString(CultureInfo.InvariantCulture), name, GroupFile.Of(staged), expected);
        }
        if (!withRecord) return;
        first.Journal.Write(Staging, new GroupRecord(Primary: null, [Folders[1]], records[..2]));
        second.Journal.Write(Staging, new GroupRecord(Folders[0], [], records[2..]));
        first.Journal.Write(state);
        foreach (int i in published)
        {
            string name = Path.GetFileName(Paths[i]), number = i.ToString(CultureInfo.InvariantCulture);
            var errno = File.Exists(Paths[i])
                ? Kernel.RenameAtExchange(_parents[i / 2].Handle, name, places[i].Staging.Handle, number)
                : Kernel.RenameAtNoReplace(places[i].Staging.Handle, number, _parents[i / 2].Handle, name);
            Assert.Equal((Errno)0, errno);
        }
    }

    /// <summary>Asserts that all files are new, or all old, and that nothing else is there.</summary>
    public void AssertAll(bool isNew)
    {
        foreach (string path in Paths[..3]) Assert.Equal($"{(isNew ? "new" : "old")} {Path.GetFileName(path)}", File.ReadAllText(path));
        Assert.Equal(isNew, File.Exists(Paths[3]));
        Assert.Equal(["a.txt", "b.txt"], NamesIn(0));
        Assert.Equal(isNew ? ["c.txt", "d.txt"] : ["c.txt"], NamesIn(1));
    }

    public string[] NamesIn(int folder) =>
        [.. Directory.EnumerateFileSystemEntries(Folders[folder]).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        foreach (var parent in _parents) parent.Dispose();
        Workspace.Dispose();
    }
}

using Mono.Unix.Native;

namespace MmapSnapshot.Faults;

/// <summary>How the victim saves its file.</summary>
internal enum SaveVariant
{
    /// <summary>As by default.</summary>
    Plain,

    /// <summary>Each save keeps the file that it replaces.</summary>
    WithBackup,

    /// <summary>The file is in so many extents that it is opened under a lease.</summary>
    InManyExtents,
}

/// <summary>
/// The file that faults are tried on: its bytes before and after each of the victim's two patches, and the metadata it must
/// never lose.
/// </summary>
internal sealed class Specimen
{
    /// <summary>The user and group that the file belongs to.</summary>
    internal const uint Owner = 1000;

    internal const int Length = 70_000;

    private const int Extents = 600, Block = 4096;

    internal const int FirstOffset = 100, SecondOffset = 66_000;

    internal static readonly byte[] FirstPatch = "first patch here"u8.ToArray(), SecondPatch = "then the second."u8.ToArray();

    private readonly string _folder;

    private readonly byte[]? _acl;

    private readonly SaveVariant _variant;

    internal Specimen(string mount, string purpose, SaveVariant variant = SaveVariant.Plain)
    {
        _variant = variant;
        _folder = System.IO.Path.Join(mount, purpose);
        Directory.CreateDirectory(_folder);
        Path = System.IO.Path.Join(_folder, "file");
        // The bytes of an ACL are got once from the system's own tool.
        File.WriteAllBytes(Path, []);
        Rig.Shell("setfacl -m u:1234:r \"$1\"", Path);
        _ = Syscall.getxattr(Path, Acl, out _acl);
        Renew();
        Metadata = MetadataOf(Path, HasOneName);
    }

    private const string Acl = "system.posix_acl_access";

    internal string Path { get; }

    internal string Folder => _folder;

    internal string Metadata { get; }

    internal static byte[] Old { get; } = Bytes(0);

    /// <summary>What the victim is sent.</summary>
    internal string Command => $"{_variant} {Path}";

    /// <summary>A second name of the file may be its backup.</summary>
    internal bool HasOneName => _variant != SaveVariant.WithBackup;

    /// <summary>The variants that are tried on a filesystem: those with a backup where it is a clone, and where it is a link.</summary>
    internal static SaveVariant[] VariantsOn(string fileSystem) => fileSystem switch
    {
        "xfs-exchange" => [SaveVariant.Plain, SaveVariant.WithBackup, SaveVariant.InManyExtents],
        "ext4" => [SaveVariant.Plain, SaveVariant.WithBackup],
        _ => [SaveVariant.Plain],
    };

    /// <summary>For a line of the report.</summary>
    internal static string Describe(SaveVariant variant) => variant switch
    {
        SaveVariant.WithBackup => ", backups",
        SaveVariant.InManyExtents => ", extents",
        _ => "",
    };

    /// <summary>The file's contents after so many patches.</summary>
    internal static byte[] Bytes(int patches, SaveVariant variant = SaveVariant.Plain)
    {
        var bytes = new byte[Length];
        new Random(1).NextBytes(bytes);
        if (variant == SaveVariant.InManyExtents) bytes = Spread(bytes);
        if (patches > 0) FirstPatch.CopyTo(bytes, FirstOffset);
        if (patches > 1) SecondPatch.CopyTo(bytes, SecondOffset);
        return bytes;
    }

    /// <summary>Makes the file anew, as it is before a case.</summary>
    internal void Renew()
    {
        foreach (string left in Directory.EnumerateFileSystemEntries(_folder)) File.Delete(left);
        Write();
        _ = Syscall.chown(Path, Owner, Owner);
        File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        if (_acl is not null) _ = Syscall.setxattr(Path, Acl, _acl);
        _ = Syscall.setxattr(Path, "user.specimen", "kept"u8.ToArray());
    }

    /// <summary>What is wrong with the file: null when it is whole and has its metadata.</summary>
    /// <param name="reached">How many patches the victim says the file has; -1 when it was not asked.</param>
    internal string? Judge(int reached)
    {
        if (!File.Exists(Path)) return "the file is gone";
        byte[] now = File.ReadAllBytes(Path);
        int patches = Array.FindIndex([0, 1, 2], count => now.AsSpan().SequenceEqual(Bytes(count, _variant)));
        if (patches < 0) return "the file is neither old nor new";
        if (reached >= 0 && patches != reached) return $"the file has {patches} patches, not the {reached} that were saved";
        string metadata = MetadataOf(Path, HasOneName);
        return metadata == Metadata ? null : $"the file's metadata is {metadata}, not {Metadata}";
    }

    /// <summary>The name of the marker of a save of the file of such a name.</summary>
    internal static string Marker(string name) => $".{name}.mmap-snapshot";

    /// <summary>The name of the journal of a save in place of the file of such a name.</summary>
    internal static string Journal(string name) => $".{name}.mmap-snapshot-journal";

    /// <summary>Names beside the file and its backups.</summary>
    internal string[] Strangers() => [.. Directory.EnumerateFileSystemEntries(_folder).Except([Path, Backup(1), Backup(2)])];

    /// <summary>What is wrong with the backups: null when there is one of each file that was replaced, whole, with its metadata.</summary>
    /// <param name="mayBeLeft">Whether there may be one of a file that was not replaced.</param>
    internal string? JudgeBackups(bool mayBeLeft)
    {
        if (_variant != SaveVariant.WithBackup) return null;
        int patches = Array.FindIndex([0, 1, 2], count => File.ReadAllBytes(Path).AsSpan().SequenceEqual(Bytes(count)));
        for (int save = 1; save <= 2; save++)
        {
            if (!File.Exists(Backup(save)))
            {
                if (patches >= save) return $"there is no backup {save}";
                continue;
            }
            if (patches < save && !mayBeLeft) return $"backup {save} was left";
            if (!File.ReadAllBytes(Backup(save)).AsSpan().SequenceEqual(Bytes(save - 1))) return $"backup {save} is not what was replaced";
            string metadata = MetadataOf(Backup(save), HasOneName);
            if (metadata != Metadata) return $"the metadata of backup {save} is {metadata}, not {Metadata}";
        }
        return null;
    }

    internal void DeleteBackups()
    {
        File.Delete(Backup(1));
        File.Delete(Backup(2));
    }

    private string Backup(int save) => $"{Path}.{save}";

    private void Write()
    {
        if (_variant != SaveVariant.InManyExtents)
        {
            File.WriteAllBytes(Path, Old);
            return;
        }
        byte[] bytes = Bytes(0, _variant);
        using var file = File.OpenHandle(Path, FileMode.Create, FileAccess.Write);
        RandomAccess.SetLength(file, bytes.Length);
        for (int offset = 0; offset < bytes.Length; offset += 2 * Block) RandomAccess.Write(file, bytes.AsSpan(offset, Block), offset);
        RandomAccess.FlushToDisk(file);
    }

    /// <summary>Blocks with holes between them, as many as it takes for a lease.</summary>
    private static byte[] Spread(byte[] block)
    {
        var bytes = new byte[Extents * 2 * Block];
        for (int i = 0; i < Extents; i++) block.AsSpan(i % 16 * Block, Block).CopyTo(bytes.AsSpan(i * 2 * Block));
        return bytes;
    }

    /// <summary>Mode, owner, number of links, ACL and user attribute of a file, for comparison.</summary>
    internal static string MetadataOf(string path, bool countsNames = true)
    {
        _ = Syscall.stat(path, out var stat);
        ulong names = countsNames ? stat.st_nlink : 1;
        return $"{stat.st_mode:X} {stat.st_uid}:{stat.st_gid} {names} acl={Attribute(path, Acl)} user={Attribute(path, "user.specimen")}";
    }

    private static string Attribute(string path, string name) => Syscall.getxattr(path, name, out byte[] value) < 0 ? "none" : Convert.ToHexString(value);
}

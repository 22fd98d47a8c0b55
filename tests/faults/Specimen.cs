using Mono.Unix.Native;

namespace MmapSnapshot.Faults;

/// <summary>
/// The file that faults are tried on: its bytes before and after each of the victim's two patches, and the metadata it must
/// never lose.
/// </summary>
internal sealed class Specimen
{
    /// <summary>The user and group that the file belongs to.</summary>
    internal const uint Owner = 1000;

    internal const int Length = 70_000;

    internal const int FirstOffset = 100, SecondOffset = 66_000;

    internal static readonly byte[] FirstPatch = "first patch here"u8.ToArray(), SecondPatch = "then the second."u8.ToArray();

    private readonly string _folder;

    private readonly byte[]? _acl;

    internal Specimen(string mount, string purpose)
    {
        _folder = System.IO.Path.Join(mount, purpose);
        Directory.CreateDirectory(_folder);
        Path = System.IO.Path.Join(_folder, "file");
        // The bytes of an ACL are got once from the system's own tool.
        File.WriteAllBytes(Path, []);
        Rig.Shell("setfacl -m u:1234:r \"$1\"", Path);
        _ = Syscall.getxattr(Path, Acl, out _acl);
        Renew();
        Metadata = MetadataOf(Path);
    }

    private const string Acl = "system.posix_acl_access";

    internal string Path { get; }

    internal string Folder => _folder;

    internal string Metadata { get; }

    internal static byte[] Old { get; } = Bytes(0);

    /// <summary>The file's contents after so many patches.</summary>
    internal static byte[] Bytes(int patches)
    {
        var bytes = new byte[Length];
        new Random(1).NextBytes(bytes);
        if (patches > 0) FirstPatch.CopyTo(bytes, FirstOffset);
        if (patches > 1) SecondPatch.CopyTo(bytes, SecondOffset);
        return bytes;
    }

    /// <summary>Makes the file anew, as it is before a case.</summary>
    internal void Renew()
    {
        foreach (string left in Directory.EnumerateFileSystemEntries(_folder)) File.Delete(left);
        File.WriteAllBytes(Path, Old);
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
        int patches = Array.FindIndex([0, 1, 2], count => now.AsSpan().SequenceEqual(Bytes(count)));
        if (patches < 0) return "the file is neither old nor new";
        if (reached >= 0 && patches != reached) return $"the file has {patches} patches, not the {reached} that were saved";
        string metadata = MetadataOf(Path);
        return metadata == Metadata ? null : $"the file's metadata is {metadata}, not {Metadata}";
    }

    /// <summary>The name of the marker of a save of the file of such a name.</summary>
    internal static string Marker(string name) => $".{name}.mmap-snapshot";

    /// <summary>Names beside the file.</summary>
    internal string[] Strangers() => [.. Directory.EnumerateFileSystemEntries(_folder).Where(path => path != Path)];

    /// <summary>Mode, owner, number of links, ACL and user attribute of a file, for comparison.</summary>
    internal static string MetadataOf(string path)
    {
        _ = Syscall.stat(path, out var stat);
        return $"{stat.st_mode:X} {stat.st_uid}:{stat.st_gid} {stat.st_nlink} acl={Attribute(path, Acl)} user={Attribute(path, "user.specimen")}";
    }

    private static string Attribute(string path, string name) => Syscall.getxattr(path, name, out byte[] value) < 0 ? "none" : Convert.ToHexString(value);
}

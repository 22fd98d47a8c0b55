using System.Text;
using Mono.Unix;

namespace MmapSnapshot.Committing;

/// <summary>One file of a group: what a later process needs to complete or drop its part of the save.</summary>
/// <param name="Number">The name that the new file has in the directory of the group, and the old one after the exchange.</param>
/// <param name="Name">The target's name.</param>
/// <param name="Staged">The new file.</param>
/// <param name="Expected">The file that it replaces; null: there is none.</param>
internal sealed record GroupMemberRecord(string Number, string Name, GroupFile Staged, GroupFile? Expected);

/// <summary>What the journal in a directory of a group records, besides the state of the group.</summary>
/// <param name="Primary">The directory whose journal has the state of the group; null: it is this one.</param>
/// <param name="Directories">In the primary journal, the other directories.</param>
/// <param name="Members">The files in this directory.</param>
internal sealed record GroupRecord(string? Primary, IReadOnlyList<string> Directories, IReadOnlyList<GroupMemberRecord> Members)
{
    private const string PrimaryKey = "primary", DirectoryKey = "directory", MemberKey = "member", None = "-";

    /// <summary>Lines of ASCII; paths and names, which may have any bytes, in hexadecimal.</summary>
    internal byte[] ToBytes()
    {
        var text = new StringBuilder();
        _ = text.Append(PrimaryKey).Append(' ').Append(Primary is null ? None : ToHex(Primary)).Append('\n');
        foreach (string directory in Directories) _ = text.Append(DirectoryKey).Append(' ').Append(ToHex(directory)).Append('\n');
        foreach (var member in Members)
        {
            _ = text.Append(MemberKey).Append(' ').Append(member.Number).Append(' ').Append(ToHex(member.Name)).Append(' ')
                .Append(member.Staged).Append(' ').Append(member.Expected?.ToString() ?? None).Append('\n');
        }
        return Encoding.ASCII.GetBytes(text.ToString());
    }

    /// <returns>The record; null where the bytes are none.</returns>
    internal static GroupRecord? TryParse(ReadOnlySpan<byte> bytes)
    {
        string[] lines = Encoding.ASCII.GetString(bytes).Split('\n');
        if (lines.Length < 2 || lines[^1].Length > 0) return null;
        if (lines[0].Split(' ') is not [PrimaryKey, var first] || !TryParsePath(first, out string? primary)) return null;
        var directories = new List<string>();
        var members = new List<GroupMemberRecord>();
        foreach (string line in lines[1..^1])
        {
            string[] fields = line.Split(' ');
            if (fields is [DirectoryKey, var hex] && TryParsePath(hex, out string? path) && path is not null) directories.Add(path);
            else if (fields[0] == MemberKey && TryParseMember(fields) is { } member) members.Add(member);
            else return null;
        }
        return new GroupRecord(primary, directories, members);
    }

    private static GroupMemberRecord? TryParseMember(string[] fields)
    {
        const int Start = 3, End = Start + GroupFile.Fields;
        if (fields.Length < End + 1 || fields[1].Length == 0 || !fields[1].All(char.IsAsciiDigit)) return null;
        if (!TryParseHex(fields[2], out string name) || name is "" or "." or ".." || name.Contains('/', StringComparison.Ordinal))
            return null;
        if (!GroupFile.TryParse(fields.AsSpan(Start..End), out var staged)) return null;
        if (fields.Length == End + 1 && fields[End] == None) return new GroupMemberRecord(fields[1], name, staged, Expected: null);
        return GroupFile.TryParse(fields.AsSpan(End), out var expected) ? new GroupMemberRecord(fields[1], name, staged, expected) : null;
    }

    private static bool TryParsePath(string field, out string? path)
    {
        path = null;
        if (field == None) return true;
        bool isParsed = TryParseHex(field, out string text) && text.StartsWith('/');
        path = text;
        return isParsed;
    }

    private static string ToHex(string text) => Convert.ToHexString(UnixEncoding.Instance.GetBytes(text));

    private static bool TryParseHex(string hex, out string text)
    {
        text = "";
        if (hex.Length % 2 != 0 || !hex.All(char.IsAsciiHexDigit)) return false;
        text = UnixEncoding.Instance.GetString(Convert.FromHexString(hex));
        return !text.Contains('\0', StringComparison.Ordinal);
    }
}

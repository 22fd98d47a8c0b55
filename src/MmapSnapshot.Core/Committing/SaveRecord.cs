using System.Globalization;
using System.Text;

namespace MmapSnapshot.Committing;

/// <summary>What a marker records, so that another process can clean up after its maker was killed.</summary>
/// <param name="Token">Of the temporary name (<see cref="SaveNames.Temporary"/>); 0: the save uses none.</param>
/// <param name="Staged">The new file; null: the save makes none.</param>
/// <param name="Expected">The file that it replaces; null: there is none.</param>
internal readonly record struct SaveRecord(ulong Token, FileIdentity? Staged, FileIdentity? Expected)
{
    private const string Magic = "mmap-snapshot save 1";

    /// <summary>In bytes; a record is shorter.</summary>
    internal const int MaxLength = 256;

    internal byte[] ToBytes() => Encoding.ASCII.GetBytes(
        string.Create(CultureInfo.InvariantCulture, $"{Magic}\n{Token:x16}\n{Staged?.ToString() ?? "-"}\n{Expected?.ToString() ?? "-"}\n"));

    internal static bool TryParse(ReadOnlySpan<byte> bytes, out SaveRecord record)
    {
        record = default;
        if (Encoding.ASCII.GetString(bytes).Split('\n') is not [Magic, var first, var second, var third, ""]) return false;
        if (!ulong.TryParse(first, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong token)) return false;
        if (!TryParse(second, out var staged) || !TryParse(third, out var expected)) return false;
        record = new SaveRecord(token, staged, expected);
        return true;
    }

    private static bool TryParse(string line, out FileIdentity? identity)
    {
        bool parsed = FileIdentity.TryParse(line, out var found);
        identity = parsed ? found : null;
        return parsed || line == "-";
    }
}

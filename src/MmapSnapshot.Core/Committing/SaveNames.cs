using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using Mono.Unix;

namespace MmapSnapshot.Committing;

/// <summary>
/// The names that a save makes beside its target: the marker, the journal, the temporary name of the new file, the directory of a group,
/// and the name under which a file of another program is kept that came to lie under the temporary name. All fit into NAME_MAX.
/// </summary>
internal static class SaveNames
{
    private const string Suffix = ".mmap-snapshot";

    private const string JournalSuffix = ".mmap-snapshot-journal";

    /// <summary>Hexadecimal digits of a <see cref="Token"/>, and of the hash that replaces the end of a long name.</summary>
    private const int Digits = 16;

    /// <summary>man 7 path_resolution, NAME_MAX, in bytes.</summary>
    private const int NameMax = 255;

    /// <summary>".name.mmap-snapshot": there is one such file while a save of the name is published.</summary>
    internal static string Marker(string target) => $".{Fit(target, 1 + Suffix.Length)}{Suffix}";

    /// <summary>".name.0123456789abcdef.mmap-snapshot": the new file between its first name and the target's.</summary>
    internal static string Temporary(string target, ulong token) => $".{Fit(target, 2 + Digits + Suffix.Length)}.{token:x16}{Suffix}";

    /// <summary>".name.mmap-snapshot-journal", or ".name.0123456789abcdef.mmap-snapshot-journal": of a save in place.</summary>
    /// <param name="target">The name that is saved.</param>
    /// <param name="token">0: the name under which every process looks for it.</param>
    internal static string Journal(string target, ulong token = 0) => token == 0
        ? $".{Fit(target, 1 + JournalSuffix.Length)}{JournalSuffix}"
        : $".{Fit(target, 2 + Digits + JournalSuffix.Length)}.{token:x16}{JournalSuffix}";

    /// <summary>Whether a name can be one of <see cref="Journal"/>.</summary>
    internal static bool IsJournal(string name) =>
        name.Length > 1 + JournalSuffix.Length && name[0] == '.' && name.EndsWith(JournalSuffix, StringComparison.Ordinal);

    /// <summary>Whether a name is one of <see cref="Journal"/> for this target.</summary>
    internal static bool IsJournalOf(string target, string name) => IsJournal(name)
        && (name == Journal(target)
            || (name.Length > JournalSuffix.Length + Digits
                && ulong.TryParse(
                    name.AsSpan(name.Length - JournalSuffix.Length - Digits, Digits),
                    NumberStyles.AllowHexSpecifier,
                    CultureInfo.InvariantCulture,
                    out ulong token)
                && name == Journal(target, token)));

    /// <summary>".mmap-snapshot.0123456789abcdef": the directory of a save of several files as one.</summary>
    internal static string Staging(ulong token) => string.Create(CultureInfo.InvariantCulture, $"{Suffix}.{token:x16}");

    /// <summary>Whether a name is one of <see cref="Staging"/>.</summary>
    internal static bool IsStaging(string name) =>
        name.Length == Suffix.Length + 1 + Digits
        && name.StartsWith(Suffix + ".", StringComparison.Ordinal)
        && ulong.TryParse(name.AsSpan(Suffix.Length + 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out _);

    /// <summary>Whether a name can be one of <see cref="Marker"/>.</summary>
    internal static bool IsMarker(string name) =>
        name.Length > 1 + Suffix.Length && name[0] == '.' && name.EndsWith(Suffix, StringComparison.Ordinal);

    /// <summary>"name.recovered-20261126T093000Z", with "-2" and so on when that name is taken.</summary>
    internal static string Recovered(string target, DateTimeOffset when, int attempt)
    {
        string end = when.UtcDateTime.ToString("'.recovered-'yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        if (attempt > 1) end += string.Create(CultureInfo.InvariantCulture, $"-{attempt}");
        return Fit(target, end.Length) + end;
    }

    /// <summary>A number that another process cannot predict.</summary>
    internal static ulong Token()
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        RandomNumberGenerator.Fill(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <summary>A name of at most NAME_MAX bytes less <paramref name="reserved"/>: a longer one ends in a hash of the whole.</summary>
    private static string Fit(string target, int reserved)
    {
        int room = NameMax - reserved;
        if (UnixEncoding.Instance.GetByteCount(target) <= room) return target;
        byte[] whole = UnixEncoding.Instance.GetBytes(target);
        string hash = Convert.ToHexString(SHA256.HashData(whole), 0, Digits / 2).ToLowerInvariant();
        do
        {
            target = target[..^1];
            // Neither half of a surrogate pair nor the escape of a byte that is not UTF-8 may end it.
            if (char.IsHighSurrogate(target[^1]) || target[^1] == UnixEncoding.EscapeByte) target = target[..^1];
        }
        while (UnixEncoding.Instance.GetByteCount(target) > room - 1 - Digits);
        return $"{target}~{hash}";
    }
}

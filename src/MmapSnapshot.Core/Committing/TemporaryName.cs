using System.Buffers;
using System.Security.Cryptography;
using Mono.Unix;

namespace MmapSnapshot.Committing;

/// <summary>
/// The name a new file bears for the instant before it takes over the target's: ".{name}.{random}.mmap-snapshot". Nobody can
/// guess it, and a leftover tells what it is and of which file.
/// </summary>
internal static class TemporaryName
{
    private const string Suffix = ".mmap-snapshot";

    private const int RandomDigits = 16;

    /// <summary>man 7 path_resolution, NAME_MAX: the bytes a name may have.</summary>
    private const int NameLimit = 255;

    private static readonly SearchValues<char> _hexDigits = SearchValues.Create("0123456789abcdef");

    internal static string For(string target)
    {
        int room = NameLimit - 2 - RandomDigits - Suffix.Length;
        while (UnixEncoding.Instance.GetByteCount(target) > room)
        {
            target = target[..^1];
            // Never half of a surrogate pair, nor the mark that stands before a byte that is no UTF-8.
            if (char.IsHighSurrogate(target[^1]) || target[^1] == UnixEncoding.EscapeByte) target = target[..^1];
        }
        return $".{target}.{RandomNumberGenerator.GetHexString(RandomDigits, lowercase: true)}{Suffix}";
    }

    /// <summary>Whether <paramref name="name"/> is one that <see cref="For"/> makes.</summary>
    internal static bool Matches(string name)
    {
        if (name.Length < 2 + RandomDigits + Suffix.Length || name[0] != '.' || !name.EndsWith(Suffix, StringComparison.Ordinal)) return false;
        int random = name.Length - Suffix.Length - RandomDigits;
        return name[random - 1] == '.' && name.AsSpan(random, RandomDigits).IndexOfAnyExcept(_hexDigits) < 0;
    }
}

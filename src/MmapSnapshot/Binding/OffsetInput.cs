using System.Globalization;
using System.Management.Automation;
using System.Text.RegularExpressions;

namespace MmapSnapshot.Binding;

/// <summary>Offsets, counts and lengths as people write them: 4096, 0x1000, 4KB.</summary>
internal static partial class OffsetInput
{
    /// <summary>
    /// Reads a 64-bit integer. A literal 0xFFFFFFFF is taken for what it says, although PowerShell reads it as the 32-bit number -1.
    /// </summary>
    /// <returns>False for anything else: 0x alone, +10, a fraction, true, a character, nothing.</returns>
    internal static bool TryParse(object? value, out long number)
    {
        number = 0;
        object? plain = value is PSObject wrapped ? wrapped.BaseObject : value;
        if (plain is null or bool or char or DateTime or TimeSpan or Enum) return false;
        // PowerShell keeps the text of a bare literal in its wrapper.
        string text = value!.ToString()?.Trim() ?? "";
        if (text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            && long.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number)
            && number >= 0)
        {
            return true;
        }
        if ((plain is string && !Number().IsMatch(text))
            || !LanguagePrimitives.TryConvertTo(value, CultureInfo.InvariantCulture, out decimal exact)
            || exact != decimal.Truncate(exact)
            || exact is < long.MinValue or > long.MaxValue)
        {
            return false;
        }
        number = (long)exact;
        return true;
    }

    /// <summary>PowerShell itself takes 0x for 0, 0xKB too, +10 for 10, and a D after a number for a type.</summary>
    [GeneratedRegex("^-?(0x[0-9A-F]+|[0-9]+([.][0-9]+)?)([KMGTP]B)?$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Number();
}

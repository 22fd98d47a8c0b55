using System.Globalization;
using System.Management.Automation;
using System.Text.RegularExpressions;

namespace MmapSnapshot.Binding;

/// <summary>Reads a file's mode as chmod does: the digits of a text or number are octal. (PowerShell takes 0600 for six hundred.)</summary>
internal sealed partial class OctalModeTransformationAttribute : ArgumentTransformationAttribute
{
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        object? plain = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        if (plain is UnixFileMode) return plain;
        // PowerShell keeps the text of a bare literal in its wrapper: 0x180 is refused as what it is.
        string text = plain is string or sbyte or byte or short or ushort or int or uint or long or ulong
            ? Convert.ToString(inputData, CultureInfo.InvariantCulture)?.Trim() ?? ""
            : "";
        if (OctalDigits().IsMatch(text)) return (UnixFileMode)Convert.ToInt32(text, 8);
        throw new ArgumentTransformationMetadataException(
            $"'{inputData}' is not a mode. Write it as chmod does, in one to four octal digits, as in 0600.");
    }

    [GeneratedRegex("^0?[0-7]{1,4}$", RegexOptions.CultureInvariant)]
    private static partial Regex OctalDigits();
}

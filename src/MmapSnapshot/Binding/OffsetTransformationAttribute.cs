using System.Globalization;
using System.Management.Automation;

namespace MmapSnapshot.Binding;

/// <summary>
/// Takes 0x… for what it says. PowerShell reads the literal 0xFFFFFFFF as the 32-bit number -1; an offset has 64 bits.
/// </summary>
internal sealed class OffsetTransformationAttribute : ArgumentTransformationAttribute
{
    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        // PowerShell keeps the text of a bare literal in its wrapper.
        string? text = inputData?.ToString()?.Trim();
        return text is not null
            && text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            && long.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out long offset)
            && offset >= 0
            ? offset
            : inputData!;
    }
}

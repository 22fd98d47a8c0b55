using System.Management.Automation;

namespace MmapSnapshot.Binding;

/// <summary>
/// Makes an offset, count or length of what people write (<see cref="OffsetInput"/>). Anything else becomes
/// <see cref="ValidOffsetAttribute.Invalid"/>, for that attribute to refuse: PowerShell answers a failed conversion of a
/// positional argument by trying other parameters, and then names none.
/// </summary>
internal sealed class OffsetTransformationAttribute : ArgumentTransformationAttribute
{
    /// <summary>Whether nothing, as in an empty field of a CSV file, is accepted and becomes null.</summary>
    public bool AllowEmpty { get; init; }

    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        if (AllowEmpty && string.IsNullOrWhiteSpace(inputData?.ToString())) return null;
        return OffsetInput.TryParse(inputData, out long offset) ? offset : ValidOffsetAttribute.Invalid;
    }
}

/// <summary>Refuses what <see cref="OffsetTransformationAttribute"/> could not convert; PowerShell's message names the parameter.</summary>
internal sealed class ValidOffsetAttribute : ValidateArgumentsAttribute
{
    /// <summary>IsUnbroken for what is not a number. (As a number it would be refused too, as all negative ones are.)</summary>
    internal const long Invalid = -0x4E6F6E73656E7365;

    protected override void Validate(object arguments, EngineIntrinsics engineIntrinsics)
    {
        if (arguments is not Invalid) return;
        throw new ValidationMetadataException("It is not a 64-bit integer. Write it as in 4096, 0x1000 or 4KB, without a plus sign.");
    }
}

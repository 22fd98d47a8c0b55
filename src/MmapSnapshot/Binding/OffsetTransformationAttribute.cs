using System.Management.Automation;

namespace MmapSnapshot.Binding;

/// <summary>
/// Makes an offset, count or length of what people write (<see cref="OffsetInput"/>). Anything else becomes
/// <see cref="ValidOffsetAttribute.Nonsense"/>, for that attribute to refuse: PowerShell answers a failed conversion of a
/// positional argument by trying other parameters, and then names none.
/// </summary>
internal sealed class OffsetTransformationAttribute : ArgumentTransformationAttribute
{
    /// <summary>Whether nothing, as in an empty field of a CSV file, is no number and no nonsense either.</summary>
    public bool AllowEmpty { get; init; }

    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData)
    {
        if (AllowEmpty && string.IsNullOrWhiteSpace(inputData?.ToString())) return null;
        return OffsetInput.TryParse(inputData, out long offset) ? offset : ValidOffsetAttribute.Nonsense;
    }
}

/// <summary>Refuses what <see cref="OffsetTransformationAttribute"/> could not make sense of; PowerShell's message names the parameter.</summary>
internal sealed class ValidOffsetAttribute : ValidateArgumentsAttribute
{
    /// <summary>A number that stands for none. (Meant as one it would be refused too, as all negative ones are.)</summary>
    internal const long Nonsense = -0x4E6F6E73656E7365;

    protected override void Validate(object arguments, EngineIntrinsics engineIntrinsics)
    {
        if (arguments is Nonsense) throw new ValidationMetadataException("It is no whole number of 64 bits. Write it as in 4096, 0x1000 or 4KB.");
    }
}

using System.Globalization;
using System.Management.Automation;

namespace MmapSnapshot.Binding;

/// <summary>Takes a bare number for seconds. (PowerShell itself would take it for ticks of 100 nanoseconds.)</summary>
internal sealed class SecondsTransformationAttribute : ArgumentTransformationAttribute
{
    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        object value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        return value is not TimeSpan
            && LanguagePrimitives.TryConvertTo(value, CultureInfo.InvariantCulture, out double seconds)
            && Math.Abs(seconds) <= TimeSpan.MaxValue.TotalSeconds / 2
            ? TimeSpan.FromSeconds(seconds)
            : inputData;
    }
}

using System.Management.Automation;

namespace MmapSnapshot.Binding;

/// <summary>What arrives of our objects from a job, another machine or a file: their properties, and not what they stood for.</summary>
internal static class Deserialized
{
    private const string Prefix = "Deserialized.";

    /// <summary>Whether it is what has arrived of an object of this type.</summary>
    internal static bool Is<T>(object? value) => value is PSObject { TypeNames: [var name, ..] } && name == Prefix + typeof(T).FullName;

    /// <summary>Throws if it is what has arrived of a snapshot: no cmdlet can do anything with that, and PowerShell would only say that it cannot be bound.</summary>
    internal static void RefuseSnapshot(object? value)
    {
        if (!Is<Snapshot>(value)) return;
        throw Refused(
            $"These are the properties of a snapshot of '{Property(value, "Path")}', from a job, another session or a file; the snapshot itself stayed there. "
            + "Do the work where it is open, or open the file here.");
    }

    /// <summary>The same for a match, whose snapshot stayed behind.</summary>
    internal static void RefuseMatch(object? value)
    {
        if (!Is<SnapshotMatch>(value)) return;
        throw Refused(
            $"These are the properties of the match at offset {Property(value, "Offset")} of '{Property(value, "Snapshot")}', from a job, another session or a file; "
            + "the snapshot itself stayed there. Do the work where it is open, or open the file here and search it.");
    }

    /// <summary>What is to be said of a match in a file where a snapshot is needed.</summary>
    internal static string OfFile(SnapshotMatch match) =>
        $"The match at offset 0x{match.Offset:X} is in the file '{match.Path}', which is not open: open it with Open-MmapSnapshot first, "
        + "and search the snapshot.";

    internal static object? Property(object? value, string name) => (value as PSObject)?.Properties[name]?.Value;

    private static ArgumentTransformationMetadataException Refused(string why) => new(DisplayText.Of(why));
}

/// <summary>Says what is wrong with a match that has arrived from elsewhere.</summary>
internal sealed class LiveMatchAttribute : ArgumentTransformationAttribute
{
    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        foreach (object? item in inputData as object[] ?? [inputData]) Deserialized.RefuseMatch(item);
        return inputData;
    }
}

using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;

namespace MmapSnapshot.Binding;

/// <summary>
/// Takes the id of an open snapshot for the snapshot, as Get-MmapSnapshot shows it; and says what is wrong with one that has
/// arrived from elsewhere.
/// </summary>
internal sealed class SnapshotTransformationAttribute : ArgumentTransformationAttribute
{
    private const string Remedy = "Open-MmapSnapshot first, and give the snapshot that it returns.";

    /// <summary>Whether the cmdlet takes paths, too; if not, they are refused with what to do about it.</summary>
    public bool AllowsPaths { get; init; }

    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        object? found = Find(inputData);
        object?[] items = found as object[] ?? new[] { found };
        foreach (object? item in items)
        {
            if (Obstacle(item is PSObject wrapped ? wrapped.BaseObject : item) is { } obstacle)
                throw new ArgumentTransformationMetadataException(DisplayText.Of(obstacle));
        }
        return found!;
    }

    /// <summary>Why something that has a path is no snapshot, and what to do; null for anything else, which PowerShell refuses.</summary>
    private string? Obstacle(object? item) => item switch
    {
        SnapshotChange change => $"A change of '{change.Path}' does not say which snapshot it is of: give it with -Snapshot.",
        _ when AllowsPaths => null,
        string path => $"'{path}' is text, and not a snapshot: open the file with {Remedy}",
        FileSystemInfo file => $"'{file.FullName}' is a path, and not a snapshot: open it with {Remedy}",
        SnapshotMatch { Snapshot: null } match => Deserialized.OfFile(match),
        _ => null,
    };

    /// <summary>The snapshot with this id, or the snapshots in a list of ids; anything else as it is.</summary>
    internal static object? Find(object? value)
    {
        Deserialized.RefuseSnapshot(value);
        return (value is PSObject wrapped ? wrapped.BaseObject : value) switch
        {
            Snapshot snapshot => snapshot,
            int id => Find(id),
            long id => Find(id),
            object[] items => items.Select(Find).ToArray(),
            _ => value,
        };
    }

    private static Snapshot Find(long id)
    {
        try
        {
            return id is >= 0 and <= int.MaxValue ? Session.Get((int)id) : throw ErrorFactory.NotOpen($"with the id {id}");
        }
        catch (SnapshotException exception)
        {
            throw new ArgumentTransformationMetadataException(exception.Message, exception);
        }
    }
}

/// <summary>Completes -Snapshot and -Id: with ids, and as tooltips with what they stand for.</summary>
internal sealed class SnapshotCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters) =>
        from snapshot in Session.Open()
        let id = snapshot.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)
        where id.StartsWith(wordToComplete, StringComparison.Ordinal)
        select new CompletionResult(id, $"{id}  {DisplayText.Of(Path.GetFileName(snapshot.Path))}", CompletionResultType.ParameterValue, Describe(snapshot));

    private static string Describe(Snapshot snapshot) =>
        $"{DisplayText.Of(snapshot.Path)}, {snapshot.Length} bytes, {(snapshot.IsModified ? $"{snapshot.ModifiedBytes} modified" : "unchanged")}";
}


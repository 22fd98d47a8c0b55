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
    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData) => Find(inputData)!;

    /// <summary>The snapshot with this id, or the snapshots in a list of ids; anything else as it is.</summary>
    internal static object? Find(object? value)
    {
        Deserialized.RefuseSnapshot(value);
        return (value is PSObject wrapped ? wrapped.BaseObject : value) switch
        {
            Snapshot snapshot => snapshot,
            int id => Find(id),
            object[] items => items.Select(Find).ToArray(),
            _ => value,
        };
    }

    private static Snapshot Find(int id)
    {
        try
        {
            return Session.Get(id);
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


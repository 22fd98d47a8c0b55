using System.Collections;
using System.Management.Automation;

namespace MmapSnapshot.Binding;

/// <summary>
/// A row of a patch as it came through the pipeline: a change or a match, an object that CSV or JSON made of one, or a hashtable.
/// Its properties are read here and not by PowerShell's binder, which drops a row that it cannot bind and continues with the next.
/// </summary>
/// <param name="row">The row.</param>
/// <param name="number">Which row of the pipeline it is, from 1.</param>
internal sealed class PatchRow(object? row, int number)
{
    private readonly IDictionary? _entries = Unwrap(row) as IDictionary;

    private readonly PSObject? _object = row is null ? null : PSObject.AsPSObject(row);

    /// <summary>An offset, length or count.</summary>
    /// <param name="names">The property's name, and others that it may have.</param>
    /// <exception cref="SnapshotException">InvalidPatch: there is none, or it is not such a number.</exception>
    internal long GetNumber(params string[] names) =>
        FindNumber(names) ?? throw Invalid(Has(names[0]) ? $"{names[0]} is empty" : $"it has no property {names[0]}{Hint}");

    /// <summary>As <see cref="GetNumber"/>, but null where there is none, or an empty one.</summary>
    internal long? FindNumber(params string[] names)
    {
        if (!TryGet(names, out object? value, out string name) || IsEmpty(value)) return null;
        if (!OffsetInput.TryParse(value, out long number)) throw Invalid($"{name} '{value}' is not a 64-bit integer");
        return number >= 0 ? number : throw Invalid($"{name} is negative ({number})");
    }

    /// <summary>Bytes, given as a byte array, numbers or hex text.</summary>
    /// <exception cref="SnapshotException">InvalidPatch: there are none, or they cannot be read.</exception>
    internal byte[] GetBytes(params string[] names) =>
        FindBytes(names) ?? throw Invalid(Has(names[^1]) || Has(names[0]) ? "its new bytes are missing; is it cut off?" : $"it has neither a property {names[0]} nor {names[^1]}{Hint}");

    /// <summary>As <see cref="GetBytes"/>, but null where there is no such property, or it is null.</summary>
    internal byte[]? FindBytes(params string[] names)
    {
        if (!TryGet(names, out object? value, out string name) || value is null) return null;
        try
        {
            return ByteInput.Parse(value);
        }
        catch (SnapshotException exception)
        {
            throw Invalid($"{name}: {exception.Message.TrimEnd('.')}");
        }
    }

    /// <summary>What the row does with bytes, if it is of the format that has a Kind; null: of that of version 0.1.</summary>
    internal string? FindKind()
    {
        if (TryGet(["Kind"], out object? value, out _) && !IsEmpty(value)) return value!.ToString();
        // A repeated byte is written as such in the newer format alone.
        return IsRepeated("Before") || IsRepeated("After") ? nameof(SnapshotEditKind.Write) : null;

        bool IsRepeated(string name) => TryGet([name], out object? bytes, out _) && Unwrap(bytes) is string text && text.Contains('*');
    }

    /// <summary>The file that the row was made from; null if it does not say.</summary>
    internal string? FindPath() => TryGet(["Path"], out object? value, out _) && !IsEmpty(value) ? value!.ToString() : null;

    /// <summary>The change of a row that has a Kind.</summary>
    /// <param name="kind">Its <see cref="FindKind"/>.</param>
    /// <param name="before">What is expected in place of what the row says, or null.</param>
    /// <exception cref="SnapshotException">InvalidPatch: it is damaged, or contradicts itself.</exception>
    internal SnapshotEdit ToEdit(string kind, byte[]? before = null)
    {
        string? after = FindText("Bytes", "After");
        if (after is null && !kind.Equals(nameof(SnapshotEditKind.Remove), StringComparison.OrdinalIgnoreCase)) GetBytes("Bytes", "After");
        string expected = before is null ? FindText("Expect", "Before") ?? "" : HexText.Of(before);
        long? length = Has("Length") ? GetNumber("Length") : null;
        return SnapshotEdit.TryParse(kind, GetNumber("Offset"), expected, after ?? "", length, out var edit, out string? damage)
            ? edit
            : throw Invalid(damage);
    }

    /// <summary>The change that takes back that of a row that has a Kind.</summary>
    /// <param name="kind">Its <see cref="FindKind"/>.</param>
    /// <exception cref="SnapshotException">InvalidPatch: it is damaged, contradicts itself, or does not say what was before.</exception>
    internal SnapshotEdit ToReversedEdit(string kind)
    {
        var edit = ToEdit(kind);
        string before = FindText("Expect", "Before") ?? "", after = FindText("Bytes", "After") ?? "";
        if (edit.Kind == SnapshotEditKind.Write && before.Length == 0)
            throw Invalid("it has no old bytes (Before), so that it cannot be applied backwards");
        string reversed = edit.Kind switch
        {
            SnapshotEditKind.Insert => nameof(SnapshotEditKind.Remove),
            SnapshotEditKind.Remove => nameof(SnapshotEditKind.Insert),
            _ => nameof(SnapshotEditKind.Write),
        };
        return SnapshotEdit.TryParse(reversed, NewOffset(edit), after, before, edit.Count, out var result, out string? damage)
            ? result
            : throw Invalid(damage);
    }

    /// <summary>A write of the bytes that are there once a row that has a Kind is applied, which expects just these.</summary>
    /// <param name="kind">Its <see cref="FindKind"/>.</param>
    /// <param name="isReversed">Whether it is applied backwards.</param>
    /// <returns>The write; null: there are none.</returns>
    internal SnapshotEdit? ToAppliedEdit(string kind, bool isReversed)
    {
        var edit = ToEdit(kind);
        string there = (isReversed ? FindText("Expect", "Before") : FindText("Bytes", "After")) ?? "";
        if (there.Length == 0 || (!isReversed && edit.Kind != SnapshotEditKind.Write && FindNumber("NewOffset") is null)) return null;
        long offset = isReversed ? edit.Offset : NewOffset(edit);
        return SnapshotEdit.TryParse(nameof(SnapshotEditKind.Write), offset, there, there, length: null, out var result, out _) ? result
            : null;
    }

    /// <summary>The snapshots that the row is for, in its property Snapshot.</summary>
    /// <exception cref="SnapshotException">InvalidPatch: it does not say.</exception>
    internal Snapshot[] GetSnapshots()
    {
        try
        {
            Deserialized.RefuseMatch(row);
            if (Unwrap(row) is SnapshotMatch { Snapshot: null } match) throw Invalid(Deserialized.OfFile(match).TrimEnd('.'));
            if (!TryGet(["Snapshot"], out object? value, out _)) throw Invalid($"it does not say which snapshot it is for; give -Snapshot{Hint}");
            return SnapshotTransformationAttribute.Find(value) switch
            {
                Snapshot one => [one],
                object[] several when several.All(item => Unwrap(item) is Snapshot) => [.. several.Select(item => (Snapshot)Unwrap(item)!)],
                _ => throw Invalid($"its Snapshot '{value}' is not an open snapshot; give -Snapshot"),
            };
        }
        catch (ArgumentTransformationMetadataException exception)
        {
            throw Invalid(exception.Message.TrimEnd('.'));
        }
    }

    /// <summary>The error of this row.</summary>
    /// <param name="why">What is wrong, as in "Offset is empty".</param>
    internal SnapshotException Invalid(string why) => ErrorFactory.InvalidPatch(number, why);

    private static object? Unwrap(object? value) => value is PSObject wrapped ? wrapped.BaseObject : value;

    private static bool IsEmpty(object? value) => value is null || (Unwrap(value) is string text && string.IsNullOrWhiteSpace(text));

    /// <summary>Where the bytes are once the row is applied. If nothing moves they are where they were.</summary>
    private long NewOffset(SnapshotEdit edit) => FindNumber("NewOffset")
        ?? (edit.Kind == SnapshotEditKind.Write
            ? edit.Offset
            : throw Invalid("it has no NewOffset, so that it cannot be applied backwards"));

    /// <summary>Bytes as text, whatever they are given as; null where there is no such property, or it is null.</summary>
    private string? FindText(params string[] names) =>
        TryGet(names, out object? value, out _) && Unwrap(value) is string text ? text
            : FindBytes(names) is { } bytes ? HexText.Of(bytes)
            : null;

    private string Hint => Unwrap(row) switch
    {
        null => " (it is null)",
        Snapshot => " (it is a snapshot; -Offset says where to write)",
        string => " (it is text; ConvertFrom-Csv or ConvertFrom-Json makes rows of it)",
        _ => "",
    };

    private bool Has(string name) => TryGet([name], out _, out _);

    private bool TryGet(string[] names, out object? value, out string found)
    {
        foreach (string name in names)
        {
            found = name;
            if (TryGet(name, out value)) return true;
        }
        (value, found) = (null, names[0]);
        return false;
    }

    private bool TryGet(string name, out object? value)
    {
        value = null;
        try
        {
            if (_entries is not null)
            {
                foreach (DictionaryEntry entry in _entries)
                {
                    if (!name.Equals(entry.Key.ToString(), StringComparison.OrdinalIgnoreCase)) continue;
                    value = entry.Value;
                    return true;
                }
                return false;
            }
            if (_object?.Properties[name] is not { } property) return false;
            value = property.Value;
            return true;
        }
        catch (GetValueException exception)
        {
            throw Invalid($"{name} cannot be read ({exception.Message})");
        }
    }
}

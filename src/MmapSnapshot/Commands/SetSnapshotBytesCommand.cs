using System.Management.Automation;
using System.Text;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>
/// Writes bytes into a snapshot. The file sees them when the snapshot is saved. What one pipeline writes to a snapshot is one
/// change: all of it is written or, if part of it cannot be, nothing.
/// </summary>
[Cmdlet(VerbsCommon.Set, "SnapshotBytes", DefaultParameterSetName = RowSet, SupportsShouldProcess = true)]
[OutputType(typeof(Snapshot))]
public sealed class SetSnapshotBytesCommand : SnapshotCmdlet
{
    /// <summary>A parameter set for each kind of value, and another for the same value at places that come through the pipeline.</summary>
    private const string BytesSet = "Bytes", TextSet = "Text", NumberSet = "Number", FillSet = "Fill",
        RowSet = "Row", RowTextSet = "RowText", RowNumberSet = "RowNumber", RowFillSet = "RowFill";

    private const string EmptyExpect = "-Expect is $null or empty, so that nothing would be checked. Is a variable misspelt? "
        + "Leave -Expect out to expect nothing.";

    private const string NoOffset = "No offset was given: -Offset says where to write, -1 being the last byte. Add-SnapshotBytes appends.";

    private const string NoValue = "No value was given. Give -Bytes, -Text, -Number with -As, or -Fill with -Count.";

    /// <summary>The changes not yet written, by snapshot.</summary>
    private readonly Dictionary<Snapshot, Pending> _pending = [];

    private int _rows;

    /// <summary>Whether a row came that does not say which snapshot it is for: then it may be for any of them.</summary>
    private bool _hasRowForUnknownSnapshot;

    /// <summary>The snapshots, or their ids. Rows from the pipeline can have a property of this name instead.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = BytesSet, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = TextSet, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = NumberSet, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FillSet, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Parameter(Position = 0, ParameterSetName = RowSet)]
    [Parameter(Position = 0, ParameterSetName = RowTextSet)]
    [Parameter(Position = 0, ParameterSetName = RowNumberSet)]
    [Parameter(Position = 0, ParameterSetName = RowFillSet)]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>
    /// Rows with the properties Offset and Bytes or After, and optionally Kind, Snapshot, Expect or Before, Length, Path, NewLength,
    /// ExpectLength or OldLength: changes, or what CSV or JSON made of them; or matches, with the value as an argument.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = RowSet, ValueFromPipeline = true)]
    [Parameter(Mandatory = true, ParameterSetName = RowTextSet, ValueFromPipeline = true)]
    [Parameter(Mandatory = true, ParameterSetName = RowNumberSet, ValueFromPipeline = true)]
    [Parameter(Mandatory = true, ParameterSetName = RowFillSet, ValueFromPipeline = true)]
    [Alias("Match")]
    [AllowNull]
    [AllowEmptyString]
    [AllowEmptyCollection]
    public PSObject?[]? Row { get; set; } = [];

    /// <summary>Where to begin, in bytes from the start or, if negative, from the end.</summary>
    [Parameter(Position = 1, ParameterSetName = BytesSet)]
    [Parameter(Position = 1, ParameterSetName = TextSet)]
    [Parameter(Position = 1, ParameterSetName = NumberSet)]
    [Parameter(Position = 1, ParameterSetName = FillSet)]
    [OffsetTransformation]
    [ValidOffset]
    public long Offset { get; set; }

    /// <summary>The bytes: a byte[], numbers from 0 to 255, or hex text such as '48 8B 0F'.</summary>
    [Parameter(Position = 2, ParameterSetName = BytesSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = RowSet)]
    [Alias("After")]
    [ValidateNotNull]
    [AllowEmptyString]
    [AllowEmptyCollection]
    public object? Bytes { get; set; }

    /// <summary>The text to write.</summary>
    [Parameter(Mandatory = true, ParameterSetName = TextSet)]
    [Parameter(Mandatory = true, ParameterSetName = RowTextSet)]
    [AllowEmptyString]
    public string Text { get; set; } = "";

    /// <summary>How the text becomes bytes; UTF-8 unless said otherwise.</summary>
    [Parameter(ParameterSetName = TextSet)]
    [Parameter(ParameterSetName = RowTextSet)]
    [EncodingTransformation]
    [ArgumentCompleter(typeof(EncodingCompleter))]
    [ValidateNotNull]
    public Encoding Encoding { get; set; } = EncodingTransformationAttribute.Named["utf8"];

    /// <summary>Write a NUL character after the text.</summary>
    [Parameter(ParameterSetName = TextSet)]
    [Parameter(ParameterSetName = RowTextSet)]
    public SwitchParameter NullTerminated { get; set; }

    /// <summary>The number, or several that follow each other.</summary>
    [Parameter(Mandatory = true, ParameterSetName = NumberSet)]
    [Parameter(Mandatory = true, ParameterSetName = RowNumberSet)]
    [ValidateNotNull]
    public object Number { get; set; } = 0;

    /// <summary>How the number is stored in the file.</summary>
    [Parameter(Mandatory = true, ParameterSetName = NumberSet)]
    [Parameter(Mandatory = true, ParameterSetName = RowNumberSet)]
    public NumberType As { get; set; }

    /// <summary>The most significant byte first.</summary>
    [Parameter(ParameterSetName = NumberSet)]
    [Parameter(ParameterSetName = RowNumberSet)]
    public SwitchParameter BigEndian { get; set; }

    /// <summary>The byte to write -Count times.</summary>
    [Parameter(Mandatory = true, ParameterSetName = FillSet)]
    [Parameter(Mandatory = true, ParameterSetName = RowFillSet)]
    [ValidateNotNull]
    public object Fill { get; set; } = 0;

    /// <summary>How many bytes to fill.</summary>
    [Parameter(Mandatory = true, ParameterSetName = FillSet)]
    [Parameter(Mandatory = true, ParameterSetName = RowFillSet)]
    [OffsetTransformation]
    [ValidOffset]
    public long Count { get; set; }

    /// <summary>The bytes that must be at the offset now; if others are, nothing is changed. Given as -Bytes is; empty expects nothing.</summary>
    [Parameter(ParameterSetName = BytesSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = TextSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = NumberSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = FillSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = RowSet)]
    [Parameter(ParameterSetName = RowTextSet)]
    [Parameter(ParameterSetName = RowNumberSet)]
    [Parameter(ParameterSetName = RowFillSet)]
    [Alias("Before")]
    [AllowNull]
    [AllowEmptyString]
    [AllowEmptyCollection]
    public object? Expect { get; set; }

    /// <summary>The length in bytes that the snapshot is to have afterwards; the bytes may reach up to it.</summary>
    [Parameter(ParameterSetName = BytesSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = TextSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = NumberSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = FillSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = RowSet)]
    [Parameter(ParameterSetName = RowTextSet)]
    [Parameter(ParameterSetName = RowNumberSet)]
    [Parameter(ParameterSetName = RowFillSet)]
    [OffsetTransformation(AllowEmpty = true)]
    [ValidOffset]
    public long? NewLength { get; set; }

    /// <summary>The length in bytes that the snapshot must have now; if it has another, nothing is changed.</summary>
    [Parameter(ParameterSetName = BytesSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = TextSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = NumberSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = FillSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = RowSet)]
    [Parameter(ParameterSetName = RowTextSet)]
    [Parameter(ParameterSetName = RowNumberSet)]
    [Parameter(ParameterSetName = RowFillSet)]
    [Alias("OldLength")]
    [OffsetTransformation(AllowEmpty = true)]
    [ValidOffset]
    public long? ExpectLength { get; set; }

    /// <summary>
    /// The byte, or with -Text the character, that is written after a value with fewer bytes than the match, up to its end.
    /// </summary>
    [Parameter(ParameterSetName = RowSet)]
    [Parameter(ParameterSetName = RowTextSet)]
    [Parameter(ParameterSetName = RowNumberSet)]
    [ValidateNotNull]
    public object? Pad { get; set; }

    /// <summary>Put the value in the place of the match, whatever the length of either; what follows moves.</summary>
    [Parameter(ParameterSetName = RowSet)]
    [Parameter(ParameterSetName = RowTextSet)]
    [Parameter(ParameterSetName = RowNumberSet)]
    public SwitchParameter Splice { get; set; }

    /// <summary>Apply the rows of a patch backwards: what it made comes to be again what it was made from.</summary>
    [Parameter(ParameterSetName = RowSet)]
    public SwitchParameter Reverse { get; set; }

    /// <summary>A row whose bytes are there already is no error, and is left out; with insertions or removals, all rows or none.</summary>
    [Parameter(ParameterSetName = RowSet)]
    public SwitchParameter SkipApplied { get; set; }

    /// <summary>Pass the snapshots on.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>Whether places come through the pipeline, so that a snapshot may get several writes.</summary>
    private bool HasRows => ParameterSetName is RowSet or RowTextSet or RowNumberSet or RowFillSet;

    /// <summary>Refuses parameters that exclude each other or say nothing.</summary>
    protected override void BeginProcessing()
    {
        if (Splice && IsGiven(nameof(Pad))) RefuseCombination("-Pad keeps the length, and -Splice changes it: give one of them.");
        if (Splice && IsGiven(nameof(NewLength))) RefuseCombination("-Splice changes the length, so that -NewLength cannot give it too.");
        foreach (string patch in (string[])[nameof(Reverse), nameof(SkipApplied)])
        {
            if (IsGiven(patch) && (IsGiven(nameof(Bytes)) || IsGiven(nameof(Expect))))
                RefuseCombination($"-{patch} is for the rows of a patch, which have their bytes: it does not go with -Bytes or -Expect.");
        }
        // Only what the command line gives is bound by now; an empty field of a row expects nothing.
        if (IsGiven(nameof(Expect)) && ToExpectedOrNull() is [])
            ThrowTerminatingError(ErrorFactory.From(ErrorFactory.InvalidBytes(EmptyExpect), target: null));
    }

    /// <summary>Collects rows, and writes to a snapshot once its rows have ended; without rows, writes at once.</summary>
    protected override void ProcessRecord()
    {
        if (!HasRows)
        {
            // Not mandatory, so that PowerShell can bind a call without it, and the message can say what is missing.
            if (!IsGiven(nameof(Offset)))
                ThrowTerminatingError(ErrorFactory.From(new SnapshotException(SnapshotError.OutOfRange, NoOffset), target: null));
            // From the end it is another offset in each snapshot.
            foreach (var snapshots in Offset < 0 ? Snapshot.Select(snapshot => new[] { snapshot }) : [Snapshot])
            {
                Collect(
                    snapshots,
                    () => new Change([ToEdit(FromStart(Offset, snapshots[0]), ToBytes(), ToExpected())], NewLength, ExpectLength));
            }
            WriteAllExcept([]);
            return;
        }
        foreach (var item in Row ?? [null])
        {
            var row = new PatchRow(item, ++_rows);
            Snapshot[] snapshots = Snapshot;
            if (!IsGiven(nameof(Snapshot)) && !TryDo(item, () => snapshots = row.GetSnapshots()))
            {
                _hasRowForUnknownSnapshot = true;
                continue;
            }
            WriteAllExcept(snapshots);
            Collect(snapshots, () => item?.BaseObject is SnapshotMatch match ? ToChange(match) : ToChange(row));
        }
    }

    /// <summary>Writes to the snapshots that are left.</summary>
    protected override void EndProcessing() => WriteAllExcept([]);

    private void WriteAllExcept(Snapshot[] current)
    {
        // A row that may be for any snapshot keeps all of them from being written to.
        if (_hasRowForUnknownSnapshot && current.Length > 0) return;
        foreach (var snapshot in _pending.Keys.Where(pending => !current.Contains(pending)).ToArray()) Write(snapshot);
    }

    private void Collect(Snapshot[] snapshots, Func<Change> toChange)
    {
        Change? change = null;
        bool parsed = TryDo(snapshots is [var only] ? only : snapshots, () => change = toChange());
        foreach (var snapshot in snapshots)
        {
            if (!_pending.TryGetValue(snapshot, out var pending))
            {
                _pending[snapshot] = pending = new Pending { IsReadOnlyOrClosed = !TryDo((object)snapshot, () => CheckWritable(snapshot)) };
            }
            pending.Records++;
            if (!parsed || change is null) pending.HasInvalidRecord = true;
            else if (!pending.IsReadOnlyOrClosed && ShouldProcess(snapshot.Path, Describe(change))) pending.Add(change);
        }
    }

    private static string Describe(Change change) => string.Join<object>("; ", change.Edits);

    /// <summary>The change of a match: its bytes are all replaced, and no others.</summary>
    private Change ToChange(SnapshotMatch match)
    {
        if (Reverse || SkipApplied)
            RefuseCombination("-Reverse and -SkipApplied are for changes of Compare-Snapshot, not for matches of a search.");
        byte[] expected = ToExpected();
        if (ParameterSetName == RowFillSet)
        {
            if (Count != match.Length) throw ErrorFactory.LengthMismatch(match, Count, $"-Count {match.Length} fills the match.");
            return new Change([ToEdit(match.Offset, [], expected)], NewLength, ExpectLength);
        }
        var encoding = IsGiven(nameof(Encoding)) ? Encoding : EncodingTransformationAttribute.Find(match.Encoding) ?? Encoding;
        // Without a value, a match that is piped on writes the bytes that were found.
        byte[] bytes = ParameterSetName == RowSet && !IsGiven(nameof(Bytes)) ? match.Bytes : ToBytes(encoding);
        if (Splice) return new Change(ToSplice(match, bytes, expected), null, ExpectLength);
        if (bytes.Length < match.Length && IsGiven(nameof(Pad))) bytes = Padded(bytes, match, encoding);
        if (bytes.Length != match.Length)
        {
            string ways = bytes.Length < match.Length
                ? "-Pad fills the rest of the match with a byte; -Splice replaces the match, and what follows moves."
                : "Give at most as many bytes, or -Splice, which replaces the match; what follows moves.";
            throw ErrorFactory.LengthMismatch(match, bytes.Length, ways);
        }
        return new Change([ToEdit(match.Offset, bytes, expected)], NewLength, ExpectLength);
    }

    private static SnapshotEdit[] ToSplice(SnapshotMatch match, byte[] bytes, byte[] expected)
    {
        int common = Math.Min(bytes.Length, match.Length);
        var edits = new List<SnapshotEdit>();
        if (common > 0 || expected.Length > 0) edits.Add(SnapshotEdit.Write(match.Offset, bytes.AsMemory(0, common), expected));
        if (bytes.Length > common) edits.Add(SnapshotEdit.Insert(match.Offset + common, bytes.AsMemory(common)));
        if (match.Length > common) edits.Add(SnapshotEdit.Remove(match.Offset + common, match.Length - common));
        return [.. edits];
    }

    private byte[] Padded(byte[] bytes, SnapshotMatch match, Encoding encoding)
    {
        object? pad = Pad is PSObject wrapped ? wrapped.BaseObject : Pad;
        bool isCharacter = ParameterSetName == RowTextSet && pad is char or string { Length: 1 };
        byte[] unit = isCharacter ? EncodedText.Of(pad!.ToString()!, encoding) : [ByteInput.ParseSingle(Pad)];
        int missing = match.Length - bytes.Length;
        if (missing % unit.Length != 0)
        {
            throw ErrorFactory.LengthMismatch(
                match, bytes.Length, $"The character of -Pad has {unit.Length} bytes, which do not fill the {missing} that are left.");
        }
        byte[] all = new byte[match.Length];
        bytes.CopyTo(all, 0);
        for (int i = bytes.Length; i < all.Length; i++) all[i] = unit[(i - bytes.Length) % unit.Length];
        return all;
    }

    private Change ToChange(PatchRow row)
    {
        if (Splice || IsGiven(nameof(Pad))) throw row.Invalid("-Pad and -Splice are for matches of Find-SnapshotBytes, and it is none");
        bool bringsBytes = ParameterSetName == RowSet && !IsGiven(nameof(Bytes));
        long? newLength = IsGiven(nameof(NewLength)) ? NewLength : row.FindNumber(nameof(NewLength));
        long? expectLength = IsGiven(nameof(ExpectLength)) ? ExpectLength : row.FindNumber(nameof(ExpectLength), "OldLength");
        if (Reverse) (newLength, expectLength) = (expectLength, newLength);
        string? kind = row.FindKind();
        if (bringsBytes && kind is not null)
        {
            return Checked(
                Reverse ? row.ToReversedEdit(kind) : row.ToEdit(kind, IsGiven(nameof(Expect)) ? ToExpected() : null),
                length: null,
                row.ToAppliedEdit(kind, Reverse));
        }
        if (kind?.Equals(nameof(SnapshotEditKind.Write), StringComparison.OrdinalIgnoreCase) == false)
            throw row.Invalid($"its Kind is {kind}, but the bytes to write are a parameter");

        long offset = row.GetNumber(nameof(Offset));
        byte[] expected = IsGiven(nameof(Expect)) ? ToExpected() : row.FindBytes(nameof(Expect), "Before") ?? [];
        byte[] bytes = bringsBytes ? row.GetBytes(nameof(Bytes), "After") : ToBytes();
        if (Reverse) (bytes, expected) = (row.GetBytes(nameof(Expect), "Before"), bytes);
        var edit = ToEdit(offset, bytes, expected);
        return bringsBytes
            ? Checked(edit, row.FindNumber("Length"), SnapshotEdit.Write(offset, bytes, bytes))
            : new Change([edit], newLength, expectLength);

        Change Checked(SnapshotEdit edit, long? length, SnapshotEdit? applied) => new([edit], newLength, expectLength)
        {
            Applied = applied,
            Check = new PatchRowCheck(row, edit, length, newLength, expectLength) { HasKind = kind is not null, Path = row.FindPath() },
        };
    }

    private SnapshotEdit ToEdit(long offset, byte[] bytes, byte[] expected) =>
        ParameterSetName is FillSet or RowFillSet ? SnapshotEdit.Fill(offset, Count, ByteInput.ParseSingle(Fill), expected) : SnapshotEdit.Write(offset, bytes, expected);

    private byte[] ToExpected() => Expect is null ? [] : ByteInput.Parse(Expect, CancellationToken);

    /// <summary>What -Expect is, or null if it cannot be read, which is reported where it is used.</summary>
    private byte[]? ToExpectedOrNull()
    {
        try
        {
            return ToExpected();
        }
        catch (SnapshotException)
        {
            return null;
        }
    }

    private byte[] ToBytes(Encoding? encoding = null) => ParameterSetName switch
    {
        TextSet or RowTextSet => ByteValue.OfText(Text, encoding ?? Encoding, NullTerminated).Bytes,
        NumberSet or RowNumberSet => ByteValue.OfNumbers(Number, As, BigEndian, CancellationToken).Bytes,
        FillSet or RowFillSet => [],
        // -Bytes is not mandatory, so that PowerShell can bind a call without any value, and the message can name all ways to give one.
        _ => ByteInput.ParseOrAdviseText(Bytes ?? throw ErrorFactory.InvalidBytes(NoValue), CancellationToken),
    };

    private void Write(Snapshot snapshot)
    {
        _pending.Remove(snapshot, out var pending);
        if (pending is null) return;
        var (edits, length, expectedLength) = (pending.Edits, pending.Length, pending.ExpectedLength);
        bool isExplained = false, refused = pending.HasInvalidRecord || pending.IsReadOnlyOrClosed || _hasRowForUnknownSnapshot;
        bool written = TryDo(snapshot, progress =>
        {
            if (edits.Count == 0) return; // all of them refused, or only spoken of (-WhatIf)
            IReadOnlyList<SnapshotException> obstacles = [.. pending.FindDamage(snapshot.Length)];
            if (obstacles.Count == 0 && SkipApplied && !refused)
            {
                int rows = edits.Count;
                (edits, length, expectedLength) = pending.WithoutApplied(snapshot);
                if (edits.Count < rows)
                    WriteVerbose($"{rows - edits.Count} of {Quantity.Format(rows, "row")} had been applied to '{snapshot.Path}' before.");
                if (edits.Count == 0) return;
            }
            if (obstacles.Count == 0) obstacles = snapshot.Verify(edits, length, expectedLength);
            refused |= obstacles.Count > 0;
            var reported = pending.IsPatch ? Summarized(obstacles, edits.Count) : obstacles;
            isExplained = reported.Count < obstacles.Count;
            foreach (var obstacle in reported) WriteError(ErrorFactory.From(obstacle, snapshot));
            if (!refused) snapshot.Apply(edits, length, expectedLength, progress, CancellationToken);
        });
        if (written && !refused)
        {
            if (PassThru) WriteObject(snapshot);
        }
        else if (pending.Records > 1 && !isExplained)
        {
            WriteWarning($"Of the {pending.Records} writes to '{snapshot.Path}' none was made, because not all of them could be.");
        }
    }

    /// <summary>Of the rows of a patch that expect other bytes, one error: it is for another version. -Verbose tells of each.</summary>
    private IReadOnlyList<SnapshotException> Summarized(IReadOnlyList<SnapshotException> obstacles, int rows)
    {
        var unexpected = obstacles.Where(
            obstacle => obstacle.Error is SnapshotError.ExpectationFailed or SnapshotError.OutOfRange).ToArray();
        if (unexpected.Length <= 1) return obstacles;
        foreach (var one in unexpected) WriteVerbose(one.Message);
        return [ErrorFactory.OtherVersion(unexpected, rows), .. obstacles.Except(unexpected)];
    }

    /// <param name="Edits">The bytes to write, insert and remove.</param>
    /// <param name="NewLength">The length that the snapshot is to have afterwards, or null.</param>
    /// <param name="ExpectLength">The length that it must have now, or null.</param>
    private sealed record Change(SnapshotEdit[] Edits, long? NewLength, long? ExpectLength)
    {
        /// <summary>Whether the row that it was read from contradicts itself; null where it was not read from a row.</summary>
        internal PatchRowCheck? Check { get; init; }

        /// <summary>A write of what is there once the row is applied, which expects just that; null: nothing shows it.</summary>
        internal SnapshotEdit? Applied { get; init; }
    }

    private sealed class Pending
    {
        private readonly List<PatchRowCheck> _checks = [];

        /// <summary>For each change, what shows that it was made before; null: nothing.</summary>
        private readonly List<SnapshotEdit?> _applied = [];

        internal List<SnapshotEdit> Edits { get; } = [];

        internal long? Length { get; private set; }

        internal long? ExpectedLength { get; private set; }

        internal int Records { get; set; }

        internal bool HasInvalidRecord { get; set; }

        /// <summary>Whether the snapshot takes no change at all, which has been reported.</summary>
        internal bool IsReadOnlyOrClosed { get; init; }

        /// <summary>Whether all of it came as rows of a patch.</summary>
        internal bool IsPatch => _checks.Count == Edits.Count;

        internal void Add(Change change)
        {
            Edits.AddRange(change.Edits);
            _applied.Add(change.Applied);
            if (change.Check is not null) _checks.Add(change.Check);
            Length = change.NewLength ?? Length;
            ExpectedLength = change.ExpectLength ?? ExpectedLength;
        }

        /// <summary>What is left to do: of a patch that moves bytes all rows, or none.</summary>
        internal (List<SnapshotEdit> Edits, long? Length, long? ExpectedLength) WithoutApplied(Snapshot snapshot)
        {
            bool movesBytes = Length is not null || Edits.Exists(edit => edit.Kind != SnapshotEditKind.Write);
            if (!movesBytes)
                return ([.. Edits.Where((_, i) => _applied[i] is not { } applied || snapshot.Verify([applied]).Count > 0)], null,
                    ExpectedLength);
            SnapshotEdit[] known = [.. _applied.OfType<SnapshotEdit>()];
            bool isApplied = known.Length > 0 && snapshot.Verify(known, length: null, expectedLength: Length).Count == 0;
            return isApplied ? ([], null, null) : (Edits, Length, ExpectedLength);
        }

        internal IEnumerable<SnapshotException> FindDamage(long length)
        {
            foreach (var check in _checks)
            {
                if (check.FindDamage(Length, length) is { } damage) yield return damage;
            }
            if (PatchRowCheck.FindOtherFile(_checks) is { } other) yield return other;
        }
    }
}

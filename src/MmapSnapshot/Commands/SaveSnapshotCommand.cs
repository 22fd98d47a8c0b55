using System.Management.Automation;
using MmapSnapshot.Binding;

namespace MmapSnapshot;

/// <summary>Commits snapshots to their files, or to another one.</summary>
[Cmdlet(VerbsData.Save, "Snapshot", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[Alias("Save-MmapSnapshot")]
[OutputType(typeof(CommitResult))]
public sealed class SaveSnapshotCommand : SnapshotCmdlet
{
    /// <summary>An object, because of what <see cref="EngineLoader"/> says.</summary>
    private object _method = CommitMethod.Auto;

    /// <summary>The snapshots to save to <see cref="Destination"/>, or as one.</summary>
    private readonly List<Snapshot> _collected = [];

    /// <summary>The snapshots, or their ids.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [SnapshotTransformation]
    [ArgumentCompleter(typeof(SnapshotCompleter))]
    [ValidateNotNull]
    public Snapshot[] Snapshot { get; set; } = [];

    /// <summary>Close each snapshot once it is saved.</summary>
    [Parameter]
    public SwitchParameter Close { get; set; }

    /// <summary>Save to this file instead, or to files of the same names in this directory.</summary>
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    public string? Destination { get; set; }

    /// <summary>
    /// How the bytes go back: Exchange and Replace are atomic, InPlace is recoverable; Auto is the first of these that can be.
    /// </summary>
    [Parameter]
    [ValidateSet(nameof(CommitMethod.Auto), nameof(CommitMethod.Exchange), nameof(CommitMethod.Replace), nameof(CommitMethod.InPlace))]
    public CommitMethod Method
    {
        get => (CommitMethod)_method;
        set => _method = value;
    }

    /// <summary>Save even over somebody else's change, or over an existing destination.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <summary>Replace a file that has other names (hard links), which keep the old bytes.</summary>
    [Parameter]
    public SwitchParameter BreakHardLink { get; set; }

    /// <summary>Save in place where a new file cannot take the place of this one.</summary>
    [Parameter]
    public SwitchParameter AllowInPlace { get; set; }

    /// <summary>Save in place without a journal, so that an interrupted save leaves a mix of old and new bytes.</summary>
    [Parameter]
    public SwitchParameter NoJournal { get; set; }

    /// <summary>Keep the file that is replaced, under this path or with this suffix.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Backup { get; set; }

    /// <summary>Save all snapshots, or none of them: also if the computer fails in the middle.</summary>
    [Parameter]
    public SwitchParameter AllOrNone { get; set; }

    /// <summary>Do not wait for the disk.</summary>
    [Parameter]
    public SwitchParameter NoFlush { get; set; }

    /// <summary>Return what each save did.</summary>
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    /// <summary>Refuses what does not go together, before the first snapshot arrives.</summary>
    protected override void BeginProcessing()
    {
        if (!AllOrNone) return;
        foreach (string other in (string[])[nameof(Destination), nameof(Backup), nameof(AllowInPlace), nameof(NoJournal)])
        {
            if (IsGiven(other)) RefuseCombination($"-AllOrNone replaces the files in their places, and does not go with -{other}.");
        }
        if (Method is CommitMethod.InPlace or CommitMethod.Exchange)
            RefuseCombination($"-AllOrNone replaces the files, and does not go with -Method {Method}.");
    }

    /// <summary>Saves each snapshot; with -Destination and -AllOrNone, once all of them are known.</summary>
    protected override void ProcessRecord()
    {
        if (AllOrNone || Destination is not null) _collected.AddRange(Snapshot);
        else foreach (var snapshot in Snapshot) Save(snapshot, destination: null);
    }

    /// <summary>Saves those that were collected, except several to one file.</summary>
    protected override void EndProcessing()
    {
        if (AllOrNone) SaveAll([.. _collected.Distinct()]);
        if (Destination is null) return;
        string destination = "";
        if (!TryDo(_collected is [var one] ? one : Destination, () => destination = ResolveLiteral(Destination))) return;
        bool isDirectory = Directory.Exists(destination);
        var files = _collected.Distinct().GroupBy(
            snapshot => isDirectory ? Path.Join(destination, Path.GetFileName(snapshot.Path)) : destination);
        foreach (var file in files)
        {
            Snapshot[] snapshots = [.. file];
            if (snapshots is [var only]) Save(only, file.Key);
            else WriteError(ErrorFactory.From(ErrorFactory.DuplicateTarget(file.Key, snapshots), snapshots));
        }
    }

    private void SaveAll(Snapshot[] snapshots)
    {
        IReadOnlyList<CommitResult> results = [];
        // The error is about the snapshot whose file stopped it.
        Snapshot? current = null;
        var action = (IProgress<SnapshotProgress> progress) =>
        {
            foreach (var snapshot in snapshots) CheckWritable(current = snapshot);
            if (snapshots.Length == 0 || !ShouldProcess(Describe(snapshots), "Save all or none")) return;
            try
            {
                results = MmapSnapshot.Snapshot.CommitAll(snapshots, Options(destination: null, progress), CancellationToken);
            }
            catch (SnapshotException exception)
            {
                current = Array.Find(snapshots, snapshot => snapshot.Path == exception.Path);
                throw;
            }
        };
        _ = TryDo(() => current, action);
        foreach (var result in results) Report(result);
    }

    private static string Describe(Snapshot[] snapshots)
    {
        const int Named = 5;
        string paths = string.Join(", ", snapshots.Take(Named).Select(snapshot => snapshot.Path));
        string more = snapshots.Length > Named ? $" and {snapshots.Length - Named} more" : "";
        return $"{Quantity.Format(snapshots.Length, "file")}: {paths}{more}";
    }

    private void Save(Snapshot snapshot, string? destination)
    {
        CommitResult? result = null;
        bool saved = TryDo(snapshot, progress =>
        {
            if (destination is null || snapshot.IsClosed) CheckWritable(snapshot);
            string action = $"Save the snapshot (modified bytes: {snapshot.ModifiedBytes})";
            if (!ShouldProcess(destination ?? snapshot.Path, destination is null ? action : $"{action} of '{snapshot.Path}'")) return;
            result = snapshot.Commit(Options(destination, progress), CancellationToken);
        });
        if (saved && result is not null) Report(result);
    }

    private CommitOptions Options(string? destination, IProgress<SnapshotProgress> progress) => new()
    {
        Close = Close,
        Destination = destination,
        Method = Method,
        Force = Force,
        BreakHardLink = BreakHardLink,
        AllowInPlace = AllowInPlace,
        NoJournal = NoJournal,
        Backup = Backup?.Contains('/', StringComparison.Ordinal) is true ? ResolveLiteral(Backup) : Backup,
        NoFlush = NoFlush,
        Progress = progress,
        Warnings = EngineWarnings,
    };

    private void Report(CommitResult result)
    {
        if (result.Override is not null)
            WriteWarning($"'{result.Path}' was overwritten because of -Force, although {result.Override}.");
        WriteVerbose(
            $"Saved '{result.Path}': {Quantity.Format(result.Length, "byte")}, method {result.Method}, because {result.Reason}; "
            + $"{result.Elapsed.TotalMilliseconds:0.0} ms.");
        if (result.BackupPath is not null) WriteVerbose($"The old file is '{result.BackupPath}'.");
        if (PassThru) WriteObject(result);
    }
}

using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Runtime.InteropServices;

namespace MmapSnapshot;

/// <summary>What happens when the module is imported and removed, and when the process ends.</summary>
public sealed class ModuleLifetime : IModuleAssemblyInitializer, IModuleAssemblyCleanup
{
    /// <summary>
    /// What Remove-Module runs in its own pipeline, so that warnings go where its warnings go. (It runs <see cref="OnRemove"/>
    /// too, but without a pipeline to write to.)
    /// </summary>
    private const string OnRemoveScript =
        "foreach ($loss in [MmapSnapshot.ModuleLifetime]::CloseAll()) { Microsoft.PowerShell.Utility\\Write-Warning -Message $loss }";

    private const int MaxListedFiles = 5;

    /// <summary>The first that has statx(2), renameat2(2) and copy_file_range(2).</summary>
    private static readonly Version _minGlibc = new(2, 28);

    private static int _watchesProcess;

    /// <summary>Refuses systems that the module cannot run on, before anything else can fail in a less clear way.</summary>
    public void OnImport()
    {
        if (FindObstacle(OperatingSystem.IsLinux(), RuntimeInformation.ProcessArchitecture, GlibcVersion()) is { } obstacle) throw new PlatformNotSupportedException(obstacle);
        EngineLoader.Start();
    }

    /// <summary>Why the module cannot run on a system, as a sentence; null if it can.</summary>
    private static string? FindObstacle(bool isLinux, Architecture architecture, string? glibcVersion)
    {
        if (!isLinux || architecture is not (Architecture.X64 or Architecture.Arm64) || glibcVersion is null)
            return "MmapSnapshot runs only on Linux with glibc, on x64 or arm64.";
        return Version.TryParse(glibcVersion, out var version) && version < _minGlibc
            ? $"MmapSnapshot needs glibc {_minGlibc} or later, and this system has {glibcVersion}."
            : null;
    }

    /// <summary>As in "2.36"; null with another C library, which does not have that function (man 3 gnu_get_libc_version).</summary>
    private static string? GlibcVersion()
    {
        try
        {
            return Marshal.PtrToStringUTF8(GetGlibcVersion());
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
            return null;
        }
    }

    [DllImport("libc.so.6", EntryPoint = "gnu_get_libc_version")]
    private static extern nint GetGlibcVersion();

    /// <summary>Closes the snapshots that this runspace has opened, where <see cref="OnRemoveScript"/> was replaced by somebody else's script.</summary>
    /// <param name="psModuleInfo">The module being removed.</param>
    public void OnRemove(PSModuleInfo psModuleInfo)
    {
        foreach (string loss in CloseAll())
        {
            // There is no cmdlet here to warn through, so the runspace is asked for one.
            using var shell = PowerShell.Create(RunspaceMode.CurrentRunspace);
            shell.AddCommand("Write-Warning").AddParameter("Message", loss).Invoke();
        }
    }

    /// <summary>Closes the snapshots that this runspace has opened.</summary>
    /// <returns>What is lost by it, in words: a sentence for each that had unsaved changes.</returns>
    public static IReadOnlyList<string> CloseAll()
    {
        var losses = new List<string>();
        foreach (var snapshot in Session.OpenedBy(Runspace.DefaultRunspace))
        {
            if (snapshot.IsModified) losses.Add(CloseMmapSnapshotCommand.UnsavedChangesMessage(snapshot));
            snapshot.Dispose();
        }
        return losses;
    }

    /// <summary>
    /// Sees to it that nothing is lost without a word, once there is something to lose: by Remove-Module, or at the end of the process.
    /// </summary>
    /// <param name="module">The module in this runspace.</param>
    internal static void Watch(PSModuleInfo? module)
    {
        if (module is { OnRemove: null }) module.OnRemove = ScriptBlock.Create(OnRemoveScript);
        if (Interlocked.Exchange(ref _watchesProcess, 1) == 0) AppDomain.CurrentDomain.ProcessExit += (_, _) => WarnOfLosses();
    }

    /// <summary>
    /// By now there is no pipeline and perhaps no host: standard error is left, and a script's output stays what it is. Nothing is
    /// closed, as that could take a while: the kernel lets go of everything together with the process.
    /// </summary>
    private static void WarnOfLosses()
    {
        try
        {
            string[] lost = [.. Session.Open().Where(snapshot => snapshot.IsModified).Select(snapshot => $"'{DisplayText.Of(snapshot.Path)}' (modified bytes: {snapshot.ModifiedBytes})")];
            if (lost.Length == 0) return;
            string others = lost.Length > MaxListedFiles ? $" and {lost.Length - MaxListedFiles} more" : "";
            Console.Error.WriteLine($"WARNING: The session ends with unsaved changes, which are lost: {string.Join(", ", lost.Take(MaxListedFiles))}{others}.");
        }
#pragma warning disable CA1031 // Whatever it is (standard error may be closed), it would end the process with a crash.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }
}

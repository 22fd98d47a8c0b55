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
    private const string Farewell =
        "foreach ($loss in [MmapSnapshot.ModuleLifetime]::CloseAll()) { Microsoft.PowerShell.Utility\\Write-Warning -Message $loss }";

    private const int MostNamed = 5;

    private static int _watchesProcess;

    /// <summary>Refuses systems that the module cannot run on, before anything else can fail in a less clear way.</summary>
    public void OnImport()
    {
        if (!Supports(OperatingSystem.IsLinux(), RuntimeInformation.ProcessArchitecture, HasGlibc()))
        {
            throw new PlatformNotSupportedException("MmapSnapshot runs only on Linux with glibc, on x64 or arm64.");
        }
        EngineLoader.Start();
    }

    private static bool Supports(bool isLinux, Architecture architecture, bool hasGlibc) =>
        isLinux && architecture is (Architecture.X64 or Architecture.Arm64) && hasGlibc;

    /// <summary>Other C libraries do not have that function (man 3 gnu_get_libc_version).</summary>
    private static bool HasGlibc()
    {
        try
        {
            _ = GetGlibcVersion();
            return true;
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    [DllImport("libc.so.6", EntryPoint = "gnu_get_libc_version")]
    private static extern nint GetGlibcVersion();

    /// <summary>Closes the snapshots that this runspace has opened, where <see cref="Farewell"/> was replaced by somebody else's script.</summary>
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
            if (snapshot.IsModified) losses.Add(CloseMmapSnapshotCommand.LossOf(snapshot));
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
        if (module is { OnRemove: null }) module.OnRemove = ScriptBlock.Create(Farewell);
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
            string others = lost.Length > MostNamed ? $" and {lost.Length - MostNamed} more" : "";
            Console.Error.WriteLine($"WARNING: The session ends with unsaved changes, which are lost: {string.Join(", ", lost.Take(MostNamed))}{others}.");
        }
#pragma warning disable CA1031 // Whatever it is (standard error may be closed), it would end the process with a crash.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }
}

using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Runtime.InteropServices;

namespace MmapSnapshot;

/// <summary>What happens when the module is imported and removed.</summary>
public sealed class ModuleLifetime : IModuleAssemblyInitializer, IModuleAssemblyCleanup
{
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

    /// <summary>Closes the snapshots that this runspace has opened, and warns of changes that are lost by it.</summary>
    /// <param name="psModuleInfo">The module being removed.</param>
    public void OnRemove(PSModuleInfo psModuleInfo)
    {
        foreach (var snapshot in Session.OpenedBy(Runspace.DefaultRunspace))
        {
            if (snapshot.IsModified) Warn(CloseMmapSnapshotCommand.LossOf(snapshot));
            snapshot.Dispose();
        }
    }

    /// <summary>There is no cmdlet here to warn through, so the runspace is asked for one.</summary>
    private static void Warn(string text)
    {
        using var shell = PowerShell.Create(RunspaceMode.CurrentRunspace);
        shell.AddCommand("Write-Warning").AddParameter("Message", text).Invoke();
    }
}

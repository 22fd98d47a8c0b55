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
        bool supported = OperatingSystem.IsLinux()
            && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64
            && NativeLibrary.TryLoad("libc.so.6", out nint libc)
            && NativeLibrary.TryGetExport(libc, "gnu_get_libc_version", out _);
        if (!supported) throw new PlatformNotSupportedException("MmapSnapshot runs only on Linux with glibc, on x64 or arm64.");
        EngineLoader.Start();
    }

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

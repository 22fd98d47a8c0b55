@{
    RootModule           = 'MmapSnapshot.dll'
    # Loaded before all else, so that another version in a session that has one is refused by saying so.
    RequiredAssemblies   = @('MmapSnapshot.dll')
    ModuleVersion        = '0.1.0'
    GUID                 = '6b1f4b0e-3f0c-4a7e-9d2b-5f6c1c0a7e11'
    Author               = 'The MmapSnapshot maintainers'
    CompanyName          = 'Unknown'
    Copyright            = 'Released into the public domain (Unlicense).'
    Description          = 'Opens files as private point-in-time snapshots in memory, patches them, and commits them back atomically. Linux only.'
    PowerShellVersion    = '7.4'
    CompatiblePSEditions = @('Core')
    FormatsToProcess     = @('MmapSnapshot.Format.ps1xml')
    TypesToProcess       = @('MmapSnapshot.Types.ps1xml')
    CmdletsToExport      = @(
        'Add-SnapshotBytes'
        'Close-MmapSnapshot'
        'Compare-Snapshot'
        'Find-SnapshotBytes'
        'Format-SnapshotBytes'
        'Get-MmapSnapshot'
        'Get-ReflinkSupport'
        'Get-SnapshotBytes'
        'Get-SnapshotHash'
        'New-MmapSnapshot'
        'Open-MmapSnapshot'
        'Redo-SnapshotBytes'
        'Remove-SnapshotBytes'
        'Repair-MmapSnapshot'
        'Resize-Snapshot'
        'Save-Snapshot'
        'Set-SnapshotBytes'
        'Undo-SnapshotBytes'
    )
    FunctionsToExport    = @()
    AliasesToExport      = @(
        'Close-Snapshot'
        'Compare-MmapSnapshot'
        'Open-Snapshot'
        'Resize-MmapSnapshot'
        'Save-MmapSnapshot'
    )
    VariablesToExport    = @()
    PrivateData          = @{
        PSData = @{
            Tags         = @('Linux', 'binary', 'patch', 'hex', 'snapshot', 'mmap', 'reflink', 'atomic', 'PSEdition_Core')
            ProjectUri   = 'https://github.com/MmapSnapshot/MmapSnapshot'
            LicenseUri   = 'https://unlicense.org/'
            ReleaseNotes = '' # The build puts them here, from CHANGELOG.md.
        }
    }
}

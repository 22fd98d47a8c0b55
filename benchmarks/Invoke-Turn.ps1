<#
.SYNOPSIS
    Has one version of the module take its turns: two versions cannot be loaded into one process.
.DESCRIPTION
    Measure.ps1 starts it with -Against, once for each version. It reads the name of what to do from each line of its input, and
    writes the microseconds that it took.
#>
[CmdletBinding()]
param(
    # The MmapSnapshot.psd1 of the version.
    [Parameter(Mandatory)]
    [string] $Module,

    # A small file, to be patched and saved.
    [Parameter(Mandatory)]
    [string] $Small,

    # A large one, to be searched.
    [Parameter(Mandatory)]
    [string] $Large
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
Import-Module -Name $Module
$bytes = [byte[]]::new(16)
$searched = Open-MmapSnapshot -LiteralPath $Large -MaxWriterDelay 12
while ($turn = [Console]::In.ReadLine()) {
    [Random]::Shared.NextBytes($bytes)
    $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
    switch ($turn) {
        'Patch' {
            $snapshot = Open-MmapSnapshot -LiteralPath $Small
            Set-SnapshotBytes $snapshot 64 $bytes
            Save-Snapshot $snapshot -Close
        }
        'Search' { Find-SnapshotBytes $searched 'DE AD BE EF' | Out-Null }
        default { throw "There is no '$turn'." }
    }
    [System.Diagnostics.Stopwatch]::GetElapsedTime($started).TotalMicroseconds.ToString([cultureinfo]::InvariantCulture)
}

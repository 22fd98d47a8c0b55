<#
.SYNOPSIS
    Runs the Pester suite against a staged module, in this process, and looks afterwards for what it left behind.
.DESCRIPTION
    build.ps1 starts it in a PowerShell of its own, with the mounted filesystems below $env:MMAPSNAPSHOT_RIG.
#>
[CmdletBinding()]
param(
    # The staged MmapSnapshot.psd1.
    [Parameter(Mandatory)]
    [string] $Module,

    # The Pester.psd1, of version 5.5 or later, to run the suite with.
    [Parameter(Mandatory)]
    [string] $Pester,

    # Where the totals go, as JSON.
    [Parameter(Mandatory)]
    [string] $Results,

    # All: the module as users get it. Code: what tests the code, not how it is packed; for a copy of the module in which coverage is
    # measured. Quick: of that the files named after cmdlets, less what is slow.
    [ValidateSet('All', 'Code', 'Quick')]
    [string] $Scope = 'All'
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
Import-Module -Name $Pester

$env:MMAPSNAPSHOT_MODULE = $Module
$configuration = New-PesterConfiguration
$configuration.Run.Path = $PSScriptRoot
if ($Scope -ne 'All') {
    $configuration.Run.ExcludePath = "$PSScriptRoot/Package.Tests.ps1"
    $configuration.Filter.ExcludeTag = 'Packing'
}
if ($Scope -eq 'Quick') {
    $configuration.Run.Path = "$PSScriptRoot/*-*.Tests.ps1"
    $configuration.Filter.ExcludeTag = 'Slow'
}
$configuration.Run.PassThru = $true
$configuration.Output.Verbosity = 'Normal'
$configuration.Output.RenderMode = 'Plaintext'
$run = Invoke-Pester -Configuration $configuration

# The garbage collector has the last word on what was forgotten on purpose.
[GC]::Collect()
[GC]::WaitForPendingFinalizers()
[GC]::Collect()
$rig = $env:MMAPSNAPSHOT_RIG
$left = [ordered]@{
    descriptor = @(Get-ChildItem -Path /proc/self/fd | Where-Object { $_.LinkTarget -match 'mmap-snapshot|/memfd:mmap' -or ($rig -and "$($_.LinkTarget)".StartsWith($rig)) } | ForEach-Object LinkTarget)
    mapping    = @(Get-Content -LiteralPath /proc/self/maps | Where-Object { $rig -and $_.Contains($rig) })
    name       = @(if ($rig -and (Test-Path -LiteralPath $rig)) { Get-ChildItem -LiteralPath $rig -Filter '*.mmap-snapshot' -Recurse -Force | ForEach-Object FullName })
}
$passed = $run.PassedCount
$failed = $run.FailedCount + $run.FailedBlocksCount + $run.FailedContainersCount
foreach ($kind in $left.Keys) {
    if ($left[$kind].Count -eq 0) { $passed++; continue }
    $failed++
    "FAILED: the suite left a ${kind} behind: $($left[$kind] -join '; ')" | Out-Host
}
if ($run.TotalCount -eq 0) {
    $failed++
    'FAILED: the suite has no test.' | Out-Host
}
@{ Passed = $passed; Failed = $failed; Skipped = $run.SkippedCount + $run.NotRunCount } | ConvertTo-Json | Set-Content -LiteralPath $Results

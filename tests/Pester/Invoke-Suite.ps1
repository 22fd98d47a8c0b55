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

    # The tests whose full name matches this wildcard pattern; without it, all.
    [string] $Filter = '',

    # Leaves out the tests of the packages, of which a copy of the module in which coverage is measured is none.
    [switch] $WithoutPackages
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
Import-Module -Name $Pester

$env:MMAPSNAPSHOT_MODULE = $Module
$configuration = New-PesterConfiguration
$configuration.Run.Path = $PSScriptRoot
if ($WithoutPackages) {
    $configuration.Run.ExcludePath = "$PSScriptRoot/Package.Tests.ps1"
    $configuration.Filter.ExcludeTag = 'Packing'
}
if ($Filter) { $configuration.Filter.FullName = $Filter }
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
# A run of a few tests is also judged by what it leaves behind, but that does not count as passed.
$passed = $run.PassedCount
$failed = $run.FailedCount + $run.FailedBlocksCount + $run.FailedContainersCount
foreach ($kind in $left.Keys) {
    if ($left[$kind].Count -eq 0) { if (-not $Filter) { $passed++ }; continue }
    $failed++
    "FAILED: the suite left a ${kind} behind: $($left[$kind] -join '; ')" | Out-Host
}
if ($run.TotalCount -eq 0 -and -not $Filter) {
    $failed++
    'FAILED: the suite has no test.' | Out-Host
}
Get-Module -Name Support | Remove-Module
# What a filter leaves out is not run, and not skipped.
$skipped = $run.SkippedCount + $(if (-not $Filter) { $run.NotRunCount } else { 0 })
$because = @($run.Skipped | ForEach-Object { ($_.ErrorRecord | Select-Object -First 1) -replace '^is skipped, because ' })
@{ Passed = $passed; Failed = $failed; Skipped = $skipped; Because = $because } | ConvertTo-Json | Set-Content -LiteralPath $Results

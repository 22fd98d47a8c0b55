#!/usr/bin/env pwsh
<#
.SYNOPSIS
    Builds, tests and shows MmapSnapshot. Several tasks at once run in the order given.
.EXAMPLE
    ./build.ps1 -Task Build, Test
#>
[CmdletBinding()]
param(
    # Build: stages the module in output/MmapSnapshot/<version>. Lint: the quality gates of tests/gates. Test: the gates, both suites
    # and the short fault matrix, on real filesystems where root can mount them. Faults: the full fault matrix. Demo: patches a real
    # program. Clean: removes all that was built.
    [Parameter(Position = 0, ValueFromRemainingArguments)]
    [ValidateSet('Build', 'Lint', 'Test', 'Faults', 'Demo', 'Clean')]
    [string[]] $Task = 'Build'
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false

$root = $PSScriptRoot
$manifest = Import-PowerShellDataFile -LiteralPath (Join-Path $root 'module/MmapSnapshot.psd1')
$staged = Join-Path $root "output/MmapSnapshot/$($manifest.ModuleVersion)"
$module = Join-Path $staged 'MmapSnapshot.psd1'
$rig = Join-Path $root 'tests/filesystems/rig.sh'

# How to start another PowerShell like this one: as a .NET tool it is a DLL that dotnet runs.
$pwsh = @(if ([System.IO.Path]::GetFileName([Environment]::ProcessPath) -eq 'dotnet') { [Environment]::ProcessPath; Join-Path $PSHOME 'pwsh.dll' } else { [Environment]::ProcessPath })

function Invoke-Checked([string[]] $Command) {
    $program, $arguments = $Command
    & $program @arguments | Out-Host
    if ($LASTEXITCODE -ne 0) { throw "'$Command' ended with exit code $LASTEXITCODE." }
}

function Invoke-BuildTask {
    if (Test-Path -LiteralPath $staged) { Remove-Item -LiteralPath $staged -Recurse -Force }
    Invoke-Checked dotnet, publish, (Join-Path $root 'src/MmapSnapshot'), -c, Release, -o, $staged, --nologo, -v, quiet
    "Staged $staged" | Out-Host
}

function Invoke-EngineSuite([string] $Results) {
    Invoke-Checked dotnet, build, (Join-Path $root 'tests/MmapSnapshot.Core.Tests'), -c, Release, --nologo, -v, quiet
    dotnet run --project (Join-Path $root 'tests/MmapSnapshot.Core.Tests') -c Release --no-build -- -noLogo -noColor -xml $Results | Out-Host
    if (-not (Test-Path -LiteralPath $Results)) { throw 'The engine suite left no results.' }
    $assemblies = ([xml](Get-Content -LiteralPath $Results -Raw)).assemblies.assembly
    [pscustomobject]@{
        Passed  = [int]$assemblies.passed
        Failed  = [int]$assemblies.failed + [int]$assemblies.errors
        Skipped = [int]$assemblies.skipped
    }
}

# The newest Pester on the module path, else that of the NuGet package, which is brought here first.
function Get-Pester {
    $installed = Get-Module -ListAvailable -Name Pester | Where-Object Version -GE '5.5.0' | Sort-Object -Property Version -Bottom 1
    if ($installed) { return $installed.Path }
    $project = Join-Path $root 'tests/Pester/Pester.csproj'
    Invoke-Checked dotnet, restore, $project, --nologo, -v, quiet
    $package = (dotnet msbuild $project '-getProperty:NuGetPackageRoot,PesterVersion' | Out-String | ConvertFrom-Json).Properties
    Join-Path $package.NuGetPackageRoot "pester/$($package.PesterVersion)/tools/Pester.psd1"
}

function Invoke-CmdletSuite([string] $Results) {
    try {
        $pester = Get-Pester
    } catch {
        Write-Warning "THE CMDLETS WERE NOT TESTED: Pester is not installed and cannot be had ($_)."
        return [pscustomobject]@{ Passed = 0; Failed = 0; Skipped = 1 }
    }
    $program, $arguments = $pwsh
    & $program @arguments -NoProfile -NonInteractive -File (Join-Path $root 'tests/Pester/Invoke-Suite.ps1') -Pester $pester -Module $module -Results $Results | Out-Host
    if (-not (Test-Path -LiteralPath $Results)) { throw 'The cmdlet suite left no results.' }
    Get-Content -LiteralPath $Results -Raw | ConvertFrom-Json
}

function Invoke-FaultMatrix([string[]] $Option) {
    Invoke-Checked dotnet, build, (Join-Path $root 'tests/faults'), -c, Release, --nologo, -v, quiet
    $last = ''
    dotnet run --project (Join-Path $root 'tests/faults') -c Release --no-build -- @Option | ForEach-Object { $last = $_; $_ } | Out-Host
    if ($last -notmatch '^Fault matrix: (\d+) passed, (\d+) failed, (\d+) skipped$') { throw 'The fault matrix did not come to its end.' }
    [pscustomobject]@{ Passed = [int]$Matches[1]; Failed = [int]$Matches[2]; Skipped = [int]$Matches[3] }
}

function Invoke-GateSuite {
    & (Join-Path $root 'tests/gates/Invoke-Gates.ps1')
}

# Prints the totals of all; throws if anything failed.
function Complete-Run([pscustomobject[]] $Results) {
    $total = $Results | Measure-Object -Property Passed, Failed, Skipped -Sum
    "$($total[0].Sum) passed, $($total[1].Sum) failed, $($total[2].Sum) skipped" | Out-Host
    if ($total[1].Sum -gt 0) { throw "$($total[1].Sum) test(s) failed." }
}

# Runs suites with the filesystems mounted.
function Invoke-OnFileSystem([scriptblock] $Suites) {
    $work = Join-Path ([System.IO.Path]::GetTempPath()) ('mmapsnapshot-test-' + [guid]::NewGuid().ToString('N'))
    New-Item -ItemType Directory -Path $work | Out-Null
    $env:MMAPSNAPSHOT_RIG = Join-Path $work 'rig'
    try {
        'Filesystems:' | Out-Host
        & $rig up $env:MMAPSNAPSHOT_RIG | Out-Host
        $results = & $Suites $work
    } finally {
        & $rig down $env:MMAPSNAPSHOT_RIG | Out-Host
        $stillHeld = [pscustomobject]@{ Passed = 0; Failed = [int]($LASTEXITCODE -ne 0); Skipped = 0 }
        Remove-Item -LiteralPath $work -Recurse -Force
        Remove-Item -LiteralPath Env:MMAPSNAPSHOT_RIG
    }
    Complete-Run (@($results) + $stillHeld)
}

function Invoke-LintTask {
    Complete-Run (Invoke-GateSuite)
}

function Invoke-TestTask {
    if (-not (Test-Path -LiteralPath $module)) { Invoke-BuildTask }
    Invoke-OnFileSystem {
        param($Work)
        Invoke-GateSuite
        Invoke-EngineSuite (Join-Path $Work 'engine.xml')
        Invoke-CmdletSuite (Join-Path $Work 'cmdlets.json')
        Invoke-FaultMatrix --short
    }
}

function Invoke-FaultsTask {
    Invoke-OnFileSystem { Invoke-FaultMatrix }
}

function Invoke-DemoTask {
    if (-not (Test-Path -LiteralPath $module)) { Invoke-BuildTask }
    $work = Join-Path ([System.IO.Path]::GetTempPath()) ('mmapsnapshot-demo-' + [guid]::NewGuid().ToString('N'))
    New-Item -ItemType Directory -Path $work | Out-Null
    try {
        & $rig up (Join-Path $work 'rig') | Out-Null
        $xfs = Join-Path $work 'rig/xfs'
        $folders = @($PWD.Path; if (Test-Path -LiteralPath $xfs) { $xfs } else { 'No XFS can be mounted here (it takes root and mkfs.xfs).' | Out-Host })
        # In a process of its own, so that this one does not keep the module loaded.
        $program, $arguments = $pwsh
        $demo = "& '$(Join-Path $root 'samples/Demo.ps1')' -Module '$module' -Folder " + (($folders | ForEach-Object { "'$($_ -replace "'", "''")'" }) -join ', ')
        & $program @arguments -NoProfile -NonInteractive -Command $demo | Out-Host
        if ($LASTEXITCODE -ne 0) { throw 'The demo failed.' }
    } finally {
        & $rig down (Join-Path $work 'rig') | Out-Null
        Remove-Item -LiteralPath $work -Recurse -Force
    }
}

function Invoke-CleanTask {
    Get-ChildItem -Path (Join-Path $root 'src'), (Join-Path $root 'tests'), (Join-Path $root 'samples') -Directory -Recurse |
        Where-Object Name -In 'bin', 'obj' | Remove-Item -Recurse -Force
    $output = Join-Path $root 'output'
    if (Test-Path -LiteralPath $output) { Remove-Item -LiteralPath $output -Recurse -Force }
}

foreach ($name in $Task) { & "Invoke-${name}Task" }

#!/usr/bin/env pwsh
<#
.SYNOPSIS
    Builds, tests and shows MmapSnapshot. Several tasks at once run in the order given.
.EXAMPLE
    ./build.ps1 -Task Build, Test
#>
[CmdletBinding()]
param(
    # Build: stages the module in output/MmapSnapshot/<version>. Lint: the quality gates of tests/gates. Test: gates, models, both suites,
    # the short fault matrix and the short benchmarks, on real filesystems where root can mount them, and what the suites covered.
    # Coverage: that in full, line by line in output/coverage. Faults: the full fault matrix. Bench: the short benchmarks; with -Full,
    # those whose results are in benchmarks/ and the README. Demo: patches a real program. Help: runs the examples of the help, and
    # writes into its pages and topics what they print. Package: makes output/*.nupkg, the module for the PowerShell Gallery and the
    # engine for NuGet. Clean: removes all that was built.
    [Parameter(Position = 0, ValueFromRemainingArguments)]
    [ValidateSet('Build', 'Lint', 'Test', 'Coverage', 'Faults', 'Bench', 'Demo', 'Help', 'Package', 'Clean')]
    [string[]] $Task = 'Build',

    # With Bench: files up to 4 GiB, and what is written goes into benchmarks/ and the README.
    [switch] $Full
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false

$root = $PSScriptRoot
$manifest = Import-PowerShellDataFile -LiteralPath (Join-Path $root 'module/MmapSnapshot.psd1')
$staged = Join-Path $root "output/MmapSnapshot/$($manifest.ModuleVersion)"
$module = Join-Path $staged 'MmapSnapshot.psd1'
$rig = Join-Path $root 'tests/filesystems/rig.sh'
if ($Full -and ($Task -join ' ') -ne 'Bench') { throw '-Full goes with Bench alone.' }
$benchmarkResults = Join-Path $root $(if ($Full) { 'benchmarks' } else { 'output/benchmarks' })

# How to start another PowerShell like this one: as a .NET tool it is a DLL that dotnet runs.
$pwsh = @(if ([System.IO.Path]::GetFileName([Environment]::ProcessPath) -eq 'dotnet') { [Environment]::ProcessPath; Join-Path $PSHOME 'pwsh.dll' } else { [Environment]::ProcessPath })

Import-Module -Name (Join-Path $root 'tests/coverage/Coverage.psm1')

function Invoke-Checked([string[]] $Command) {
    $program, $arguments = $Command
    & $program @arguments | Out-Host
    if ($LASTEXITCODE -ne 0) { throw "'$Command' ended with exit code $LASTEXITCODE." }
}

function Invoke-BuildTask {
    if (Test-Path -LiteralPath $staged) { Remove-Item -LiteralPath $staged -Recurse -Force }
    Invoke-Checked dotnet, publish, (Join-Path $root 'src/MmapSnapshot'), -c, Release, -o, $staged, --nologo, -v, quiet
    Write-HelpFile
    "Staged $staged" | Out-Host
}

# The file that Get-Help reads, made of the pages in docs/en-US.
function Write-HelpFile {
    Import-Module -Name (Join-Path $root 'docs/HelpPages.psm1')
    $project = $manifest.PrivateData.PSData['ProjectUri']
    $online = if ($project) { "$project/blob/HEAD/docs/en-US" } else { '' }
    ConvertTo-Maml -Path (Join-Path $root 'docs/en-US') -OnlineFolder $online | Set-Content -LiteralPath (Join-Path $staged 'en-US/MmapSnapshot.dll-Help.xml')
}

function Invoke-HelpTask {
    Invoke-BuildTask
    Import-Module -Name (Join-Path $root 'tests/examples/Examples.psm1')
    $obstacle = Get-ExampleObstacle
    if ($obstacle) { throw "The examples cannot be run here: it $obstacle." }
    $examples = @(Get-Example)
    Invoke-Example -Example $examples -Module $module
    $updated = @(Update-Example -Example $examples)
    if ($updated.Count -eq 0) { return 'The help has what its examples print.' | Out-Host }
    $updated | ForEach-Object { "Updated $_" } | Out-Host
    Invoke-BuildTask
}

# The engine, and what is staged, which PowerShell's own tool packs. Neither takes a network.
function New-Package {
    $output = Join-Path $root 'output'
    Get-ChildItem -Path $output -Filter *.nupkg | Remove-Item
    Invoke-Checked dotnet, pack, (Join-Path $root 'src/MmapSnapshot.Core'), -c, Release, -o, $output, --nologo, -v, quiet
    if (-not (Get-Command -Name Compress-PSResource -ErrorAction Ignore)) {
        throw 'Packing the module takes Compress-PSResource, of the module Microsoft.PowerShell.PSResourceGet, which PowerShell 7.6 brings along.'
    }
    Compress-PSResource -Path $staged -DestinationPath $output
    Get-ChildItem -Path $output -Filter *.nupkg | ForEach-Object { "Packed $_" } | Out-Host
}

# Measured: counting what the tests cover.
function Invoke-EngineSuite([string] $Results, [bool] $Measured) {
    $project = Join-Path $root 'tests/MmapSnapshot.Core.Tests'
    Invoke-Checked dotnet, build, $project, -c, Release, --nologo, -v, quiet
    $command = 'dotnet', 'run', '--project', $project, '-c', 'Release', '--no-build', '--', '-noLogo', '-noColor', '-xml', $Results
    if ($Measured) {
        Invoke-Measured $command (dotnet msbuild $project -p:Configuration=Release -getProperty:TargetPath)
    } else {
        $program, $arguments = $command
        & $program @arguments | Out-Host
    }
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

# Scope: which tests, see Invoke-Suite.ps1. All but All are for measuring coverage.
function Invoke-CmdletSuite([string] $Results, [string] $Scope = 'All') {
    try {
        $pester = Get-Pester
    } catch {
        Write-Warning "THE CMDLETS WERE NOT TESTED: Pester is not installed and cannot be had ($_)."
        return [pscustomobject]@{ Passed = 0; Failed = 0; Skipped = 1 }
    }
    $command = @($pwsh; '-NoProfile'; '-NonInteractive'; '-File'; Join-Path $root 'tests/Pester/Invoke-Suite.ps1'; '-Pester'; $pester; '-Results'; $Results; '-Scope'; $Scope)
    if ($Scope -ne 'All') {
        # A copy, with an engine that is not compiled ahead of time.
        $copy = Join-Path $root "output/coverage/MmapSnapshot/$($manifest.ModuleVersion)"
        $engine = Join-Path $copy "linux-$([System.Runtime.InteropServices.RuntimeInformation]::OSArchitecture.ToString().ToLowerInvariant())"
        Copy-Item -LiteralPath $staged -Destination (New-Item -ItemType Directory -Path (Split-Path -Path $copy)) -Recurse
        Copy-Item -LiteralPath (dotnet msbuild (Join-Path $root 'src/MmapSnapshot.Core') -p:Configuration=Release -getProperty:TargetPath) -Destination $engine
        $command += '-Module', (Join-Path $copy 'MmapSnapshot.psd1')
        if ($Scope -eq 'Quick') { $command = @('env'; '-u'; 'MMAPSNAPSHOT_RIG'; $command) }
        Invoke-Measured $command (Join-Path $copy 'MmapSnapshot.dll') $engine
    } else {
        $program, $arguments = $command
        & $program @arguments -Module $module | Out-Host
    }
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

# Model checks of the save protocols (tests/models/README.md).
function Invoke-ModelSuite {
    $project = Join-Path $root 'tests/models'
    Invoke-Checked dotnet, build, $project, -c, Release, --nologo, -v, quiet
    $last = ''
    dotnet run --project $project -c Release --no-build | ForEach-Object { $last = $_; $_ } | Out-Host
    if ($last -notmatch '^Models: (\d+) passed, (\d+) failed, (\d+) skipped$') { throw 'The models did not come to their end.' }
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

# Runs suites with the filesystems mounted, and returns their totals.
function Invoke-OnFileSystem([scriptblock] $Suites, [string] $ImageSize = '512M') {
    $work = Join-Path ([System.IO.Path]::GetTempPath()) ('mmapsnapshot-test-' + [guid]::NewGuid().ToString('N'))
    New-Item -ItemType Directory -Path $work | Out-Null
    $env:MMAPSNAPSHOT_RIG = Join-Path $work 'rig'
    $env:MMAPSNAPSHOT_RIG_SIZE = $ImageSize
    try {
        'Filesystems:' | Out-Host
        & $rig up $env:MMAPSNAPSHOT_RIG | Out-Host
        & $Suites $work
    } finally {
        & $rig down $env:MMAPSNAPSHOT_RIG | Out-Host
        [pscustomobject]@{ Passed = 0; Failed = [int]($LASTEXITCODE -ne 0); Skipped = 0 }
        Remove-Item -LiteralPath $work -Recurse -Force
        Remove-Item -LiteralPath Env:MMAPSNAPSHOT_RIG, Env:MMAPSNAPSHOT_RIG_SIZE
    }
}

# Measures, and writes JSON, tables and a picture: into output/benchmarks, or in full to where they are committed. What counts as
# passed or failed are the claims that hold on any machine: ratios, and memory; never a time.
function Invoke-BenchmarkSuite {
    if (-not (Get-ChildItem -LiteralPath $env:MMAPSNAPSHOT_RIG -Directory -Exclude images -ErrorAction Ignore)) {
        Write-Warning 'NOTHING WAS MEASURED: no filesystem can be mounted here.'
        return [pscustomobject]@{ Passed = 0; Failed = 0; Skipped = 1 }
    }
    $project = Join-Path $root 'benchmarks'
    $folder = $benchmarkResults
    $results = Join-Path $folder 'results.json'
    New-Item -ItemType Directory -Path $folder -Force | Out-Null
    Invoke-Checked dotnet, build, $project, -c, Release, --nologo, -v, quiet
    $library = Join-Path $project 'bin/Release/net8.0/MmapSnapshot.Benchmarks.dll'
    $program, $arguments = $pwsh
    & $program @arguments -NoProfile -NonInteractive -File (Join-Path $project 'Measure.ps1') -Module $module -Library $library -Results $results -Full:$Full | Out-Host
    if ($LASTEXITCODE -ne 0) { throw 'The benchmarks did not come to their end.' }

    & (Join-Path $project 'New-Plot.ps1') -Results $results -Plot (Join-Path $folder 'results.svg')
    if ($Full) {
        & (Join-Path $project 'Show-Results.ps1') -Results $results -In (Join-Path $project 'README.md')
        & (Join-Path $project 'Show-Results.ps1') -Results $results -Brief -In (Join-Path $root 'README.md')
    } else {
        & (Join-Path $project 'Show-Results.ps1') -Results $results | Set-Content -LiteralPath (Join-Path $folder 'results.md')
    }
    $bars = (Get-Content -LiteralPath $results -Raw | ConvertFrom-Json).Bars
    $bars | Format-Table -Property Claim, Bar, Measured, Met, Guard | Out-String -Width 140 | Out-Host
    "Written to $folder" | Out-Host
    $guards = @($bars | Where-Object Guard)
    $failed = @($guards | Where-Object -Not Met)
    $failed | ForEach-Object { "FAILED: $($_.Claim): $($_.Measured), not $($_.Bar)" } | Out-Host
    [pscustomobject]@{ Passed = $guards.Count - $failed.Count; Failed = $failed.Count; Skipped = 0 }
}

function Invoke-LintTask {
    Complete-Run (Invoke-GateSuite)
}

function Invoke-TestTask {
    if (-not (Test-Path -LiteralPath $module)) { Invoke-BuildTask }
    try { New-Package } catch { Write-Warning "The packages are not tested as far as they are missing: $_" }
    Complete-Run @(
        Invoke-GateSuite
        Invoke-ModelSuite
        Invoke-OnFileSystem {
            param($Work)
            $measured = Clear-Coverage
            Invoke-EngineSuite (Join-Path $Work 'engine.xml') $measured
            Invoke-CmdletSuite (Join-Path $Work 'cmdlets.json')
            if ($measured) { $null = Invoke-CmdletSuite (Join-Path $Work 'quick.json') Quick }
            Get-CoverageResult $measured
            Invoke-FaultMatrix --short
        }
        Invoke-OnFileSystem { Invoke-BenchmarkSuite } -ImageSize 4G
    )
}

function Invoke-CoverageTask {
    if (-not (Test-Path -LiteralPath $module)) { Invoke-BuildTask }
    if (-not (Clear-Coverage)) { throw 'coverlet cannot be had.' }
    Complete-Run (Invoke-OnFileSystem {
            param($Work)
            Invoke-EngineSuite (Join-Path $Work 'engine.xml') $true
            Invoke-CmdletSuite (Join-Path $Work 'cmdlets.json') Code
            Get-CoverageResult $true
        })
}

function Invoke-FaultsTask {
    Complete-Run (Invoke-OnFileSystem { Invoke-FaultMatrix })
}

function Invoke-BenchTask {
    if (-not (Test-Path -LiteralPath $module)) { Invoke-BuildTask }
    Complete-Run (Invoke-OnFileSystem { Invoke-BenchmarkSuite } -ImageSize $(if ($Full) { '24G' } else { '4G' }))
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

function Invoke-PackageTask {
    Invoke-BuildTask
    New-Package
}

function Invoke-CleanTask {
    Get-ChildItem -Path (Join-Path $root 'src'), (Join-Path $root 'tests'), (Join-Path $root 'samples'), (Join-Path $root 'benchmarks') -Directory -Recurse |
        Where-Object Name -In 'bin', 'obj' | Remove-Item -Recurse -Force
    $output = Join-Path $root 'output'
    if (Test-Path -LiteralPath $output) { Remove-Item -LiteralPath $output -Recurse -Force }
}

foreach ($name in $Task) { & "Invoke-${name}Task" }

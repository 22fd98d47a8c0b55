#!/usr/bin/env pwsh
#requires -Version 7.4
<#
.SYNOPSIS
    Builds, tests and shows MmapSnapshot. Several tasks at once run in the order given.
.EXAMPLE
    ./build.ps1 -Task Build, Test
.EXAMPLE
    ./build.ps1 Test -Filter '*conflict*' -FileSystem xfs,tmpfs
#>
[CmdletBinding()]
param(
    # Setup: installs what the full test run needs. Build: stages the module in output/MmapSnapshot/<version>. Lint: the quality gates
    # of tests/gates. Test: the suites. Coverage: runs the engine and the cmdlet suite, and reports what they cover, line by line in
    # output/coverage. Faults: the full fault matrix. Bench: the short benchmarks; with -Full, those whose results are in benchmarks/.
    # Demo: patches a real program. Help: runs the examples of the help, and writes into its pages and topics what they
    # print. Package: makes output/*.nupkg, the module for the PowerShell Gallery and the engine for NuGet. Clean: removes all that was
    # built.
    [Parameter(Position = 0, ValueFromRemainingArguments)]
    [ValidateSet('Setup', 'Build', 'Lint', 'Test', 'Coverage', 'Faults', 'Bench', 'Demo', 'Help', 'Package', 'Clean')]
    [string[]] $Task = 'Build',

    # With Test: which suites run: Gates, Models, Engine, Cmdlets, Faults (the short matrix), Bench (the short benchmarks). Without it
    # all of them; with -Filter, Engine and Cmdlets.
    [string[]] $Suite,

    # With Test and Coverage: runs the tests of the engine and the cmdlets whose full name matches this wildcard pattern.
    [string] $Filter,

    # With Test, Coverage and Faults: the filesystems that are mounted, of those that tests/filesystems/rig.sh knows; without it, all.
    [string[]] $FileSystem,

    # With Bench: files up to 4 GiB, and what is written goes into benchmarks/.
    [switch] $Full,

    # With Bench: the MmapSnapshot.psd1 of another version, to be compared with in turns.
    [string] $Against
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false

# What fails is reported on one line, and with it that a disk is full.
trap {
    [Console]::Error.WriteLine("build.ps1: $_")
    foreach ($place in @($PSScriptRoot, [System.IO.Path]::GetTempPath(), $HOME) | Select-Object -Unique) {
        $free = [System.IO.DriveInfo]::new($place).AvailableFreeSpace
        if ($free -lt 64MB) { [Console]::Error.WriteLine("build.ps1: only $($free / 1MB -as [int]) MiB are free in $place.") }
    }
    exit 1
}

$root = $PSScriptRoot
$manifest = Import-PowerShellDataFile -LiteralPath (Join-Path $root 'module/MmapSnapshot.psd1')
$output = Join-Path $root 'output'
$staged = Join-Path $output "MmapSnapshot/$($manifest.ModuleVersion)"
$module = Join-Path $staged 'MmapSnapshot.psd1'
$rig = Join-Path $root 'tests/filesystems/rig.sh'
if ($Full -and ($Task -join ' ') -ne 'Bench') { throw '-Full is for the task Bench alone.' }
if ($Against -and ($Task -join ' ') -ne 'Bench') { throw '-Against is for the task Bench alone.' }
if ($Suite -and 'Test' -notin $Task) { throw '-Suite is for the task Test.' }
if ($Filter -and -not ($Task | Where-Object { $_ -in 'Test', 'Coverage' })) { throw '-Filter is for the tasks Test and Coverage.' }
if ($FileSystem -and -not ($Task | Where-Object { $_ -in 'Test', 'Coverage', 'Faults' })) {
    throw '-FileSystem is for the tasks Test, Coverage and Faults.'
}
$benchmarkResults = if ($Full) { Join-Path $root 'benchmarks' } else { Join-Path $output 'benchmarks' }

# As arguments of pwsh -File, "xfs,tmpfs" is one string.
$FileSystem = @($FileSystem -split ',' | Where-Object { $_ })
$Suite = @($Suite -split ',' | Where-Object { $_ })
$allSuites = 'Gates', 'Models', 'Engine', 'Cmdlets', 'Faults', 'Bench'
$unknown = @($Suite | Where-Object { $_ -notin $allSuites })
if ($unknown) { throw "There is no suite '$($unknown -join "', '")': $($allSuites -join ', ')." }
if (-not $Suite) { $Suite = if ($Filter) { 'Engine', 'Cmdlets' } else { $allSuites } }
if ($Filter -and ($Suite | Where-Object { $_ -notin 'Engine', 'Cmdlets' })) { throw '-Filter is for the suites Engine and Cmdlets.' }

Import-Module -Name (Join-Path $root 'tests/support/Packages.psm1'), (Join-Path $root 'tests/support/PowerShellProcess.psm1')
Import-Module -Name (Join-Path $root 'tests/coverage/Coverage.psm1')

function Invoke-Checked([string[]] $Command) {
    Invoke-CommandLine $Command | Out-Host
    if ($LASTEXITCODE -ne 0) { throw "'$Command' ended with exit code $LASTEXITCODE." }
}

# A hash of everything that the module and the packages are made of: paths and contents.
function Get-InputHash {
    $files = @(
        foreach ($folder in 'src', 'module', 'docs') {
            Get-ChildItem -LiteralPath (Join-Path $root $folder) -Recurse -File | Where-Object FullName -NotMatch '/(bin|obj)/' | ForEach-Object FullName
        }
        foreach ($file in 'build.ps1', 'CHANGELOG.md', 'Directory.Build.props', 'LICENSE', 'README.md') { Join-Path $root $file }
    )
    $hash = [System.Security.Cryptography.IncrementalHash]::CreateHash('SHA256')
    foreach ($file in $files | Sort-Object) {
        $hash.AppendData([System.Text.Encoding]::UTF8.GetBytes("$file`n"))
        $hash.AppendData([System.IO.File]::ReadAllBytes($file))
    }
    [Convert]::ToHexString($hash.GetHashAndReset())
}

# Makes something of the inputs, unless it is there and was made of the same inputs.
function Update-Output([string] $Name, [string] $Path, [scriptblock] $Make) {
    $record = Join-Path $output "$Name.sha256"
    $hash = Get-InputHash
    if ((Test-Path -Path $Path) -and (Test-Path -LiteralPath $record) -and [System.IO.File]::ReadAllText($record) -eq $hash) { return }
    if (Test-Path -LiteralPath $record) { Remove-Item -LiteralPath $record }
    & $Make
    [System.IO.File]::WriteAllText($record, $hash)
}

function Update-Module {
    Update-Output staged $module {
        if (Test-Path -LiteralPath $staged) { Remove-Item -LiteralPath $staged -Recurse -Force }
        Invoke-Checked dotnet, publish, (Join-Path $root 'src/MmapSnapshot'), -c, Release, -o, $staged, --nologo, -v, quiet
        Write-HelpFile
        "Staged $staged" | Out-Host
    }
}

function Invoke-SetupTask {
    Invoke-Checked (Join-Path $root 'build.sh'), Setup
}

function Invoke-BuildTask {
    Update-Module
    "The module is in $staged" | Out-Host
}

# The file that Get-Help reads, made of the pages in docs/en-US.
function Write-HelpFile {
    Import-Module -Name (Join-Path $root 'docs/HelpPages.psm1')
    $project = $manifest.PrivateData.PSData['ProjectUri']
    $online = if ($project) { "$project/blob/HEAD/docs/en-US" } else { '' }
    ConvertTo-Maml -Path (Join-Path $root 'docs/en-US') -OnlineFolder $online | Set-Content -LiteralPath (Join-Path $staged 'en-US/MmapSnapshot.dll-Help.xml')
}

function Invoke-HelpTask {
    Update-Module
    Import-Module -Name (Join-Path $root 'tests/examples/Examples.psm1')
    $obstacle = Get-ExampleObstacle
    if ($obstacle) { throw "The examples cannot be run here: it $obstacle." }
    $examples = @(Get-Example)
    Invoke-Example -Example $examples -Module $module
    $updated = @(Update-Example -Example $examples)
    if ($updated.Count -eq 0) { return 'The help has what its examples print.' | Out-Host }
    $updated | ForEach-Object { "Updated $_" } | Out-Host
    Update-Module
}

# The engine, and what is staged, which PowerShell's own tool packs. Neither needs a network.
function Update-Package {
    Update-Module
    $version = $manifest.ModuleVersion
    $canPackModule = $null -ne (Get-Command -Name Compress-PSResource -ErrorAction Ignore)
    Update-Output packed (Join-Path $output $(if ($canPackModule) { "MmapSnapshot.$version.nupkg" } else { "MmapSnapshot.Core.$version.nupkg" })) {
        Get-ChildItem -Path $output -Filter *.nupkg | Remove-Item
        Invoke-Checked dotnet, pack, (Join-Path $root 'src/MmapSnapshot.Core'), -c, Release, -o, $output, --nologo, -v, quiet
        if ($canPackModule) { Compress-PSResource -Path $staged -DestinationPath $output }
        Get-ChildItem -Path $output -Filter *.nupkg | ForEach-Object { "Packed $_" } | Out-Host
    }
    if (-not $canPackModule) {
        throw 'Packing the module needs Compress-PSResource, of the module Microsoft.PowerShell.PSResourceGet, which comes with PowerShell 7.6.'
    }
}

# Because: why tests were skipped, once for each.
function New-Total([int] $Passed, [int] $Failed, [int] $Skipped, [string[]] $Because = @()) {
    [pscustomobject]@{ Passed = $Passed; Failed = $Failed; Skipped = $Skipped; Because = $Because }
}

# Measured: counting what the tests cover.
function Invoke-EngineSuite([string] $Results, [switch] $Measured) {
    $project = Join-Path $root 'tests/MmapSnapshot.Core.Tests'
    Invoke-Checked dotnet, build, $project, -c, Release, --nologo, -v, quiet
    $command = 'dotnet', 'run', '--project', $project, '-c', 'Release', '--no-build', '--', '-noLogo', '-noColor', '-xml', $Results
    if ($Filter) { $command += '-method', $Filter }
    if ($Measured) {
        Invoke-Measured $command (dotnet msbuild $project -p:Configuration=Release -getProperty:TargetPath)
    } else {
        Invoke-CommandLine $command | Out-Host
    }
    if (-not (Test-Path -LiteralPath $Results)) { throw 'The engine suite left no results.' }
    $report = [xml](Get-Content -LiteralPath $Results -Raw)
    $sum = { param($attribute) ($report.SelectNodes("//assembly/@$attribute") | Measure-Object -Property Value -Sum).Sum }
    $because = @($report.SelectNodes("//test[@result='Skip']/reason") | ForEach-Object InnerText)
    New-Total (& $sum passed) ((& $sum failed) + (& $sum errors)) (& $sum skipped) $because
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

# Measured: counting what the tests cover, which those of the packages are not for.
function Invoke-CmdletSuite([string] $Results, [switch] $Measured) {
    try {
        $pester = Get-Pester
    } catch {
        Write-Warning "THE CMDLETS WERE NOT TESTED: Pester is not installed and cannot be restored from NuGet ($_)."
        return New-Total 0 0 1 'needs Pester'
    }
    $command = @(
        Get-PowerShellCommand
        '-NoProfile', '-NonInteractive', '-File', (Join-Path $root 'tests/Pester/Invoke-Suite.ps1'), '-Pester', $pester, '-Results', $Results
        if ($Filter) { '-Filter', $Filter }
    )
    if ($Measured) {
        # A copy, with an engine that is not compiled ahead of time.
        $copy = Join-Path $output "coverage/MmapSnapshot/$($manifest.ModuleVersion)"
        $engine = Join-Path $copy "linux-$([System.Runtime.InteropServices.RuntimeInformation]::OSArchitecture.ToString().ToLowerInvariant())"
        Copy-Item -LiteralPath $staged -Destination (New-Item -ItemType Directory -Path (Split-Path -Path $copy)) -Recurse
        Copy-Item -LiteralPath (dotnet msbuild (Join-Path $root 'src/MmapSnapshot.Core') -p:Configuration=Release -getProperty:TargetPath) -Destination $engine
        $command += '-Module', (Join-Path $copy 'MmapSnapshot.psd1'), '-WithoutPackages'
        Invoke-Measured $command (Join-Path $copy 'MmapSnapshot.dll') $engine
    } else {
        Invoke-CommandLine ($command + '-Module', $module) | Out-Host
    }
    if (-not (Test-Path -LiteralPath $Results)) { throw 'The cmdlet suite left no results.' }
    Get-Content -LiteralPath $Results -Raw | ConvertFrom-Json
}

function Invoke-FaultMatrix([string[]] $Option) {
    Invoke-Checked dotnet, build, (Join-Path $root 'tests/faults'), -c, Release, --nologo, -v, quiet
    $lines = [System.Collections.Generic.List[string]]::new()
    dotnet run --project (Join-Path $root 'tests/faults') -c Release --no-build -- @Option | ForEach-Object { $lines.Add($_); $_ } | Out-Host
    if ($lines.Count -eq 0 -or $lines[-1] -notmatch '^Fault matrix: (\d+) passed, (\d+) failed, (\d+) skipped$') { throw 'The fault matrix did not finish.' }
    New-Total $Matches[1] $Matches[2] $Matches[3] @($lines -match '^Not tried: ' -replace '^Not tried: ')
}

# Model checks of the save protocols (tests/models/README.md).
function Invoke-ModelSuite {
    $project = Join-Path $root 'tests/models'
    Invoke-Checked dotnet, build, $project, -c, Release, --nologo, -v, quiet
    $last = ''
    dotnet run --project $project -c Release --no-build | ForEach-Object { $last = $_; $_ } | Out-Host
    if ($last -notmatch '^Models: (\d+) passed, (\d+) failed, (\d+) skipped$') { throw 'The models did not finish.' }
    New-Total $Matches[1] $Matches[2] $Matches[3]
}

function Invoke-GateSuite {
    & (Join-Path $root 'tests/gates/Invoke-Gates.ps1')
}

# Prints why tests were skipped, how to get the full run, and as the last line the totals of all; exits if anything failed.
function Complete-Run([pscustomobject[]] $Results) {
    $because = @($Results | ForEach-Object Because | Where-Object { $_ } | Group-Object -NoElement | Sort-Object -Property Count -Descending)
    if ($because) {
        'Skipped:' | Out-Host
        $because | ForEach-Object { '{0,6}  {1}' -f $_.Count, $_.Name } | Out-Host
    }
    $hint = @(
        if ([Environment]::UserName -ne 'root') { 'as root' }
        if (@($because | ForEach-Object Name) -match '\(package ') { 'after ./build.sh Setup (as root), which installs those packages' }
    ) -join ' and '
    if ($hint) { "The full run: ./build.sh Test $hint." | Out-Host }
    $total = $Results | Measure-Object -Property Passed, Failed, Skipped -Sum
    if ($Filter -and $total[0].Sum + $total[1].Sum + $total[2].Sum -eq 0) { throw "No test matches '$Filter'." }
    "$($total[0].Sum) passed, $($total[1].Sum) failed, $($total[2].Sum) skipped" | Out-Host
    if ($total[1].Sum -gt 0) { exit 1 }
}

# Runs suites with the filesystems mounted, and returns their totals.
function Invoke-OnFileSystem([scriptblock] $Suites, [string] $ImageSize = '512M') {
    $work = Join-Path ([System.IO.Path]::GetTempPath()) ('mmapsnapshot-test-' + [guid]::NewGuid().ToString('N'))
    New-Item -ItemType Directory -Path $work | Out-Null
    $env:MMAPSNAPSHOT_RIG = Join-Path $work 'rig'
    $env:MMAPSNAPSHOT_RIG_SIZE = $ImageSize
    try {
        'Filesystems:' | Out-Host
        # "xfs<TAB>mounted", or why not.
        $lines = @(& $rig up $env:MMAPSNAPSHOT_RIG @FileSystem)
        if ($LASTEXITCODE -ne 0) { throw 'The filesystems cannot be mounted.' }
        $lines | Out-Host
        $lines -notlike "*`tmounted" | ForEach-Object { New-Total 0 0 0 ($_ -replace '\t', ' ') }
        & $Suites $work
    } finally {
        & $rig down $env:MMAPSNAPSHOT_RIG | Out-Host
        if ($LASTEXITCODE -ne 0) { New-Total 0 1 0 }
        Remove-Item -LiteralPath $work -Recurse -Force
        Remove-Item -LiteralPath Env:MMAPSNAPSHOT_RIG, Env:MMAPSNAPSHOT_RIG_SIZE
    }
}

# Measures, and writes JSON, tables and a picture: into output/benchmarks, or in full to where they are committed. What counts as
# passed or failed are the claims that hold on any machine: ratios, and memory; never a time.
function Invoke-BenchmarkSuite {
    if (-not (Get-ChildItem -LiteralPath $env:MMAPSNAPSHOT_RIG -Directory -Exclude images -ErrorAction Ignore)) {
        Write-Warning 'NOTHING WAS MEASURED: no filesystem can be mounted here.'
        return New-Total 0 0 1 'the benchmarks need a mounted filesystem'
    }
    $project = Join-Path $root 'benchmarks'
    $folder = $benchmarkResults
    $results = Join-Path $folder 'results.json'
    New-Item -ItemType Directory -Path $folder -Force | Out-Null
    Invoke-Checked dotnet, build, $project, -c, Release, --nologo, -v, quiet
    $library = Join-Path $project 'bin/Release/net8.0/MmapSnapshot.Benchmarks.dll'
    Invoke-Checked @(
        Get-PowerShellCommand
        '-NoProfile', '-NonInteractive', '-File', (Join-Path $project 'Measure.ps1'), '-Module', $module, '-Library', $library, '-Results', $results
        if ($Full) { '-Full' }
        if ($Against) { '-Against', (Resolve-Path -LiteralPath $Against).ProviderPath }
    )

    & (Join-Path $project 'New-Plot.ps1') -Results $results -Plot (Join-Path $folder 'results.svg')
    if ($Full) {
        & (Join-Path $project 'Show-Results.ps1') -Results $results -In (Join-Path $project 'README.md')
    } else {
        & (Join-Path $project 'Show-Results.ps1') -Results $results | Set-Content -LiteralPath (Join-Path $folder 'results.md')
    }
    $bars = (Get-Content -LiteralPath $results -Raw | ConvertFrom-Json).Bars
    $bars | Format-Table -Property Claim, Bar, Measured, Met, Guard | Out-String -Width 140 | Out-Host
    "Written to $folder" | Out-Host
    $guards = @($bars | Where-Object Guard)
    $failed = @($guards | Where-Object -Not Met)
    $failed | ForEach-Object { "FAILED: $($_.Claim): $($_.Measured), not $($_.Bar)" } | Out-Host
    New-Total ($guards.Count - $failed.Count) $failed.Count 0
}

function Invoke-LintTask {
    Complete-Run (Invoke-GateSuite)
}

function Invoke-TestTask {
    if ('Cmdlets' -in $Suite) {
        try { Update-Package } catch { Write-Warning "The packages are not tested as far as they are missing: $_" }
    }
    if ($Suite | Where-Object { $_ -in 'Cmdlets', 'Bench' }) { Update-Module }
    Complete-Run @(
        if ('Gates' -in $Suite) { Invoke-GateSuite }
        if ('Models' -in $Suite) { Invoke-ModelSuite }
        if ($Suite | Where-Object { $_ -in 'Engine', 'Cmdlets', 'Faults' }) {
            Invoke-OnFileSystem {
                param($Work)
                if ('Engine' -in $Suite) { Invoke-EngineSuite (Join-Path $Work 'engine.xml') }
                if ('Cmdlets' -in $Suite) { Invoke-CmdletSuite (Join-Path $Work 'cmdlets.json') }
                if ('Faults' -in $Suite) { Invoke-FaultMatrix --short }
            }
        }
        if ('Bench' -in $Suite) { Invoke-OnFileSystem { Invoke-BenchmarkSuite } -ImageSize 4G }
    )
}

function Invoke-CoverageTask {
    Update-Module
    if (-not (Clear-Coverage)) { throw 'coverlet is missing, and cannot be restored from NuGet.' }
    Complete-Run (Invoke-OnFileSystem {
            param($Work)
            Invoke-EngineSuite (Join-Path $Work 'engine.xml') -Measured
            Invoke-CmdletSuite (Join-Path $Work 'cmdlets.json') -Measured
            Get-CoverageResult
        })
}

function Invoke-FaultsTask {
    Complete-Run (Invoke-OnFileSystem { Invoke-FaultMatrix })
}

function Invoke-BenchTask {
    Update-Module
    Complete-Run (Invoke-OnFileSystem { Invoke-BenchmarkSuite } -ImageSize $(if ($Full) { '24G' } else { '4G' }))
}

function Invoke-DemoTask {
    Update-Module
    $work = Join-Path ([System.IO.Path]::GetTempPath()) ('mmapsnapshot-demo-' + [guid]::NewGuid().ToString('N'))
    New-Item -ItemType Directory -Path $work | Out-Null
    try {
        # "xfs<TAB>mounted", or why not.
        $xfs = @(& $rig up (Join-Path $work 'rig') xfs) -join ''
        $mounted = $xfs -eq "xfs`tmounted"
        $folders = @($PWD.Path; if ($mounted) { Join-Path $work 'rig/xfs' })
        # In a process of its own, so that this one does not keep the module loaded.
        $quote = { "'$($args[0].Replace("'", "''"))'" }
        $demo = "& $(& $quote (Join-Path $root 'samples/Demo.ps1')) -Module $(& $quote $module) -Folder $(@($folders | ForEach-Object { & $quote $_ }) -join ', ')"
        Invoke-Checked @(Get-PowerShellCommand; '-NoProfile', '-NonInteractive', '-Command', $demo)
        if (-not $mounted) { "`nNot shown: the same on XFS, $($xfs -replace '^xfs\t')" | Out-Host }
    } finally {
        & $rig down (Join-Path $work 'rig') | Out-Null
        Remove-Item -LiteralPath $work -Recurse -Force
    }
}

function Invoke-PackageTask {
    Update-Package
}

function Invoke-CleanTask {
    Get-ChildItem -Path (Join-Path $root 'src'), (Join-Path $root 'tests'), (Join-Path $root 'samples'), (Join-Path $root 'benchmarks') -Directory -Recurse |
        Where-Object Name -In 'bin', 'obj' | Remove-Item -Recurse -Force
    if (Test-Path -LiteralPath $output) { Remove-Item -LiteralPath $output -Recurse -Force }
}

foreach ($name in $Task) { & "Invoke-${name}Task" }

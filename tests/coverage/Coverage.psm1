# What the suites cover of the engine and the cmdlets, counted by coverlet; the report is in output/coverage.

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false

$project = Join-Path $PSScriptRoot 'Coverage.csproj'
$folder = Join-Path $PSScriptRoot '../../output/coverage'

<#
.SYNOPSIS
    Begins a new report, and says whether coverlet can be had.
#>
function Clear-Coverage {
    [CmdletBinding()]
    [OutputType([bool])]
    param()

    if (Test-Path -LiteralPath $folder) { Remove-Item -LiteralPath $folder -Recurse -Force }
    dotnet restore $project --nologo -v quiet | Out-Host
    $LASTEXITCODE -eq 0
}

<#
.SYNOPSIS
    Runs a suite while coverlet counts in the assemblies of one or two folders, and adds that to the report.
.PARAMETER Command
    The program and its arguments. Who wants to know how it ended looks at the results that it writes.
.PARAMETER Assembly
    An assembly of the first folder. What coverlet changes is put back afterwards.
.PARAMETER Folder
    The second folder.
#>
function Invoke-Measured {
    [CmdletBinding()]
    param([Parameter(Mandatory)] [string[]] $Command, [Parameter(Mandatory)] [string] $Assembly, [string] $Folder = '')

    $env:SUITE = ($Command | ForEach-Object { "'$($_.Replace("'", "'\''"))'" }) -join ' '
    try {
        dotnet msbuild $project -t:Measure "-p:TargetPath=$Assembly" "-p:IncludeDirectory=$Folder" --nologo -v:minimal -tl:off | Out-Host
    } finally {
        Remove-Item -LiteralPath Env:SUITE
    }
}

<#
.SYNOPSIS
    Prints what was covered, and returns totals, in which each assembly of which something was covered counts as passed.
#>
function Get-CoverageResult {
    [CmdletBinding()]
    [OutputType([pscustomobject])]
    param()

    $report = Join-Path $folder 'report.cobertura.xml'
    $packages = if (Test-Path -LiteralPath $report) { ([xml](Get-Content -LiteralPath $report -Raw)).SelectNodes('//package') }
    foreach ($assembly in 'MmapSnapshot.Core', 'MmapSnapshot') {
        $package = $packages | Where-Object name -EQ $assembly
        $lines = if ($package) { [double]$package.'line-rate' } else { 0 }
        $branches = if ($package) { [double]$package.'branch-rate' } else { 0 }
        'Coverage of {0}: {1:P1} of lines, {2:P1} of branches' -f $assembly, $lines, $branches | Out-Host
        [pscustomobject]@{ Passed = [int]($lines -gt 0); Failed = [int]($lines -eq 0); Skipped = 0; Because = @() }
    }
}

Export-ModuleMember -Function *-*

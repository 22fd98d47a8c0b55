<#
.SYNOPSIS
    The quality gates: what can be said of the source without running it. Prints a line for each gate and what it found, and
    returns the totals.
.DESCRIPTION
    build.ps1 starts it, alone (-Task Lint) or before the suites (-Task Test). A gate whose tool is not on this machine counts as
    skipped, and says which tool that is.
#>
[CmdletBinding()]
[OutputType([pscustomobject])]
param(
    # Only writes down in baseline.tsv that files have fewer lines now with words to avoid, or fewer that are too long.
    [switch] $LowerBaseline
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false

$root = Split-Path -Path (Split-Path -Path $PSScriptRoot)
Import-Module -Name (Join-Path $root 'tests/support/Packages.psm1'), (Join-Path $PSScriptRoot 'Baseline.psm1')
$markdownLint = 'markdownlint-cli2@0.24.1'

# What git knows or would add, as paths below the root: a file counts before it is committed, and what was built does not.
$files = @(
    if (Get-Command -Name git -CommandType Application -ErrorAction Ignore) {
        git -C $root ls-files --cached --others --exclude-standard 2>$null | Where-Object { Test-Path -LiteralPath (Join-Path $root $_) -PathType Leaf }
    }
)

if ($LowerBaseline) { return Update-StyleBaseline -File $files }

function Skip-Gate([string] $Because) {
    throw [System.PlatformNotSupportedException]::new($Because)
}

# Skips the gate where a program is missing.
function Assert-Program([string] $Name) {
    $missing = @(Get-MissingProgram $Name)
    if ($missing) { Skip-Gate "needs $missing" }
}

# A gate writes what is wrong, a line each, and nothing where all is well.
$gates = [ordered]@{
    # Directory.Build.props and .editorconfig make errors of the analyzers' warnings, of style and of format.
    'C#: every project builds, with analyzers and style as errors' = {
        $solution = 'MmapSnapshot.slnx'
        $projects = ([xml](Get-Content -LiteralPath $solution -Raw)).SelectNodes('//Project/@Path').Value
        foreach ($project in $files -like '*.csproj') {
            if ($files -like "$(Split-Path -Path $project)/*.cs" -and $project -notin $projects) { "${project}: is not in $solution, so nothing checks it" }
        }
        $sdk = (dotnet --version) -replace '-.*'
        if ([version]$sdk -lt '9.0.200') { Skip-Gate "the .NET SDK $sdk does not read $solution (9.0.200 does)" }
        $output = dotnet build $solution -c Release --nologo -v quiet -tl:off '-clp:ErrorsOnly;NoSummary'
        if ($LASTEXITCODE -ne 0) {
            $errors = @($output -match ': error ' -replace ' \[[^[]*proj\]$' | Sort-Object -Unique)
            if ($errors) { $errors } else { $output }
        }
    }

    # Besides what the build sees: files of no project, and how a file ends.
    'C#: dotnet format would change nothing' = {
        $output = dotnet format whitespace . --folder --verify-no-changes 2>&1
        if ($LASTEXITCODE -ne 0) { $output }
    }

    'PowerShell: PSScriptAnalyzer' = {
        $settings = Join-Path $root 'PSScriptAnalyzerSettings.psd1'
        if (-not (Test-Path -LiteralPath $settings)) { return 'PSScriptAnalyzerSettings.psd1 is missing' }
        if (-not (Get-Module -ListAvailable -Name PSScriptAnalyzer)) { Skip-Gate 'the module PSScriptAnalyzer is not installed (Install-PSResource PSScriptAnalyzer)' }
        foreach ($file in $files -match '\.ps(1|m1|d1)$') {
            # Its rules run beside each other, and now and then that gives a NullReferenceException: not so the next time.
            foreach ($attempt in 1..3) {
                try {
                    $findings = Invoke-ScriptAnalyzer -Path $file -Settings $settings
                    break
                } catch [System.NullReferenceException] {
                    if ($attempt -eq 3) { throw }
                }
            }
            $findings | ForEach-Object { "${file}:$($_.Line) $($_.RuleName): $($_.Message)" }
        }
    }

    'Shell scripts: shellcheck' = {
        Assert-Program shellcheck
        $scripts = $files | Where-Object { $_ -match '(^|/)[^.]+$|\.sh$' -and (Get-Content -LiteralPath $_ -TotalCount 1) -match '^#!.*\b(ba)?sh$' }
        $output = shellcheck --format=gcc @scripts
        if ($LASTEXITCODE -ne 0) { $output }
    }

    'Markdown: markdownlint' = {
        if (-not (Test-Path -LiteralPath .markdownlint-cli2.jsonc)) { return '.markdownlint-cli2.jsonc is missing' }
        Assert-Program npx
        $output = npx --yes --package $markdownLint -- node --version 2>&1
        if ($LASTEXITCODE -ne 0) { Skip-Gate "npx cannot bring $markdownLint ($($output | Select-Object -First 1))" }
        $output = npx --yes $markdownLint 2>&1
        if ($LASTEXITCODE -ne 0) { $output | Where-Object { "$_" -match '\S' } }
    }

    # What can be done about an error is SnapshotRemedy; in PowerShell's words it is src/MmapSnapshot/Errors/RemedyText.cs.
    'Engine: no cmdlet and no parameter is named' = {
        $sources = @($files -like 'src/MmapSnapshot.Core/*.cs')
        $patterns = '(^|[^\w-])-[A-Z][a-z]\w*', '\b[A-Z][a-z]+-(Mmap|Snapshot|Reflink)', 'PowerShell|pwsh|[Cc]mdlet'
        foreach ($match in Select-String -LiteralPath $sources -CaseSensitive -Pattern $patterns) {
            "$(Resolve-Path -LiteralPath $match.Path -Relative):$($match.LineNumber) has '$($match.Matches[0].Value.Trim())'"
        }
    }

    'All text: no new line has a word to avoid' = { Get-NewStyleFinding -File $files -Kind Words }

    'Code: no new line is longer than 140 characters' = { Get-NewStyleFinding -File $files -Kind Length }

    # The words are in brackets here, so that the gate does not find itself.
    'All text: nothing is left to do' = {
        $output = git grep --untracked -nIwE 'TOD[O]|FIXM[E]|XX[X]|HAC[K]'
        if ($LASTEXITCODE -gt 1) { throw 'git grep failed.' }
        $output
    }
}

'Quality gates:' | Out-Host
$total = @{ Passed = 0; Failed = 0; Skipped = 0; Because = @() }
Push-Location -LiteralPath $root
try {
    foreach ($name in $gates.Keys) {
        $found = @()
        $outcome = try {
            Assert-Program git
            if (-not $files) { Skip-Gate 'this is not a git work tree, which would say which files are to be checked' }
            $found = @(& $gates[$name])
            if ($found) { 'Failed' } else { 'Passed' }
        } catch [System.PlatformNotSupportedException] {
            $total.Because += "$_"
            $name += ": $_"
            'Skipped'
        } catch {
            $found = @("$_")
            'Failed'
        }
        $total[$outcome]++
        "  $($outcome -eq 'Passed' ? 'passed ' : $outcome.ToUpperInvariant()) $name" | Out-Host
        $found | ForEach-Object { "          $_" } | Out-Host
    }
} finally {
    Pop-Location
}
[pscustomobject]$total

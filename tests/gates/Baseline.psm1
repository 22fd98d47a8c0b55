# Counts, by file, the lines that have words to avoid (words.tsv) and those that are too long. baseline.tsv has the counts of older
# lines, which may only sink: what is over them is new.

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

$root = Split-Path -Path (Split-Path -Path $PSScriptRoot)
$baseline = "$PSScriptRoot/baseline.tsv"
$maxLength = 140
# Data, and the words themselves.
$notText = '^(LICENSE|benchmarks/results\..*|docs/patching\.svg|tests/gates/(words|baseline)\.tsv)$'

$words = foreach ($line in [System.IO.File]::ReadAllLines("$PSScriptRoot/words.tsv") -notmatch '^#') {
    $pattern, $instead, $below = $line -split "`t" + ''
    @{ Pattern = [regex]::new($pattern, 'IgnoreCase, Compiled'); Instead = $instead; Below = $below }
}

# What is found in a file, as lines of text, by kind.
function Find-Style([string] $File) {
    $found = @{ Words = [System.Collections.Generic.List[string]]::new(); Length = [System.Collections.Generic.List[string]]::new() }
    $mine = @($words | Where-Object { $File.StartsWith("$($_.Below)") })
    $isCode = $File -match '\.(cs|ps1|psm1|sh)$|^\.ci/'
    $number = 0
    foreach ($line in [System.IO.File]::ReadLines("$root/$File")) {
        $number++
        foreach ($word in $mine) {
            $match = $word.Pattern.Match($line)
            if (-not $match.Success) { continue }
            $found.Words.Add("${File}:${number}: '$($match.Value)'; write: $($word.Instead)")
            break
        }
        if (-not $isCode -or $line.Length -le $maxLength) { continue }
        $found.Length.Add("${File}:${number}: $($line.Length) characters; the limit is $maxLength")
    }
    $found
}

function Read-Baseline {
    $counts = @{}
    if (-not (Test-Path -LiteralPath $baseline)) { return $counts }
    foreach ($line in [System.IO.File]::ReadAllLines($baseline) -notmatch '^#') {
        $file, $wordCount, $longCount = $line -split "`t"
        $counts[$file] = @{ Words = [int]$wordCount; Length = [int]$longCount }
    }
    $counts
}

<#
.SYNOPSIS
    The lines of these files that have words to avoid or are too long, in the files that have more of them than the baseline allows.
#>
function Get-NewStyleFinding {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [string[]] $File, [Parameter(Mandatory)] [ValidateSet('Words', 'Length')] [string] $Kind)

    $counts = Read-Baseline
    foreach ($one in $File -notmatch $notText) {
        $found = (Find-Style $one)[$Kind]
        $allowed = if ($counts.ContainsKey($one)) { $counts[$one][$Kind] } else { 0 }
        if ($found.Count -le $allowed) { continue }
        if ($allowed -gt 0) { "${one}: $($found.Count) lines, where the baseline allows $allowed. One of these is new:" }
        $found
    }
}

<#
.SYNOPSIS
    Lowers the baseline to what these files have now; it never raises a count. Without a baseline it records all that there is.
#>
function Update-StyleBaseline {
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory)] [string[]] $File)

    $exists = Test-Path -LiteralPath $baseline
    $counts = Read-Baseline
    $lines = foreach ($one in $File -notmatch $notText | Sort-Object -Culture '') {
        $found = Find-Style $one
        $old = if ($counts.ContainsKey($one)) { $counts[$one] } else { @{ Words = 0; Length = 0 } }
        $wordCount = if ($exists) { [math]::Min($found.Words.Count, $old.Words) } else { $found.Words.Count }
        $longCount = if ($exists) { [math]::Min($found.Length.Count, $old.Length) } else { $found.Length.Count }
        if ($wordCount + $longCount -gt 0) { "$one`t$wordCount`t$longCount" }
    }
    if (-not $PSCmdlet.ShouldProcess($baseline)) { return }
    $head = '# File, lines with words to avoid, lines that are too long: ./tests/gates/Invoke-Gates.ps1 -LowerBaseline'
    Set-Content -LiteralPath $baseline -Value (@($head) + $lines)
}

Export-ModuleMember -Function *-New*, Update-*

#!/usr/bin/env pwsh
<#
.SYNOPSIS
    Makes docs/patching.svg, the picture in the README: runs real commands on a copy of a real program, and draws what they print.
.EXAMPLE
    ./build.ps1 -Task Build; ./docs/New-Picture.ps1
#>
[CmdletBinding()]
param(
    # The staged MmapSnapshot.psd1; without it, the one that -Task Build has made.
    [string] $Module = (Get-ChildItem -Path "$PSScriptRoot/../output/MmapSnapshot/*/MmapSnapshot.psd1" | Select-Object -Last 1),

    # The program.
    [string] $Program = (Get-Command -Name sleep -CommandType Application | Select-Object -First 1).Source,

    # The folder in which its copy is patched.
    [string] $Folder = [System.IO.Path]::GetTempPath()
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
Import-Module -Name $Module
$PSStyle.OutputRendering = 'Ansi'

$commands = @(
    '(./sleep --version)[0]'
    '$s = Open-MmapSnapshot ./sleep'
    "Find-SnapshotBytes `$s -Text 'GNU coreutils'"
    "Find-SnapshotBytes `$s -Text 'GNU coreutils' | Set-SnapshotBytes -Text 'our coreutils'"
    'Format-SnapshotBytes $s -Diff -Context 0'
    'Compare-Snapshot $s'
    'Save-Snapshot $s -Close'
    '(./sleep --version)[0]'
)

# The colours of a terminal, by their number in an escape sequence.
$colours = @{ '30' = '#1e1e2e'; '31' = '#f38ba8'; '32' = '#a6e3a1'; '33' = '#f9e2af'; '34' = '#89b4fa'; '36' = '#94e2d5'; '90' = '#7f849c'; '91' = '#f38ba8'; '92' = '#a6e3a1'; '93' = '#f9e2af'; '94' = '#89b4fa'; '96' = '#94e2d5' }

function ConvertTo-Span([string] $Line) {
    $colour = '#cdd6f4'
    $spans = [System.Text.StringBuilder]::new()
    foreach ($part in [regex]::Split($Line, '(\e\[[0-9;]*m)')) {
        if ($part -match '^\e\[([0-9;]*)m$') {
            $codes = @($Matches[1] -split ';' | Where-Object { $colours.ContainsKey($_) })
            $colour = if ($codes.Count -gt 0) { $colours[$codes[0]] } else { '#cdd6f4' }
        } elseif ($part) {
            [void]$spans.Append("<tspan fill=`"$colour`">$([System.Security.SecurityElement]::Escape($part))</tspan>")
        }
    }
    $spans.ToString()
}

$work = New-Item -ItemType Directory -Path (Join-Path $Folder ([guid]::NewGuid().ToString('N')))
Push-Location -LiteralPath $work
try {
    Copy-Item -LiteralPath $Program -Destination ./sleep
    $lines = foreach ($command in $commands) {
        "`e[32mPS>`e[0m $command"
        $output = (. ([scriptblock]::Create($command)) | Out-String -Width 80).Trim("`r", "`n")
        if ($output) { $output -split "`n" | ForEach-Object { $_.TrimEnd().Replace("$work", '/srv/app') } }
    }
} finally {
    Pop-Location
    Remove-Item -LiteralPath $work -Recurse -Force
}

$height = 20 + 18 * @($lines).Count
$svg = @(
    "<svg xmlns=`"http://www.w3.org/2000/svg`" width=`"920`" height=`"$height`" font-family=`"ui-monospace, 'DejaVu Sans Mono', Menlo, monospace`" font-size=`"13.3`">"
    "<rect width=`"920`" height=`"$height`" rx=`"8`" fill=`"#1e1e2e`"/>"
    $y = 24
    foreach ($line in $lines) {
        "<text x=`"16`" y=`"$y`" xml:space=`"preserve`">$(ConvertTo-Span $line)</text>"
        $y += 18
    }
    '</svg>'
)
Set-Content -LiteralPath "$PSScriptRoot/patching.svg" -Value $svg

<#
.SYNOPSIS
    Runs examples of the help, each in a fresh folder /srv/app, and prints what they print. Examples.psm1 starts it, in a terminal
    and with a tmpfs of its own at /srv.
#>
[CmdletBinding()]
param(
    # The staged MmapSnapshot.psd1.
    [Parameter(Mandatory)]
    [string] $Module,

    # A JSON file: an array of examples, each an array of steps, each an array of commands.
    [Parameter(Mandatory)]
    [string] $Plan
)

# What is set here a user would have as well: neither strict mode, nor errors that end it all.
Import-Module -Name $Module
$PSStyle.OutputRendering = 'PlainText'
$ProgressPreference = 'SilentlyContinue'
$lastId = [MmapSnapshot.Snapshot].GetField('_lastId', [System.Reflection.BindingFlags]'NonPublic, Static')
$folder = "$PSScriptRoot/New-ExampleFolder.ps1"

$example = 0
foreach ($steps in Get-Content -LiteralPath $Plan -Raw | ConvertFrom-Json) {
    # Each begins as in a new window: no snapshot is open, and the first one will have the id 1.
    Get-MmapSnapshot | Close-MmapSnapshot -Force
    [GC]::Collect()
    [GC]::WaitForPendingFinalizers()
    $lastId.SetValue($null, 0)
    Set-Location -LiteralPath /srv
    if (Test-Path -LiteralPath /srv/app) { Remove-Item -LiteralPath /srv/app -Recurse -Force }
    & $folder -Path /srv/app
    Set-Location -LiteralPath /srv/app
    & {
        $step = 0
        foreach ($commands in $steps) {
            # The line that tells Examples.psm1 whose output follows.
            [Console]::Out.WriteLine("`u{1}$example.$step")
            foreach ($command in $commands) {
                try { . ([scriptblock]::Create($command)) 2>&1 | Out-Default } catch { $_ | Out-Default }
            }
            $step++
        }
    }
    $example++
}
[Console]::Out.WriteLine("`u{1}end")

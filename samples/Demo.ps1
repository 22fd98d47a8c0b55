<#
.SYNOPSIS
    The main job, on a real program: patches a text that it prints, while a copy of it is running.
.DESCRIPTION
    Copies this machine's sleep (of GNU coreutils) into a folder, starts it, opens it as a snapshot, patches the text
    "GNU coreutils" that --version prints, shows that the file is as it was until Save-Snapshot, saves, and runs both.
    Takes the module from -Module, and does it in each folder of -Folder.
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)]
    [string] $Module,

    [Parameter(Mandatory)]
    [string[]] $Folder
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
Import-Module $Module

$old = 'GNU coreutils'
$new = 'MmapSnapshot!'
$original = (Get-Command -Name sleep -CommandType Application | Select-Object -First 1).Source
if ((& $original --version | Select-Object -First 1) -notmatch $old) {
    throw "The demo patches the sleep of GNU coreutils, and '$original' is another."
}

function Invoke-Timed([string] $What, [scriptblock] $Step) {
    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    $result = & $Step
    '{0,10:0.00} ms  {1}' -f $clock.Elapsed.TotalMilliseconds, $What | Out-Host
    $result
}

foreach ($place in $Folder) {
    $work = Join-Path $place ('mmapsnapshot-demo-' + [guid]::NewGuid().ToString('N'))
    $program = Join-Path $work 'sleep'
    $running = $null
    New-Item -ItemType Directory -Path $work | Out-Null
    try {
        Copy-Item -LiteralPath $original -Destination $program
        $support = Get-ReflinkSupport -LiteralPath $program
        "`nIn $place ($($support.FileSystem)):" | Out-Host
        $running = Start-Process -FilePath $program -ArgumentList 60 -PassThru

        $snapshot = Invoke-Timed 'Open-MmapSnapshot' { Open-MmapSnapshot -LiteralPath $program }
        "               backing: $($snapshot.Backing)" | Out-Host
        $offset = Invoke-Timed "look for '$old'" {
            [System.Text.Encoding]::Latin1.GetString((Get-SnapshotBytes $snapshot)).IndexOf($old, [System.StringComparison]::Ordinal)
        }
        Invoke-Timed ('Set-SnapshotBytes at 0x{0:X}' -f $offset) { Set-SnapshotBytes $snapshot $offset -Text $new -Expect ([System.Text.Encoding]::ASCII.GetBytes($old)) }
        "               the file still says: $(& $program --version | Select-Object -First 1)" | Out-Host
        $result = Invoke-Timed 'Save-Snapshot' { Save-Snapshot $snapshot -Close -PassThru }
        "               method: $($result.Method)" | Out-Host

        $says = & $program --version | Select-Object -First 1
        "               the file now says:   $says" | Out-Host
        if ($says -notmatch [regex]::Escape($new)) { throw "The patched program says '$says'." }
        if ($running.HasExited) { throw 'The running copy did not survive the patch.' }
        "               the copy that was running (process $($running.Id)) continues with the old file" | Out-Host
    } finally {
        if ($running -and -not $running.HasExited) { $running.Kill(); $running.WaitForExit() }
        Remove-Item -LiteralPath $work -Recurse -Force
    }
}

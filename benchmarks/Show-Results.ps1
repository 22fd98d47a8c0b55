<#
.SYNOPSIS
    Writes the results of Measure.ps1 as Markdown: the tables of benchmarks/README.md, and the bars.
.EXAMPLE
    ./benchmarks/Show-Results.ps1 -Results benchmarks/results.json
.EXAMPLE
    ./benchmarks/Show-Results.ps1 -Results benchmarks/results.json -In benchmarks/README.md
    Puts it between the two comments in that file that are for it.
#>
[CmdletBinding()]
[OutputType([string])]
param(
    # The JSON that Measure.ps1 has written.
    [Parameter(Mandatory)]
    [string] $Results,

    # The Markdown file to put it into; without it, it is returned.
    [string] $In
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
$all = Get-Content -LiteralPath $Results -Raw | ConvertFrom-Json
$invariant = [cultureinfo]::InvariantCulture

# What each way of patching a file leaves to chance.
$guarantees = [ordered]@{
    'Cmdlets'                     = 'yes', 'yes', 'yes', 'all kept'
    'Cmdlets -NoFlush'            = 'yes', 'no', 'yes', 'all kept'
    'cp --reflink, dd, mv'        = 'yes', 'no', 'where it clones', 'mode, owner, times'
    'Copy, flush, move'           = 'yes', 'the data, not the name', 'where it clones', 'mode'
    'ReadAllBytes, WriteAllBytes' = 'no', 'no', 'no', 'it is the same file'
    'Get-Content, Set-Content'    = 'no', 'no', 'no', 'it is the same file'
    'MemoryMappedFile'            = 'no', 'no', 'no', 'it is the same file'
    'FileStream in place'         = 'no', 'yes', 'no', 'it is the same file'
}

function Format-Time([double] $Microseconds) {
    $number, $unit = if ($Microseconds -ge 1e6) { ($Microseconds / 1e6), 's' } elseif ($Microseconds -ge 1e3) { ($Microseconds / 1e3), 'ms' } else { $Microseconds, 'µs' }
    $number.ToString($(if ($number -ge 100) { '0' } elseif ($number -ge 10) { '0.0' } else { '0.00' }), $invariant) + " $unit"
}

function Format-Size([double] $Bytes) {
    if ($Bytes -ge 1GB) { "$($Bytes / 1GB) GiB" } elseif ($Bytes -ge 1MB) { "$($Bytes / 1MB) MiB" } else { "$($Bytes / 1KB) KiB" }
}

function Format-Ratio([double] $Ratio) { $Ratio.ToString('0.00', $invariant) }

function Get-Part([string] $Name) { @($all.Measurements | Where-Object Part -EQ $Name) }

function Get-One([object[]] $Of, [string] $Contender) { $Of | Where-Object Contender -EQ $Contender | Select-Object -First 1 }

function Format-MarkdownTable([string[]] $Head, [object[][]] $Rows) {
    '| ' + ($Head -join ' | ') + ' |'
    '| ' + (@($Head | ForEach-Object { if ($_ -cmatch '^[a-z]' -or $_ -eq 'XFS') { '---' } else { '---:' } }) -join ' | ') + ' |'
    foreach ($row in $Rows) { '| ' + ($row -join ' | ') + ' |' }
    ''
}

function Get-Table {
    "$($all.Date), $($all.Kernel), $($all.Processor), $($all.Cores) cores, loop-mounted images, PowerShell $($all.PowerShell)."
    'Medians; all ways of doing a thing had their turns within one run.'
    ''

    # Patching: the largest size that all of them took.
    $patches = Get-Part Patch
    $sizes = @($patches.Bytes | Sort-Object -Unique)
    $fileSystems = @($patches.FileSystem | Select-Object -Unique)
    foreach ($size in $sizes | Where-Object { $_ -eq $sizes[0] -or $_ -eq 1GB }) {
        $rows = foreach ($name in $guarantees.Keys) {
            $times = foreach ($fileSystem in $fileSystems) {
                $one = Get-One @($patches | Where-Object { $_.FileSystem -eq $fileSystem -and $_.Bytes -eq $size }) $name
                if ($one) { Format-Time $one.Microseconds } else { '–' }
            }
            if (@($times -ne '–').Count -eq 0) { continue }
            , @($name; $guarantees[$name][0, 1, 3]; $times)
        }
        "**Sixteen bytes of a file of $(Format-Size $size)**, patched and saved:"
        ''
        Format-MarkdownTable @('way'; 'atomic'; 'durable'; 'metadata'; $fileSystems | ForEach-Object { "**$_**" }) $rows
    }

    '**Opening and closing**, the engine alone:'
    ''
    $opens = Get-Part Open
    $rows = foreach ($fileSystem in $fileSystems) {
        $of = @($opens | Where-Object FileSystem -EQ $fileSystem)
        $small, $large = $(foreach ($bytes in ($of.Bytes | Sort-Object -Unique)[0, -1]) { , @($of | Where-Object Bytes -EQ $bytes) })
        $floor = Get-One $small 'Floor'
        $size = Get-One @(Get-Part Size | Where-Object FileSystem -EQ $fileSystem) 'Large'
        , @($fileSystem, $small[0].Backing, (Format-Time (Get-One $small 'Engine').Microseconds), $(if ($floor) { Format-Ratio (Get-One $small 'Engine').Ratio } else { '–' }), (Format-Time (Get-One $large 'Engine').Microseconds), (Format-Ratio $size.Ratio))
    }
    Format-MarkdownTable 'filesystem', 'backing', '1 MiB', 'against the system calls alone', (Format-Size ($opens.Bytes | Sort-Object -Unique)[-1]), 'against 1 MiB' $rows

    '**A file in many pieces**: a clone costs by the extent.'
    ''
    $extents = Get-Part Extents
    $rows = foreach ($fileSystem in $extents.FileSystem | Select-Object -Unique) {
        foreach ($count in $extents.Extents | Sort-Object -Unique) {
            $of = @($extents | Where-Object { $_.FileSystem -eq $fileSystem -and $_.Extents -eq $count })
            , @($fileSystem; $count.ToString('N0', $invariant); $('Clone', 'Default', 'Patch, save' | ForEach-Object { Format-Time (Get-One $of $_).Microseconds }))
        }
    }
    Format-MarkdownTable 'filesystem', 'Extents', 'opened as a clone', 'Opened as by default', 'Patched and saved' $rows

    '**Searching**, in gigabytes a second:'
    ''
    $searches = Get-Part Search
    $contenders = @($searches.Contender | Select-Object -Unique)
    $rows = foreach ($search in $searches.Search | Select-Object -Unique) {
        , @("``$search``"; $(foreach ($name in $contenders) { $one = Get-One @($searches | Where-Object Search -EQ $search) $name; if ($one) { ($one.Bytes / $one.Microseconds / 1e3).ToString('0.0', $invariant) } else { '–' } }))
    }
    Format-MarkdownTable @('search'; $contenders) $rows

    '**Calls, starts and many files**:'
    ''
    $rows = @(
        foreach ($one in Get-Part Call) { , @("``$($one.Contender)``", (Format-Time $one.Microseconds), (Format-Ratio $one.Ratio)) }
        foreach ($one in Get-Part Start) { , @($one.Contender, (Format-Time $one.Microseconds), (Format-Ratio $one.Ratio)) }
        foreach ($one in Get-Part Many) { , @("$($one.Files.ToString('N0', $invariant)) files of 8 KiB: $($one.Contender)", (Format-Time $one.Microseconds), (Format-Ratio $one.Ratio)) }
    )
    Format-MarkdownTable 'what', 'Time', 'Ratio to the first' $rows
    $parts = [ordered]@{
        Group   = {
            $dirty = if ($_.PSObject.Properties['DirtyBytes']) { ", $(Format-Size $_.DirtyBytes) of others to be written" }
            "$($_.Files.ToString('N0', $invariant)) files of 8 KiB on $($_.FileSystem)$dirty, the save alone: $($_.Contender)"
        }
        Edit    = { "$($_.What): $($_.Contender)" }
        Read    = { "$($_.What): $($_.Contender)" }
        Replace = { "$($_.Matches.ToString('N0', $invariant)) matches replaced: $($_.Contender)" }
        InPlace = { "sixteen bytes of $(Format-Size $_.Bytes) saved on $($_.FileSystem) with 16 MiB free: $($_.Contender)" }
        Stop    = { "Ctrl+C in $($_.Contender)" }
        Against = { "$($_.What)$(if ($_.PSObject.Properties['FileSystem']) { " on $($_.FileSystem)" }): $($_.Contender)" }
    }
    $rows = @(foreach ($name in $parts.Keys) {
            Get-Part $name | ForEach-Object { , @((& $parts[$name]), (Format-Time $_.Microseconds), (Format-Ratio $_.Ratio)) }
        })
    if ($rows.Count -gt 0) {
        '**Changes and reads**, ends, and versions:'
        ''
        Format-MarkdownTable 'what', 'Time', 'Ratio to the first' $rows
    }
    $memory = (Get-Part Memory)[0]
    "An open snapshot takes $([math]::Round($memory.ManagedBytesEach / 1KB, 1).ToString($invariant)) KiB of managed memory, $([math]::Round($memory.ResidentBytesEach / 1KB, 1).ToString($invariant)) KiB of all, and its mapping's address space."
    ''
    '**The bars of the design**:'
    ''
    Format-MarkdownTable 'claim', 'Bar', 'Measured', 'Met' @($all.Bars | ForEach-Object { , @($_.Claim, $_.Bar.Replace('<=', '≤').Replace('>=', '≥'), (Format-Ratio $_.Measured), $(if ($_.Met) { 'yes' } else { '**no**' })) })
}

$text = (@(Get-Table) -join "`n").Trim()
if (-not $In) { return $text }
$markdown = [System.IO.File]::ReadAllText((Resolve-Path -LiteralPath $In))
$place = [regex]'(?s)(?<=<!-- results: benchmarks/Show-Results.ps1 writes them -->\n).*?(?=<!-- end of results -->)'
if (-not $place.IsMatch($markdown)) { throw "'$In' has no place for the results." }
[System.IO.File]::WriteAllText((Resolve-Path -LiteralPath $In), $place.Replace($markdown, { "`n$text`n`n" }, 1))

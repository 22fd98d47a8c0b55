<#
.SYNOPSIS
    Draws the results of Measure.ps1 as SVG: the size of a file against the time to patch and save it, a panel for each filesystem.
.EXAMPLE
    ./benchmarks/New-Plot.ps1 -Results benchmarks/results.json -Plot benchmarks/results.svg
#>
[CmdletBinding()]
param(
    # The JSON that Measure.ps1 has written.
    [Parameter(Mandatory)]
    [string] $Results,

    # Where the picture goes.
    [Parameter(Mandatory)]
    [string] $Plot
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
$all = Get-Content -LiteralPath $Results -Raw | ConvertFrom-Json
$patches = @($all.Measurements | Where-Object Part -EQ Patch)
$fileSystems = @($patches.FileSystem | Select-Object -Unique)

# In the order of the legend: the system calls alone, what is ours, what people use instead.
$styles = [ordered]@{
    'Floor'                       = '#6b7280', '5 4', 1.6, 'the system calls alone (C)'
    'Cmdlets'                     = '#0f766e', '', 3.2, 'Open, Set, Save: atomic, durable, metadata kept'
    'Cmdlets -NoFlush'            = '#14b8a6', '', 1.8, 'the same with -NoFlush'
    'Copy, flush, move'           = '#d97706', '', 1.8, 'Copy, FileStream, Flush, Move'
    'cp --reflink, dd, mv'        = '#7c3aed', '', 1.8, 'cp --reflink; dd; mv'
    'ReadAllBytes, WriteAllBytes' = '#dc2626', '', 1.8, 'ReadAllBytes, WriteAllBytes'
    'Get-Content, Set-Content'    = '#be185d', '', 1.8, 'Get-Content, Set-Content -AsByteStream'
    'FileStream in place'         = '#9ca3af', '2 3', 1.6, 'FileStream in place: not atomic'
}

$columns, $width, $height, $left, $top, $gap = 3, 270, 190, 54, 66, 62
$rows = [math]::Ceiling($fileSystems.Count / $columns)
$sizes = @($patches.Bytes | Sort-Object -Unique)
$fromX, $toX = [math]::Log2($sizes[0]), [math]::Log2([math]::Max($sizes[-1], 2 * $sizes[0]))
$drawn = @($patches | Where-Object { $styles.Contains($_.Contender) })
$fromY = [math]::Floor([math]::Log10(($drawn.Microseconds | Measure-Object -Minimum).Minimum))
$toY = [math]::Ceiling([math]::Log10(($drawn.Microseconds | Measure-Object -Maximum).Maximum))

function Format-Number([double] $Number) { $Number.ToString('0.#', [cultureinfo]::InvariantCulture) }
function Get-X([double] $Bytes) { ([math]::Log2($Bytes) - $fromX) / ($toX - $fromX) * $width }
function Get-Y([double] $Microseconds) { $height - ([math]::Log10($Microseconds) - $fromY) / ($toY - $fromY) * $height }
function Get-Text([double] $X, [double] $Y, [string] $Text, [string] $More = '') {
    "<text x=`"$(Format-Number $X)`" y=`"$(Format-Number $Y)`" $More>$([System.Security.SecurityElement]::Escape($Text))</text>"
}

$plotWidth = $left + $columns * ($width + $gap)
$legendTop = $top + $rows * ($height + $gap)
$plotHeight = $legendTop + 24 + 20 * [math]::Ceiling($styles.Count / 2)
$lines = @(
    "<svg xmlns=`"http://www.w3.org/2000/svg`" width=`"$plotWidth`" height=`"$plotHeight`" viewBox=`"0 0 $plotWidth $plotHeight`" font-family=`"system-ui, sans-serif`" font-size=`"12`" fill=`"#111827`">"
    "<rect width=`"$plotWidth`" height=`"$plotHeight`" fill=`"#ffffff`"/>"
    Get-Text $left 24 'Patching 16 bytes of a file: time by its size' 'font-size="16" font-weight="600"'
    Get-Text $left 42 "$($all.Date), $($all.Kernel), $($all.Processor), $($all.Cores) cores, PowerShell $($all.PowerShell). Medians; bars from the 10th to the 90th percentile. Both axes are logarithmic." 'fill="#4b5563"'
    for ($panel = 0; $panel -lt $fileSystems.Count; $panel++) {
        $fileSystem = $fileSystems[$panel]
        "<g transform=`"translate($($left + ($panel % $columns) * ($width + $gap)) $($top + [math]::Floor($panel / $columns) * ($height + $gap)))`">"
        Get-Text 0 -6 $fileSystem 'font-weight="600"'
        for ($power = $fromY; $power -le $toY; $power++) {
            $y = Get-Y ([math]::Pow(10, $power))
            "<line x1=`"0`" x2=`"$width`" y1=`"$(Format-Number $y)`" y2=`"$(Format-Number $y)`" stroke=`"#e5e7eb`"/>"
            $label = '1 µs', '10 µs', '100 µs', '1 ms', '10 ms', '100 ms', '1 s', '10 s', '100 s' | Select-Object -Index $power
            Get-Text -6 ($y + 4) $label 'text-anchor="end" fill="#4b5563"'
        }
        foreach ($size in $sizes) {
            $label = if ($size -ge 1GB) { "$($size / 1GB) GiB" } else { "$($size / 1MB) MiB" }
            Get-Text (Get-X $size) ($height + 16) $label 'text-anchor="middle" fill="#4b5563" font-size="10"'
        }
        foreach ($name in $styles.Keys) {
            $colour, $dashes, $thickness, $null = $styles[$name]
            $points = @($patches | Where-Object { $_.FileSystem -eq $fileSystem -and $_.Contender -eq $name } | Sort-Object -Property Bytes)
            if ($points.Count -eq 0) { continue }
            $path = ($points | ForEach-Object { "$(Format-Number (Get-X $_.Bytes)),$(Format-Number (Get-Y $_.Microseconds))" }) -join ' '
            "<polyline points=`"$path`" fill=`"none`" stroke=`"$colour`" stroke-width=`"$thickness`" stroke-dasharray=`"$dashes`"/>"
            foreach ($point in $points) {
                $x = Format-Number (Get-X $point.Bytes)
                "<line x1=`"$x`" x2=`"$x`" y1=`"$(Format-Number (Get-Y $point.From))`" y2=`"$(Format-Number (Get-Y $point.To))`" stroke=`"$colour`" stroke-opacity=`"0.5`"/>"
                "<circle cx=`"$x`" cy=`"$(Format-Number (Get-Y $point.Microseconds))`" r=`"$(Format-Number ($thickness + 0.4))`" fill=`"$colour`"/>"
            }
        }
        '</g>'
    }
    $index = 0
    foreach ($name in $styles.Keys) {
        $colour, $dashes, $thickness, $text = $styles[$name]
        $x, $y = ($left + ($index % 2) * ($plotWidth / 2)), ($legendTop + 20 * [math]::Floor($index / 2))
        "<line x1=`"$x`" x2=`"$($x + 28)`" y1=`"$y`" y2=`"$y`" stroke=`"$colour`" stroke-width=`"$thickness`" stroke-dasharray=`"$dashes`"/>"
        Get-Text ($x + 36) ($y + 4) $text
        $index++
    }
    '</svg>'
)
Set-Content -LiteralPath $Plot -Value $lines

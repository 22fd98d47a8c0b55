<#
.SYNOPSIS
    Measures the module, the bare system calls, and what people use instead, and says which bars are met.
.DESCRIPTION
    build.ps1 -Task Bench starts it in a PowerShell of its own, with the mounted filesystems below $env:MMAPSNAPSHOT_RIG.

    All contenders of a comparison have their turns within one run of this process (A B C C B A ...), so that whatever else the
    machine does slows all of them alike. Times are medians, from the 10th to the 90th percentile; a ratio is the median of the
    ratios of the rounds.
.OUTPUTS
    The results are written as JSON, for Show-Results.ps1 and New-Plot.ps1.
#>
[CmdletBinding()]
param(
    # The staged MmapSnapshot.psd1.
    [Parameter(Mandatory)]
    [string] $Module,

    # MmapSnapshot.Benchmarks.dll.
    [Parameter(Mandatory)]
    [string] $Library,

    # Where the results go, as JSON.
    [Parameter(Mandatory)]
    [string] $Results,

    # Files up to 4 GiB, up to 100,000 extents and 10,000 files, and more rounds.
    [switch] $Full,

    # The MmapSnapshot.psd1 of another version, to be compared with; without it, there is no such comparison.
    [string] $Against,

    # What to measure. The small ones come first: what the large files leave to be written would disturb them.
    [ValidateSet('Call', 'Start', 'Memory', 'Many', 'Group', 'Against', 'Stop', 'Edit', 'Read', 'Replace', 'InPlace', 'Search', 'Sparse',
        'Extent', 'File')]
    [string[]] $Part = @(
        'Call', 'Start', 'Memory', 'Many', 'Group', 'Against', 'Stop', 'Edit', 'Read', 'Replace', 'InPlace', 'Search', 'Sparse',
        'Extent', 'File'
    )
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false
$ProgressPreference = 'SilentlyContinue'
Import-Module -Name $Module, $Library, "$PSScriptRoot/../tests/support/PowerShellProcess.psm1"
# The runspaces of ForEach-Object -Parallel find the module by its name.
$env:PSModulePath = "$([System.IO.Path]::GetFullPath("$Module/../../.."))$([System.IO.Path]::PathSeparator)$env:PSModulePath"

$rig = $env:MMAPSNAPSHOT_RIG
$hasFloor = Test-Path -LiteralPath (Join-Path (Split-Path -Path $Library) libfloor.so)
$pwsh = @(Get-PowerShellCommand)
$fileSystems = @('xfs', 'xfs-exchange', 'btrfs', 'ext4', 'tmpfs', 'overlay-ext4', 'overlay-xfs' | Where-Object { $rig -and (Test-Path -LiteralPath (Join-Path $rig $_)) })
if ($fileSystems.Count -eq 0) { throw 'There is no filesystem to measure on: it takes root, and mkfs.xfs, mkfs.btrfs or mkfs.ext4.' }
$offset = [MmapSnapshot.Benchmarks.Bytes]::Offset

$measured = [System.Collections.Generic.List[object]]::new()
$bars = [System.Collections.Generic.List[object]]::new()

function Get-Percentile([double[]] $Sorted, [double] $Part) {
    $Sorted[[math]::Min($Sorted.Count - 1, [int][math]::Floor($Part * $Sorted.Count))]
}

function Get-Elapsed([long] $Started) {
    [System.Diagnostics.Stopwatch]::GetElapsedTime($Started).TotalMicroseconds
}

# Lets each contender, a script block that returns the microseconds it took, have its turns; records them, and returns by name
# the median of each one's ratios to the first.
function Measure-InTurn {
    param(
        [Parameter(Mandatory)] [System.Collections.IDictionary] $Contender,
        # What the records have besides Contender: Part, FileSystem, Bytes, ...
        [Parameter(Mandatory)] [System.Collections.IDictionary] $Case,
        # Done before each turn, and not timed.
        [scriptblock] $Settle,
        [int] $Rounds = 51,
        # Enough for the compilers, of scripts and of methods: those of the first comparison compile what the later ones find compiled.
        [int] $WarmUp = 2,
        # After these no further round is begun, but three are made at least.
        [double] $Seconds = $(if ($Full) { 4 } else { 0.5 })
    )

    $times = [ordered]@{}
    foreach ($name in $Contender.Keys) { $times[$name] = [System.Collections.Generic.List[double]]::new() }
    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    $names = [string[]]@($Contender.Keys)
    for ($round = 0 - $WarmUp; $round -lt $Rounds; $round++) {
        if ($round -ge 3 -and $clock.Elapsed.TotalSeconds -gt $Seconds) { break }
        foreach ($name in $names) {
            if ($Settle) { & $Settle }
            $time = & $Contender[$name]
            if ($round -ge 0) { $times[$name].Add($time) }
        }
        # There and back (A B B A), as each leaves something to be done by the kernel while the next has its turn.
        [array]::Reverse($names)
        if ($round -eq -1) { $clock.Restart() }
    }

    $first = @($Contender.Keys)[0]
    $ratios = @{}
    foreach ($name in $Contender.Keys) {
        $sorted = [double[]]@($times[$name] | Sort-Object)
        $pairs = [double[]]@(for ($i = 0; $i -lt $times[$name].Count; $i++) { $times[$name][$i] / $times[$first][$i] }) | Sort-Object
        $ratios[$name] = Get-Percentile $pairs 0.5
        $record = [ordered]@{} + $Case + [ordered]@{
            Contender    = $name
            Microseconds = [math]::Round((Get-Percentile $sorted 0.5), 2)
            From         = [math]::Round((Get-Percentile $sorted 0.1), 2)
            To           = [math]::Round((Get-Percentile $sorted 0.9), 2)
            Rounds       = $sorted.Count
            RatioTo      = $first
            Ratio        = [math]::Round($ratios[$name], 3)
        }
        $measured.Add([pscustomobject]$record)
    }
    $ratios
}

# A bar of the design. -Guard: a claim that holds on any machine, so that a test may fail by it.
function Add-Bar([string] $Claim, [double] $Measured, [double] $Bar, [switch] $AtLeast, [switch] $Guard, [string] $Unit = '') {
    $met = if ($AtLeast) { $Measured -ge $Bar } else { $Measured -le $Bar }
    $bars.Add([pscustomobject]@{ Claim = $Claim; Bar = "$(if ($AtLeast) { '>=' } else { '<=' }) $Bar$Unit"; Measured = [math]::Round($Measured, 3); Met = $met; Guard = [bool]$Guard })
}

function New-LargeFile([string] $FileSystem, [long] $Length) {
    $path = Join-Path $rig "$FileSystem/$($Length / 1MB)MiB"
    if (-not (Test-Path -LiteralPath $path)) { [MmapSnapshot.Benchmarks.Specimen]::Write($path, $Length) }
    $path
}

# How many extents a file has; those of btrfs have 128 MiB at most, and filefrag shows neighbours as one. 1 where nobody can tell.
function Get-ExtentCount([string] $Path) {
    $said = if (Get-Command -Name filefrag -CommandType Application -ErrorAction Ignore) { filefrag $Path 2>$null }
    $count = if ("$said" -match ': (\d+) extents? found') { [math]::Max(1, [int]$Matches[1]) } else { 1 }
    if ((Get-ReflinkSupport $Path).FileSystem -ne 'btrfs') { return $count }
    [math]::Max($count, [int][math]::Ceiling((Get-Item -LiteralPath $Path).Length / 128MB))
}

# How the engine takes such a file, and so which floor there is for it.
function Get-FloorOf([string] $Path) {
    $snapshot = Open-MmapSnapshot -LiteralPath $Path -MaxWriterDelay 12
    $backing = $snapshot.Backing
    Close-MmapSnapshot $snapshot
    @{ Backing = $backing; Exchanges = (Get-ReflinkSupport $Path).ExchangeRange; There = $hasFloor -and $backing -in 'Reflink', 'Lease' }
}

# What overlayfs does with the largest the filesystem below has shown.
function Get-FullSize([string] $FileSystem) {
    1MB, 16MB, 256MB, 1GB
    if ($FileSystem -notlike 'overlay-*') { 4GB }
}

# Opening and closing: against the floor, and whether size matters.
function Measure-Open([string] $FileSystem) {
    $sizes = if ($Full) { Get-FullSize $FileSystem } else { 1MB, 1GB }
    $paths = [ordered]@{}
    foreach ($size in $sizes) { $paths["$size"] = New-LargeFile $fileSystem $size }
    # Until a copy was seen the engine takes the disk for a slow one, and gives no lease on 4 GiB.
    if ($Full) { [void][MmapSnapshot.Benchmarks.Engine]::Patch($paths["$(256MB)"]) }
    foreach ($size in $sizes) {
        $path = $paths["$size"]
        $floor = Get-FloorOf $path
        $contender = [ordered]@{}
        if ($floor.There) { $contender['Floor'] = { [MmapSnapshot.Benchmarks.Floor]::OpenClose($path, $floor.Backing, $floor.Exchanges) } }
        $contender['Engine'] = { [MmapSnapshot.Benchmarks.Engine]::OpenClose($path) }
        $contender['Cmdlets'] = {
            $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
            Open-MmapSnapshot -LiteralPath $path -MaxWriterDelay 12 | Close-MmapSnapshot
            Get-Elapsed $started
        }
        $ratios = Measure-InTurn $contender @{ Part = 'Open'; FileSystem = $fileSystem; Bytes = $size; Backing = "$($floor.Backing)" } -Rounds 401 -WarmUp 600
        if ($size -eq 1MB -and $floor.There -and $floor.Backing -eq 'Reflink') { Add-Bar "$fileSystem`: opening and closing, against the bare system calls" $ratios['Engine'] 1.5 }
    }
    # A clone costs by the extent: the small file is to have as many as the large one.
    $small, $large = $paths["$(1MB)"], $paths["$($sizes[-1])"]
    $extents = Get-ExtentCount $large
    if ($extents -gt 1) {
        $small = Join-Path $rig "$fileSystem/small-MiB"
        [MmapSnapshot.Benchmarks.Specimen]::WriteInPieces($small, $extents)
    }
    $case = @{ Part = 'Size'; FileSystem = $fileSystem; Bytes = $sizes[-1]; Extents = $extents }
    $ratios = Measure-InTurn -Rounds 401 -WarmUp 5 -Case $case -Contender ([ordered]@{
            Small = { [MmapSnapshot.Benchmarks.Engine]::OpenClose($small) }
            Large = { [MmapSnapshot.Benchmarks.Engine]::OpenClose($large) }
        })
    Add-Bar "$fileSystem`: opening $($sizes[-1] / 1GB) GiB, against 1 MiB" $ratios['Large'] $(if ($Full) { 1.2 } else { 1.5 }) -Guard
}

# Patching 16 bytes: the picture.
function Measure-Patch([string] $FileSystem) {
    $sizes = if ($Full) { Get-FullSize $FileSystem } else { 1MB, 16MB }
    foreach ($size in $sizes) {
        $path = New-LargeFile $fileSystem $size
        $copy = "$path.new"
        $floor = Get-FloorOf $path
        $contender = [ordered]@{}
        if ($floor.There) { $contender['Floor'] = { [MmapSnapshot.Benchmarks.Floor]::Patch($path, $floor.Backing, $floor.Exchanges) } }
        $contender['Engine'] = { [MmapSnapshot.Benchmarks.Engine]::Patch($path) }
        $contender['Cmdlets'] = {
            $patch = [MmapSnapshot.Benchmarks.Bytes]::Patch()
            $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
            $snapshot = Open-MmapSnapshot -LiteralPath $path -MaxWriterDelay 12
            Set-SnapshotBytes $snapshot $offset $patch
            Save-Snapshot $snapshot -Close
            Get-Elapsed $started
        }
        $contender['Cmdlets -NoFlush'] = {
            $patch = [MmapSnapshot.Benchmarks.Bytes]::Patch()
            $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
            $snapshot = Open-MmapSnapshot -LiteralPath $path -MaxWriterDelay 12
            Set-SnapshotBytes $snapshot $offset $patch
            Save-Snapshot $snapshot -Close -NoFlush
            Get-Elapsed $started
        }
        $contender['Copy, flush, move'] = { [MmapSnapshot.Benchmarks.Peers]::CopyFlushMove($path) }
        if ($size -lt 2GB) { $contender['ReadAllBytes, WriteAllBytes'] = { [MmapSnapshot.Benchmarks.Peers]::ReadAllWriteAll($path) } }
        $contender['cp --reflink, dd, mv'] = {
            $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
            cp --reflink=auto -p -- $path $copy
            dd if=/dev/urandom of=$copy bs=16 count=1 seek=4 conv=notrunc status=none
            mv -- $copy $path
            Get-Elapsed $started
        }
        $contender['MemoryMappedFile'] = { [MmapSnapshot.Benchmarks.Peers]::MemoryMapped($path) }
        $contender['FileStream in place'] = { [MmapSnapshot.Benchmarks.Peers]::InPlace($path) }
        # Some leave their bytes to be written by the next who flushes the file.
        $settle = { [MmapSnapshot.Benchmarks.Specimen]::Flush($path) }
        $case = @{ Part = 'Patch'; FileSystem = $fileSystem; Bytes = $size; Backing = "$($floor.Backing)" }
        [void](Measure-InTurn $contender $case -Settle $settle -WarmUp $(if ($size -ge 1GB) { 0 } else { 2 }))
        if ($size -le $(if ($Full) { 16MB } else { 1MB })) {
            # By itself, as it takes a second for each mebibyte.
            [void](Measure-InTurn -Case $case -Settle $settle -Rounds 3 -WarmUp 0 -Contender @{ 'Get-Content, Set-Content' = {
                        $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
                        $bytes = Get-Content -LiteralPath $path -AsByteStream -Raw
                        [MmapSnapshot.Benchmarks.Bytes]::Patch().CopyTo($bytes, $offset)
                        Set-Content -LiteralPath $path -Value $bytes -AsByteStream
                        Get-Elapsed $started
                    }
                })
        }
        if ($size -eq 1MB -and $floor.There) {
            # By itself, and more often: what the bar is about is the difference of two that wait for the same disk.
            $two = [ordered]@{ Floor = $contender['Floor']; Engine = $contender['Engine'] }
            $ratios = Measure-InTurn $two @{ Part = 'Save'; FileSystem = $fileSystem; Bytes = $size; Backing = "$($floor.Backing)" } -Rounds 401 -WarmUp 40
            Add-Bar "$fileSystem`: patching 16 bytes and saving, against the bare system calls" $ratios['Engine'] 1.3
        }
    }
}

# The large files, one filesystem after the other.
function Measure-File {
    foreach ($fileSystem in $fileSystems) {
        Measure-Open $fileSystem
        Measure-Patch $fileSystem
        Get-ChildItem -LiteralPath (Join-Path $rig $fileSystem) -Filter '*MiB*' | Remove-Item
    }
}

# A clone costs by the extent.
function Measure-Extent {
    foreach ($fileSystem in $fileSystems | Where-Object { $_ -in 'xfs', 'xfs-exchange', 'btrfs' }) {
        foreach ($extents in $(if ($Full) { 1, 100, 1000, 10000, 100000 } else { 1, 1000 })) {
            $path = Join-Path $rig "$fileSystem/pieces"
            [MmapSnapshot.Benchmarks.Specimen]::WriteInPieces($path, $extents)
            $case = @{ Part = 'Extents'; FileSystem = $fileSystem; Extents = $extents }
            [void](Measure-InTurn -Case $case -Rounds 51 -Contender ([ordered]@{
                        Clone        = { [MmapSnapshot.Benchmarks.Engine]::OpenClose($path, 'Reflink') }
                        Default      = { [MmapSnapshot.Benchmarks.Engine]::OpenClose($path, 'Auto') }
                        'Patch, save' = { [MmapSnapshot.Benchmarks.Engine]::Patch($path) }
                    }))
            Remove-Item -LiteralPath $path
        }
    }
    if ('xfs-exchange' -in $fileSystems) { Measure-RangeExchange (Join-Path $rig 'xfs-exchange') }
}

# An exchange takes only the blocks that were changed.
function Measure-RangeExchange([string] $Directory) {
    $one, $many = "$Directory/one", "$Directory/many"
    [MmapSnapshot.Benchmarks.Specimen]::WriteInPieces($one, 1)
    [MmapSnapshot.Benchmarks.Specimen]::WriteInPieces($many, 20000)
    foreach ($staysOpen in $false, $true) {
        $how = if ($staysOpen) { 'staying open' } else { 'with -Close' }
        $case = @{ Part = 'RangeExchange'; FileSystem = 'xfs-exchange'; Save = $how }
        $ratios = Measure-InTurn -Case $case -Rounds 51 -Contender ([ordered]@{
                'One extent'     = { [MmapSnapshot.Benchmarks.Engine]::Patch($one, $staysOpen) }
                '20,000 extents' = { [MmapSnapshot.Benchmarks.Engine]::Patch($many, $staysOpen) }
            })
        Add-Bar "XFS exchange, 20,000 extents: open, patch 16 bytes, save, $how, against one extent" $ratios['20,000 extents'] 5
    }
    Remove-Item -LiteralPath $one, $many
}

# A save in place, where there is no room for a second file.
function Measure-InPlace {
    if ('ext4' -notin $fileSystems -or -not $hasFloor) { return }
    $path = New-LargeFile 'ext4' $(if ($Full) { 4GB } else { 256MB })
    $ballast = Join-Path $rig 'ext4/ballast'
    $free = [System.IO.DriveInfo]::new((Split-Path -Path $path)).AvailableFreeSpace
    fallocate --length ($free - 16MB) -- $ballast
    $case = @{ Part = 'InPlace'; FileSystem = 'ext4'; Bytes = (Get-Item -LiteralPath $path).Length }
    $ratios = Measure-InTurn -Case $case -Rounds 201 -WarmUp 20 -Contender ([ordered]@{
            'pwrite, fdatasync'      = { [MmapSnapshot.Benchmarks.Floor]::PatchInPlace($path) }
            'the same, with journal' = { [MmapSnapshot.Benchmarks.Floor]::PatchWithJournal($path) }
            'Commit, method InPlace' = { [MmapSnapshot.Benchmarks.Engine]::SaveInPlace($path) }
        })
    $size = if ($Full) { '4 GiB' } else { '256 MiB' }
    Add-Bar "ext4 with 16 MiB free: saving 16 bytes of $size in place, against pwrite and fdatasync" $ratios['Commit, method InPlace'] 6
    $journalled = $ratios['Commit, method InPlace'] / $ratios['the same, with journal']
    Add-Bar "ext4 with 16 MiB free: saving 16 bytes of $size in place, against the same flushes" $journalled 2
    $space = [MmapSnapshot.Benchmarks.Engine]::SpaceOfSaveInPlace($path)
    Add-Bar 'ext4: bytes of the disk that a save in place has taken when it is done' $space 1MB -Guard
    Remove-Item -LiteralPath $path, $ballast
}

# Files that are almost all holes.
function Measure-Sparse {
    foreach ($fileSystem in $fileSystems) {
        $path = Join-Path $rig "$fileSystem/sparse"
        [MmapSnapshot.Benchmarks.Specimen]::Write($path, 1MB)
        truncate --size=1T -- $path
        [void](Measure-InTurn -Case @{ Part = 'Sparse'; FileSystem = $fileSystem; Bytes = 1TB } -Rounds 11 -Contender ([ordered]@{ Engine = { [MmapSnapshot.Benchmarks.Engine]::Patch($path) } }))
        Add-Bar "$fileSystem`: opening, patching and saving a sparse file of 1 TiB, in seconds" ($measured[-1].Microseconds / 1e6) 1 -Unit ' s'
        Remove-Item -LiteralPath $path
    }
}

function Measure-Search {
    $path = Join-Path $rig "$($fileSystems[0])/programs"
    $length = if ($Full) { 512MB } else { 64MB }
    [MmapSnapshot.Benchmarks.Specimen]::WritePrograms($path, $length)
    $snapshot = Open-MmapSnapshot $path -ReadOnly
    $view = $snapshot.GetView(0, $length)
    $hex = { param($text) , [MmapSnapshot.BytePattern[]]@([MmapSnapshot.BytePattern]::ParseHex($text)) }
    $cases = @(
        @{ Search = '16 bytes of text'; Patterns = , [MmapSnapshot.BytePattern]::FromText('MmapSnapshot tst', [Text.Encoding]::UTF8, $false); Grep = 'MmapSnapshot tst' }
        @{ Search = '4 bytes: DE AD BE EF'; Patterns = & $hex 'DE AD BE EF'; Grep = '\xDE\xAD\xBE\xEF' }
        @{ Search = 'wildcards: 0F 84 ?? ?? 00 00 48 8B ?? 0? C3'; Patterns = & $hex '0F 84 ?? ?? 00 00 48 8B ?? 0? C3'; Grep = '(?s)\x0F\x84..\x00\x00\x48\x8B.[\x00-\x0F]\xC3' }
        @{ Search = 'text without regard to case'; Patterns = , [MmapSnapshot.BytePattern]::FromText('mmapsnapshot', [Text.Encoding]::UTF8, $true); Grep = '(?i)mmapsnapshot' }
        @{ Search = 'half bytes alone: 4? ?B 0? 8? E? ?7'; Patterns = & $hex '4? ?B 0? 8? E? ?7'; Grep = $null }
    )
    foreach ($case in $cases) {
        $patterns = [MmapSnapshot.BytePattern[]]$case.Patterns
        $expression = $case.Grep
        $contender = [ordered]@{
            'Sum, mapped already' = { [MmapSnapshot.Benchmarks.Sums]::OfMapped($view) }
            'Sum, mapped first'   = { [MmapSnapshot.Benchmarks.Sums]::WithMapping($snapshot) }
            'Sum, byte by byte'   = { [MmapSnapshot.Benchmarks.Sums]::ByteByByte($view) }
            Search                = { [MmapSnapshot.Benchmarks.Engine]::Search($snapshot, $patterns) }
        }
        if ($expression) {
            $contender['grep -obUaP'] = {
                $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
                env LC_ALL=C grep -obUaP -- $expression $path | Out-Null
                Get-Elapsed $started
            }
            if (Get-Command -Name rg -CommandType Application -ErrorAction Ignore) {
                $contender['rg'] = {
                    $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
                    rg --byte-offset --only-matching --text --no-unicode --no-mmap -j 1 -- "(?-u)$expression" $path | Out-Null
                    Get-Elapsed $started
                }
            }
        }
        [void](Measure-InTurn $contender @{ Part = 'Search'; Search = $case.Search; Bytes = $length } -Rounds 15 -Seconds $(if ($Full) { 20 } else { 2 }))
        if ($case.Search -match '^\d') {
            $of = { param($name) ($measured | Where-Object { $_.Part -eq 'Search' -and $_.Search -eq $case.Search -and $_.Contender -eq $name }).Microseconds }
            Add-Bar "searching $($case.Search), against a plain loop that sums the bytes" ((& $of 'Sum, byte by byte') / (& $of 'Search')) 0.9 -AtLeast
        }
    }
    $view.Dispose()
    Close-MmapSnapshot $snapshot
    Remove-Item -LiteralPath $path
}

# What calling a cmdlet costs: time, and memory for the garbage collector.
function Measure-Call {
    $path = Join-Path $rig "$($fileSystems[0])/call"
    [MmapSnapshot.Benchmarks.Specimen]::Write($path, 64KB)
    $snapshot = Open-MmapSnapshot $path
    $calls = 200
    $bytes = [byte[]](1..16)
    $expressions = 'Invoke-Nothing $snapshot 64 16', 'Invoke-Nothing', 'Get-SnapshotBytes $snapshot 64 16', 'Set-SnapshotBytes $snapshot 64 $bytes', 'Get-MmapSnapshot -Id $id', '$snapshot[64]'
    $id = $snapshot.Id
    $contender, $allocation = [ordered]@{}, [ordered]@{}
    foreach ($expression in $expressions) {
        $loop = "for (`$i = 0; `$i -lt `$calls; `$i++) { `$null = $expression }"
        $contender[$expression] = [scriptblock]::Create("`$started = [System.Diagnostics.Stopwatch]::GetTimestamp(); $loop; (Get-Elapsed `$started) / `$calls")
        $allocation[$expression] = [scriptblock]::Create("`$before = [GC]::GetAllocatedBytesForCurrentThread(); $loop; ([GC]::GetAllocatedBytesForCurrentThread() - `$before) / `$calls")
    }
    $ratios = Measure-InTurn $contender @{ Part = 'Call' } -Rounds 101 -WarmUp 5
    Add-Bar 'Get-SnapshotBytes, against a cmdlet that does nothing with its three arguments' $ratios['Get-SnapshotBytes $snapshot 64 16'] 2
    Add-Bar 'Set-SnapshotBytes, against a cmdlet that does nothing with its three arguments' $ratios['Set-SnapshotBytes $snapshot 64 $bytes'] 2

    $allocated = @{}
    foreach ($expression in $expressions) {
        $allocated[$expression] = & $allocation[$expression]
        $measured.Add([pscustomobject]@{ Part = 'Allocation'; Contender = $expression; Bytes = [math]::Round($allocated[$expression]) })
    }
    $none = $allocated['Invoke-Nothing $snapshot 64 16']
    Add-Bar 'Get-SnapshotBytes: bytes allocated for a call, against a cmdlet that does nothing with its three arguments' ($allocated['Get-SnapshotBytes $snapshot 64 16'] / $none) 2 -Guard
    Add-Bar 'Set-SnapshotBytes: bytes allocated for a call, against a cmdlet that does nothing with its three arguments' ($allocated['Set-SnapshotBytes $snapshot 64 $bytes'] / $none) 2 -Guard
    Close-MmapSnapshot $snapshot -Force
    Remove-Item -LiteralPath $path
}

# New shells.
function Measure-Start {
    $path = Join-Path $rig "$($fileSystems[0])/start"
    [MmapSnapshot.Benchmarks.Specimen]::Write($path, 1MB)
    $start = {
        param($command)
        $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
        Invoke-CommandLine ($pwsh + '-NoProfile', '-NonInteractive', '-Command', $command) | Out-Null
        Get-Elapsed $started
    }
    [void](Measure-InTurn -Case @{ Part = 'Start' } -Rounds $(if ($Full) { 41 } else { 3 }) -WarmUp 1 -Seconds $(if ($Full) { 120 } else { 10 }) -Contender ([ordered]@{
                'pwsh'                       = { & $start '1' }
                'pwsh, import'               = { & $start "Import-Module '$Module'" }
                'pwsh, import, patch, save'  = { & $start "Import-Module '$Module'; `$s = Open-MmapSnapshot '$path'; Set-SnapshotBytes `$s 64 ([byte[]](1..16)); Save-Snapshot `$s -Close" }
            }))
    $of = { param($name) ($measured | Where-Object { $_.Part -eq 'Start' -and $_.Contender -eq $name }).Microseconds }
    Add-Bar 'Import-Module, over an empty pwsh, in milliseconds' (((& $of 'pwsh, import') - (& $of 'pwsh')) / 1000) 60 -Unit ' ms'
    Remove-Item -LiteralPath $path
}

# Many files: through one pipeline, in parallel, and in a loop over what .NET has.
function Measure-Many {
    $count = if ($Full) { 10000 } else { 100 }
    $folder = (New-Item -ItemType Directory -Path (Join-Path $rig "$($fileSystems[0])/many")).FullName
    foreach ($i in 1..$count) { [System.IO.File]::WriteAllBytes("$folder/$i", [byte[]]::new(8192)) }
    $descriptors = { (Get-ChildItem -LiteralPath /proc/self/fd).Count }
    $before = & $descriptors
    [void](Measure-InTurn -Case @{ Part = 'Many'; FileSystem = $fileSystems[0]; Files = $count } -Rounds $(if ($Full) { 1 } else { 3 }) -WarmUp $(if ($Full) { 0 } else { 1 }) -Contender ([ordered]@{
                'Pipeline'                       = {
                    $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
                    Get-ChildItem -LiteralPath $folder | Open-MmapSnapshot | Set-SnapshotBytes -Offset 64 -Bytes ([MmapSnapshot.Benchmarks.Bytes]::Patch()) -PassThru | Save-Snapshot -Close -NoFlush
                    Get-Elapsed $started
                }
                'ForEach-Object -Parallel'       = {
                    $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
                    Get-ChildItem -LiteralPath $folder | ForEach-Object -ThrottleLimit ([Environment]::ProcessorCount) -Parallel {
                        $s = Open-MmapSnapshot -LiteralPath $_.FullName
                        Set-SnapshotBytes $s 64 ([byte[]](1..15 + (Get-Random -Maximum 256)))
                        Save-Snapshot $s -Close -NoFlush
                    }
                    Get-Elapsed $started
                }
                'ReadAllBytes, WriteAllBytes'    = {
                    $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
                    foreach ($file in Get-ChildItem -LiteralPath $folder) {
                        $bytes = [System.IO.File]::ReadAllBytes($file.FullName)
                        [MmapSnapshot.Benchmarks.Bytes]::Patch().CopyTo($bytes, 64)
                        [System.IO.File]::WriteAllBytes($file.FullName, $bytes)
                    }
                    Get-Elapsed $started
                }
            }))
    Add-Bar "descriptors left after $count files" ([math]::Max(0, (& $descriptors) - $before)) 2 -Guard
    Remove-Item -LiteralPath $folder -Recurse -Force
}

# Many files saved as one, and one by one: the save alone.
function Measure-Group {
    $count = if ($Full) { 1000 } else { 100 }
    foreach ($fileSystem in $fileSystems | Where-Object { $_ -in 'xfs', 'btrfs', 'ext4' }) {
        $folder = (New-Item -ItemType Directory -Path (Join-Path $rig "$fileSystem/group")).FullName
        [MmapSnapshot.Benchmarks.Groups]::Write($folder, $count)
        $flushesAll = $fileSystem -ne 'ext4'
        $seconds = if ($Full) { 60 } else { 1 }
        $contender = [ordered]@{}
        if ($hasFloor) { $contender['Bare calls'] = { [MmapSnapshot.Benchmarks.Floor]::ReplaceAll($folder, $count, $flushesAll) } }
        $contender['CommitAll'] = { [MmapSnapshot.Benchmarks.Groups]::SaveAll($folder, $count) }
        $contender['Commit of each'] = { [MmapSnapshot.Benchmarks.Groups]::SaveEach($folder, $count) }
        $case = @{ Part = 'Group'; FileSystem = $fileSystem; Files = $count }
        $ratios = Measure-InTurn $contender $case -Rounds 11 -WarmUp 1 -Seconds $seconds -Settle { sync --file-system $folder }
        $claim = "$fileSystem`: $count files of 8 KiB saved as one, against bare calls with the same flushes"
        if ($hasFloor) { Add-Bar $claim $ratios['CommitAll'] 2 }
        $each = $ratios['Commit of each'] / $ratios['CommitAll']
        Add-Bar "$fileSystem`: $count files of 8 KiB saved one by one, against as one" $each 3 -AtLeast
        if ($hasFloor -and $Full) {
            $dirty = Join-Path $rig "$fileSystem/dirty"
            $case = @{ Part = 'Group'; FileSystem = $fileSystem; Files = $count; DirtyBytes = 300MB }
            $contender.Remove('Commit of each')
            $settle = { [MmapSnapshot.Benchmarks.Groups]::WriteDirty($dirty, 300MB) }
            $ratios = Measure-InTurn $contender $case -Rounds 7 -WarmUp 1 -Seconds $seconds -Settle $settle
            Add-Bar "$fileSystem`: the same while another program has 300 MiB to be written, against bare calls" $ratios['CommitAll'] 2
            Remove-Item -LiteralPath $dirty
        }
        Remove-Item -LiteralPath $folder -Recurse -Force
    }
}

# What an open snapshot takes of memory, in a process of its own.
function Measure-Memory {
    $count = 1000
    $folder = (New-Item -ItemType Directory -Path (Join-Path $rig "$($fileSystems[0])/memory")).FullName
    foreach ($i in 1..$count) { [MmapSnapshot.Benchmarks.Specimen]::Write("$folder/$i", 64KB) }
    $lines = Invoke-CommandLine ($pwsh + '-NoProfile', '-NonInteractive', '-Command', "
        Import-Module '$Module'
        Open-MmapSnapshot '$folder/1' | Close-MmapSnapshot
        `$inStatus = { param(`$name) [long]((Select-String -LiteralPath /proc/self/status -Pattern `$name).Line -replace '\D') * 1024 }
        `$managed = [GC]::GetTotalMemory(`$true); `$before = & `$inStatus VmRSS
        `$all = Open-MmapSnapshot '$folder/*'
        ([GC]::GetTotalMemory(`$true) - `$managed) / $count
        ((& `$inStatus VmRSS) - `$before) / $count
        & `$inStatus VmHWM
        `$all | Close-MmapSnapshot")
    $measured.Add([pscustomobject]@{ Part = 'Memory'; FileSystem = $fileSystems[0]; Snapshots = $count; ManagedBytesEach = [math]::Round([double]$lines[0]); ResidentBytesEach = [math]::Round([double]$lines[1]); PeakBytes = [long]$lines[2] })
    Remove-Item -LiteralPath $folder -Recurse -Force
}

# Another version of the module, in turns with this one: each has a PowerShell of its own.
# (A closure sees the variables of its own round of a loop, but no function of this script.)
function Measure-Against {
    if (-not $Against) { return }
    $versions = [ordered]@{ Before = $Against; Now = $Module }
    foreach ($fileSystem in $fileSystems) {
        $small, $large = (Join-Path $rig "$fileSystem/small"), (Join-Path $rig "$fileSystem/large")
        [MmapSnapshot.Benchmarks.Specimen]::Write($small, 64KB)
        [MmapSnapshot.Benchmarks.Specimen]::Write($large, 64MB)
        $processes = @{}
        foreach ($name in $versions.Keys) {
            $start = [System.Diagnostics.ProcessStartInfo]::new($pwsh[0])
            $arguments = @(
                $pwsh | Select-Object -Skip 1
                '-NoProfile', '-NonInteractive', '-File', "$PSScriptRoot/Invoke-Turn.ps1"
                '-Module', $versions[$name], '-Small', $small, '-Large', $large
            )
            foreach ($argument in $arguments) { $start.ArgumentList.Add($argument) }
            $start.RedirectStandardInput = $start.RedirectStandardOutput = $true
            $processes[$name] = [System.Diagnostics.Process]::Start($start)
        }
        foreach ($turn in 'Patch', 'Search') {
            $contender = [ordered]@{}
            foreach ($name in $versions.Keys) {
                $contender[$name] = {
                    $processes[$name].StandardInput.WriteLine($turn)
                    [double]::Parse($processes[$name].StandardOutput.ReadLine(), [cultureinfo]::InvariantCulture)
                }.GetNewClosure()
            }
            $ratios = Measure-InTurn $contender @{ Part = 'Against'; What = $turn; FileSystem = $fileSystem } -Rounds 401 -WarmUp 40
            $what = if ($turn -eq 'Patch') { 'opening, patching and saving 64 KiB' } else { 'searching 64 MiB' }
            Add-Bar "$fileSystem`: $what, against the version before" $ratios['Now'] 1.15
        }
        foreach ($name in $versions.Keys) {
            $processes[$name].StandardInput.Close()
            $processes[$name].WaitForExit()
        }
        Remove-Item -LiteralPath $small, $large
    }
    $contender = [ordered]@{}
    foreach ($name in $versions.Keys) {
        $contender[$name] = {
            $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
            Invoke-CommandLine ($pwsh + '-NoProfile', '-NonInteractive', '-Command', "Import-Module '$($versions[$name])'") | Out-Null
            [System.Diagnostics.Stopwatch]::GetElapsedTime($started).TotalMicroseconds
        }.GetNewClosure()
    }
    $rounds = if ($Full) { 41 } else { 5 }
    $ratios = Measure-InTurn $contender @{ Part = 'Against'; What = 'Import' } -Rounds $rounds -WarmUp 1 -Seconds 120
    Add-Bar 'a new pwsh that imports the module, against the version before' $ratios['Now'] 1.15
}

# Ctrl+C: how long a pipeline that was stopped takes to end.
function Measure-Stop {
    $path = Join-Path $rig "$($fileSystems[0])/stop"
    [MmapSnapshot.Benchmarks.Specimen]::Write($path, 64MB)
    $zeros = Join-Path $rig "$($fileSystems[0])/zeros"
    [System.IO.File]::WriteAllBytes($zeros, [byte[]]::new(64MB))
    $random = [Random]::new(1)
    $patterns = foreach ($i in 1..50000) { $random.NextInt64().ToString('X16', [cultureinfo]::InvariantCulture) }
    # What is searched for in what; an opening is of a file under a lease.
    $searches = [ordered]@{
        'a search for 10,000 patterns'       = $path, $patterns[0..9999]
        'a search for 50,000 patterns'       = $path, $patterns
        'a search for a hostile pattern'     = $zeros, ('00' * 60000 + '01')
        'an opening that waits for a lease'  = $path, $null
    }
    $contender = [ordered]@{}
    foreach ($name in $searches.Keys) {
        $file, $pattern = $searches[$name]
        $contender[$name] = {
            $lease = if ($null -eq $pattern) { [MmapSnapshot.Benchmarks.WriteLease]::new($file) }
            $shell = [powershell]::Create([System.Management.Automation.RunspaceMode]::NewRunspace)
            [void]$shell.AddScript('
                param($file, $pattern)
                if ($null -eq $pattern) { return Open-MmapSnapshot -LiteralPath $file }
                $snapshot = Open-MmapSnapshot -LiteralPath $file -ReadOnly
                try { while ($true) { Find-SnapshotBytes $snapshot $pattern | Out-Null } } finally { Close-MmapSnapshot $snapshot }
            ').AddArgument($file).AddArgument($pattern)
            $running = $shell.BeginInvoke()
            # From before its first search to far into it.
            Start-Sleep -Milliseconds (Get-Random -Minimum 200 -Maximum 1200)
            if ($running.IsCompleted) { throw "It had ended before it was stopped: $($shell.Streams.Error)" }
            $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
            $shell.Stop()
            [System.Diagnostics.Stopwatch]::GetElapsedTime($started).TotalMicroseconds
            $shell.Dispose()
            if ($lease) { $lease.Dispose() }
        }.GetNewClosure()
    }
    [void](Measure-InTurn $contender @{ Part = 'Stop' } -Rounds $(if ($Full) { 10 } else { 3 }) -WarmUp 1 -Seconds 120)
    foreach ($name in $searches.Keys) {
        # Of at most ten rounds, the 90th percentile is the longest.
        $slowest = ($measured | Where-Object { $_.Part -eq 'Stop' -and $_.Contender -eq $name }).To
        Add-Bar "Ctrl+C in $name`: until it has ended, in seconds" ($slowest / 1e6) 0.2 -Unit ' s'
    }
    Remove-Item -LiteralPath $path, $zeros
}

# Changes: what they cost does not depend on the file, or on the changes before.
function Measure-Edit {
    $paths = [ordered]@{}
    foreach ($fileSystem in $fileSystems | Where-Object { $_ -in 'xfs', 'ext4', 'tmpfs' }) {
        $paths[$fileSystem] = New-LargeFile $fileSystem 1GB
    }
    $first = @($paths.Keys)[0]
    $contender = [ordered]@{}
    foreach ($fileSystem in $paths.Keys) {
        $path = $paths[$fileSystem]
        $contender[$fileSystem] = { [MmapSnapshot.Benchmarks.Edits]::First($path) }.GetNewClosure()
    }
    $ratios = Measure-InTurn $contender @{ Part = 'Edit'; What = 'the first change to 1 GiB' } -Rounds 401 -WarmUp 40
    foreach ($fileSystem in $paths.Keys | Where-Object { $_ -in 'ext4', 'tmpfs' }) {
        if ($first -eq 'xfs') { Add-Bar "$fileSystem`: the first change to 1 GiB, against xfs" $ratios[$fileSystem] 1.5 }
        $space = [MmapSnapshot.Benchmarks.Edits]::SpaceOfFirst($paths[$fileSystem])
        Add-Bar "$fileSystem`: bytes of the disk that the first change to 1 GiB takes" $space 0 -Guard
    }

    $snapshot = Open-MmapSnapshot -LiteralPath $paths[$first] -MaxWriterDelay 12
    $ratios = Measure-InTurn -Case @{ Part = 'Edit'; What = 'three bytes in 1 GiB' } -Rounds 51 -WarmUp 5 -Contender ([ordered]@{
            Overwrite = { [MmapSnapshot.Benchmarks.Edits]::Overwrite($snapshot) }
            Insert    = { [MmapSnapshot.Benchmarks.Edits]::Insert($snapshot) }
        })
    Add-Bar 'inserting three bytes into 1 GiB, against overwriting them' $ratios['Insert'] 2 -Guard
    Close-MmapSnapshot $snapshot -Force

    $path = Join-Path $rig "$first/sparse"
    [MmapSnapshot.Benchmarks.Specimen]::Write($path, 1MB)
    truncate --size=1T -- $path
    $snapshot = Open-MmapSnapshot -LiteralPath $path
    $ratios = Measure-InTurn -Case @{ Part = 'Edit'; What = 'a fill and its undo' } -Rounds 401 -WarmUp 40 -Contender ([ordered]@{
            '1 MiB' = { [MmapSnapshot.Benchmarks.Edits]::FillAndUndo($snapshot, 1MB) }
            '1 TiB' = { [MmapSnapshot.Benchmarks.Edits]::FillAndUndo($snapshot, 1TB) }
        })
    Add-Bar 'a fill of 1 TiB and its undo, against 1 MiB' $ratios['1 TiB'] 2 -Guard
    Add-Bar 'a fill of 1 TiB and its undo, in microseconds' $measured[-1].Microseconds 100 -Unit ' µs'
    Close-MmapSnapshot $snapshot -Force
    Remove-Item -LiteralPath $path

    # Once, as it takes seconds; what the compilers have to do is done by fewer.
    $count = if ($Full) { 1000000 } else { 100000 }
    [void][MmapSnapshot.Benchmarks.Edits]::Scatter($paths[$first], 20000)
    $scattered = [MmapSnapshot.Benchmarks.Edits]::Scatter($paths[$first], $count)
    $quarters = $scattered.Item1
    for ($i = 0; $i -lt 4; $i++) {
        $measured.Add([pscustomobject]@{
                Part         = 'Edit'
                What         = "$count writes of one byte in 1 GiB"
                Contender    = "quarter $($i + 1)"
                Microseconds = [math]::Round($quarters[$i], 2)
                Ratio        = [math]::Round($quarters[$i] / $quarters[0], 3)
            })
    }
    $writes = "$count scattered writes of one byte"
    Add-Bar "$writes`: the slowest quarter, in microseconds each" ($quarters | Measure-Object -Maximum).Maximum 10 -Unit ' µs'
    Add-Bar "$writes`: the last quarter, against the first" ($quarters[3] / $quarters[0]) 2.5
    # The last 10,000 steps take 2 KiB each, however many there were.
    if ($Full) { Add-Bar "$writes`: bytes of memory each, with their history" $scattered.Item2 200 -Guard }
    Remove-Item -LiteralPath @($paths.Values)
}

# Small reads; and reads while the snapshot is busy.
function Measure-Read {
    $path = New-LargeFile $fileSystems[0] 16MB
    $snapshot = Open-MmapSnapshot -LiteralPath $path
    $stream = $snapshot.AsStream()
    # Without a buffer, which a snapshot has none of: four bytes of it are what was there when they were read.
    $file = [System.IO.FileStream]::new($path, 'Open', 'Read', 'Read', 0)
    $buffered = [System.IO.File]::OpenRead($path)
    $ratios = Measure-InTurn -Case @{ Part = 'Read'; What = 'four bytes somewhere' } -Rounds 101 -WarmUp 5 -Contender ([ordered]@{
            FileStream = { [MmapSnapshot.Benchmarks.Reads]::Four($file) }
            Snapshot   = { [MmapSnapshot.Benchmarks.Reads]::Four($snapshot) }
        })
    Add-Bar 'Snapshot.Read of four bytes, against FileStream without a buffer' $ratios['Snapshot'] 3 -Guard
    $ratios = Measure-InTurn -Case @{ Part = 'Read'; What = 'ReadByte' } -Rounds 101 -WarmUp 5 -Contender ([ordered]@{
            FileStream = { [MmapSnapshot.Benchmarks.Reads]::ReadByte($buffered) }
            Snapshot   = { [MmapSnapshot.Benchmarks.Reads]::ReadByte($stream) }
        })
    Add-Bar 'ReadByte of a snapshot''s stream, against FileStream' $ratios['Snapshot'] 3
    Add-Bar 'Snapshot.Read of four bytes: bytes allocated' ([MmapSnapshot.Benchmarks.Reads]::AllocatedByFour($snapshot)) 0 -Guard
    Add-Bar 'ReadByte of a snapshot''s stream: bytes allocated' ([MmapSnapshot.Benchmarks.Reads]::AllocatedByReadByte($stream)) 0 -Guard
    foreach ($one in $stream, $file, $buffered) { $one.Dispose() }
    Close-MmapSnapshot $snapshot
    Remove-Item -LiteralPath $path

    # Where a file is under a lease and a save has to copy it.
    $fileSystem = @($fileSystems | Where-Object { $_ -in 'ext4', 'tmpfs' })[0]
    if (-not $fileSystem) { return }
    $length = if ($Full) { 1GB } else { 256MB }
    $path = New-LargeFile $fileSystem $length
    $case = @{ Part = 'Read'; What = 'four KiB somewhere'; FileSystem = $fileSystem; Bytes = $length }
    $seconds = if ($Full) { 60 } else { 10 }
    $ratios = Measure-InTurn -Case $case -Rounds 11 -WarmUp 1 -Seconds $seconds -Contender ([ordered]@{
            'At rest'               = { [MmapSnapshot.Benchmarks.Reads]::AtRest($path) }
            'During a save'         = { [MmapSnapshot.Benchmarks.Reads]::DuringSave($path) }
            'While a lease breaks'  = { [MmapSnapshot.Benchmarks.Reads]::DuringLeaseBreak($path) }
        })
    $size = "$($length / 1MB) MiB"
    Add-Bar "$fileSystem`: a read during a save of $size while another thread writes, against one at rest" $ratios['During a save'] 2
    Add-Bar "$fileSystem`: a read while a lease breaks and $size are copied, against one at rest" $ratios['While a lease breaks'] 2
    Remove-Item -LiteralPath $path, "$path.new"
}

# Many matches, replaced as one change.
function Measure-Replace {
    $count = if ($Full) { 1000000 } else { 100000 }
    $path = Join-Path $rig "$($fileSystems[0])/text"
    [MmapSnapshot.Benchmarks.Specimen]::WriteLines($path, 'a line with the old name in it, and some more', $count)
    $seconds = if ($Full) { 60 } else { 5 }
    $ratios = Measure-InTurn -Case @{ Part = 'Replace'; Matches = $count } -Rounds 11 -Seconds $seconds -Contender ([ordered]@{
            'sed'                = {
                $started = [System.Diagnostics.Stopwatch]::GetTimestamp()
                env LC_ALL=C sh -c 'sed "s/old name/new name/g" "$1" > "$1.new"' sh $path
                Get-Elapsed $started
            }
            'Find, Apply'        = { [MmapSnapshot.Benchmarks.Edits]::Replace($path, 'old name', 'new name', $false) }
            'Find, Apply, Commit' = { [MmapSnapshot.Benchmarks.Edits]::Replace($path, 'old name', 'new name', $true) }
        })
    Add-Bar "$count matches replaced by Find and Apply, against sed" $ratios['Find, Apply'] 3
    Remove-Item -LiteralPath $path, "$path.new"
}

foreach ($name in $Part) {
    $clock = [System.Diagnostics.Stopwatch]::StartNew()
    & "Measure-$name"
    "$name`: $([math]::Round($clock.Elapsed.TotalSeconds)) s" | Out-Host
}

$cpu = (Get-Content -LiteralPath /proc/cpuinfo | Where-Object { $_ -match '^model name\s*:\s*(.+)' } | ForEach-Object { $Matches[1] } | Select-Object -First 1)
[ordered]@{
    Date         = (Get-Date).ToString('yyyy-MM-dd', [cultureinfo]::InvariantCulture)
    Form         = if ($Full) { 'full' } else { 'short' }
    Version      = "$((Get-Module -Name MmapSnapshot).Version)"
    PowerShell   = "$($PSVersionTable.PSVersion)"
    Runtime      = [System.Runtime.InteropServices.RuntimeInformation]::FrameworkDescription
    Kernel       = "Linux $([System.IO.File]::ReadAllText('/proc/sys/kernel/osrelease').Trim())"
    Processor    = if ($cpu) { $cpu } else { [System.Runtime.InteropServices.RuntimeInformation]::ProcessArchitecture.ToString() }
    Cores        = [Environment]::ProcessorCount
    Bars         = $bars
    Measurements = $measured
} | ConvertTo-Json -Depth 4 | Set-Content -LiteralPath $Results

# Ctrl+C (PowerShell stops the pipeline from another thread), and the bar that shows how long it would still take.

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"

    # Waits until something is so, or the pipeline has ended.
    function Wait-Until([powershell] $Pipeline, [scriptblock] $Condition) {
        while ($Pipeline.InvocationStateInfo.State -eq 'Running' -and -not (& $Condition)) { [System.Threading.Thread]::Yield() | Out-Null }
    }

    # Stops a pipeline and returns the milliseconds that it took.
    function Stop-Pipeline([powershell] $Pipeline) {
        $clock = [System.Diagnostics.Stopwatch]::StartNew()
        $Pipeline.Stop()
        $clock.Elapsed.TotalMilliseconds
        $Pipeline.Runspace.Dispose()
    }

    # Real bytes, as a filesystem may skip zeros.
    function New-NoisyFile([string] $Path, [int] $Megabytes) {
        Invoke-Shell 'head -c 1M /dev/urandom > "$1.1"; for i in $(seq "$2"); do cat "$1.1"; done > "$1"; rm "$1.1"' $Path $Megabytes
        $Path
    }
}

Describe 'Stopping a pipeline' {
    BeforeEach {
        $folder = New-Workspace
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'fills and undoes a tebibyte in no time, so that there is nothing to stop' {
        $snapshot = Open-MmapSnapshot (New-SparseFile "$folder/a.bin" -Length 1TB)
        $clock = [System.Diagnostics.Stopwatch]::StartNew()
        Set-SnapshotBytes $snapshot 0 -Fill 0xEE -Count 1TB
        $snapshot.ModifiedBytes | Should -Be 1TB
        Undo-SnapshotBytes $snapshot
        $snapshot.IsModified | Should -BeFalse
        $clock.Elapsed.TotalMilliseconds | Should -BeLessThan 1000
    }

    It 'ends a copy at once, and leaves nothing of it' {
        $file = New-NoisyFile "$folder/a.bin" 256
        # Somebody has it open for writing, so that the copy is compared as well: the longer it takes.
        $writer = [System.IO.FileStream]::new($file, 'Open', 'Write', 'ReadWrite')
        try {
            # A machine that stalls for as long as the copy takes has another chance.
            foreach ($attempt in 1..5) {
                $others = @(Get-DescriptorInto $folder).Count
                $pipeline = Start-Pipeline 'Open-MmapSnapshot $file -Backing Copy' -Variables @{ file = $file }
                # The source, its folder, and the copy.
                Wait-Until $pipeline { @(Get-DescriptorInto $folder).Count -ge $others + 3 }
                Stop-Pipeline $pipeline | Should -BeLessThan 2000
                if ($pipeline.InvocationStateInfo.State -eq 'Stopped') { break }
            }
            $pipeline.InvocationStateInfo.State | Should -Be 'Stopped'
            @(Get-DescriptorInto $folder).Count | Should -Be $others
            Get-MmapSnapshot "$folder/*" | Should -BeNullOrEmpty
            @(Get-ChildItem -LiteralPath $folder -Force).Name | Should -Be 'a.bin'
        } finally {
            $writer.Dispose()
        }
    }

    It 'ends a save that copies at once: the file is as it was, and the snapshot has its bytes' {
        $file = New-NoisyFile "$folder/a.bin" 128
        # A copy on another filesystem, which no new file beside the old one can share extents with.
        $snapshot = Open-MmapSnapshot $file -ScratchPath /dev/shm
        foreach ($attempt in 1..5) {
            Set-SnapshotBytes $snapshot 0 -Text 'CHANGED'
            $before = Invoke-Shell 'stat -c "%i %y %z" "$1"; sha256sum "$1"' $file
            $others = @(Get-DescriptorInto $folder).Count
            $pipeline = Start-Pipeline 'Save-Snapshot $snapshot -Method Replace' -Variables @{ snapshot = $snapshot }
            Wait-Until $pipeline { @(Get-DescriptorInto $folder).Count -gt $others }
            Stop-Pipeline $pipeline | Should -BeLessThan 2000
            if ($pipeline.InvocationStateInfo.State -eq 'Stopped') { break }
        }
        $pipeline.InvocationStateInfo.State | Should -Be 'Stopped'
        Invoke-Shell 'stat -c "%i %y %z" "$1"; sha256sum "$1"' $file | Should -BeExactly $before
        $snapshot.IsModified | Should -BeTrue
        @(Get-DescriptorInto $folder).Count | Should -Be $others
        @(Get-ChildItem -LiteralPath $folder -Force).Name | Should -Be 'a.bin'
        Save-Snapshot $snapshot -NoFlush -Close
        Get-FileHex $file 0 7 | Should -BeExactly (ConvertTo-HexText ([System.Text.Encoding]::ASCII.GetBytes('CHANGED')))
    }

    # 800 ms, where 200 are asked for: the machine may be busy with other tests. Each of these would go on for seconds.
    It 'ends a long <What> at once, and leaves nothing' -ForEach @(
        @{ What = 'search'; Script = '@($snapshot) * 1000 | Find-SnapshotBytes -Pattern "AA BB CC DD EE FF 00 11 22 33 ??" | Out-Null' }
        @{ What = 'search that finds much'; Script = '@($snapshot) * 1000 | Find-SnapshotBytes -Pattern "A?" | Out-Null' }
        @{ What = 'comparison'; Script = '@($snapshot) * 1000 | Compare-Snapshot -With $snapshot | Out-Null' }
        @{ What = 'comparison with a file'; Script = '@($snapshot) * 1000 | Compare-Snapshot -With $file | Out-Null' }
        @{ What = 'dump'; Script = 'Format-SnapshotBytes $snapshot -Count 64MB | Out-Null' }
        @{ What = 'list of changes'; Script = '$snapshot | Compare-Snapshot -With $empty | Out-Null' }
    ) {
        $file = New-NoisyFile "$folder/a.bin" 64
        $snapshot = Open-MmapSnapshot $file
        $empty = Open-MmapSnapshot (New-SparseFile "$folder/empty" -Length 64MB)
        $others = @(Get-DescriptorInto $folder).Count
        $pipeline = Start-Pipeline $Script -Variables @{ snapshot = $snapshot; file = $file; empty = $empty }
        Start-Sleep -Milliseconds 150
        $state = $pipeline.InvocationStateInfo.State
        Stop-Pipeline $pipeline | Should -BeLessThan 800
        $state, $pipeline.InvocationStateInfo.State | Should -Be 'Running', 'Stopped'
        @(Get-DescriptorInto $folder).Count | Should -Be $others
        @(Get-ChildItem -LiteralPath $folder -Force).Count | Should -Be 2
        # Nobody holds its lock any more.
        Set-SnapshotBytes $snapshot 0 'FF'
        Undo-SnapshotBytes $snapshot
        $snapshot.IsModified | Should -BeFalse
    }

    It 'ends a search with <What> at once' -ForEach @(
        @{ What = '50,000 patterns'; Arguments = { $random = [Random]::new(1); @{ Pattern = foreach ($i in 1..50000) { $b = [byte[]]::new(8); $random.NextBytes($b); [BitConverter]::ToString($b) } } } }
        @{ What = '20,000 patterns that match everywhere'; Arguments = { @{ Pattern = @('F?') * 20000 } } }
        # At every second offset all but its last byte match; that one is of a value that is looked at first elsewhere.
        @{ What = 'a long pattern that matches up to its end'; Arguments = { @{ Pattern = 'FE 01 ' * 60000 + '01' } }; Bytes = 0xFE, 0x01 }
        @{ What = 'a pattern of 30 MB that is still read'; Arguments = { @{ Pattern = 'A? ' * 10MB + 'AB' } }; After = 30 }
        @{ What = 'an array of 5,000,000 numbers that is still read'; Arguments = { @{ Pattern = [int[]]::new(5MB) } }; After = 100 }
        @{ What = 'a text of 20 MB in any case'; Arguments = { @{ Text = 'a' * 20MB; IgnoreCase = $true } }; After = 300 }
    ) {
        $repeated = [byte[]]($_['Bytes'] ?? 0xFE)
        $snapshot = Open-MmapSnapshot (New-TestFile "$folder/a.bin" -Bytes ($repeated * (64MB / $repeated.Count))) -ReadOnly
        $arguments = & $Arguments
        $others = @(Get-DescriptorInto $folder).Count
        $pipeline = Start-Pipeline 'Find-SnapshotBytes $snapshot @arguments | Out-Null' -Variables @{ snapshot = $snapshot; arguments = $arguments }
        Start-Sleep -Milliseconds ($_['After'] ?? 800)
        $state = $pipeline.InvocationStateInfo.State
        Stop-Pipeline $pipeline | Should -BeLessThan 1000
        $state, $pipeline.InvocationStateInfo.State | Should -Be 'Running', 'Stopped'
        @(Get-DescriptorInto $folder).Count | Should -Be $others
        Close-MmapSnapshot $snapshot
    }

    It 'ends reading <What> at once, and changes nothing' -ForEach @(
        @{ What = 'hex text of 30 MB'; Arguments = { @{ Bytes = 'A1 ' * 10MB } } }
        @{ What = 'expected hex text of 30 MB'; Arguments = { @{ Bytes = '00'; Expect = 'A1 ' * 10MB } } }
        @{ What = 'an array of 5,000,000 bytes as numbers'; Arguments = { @{ Bytes = [int[]]::new(5MB) } } }
        @{ What = '5,000,000 numbers'; Arguments = { @{ Number = [int[]]::new(5MB); As = 'Int32' } } }
    ) {
        $snapshot = Open-MmapSnapshot (New-SparseFile "$folder/a.bin" -Length 64MB)
        $arguments = & $Arguments
        $pipeline = Start-Pipeline 'Set-SnapshotBytes $snapshot 0 @arguments' -Variables @{ snapshot = $snapshot; arguments = $arguments }
        Start-Sleep -Milliseconds 100
        $state = $pipeline.InvocationStateInfo.State
        Stop-Pipeline $pipeline | Should -BeLessThan 1000
        $state, $pipeline.InvocationStateInfo.State | Should -Be 'Running', 'Stopped'
        $snapshot.IsModified | Should -BeFalse
        Close-MmapSnapshot $snapshot
    }

    # An object of each byte would take 24 bytes and more, and be made by PowerShell, which nothing ends.
    It 'makes no object of each byte of a byte array for <Cmdlet> -<Parameter>' -ForEach @(
        @{ Cmdlet = 'Find-SnapshotBytes'; Parameter = 'Pattern'; Other = @{} }
        @{ Cmdlet = 'Set-SnapshotBytes'; Parameter = 'Bytes'; Other = @{ Offset = 0 } }
        @{ Cmdlet = 'Set-SnapshotBytes'; Parameter = 'Expect'; Other = @{ Offset = 0; Bytes = [byte[]]::new(1) } }
    ) {
        $snapshot = Open-MmapSnapshot (New-SparseFile "$folder/a.bin" -Length 2MB)
        $bytes = [byte[]]::new(1MB)
        [array]::Fill($bytes, [byte]1)
        $arguments = $Other + @{ Snapshot = $snapshot; $Parameter = $bytes }
        & $Cmdlet @arguments -ErrorAction SilentlyContinue # what is compiled and loaded at first
        $before = [System.GC]::GetAllocatedBytesForCurrentThread()
        & $Cmdlet @arguments -ErrorAction SilentlyContinue
        [System.GC]::GetAllocatedBytesForCurrentThread() - $before | Should -BeLessThan 16MB
        Close-MmapSnapshot $snapshot -Force
    }

    It 'leaves nothing of a snapshot that was on its way through the pipeline' {
        $file = New-TestFile "$folder/a.bin"
        $control = [hashtable]::Synchronized(@{ Reached = $false })
        $pipeline = Start-Pipeline '$file | Open-MmapSnapshot | ForEach-Object { $control.Reached = $true; Start-Sleep -Seconds 30; $_ }' -Variables @{ file = $file; control = $control }
        Wait-Until $pipeline { $control.Reached }
        Stop-Pipeline $pipeline | Should -BeLessThan 2000
        $pipeline.InvocationStateInfo.State | Should -Be 'Stopped'
        $pipeline.Dispose()
        $pipeline = $null
        Invoke-GarbageCollection
        Get-MmapSnapshot "$folder/*" | Should -BeNullOrEmpty
        @(Get-DescriptorInto $folder) | Should -BeNullOrEmpty
    }
}

Describe 'A long operation' {
    BeforeEach {
        $folder = New-Workspace
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'shows the progress of <What>, over a second after it began' -ForEach @(
        @{ What = 'a comparison'; Script = '$snapshot | Compare-Snapshot -With $empty'; Activity = 'Comparing' }
        @{ What = 'a search'; Script = '$snapshot | Find-SnapshotBytes -Pattern 01'; Activity = 'Searching' }
    ) {
        # Who takes what it finds is slow, so that little is enough.
        $file = New-NoisyFile "$folder/a.bin" 4
        $variables = @{ snapshot = Open-MmapSnapshot $file; empty = Open-MmapSnapshot (New-SparseFile "$folder/empty" -Length 4MB); control = [hashtable]::Synchronized(@{ Seen = 0 }) }
        $pipeline = Start-Pipeline "$Script | ForEach-Object { if (`$control.Seen++ -eq 0) { Start-Sleep -Milliseconds 1100 } }" -Variables $variables
        Wait-Until $pipeline { $pipeline.Streams.Progress.Count -gt 0 }
        $pipeline.Streams.Progress.Count | Should -BeGreaterThan 0
        $record = $pipeline.Streams.Progress[0]
        [void](Stop-Pipeline $pipeline)
        $record.Activity | Should -BeExactly "$Activity '$file'"
        $record.StatusDescription | Should -Match '^\d of 4 MiB$'
    }
}

# Many files through one pipeline.

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
}

Describe 'A pipeline over many files' {
    BeforeEach {
        $folder = New-Workspace
        $files = 1..20 | ForEach-Object { New-TestFile ('{0}/{1:00}.bin' -f $folder, $_) }
        Push-Location -LiteralPath $folder
    }

    AfterEach {
        Pop-Location
        Remove-Workspace $folder
    }

    It 'patches every file' {
        Get-ChildItem *.bin | Open-MmapSnapshot | Set-SnapshotBytes -Offset 0x40 -Bytes '90 90' -PassThru | Save-Snapshot -Close
        foreach ($file in $files) { Get-FileHex $file 0x3F 4 | Should -BeExactly '3F 90 90 42' }
        Get-MmapSnapshot "$folder/*" | Should -BeNullOrEmpty
    }

    It 'holds at most one snapshot open at a time' {
        $open = [System.Collections.Generic.List[int]]::new()
        $descriptors = [System.Collections.Generic.List[int]]::new()
        $counting = {
            $open.Add(@(Get-MmapSnapshot "$folder/*").Count)
            $descriptors.Add(@(Get-DescriptorInto $folder).Count)
            $_
        }
        Get-ChildItem *.bin | Open-MmapSnapshot | ForEach-Object $counting |
            Set-SnapshotBytes -Offset 0x40 -Bytes '90 90' -PassThru | ForEach-Object $counting | Save-Snapshot -Close
        $open.Count | Should -Be 40
        $open | Sort-Object -Unique | Should -Be 1
        # The private bytes and the folder.
        $descriptors | Sort-Object -Unique | Should -Be 2
        @(Get-DescriptorInto $folder) | Should -BeNullOrEmpty
    }

    It 'returns a result for each file, in order' {
        $results = Get-ChildItem *.bin | Open-MmapSnapshot | Set-SnapshotBytes -Offset 0x40 -Bytes '90 90' -PassThru | Save-Snapshot -Close -PassThru
        $results.Path | Should -Be $files
        $results.ModifiedBytes | Sort-Object -Unique | Should -Be 2
    }

    It 'touches no file with -WhatIf all along' {
        Get-ChildItem *.bin | Open-MmapSnapshot | Set-SnapshotBytes -Offset 0x40 -Bytes '90 90' -PassThru -WhatIf | Save-Snapshot -Close -WhatIf
        foreach ($file in $files) { Get-FileHex $file 0x3F 4 | Should -BeExactly '3F 40 41 42' }
    }

    It 'is not stopped by files that are bad in different ways' {
        Invoke-Shell 'mkdir "$1/05a.bin"; mkfifo "$1/06a.bin"; ln -s nowhere "$1/07a.bin"; printf x > "$1/08a.bin"; ln "$1/09.bin" "$1/09.link"' $folder
        $problems = @()
        Get-ChildItem *.bin | Open-MmapSnapshot -ErrorAction SilentlyContinue -ErrorVariable +problems |
            Set-SnapshotBytes -Offset 0x40 -Bytes '90 90' -PassThru -ErrorAction SilentlyContinue -ErrorVariable +problems |
            Save-Snapshot -Method Replace -Close -ErrorAction SilentlyContinue -ErrorVariable +problems
        $problems.FullyQualifiedErrorId | Sort-Object | Should -Be @(
            'FileNotFound,MmapSnapshot.OpenMmapSnapshotCommand'
            'HardLinked,MmapSnapshot.SaveSnapshotCommand'
            'NotARegularFile,MmapSnapshot.OpenMmapSnapshotCommand'
            'NotARegularFile,MmapSnapshot.OpenMmapSnapshotCommand'
            'OutOfRange,MmapSnapshot.SetSnapshotBytesCommand'
        )
        foreach ($file in $files | Where-Object { $_ -notlike '*/09.bin' }) { Get-FileHex $file 0x40 2 | Should -BeExactly '90 90' }
        Get-FileHex "$folder/09.bin" 0x40 2 | Should -BeExactly '40 41'
    }

    It 'ends at the first bad file with -ErrorAction Stop, and the files before it are done' {
        Invoke-Shell 'mkfifo "$1/05a.bin"' $folder
        { Get-ChildItem *.bin | Open-MmapSnapshot -ErrorAction Stop | Set-SnapshotBytes -Offset 0x40 -Bytes '90 90' -PassThru | Save-Snapshot -Close } |
            Should -Throw -ErrorId 'NotARegularFile,MmapSnapshot.OpenMmapSnapshotCommand'
        Get-FileHex "$folder/05.bin" 0x40 2 | Should -BeExactly '90 90'
        Get-FileHex "$folder/06.bin" 0x40 2 | Should -BeExactly '40 41'
        Get-MmapSnapshot "$folder/*" | Should -BeNullOrEmpty
    }

    It 'applies a list of patches, each to its file, by property names' {
        $csv = "Path,Offset,Bytes,Expect`n$folder/01.bin,0x10,AA,10`n$folder/02.bin,32,BB CC,20 21`n$folder/01.bin,0x11,DD,11"
        $csv | ConvertFrom-Csv | ForEach-Object {
            $snapshot = $_ | Open-MmapSnapshot
            $_ | Set-SnapshotBytes -Snapshot $snapshot
            Save-Snapshot $snapshot -Close
        }
        Get-FileHex "$folder/01.bin" 0x10 2 | Should -BeExactly 'AA DD'
        Get-FileHex "$folder/02.bin" 32 2 | Should -BeExactly 'BB CC'
    }

    It 'reads the head of each file' {
        $heads = Get-ChildItem *.bin | Open-MmapSnapshot -ReadOnly | Get-SnapshotBytes -Count 4 | ForEach-Object { ConvertTo-HexText $_ }
        $heads.Count | Should -Be 20
        $heads | Sort-Object -Unique | Should -BeExactly '00 01 02 03'
    }

    It 'patches in parallel' {
        $module = $env:MMAPSNAPSHOT_MODULE
        $results = Get-ChildItem *.bin | ForEach-Object -ThrottleLimit 4 -Parallel {
            Import-Module -Name $using:module
            $_ | Open-MmapSnapshot | Set-SnapshotBytes -Offset 0x40 -Bytes '90 90' -PassThru | Save-Snapshot -Close -PassThru
        }
        $results.Count | Should -Be 20
        foreach ($file in $files) { Get-FileHex $file 0x3F 4 | Should -BeExactly '3F 90 90 42' }
    }

    It 'lets several runspaces write into one snapshot' {
        $module = $env:MMAPSNAPSHOT_MODULE
        $snapshot = Open-MmapSnapshot $files[0]
        0..15 | ForEach-Object -ThrottleLimit 4 -Parallel {
            Import-Module -Name $using:module
            Set-SnapshotBytes $using:snapshot ($_ * 16) -Fill $_ -Count 16
        }
        $snapshot.ModifiedBytes | Should -BeIn 255, 256 # one may have been there already
        Save-Snapshot $snapshot -Close
        Get-FileHex $files[0] | Should -BeExactly (ConvertTo-HexText ([byte[]](0..255 | ForEach-Object { [System.Math]::Floor($_ / 16) })))
    }

    It 'leaves open what a finished parallel runspace has opened and returned' {
        $module = $env:MMAPSNAPSHOT_MODULE
        $snapshot = $files[0] | ForEach-Object -Parallel {
            Import-Module -Name $using:module
            $opened = Open-MmapSnapshot $_
            Set-SnapshotBytes $opened 0 'FF'
            $opened
        }
        $snapshot.IsClosed | Should -BeFalse
        Save-Snapshot $snapshot -Close
        Get-FileHex $files[0] 0 2 | Should -BeExactly 'FF 01'
    }

    It 'lets exactly one of several parallel savers of a file win' {
        $module = $env:MMAPSNAPSHOT_MODULE
        $snapshots = Open-MmapSnapshot (@($files[0]) * 8)
        $value = 0x10
        foreach ($snapshot in $snapshots) { Set-SnapshotBytes $snapshot 0 -Bytes (($value++)) }
        $outcomes = $snapshots | ForEach-Object -ThrottleLimit 8 -Parallel {
            Import-Module -Name $using:module
            Save-Snapshot $_ -Close -PassThru -ErrorAction SilentlyContinue -ErrorVariable problems
            $problems | ForEach-Object FullyQualifiedErrorId
        }
        $outcomes.Count | Should -Be 8
        @($outcomes | Where-Object { $_ -isnot [string] }).Count | Should -Be 1
        $outcomes | Where-Object { $_ -is [string] } | Sort-Object -Unique | Should -BeExactly 'SnapshotConflict,MmapSnapshot.SaveSnapshotCommand'
        $winner = @($snapshots | Where-Object IsClosed)
        $winner.Count | Should -Be 1
        # Snapshots were numbered as they were opened.
        [System.IO.File]::ReadAllBytes($files[0])[0] | Should -Be (0x10 + $winner[0].Id - $snapshots[0].Id)
    }
}

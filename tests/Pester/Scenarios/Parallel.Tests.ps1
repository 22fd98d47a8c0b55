# ForEach-Object -Parallel: over one snapshot that all threads share, and over one for each file.

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    $module = $env:MMAPSNAPSHOT_MODULE
    $documented = [System.Enum]::GetNames([MmapSnapshot.SnapshotError])
}

Describe 'Eight threads' {
    BeforeEach {
        $folder = New-Workspace
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'read, write, find, compare, undo and save one snapshot, and in the end each range is as its thread has left it' {
        # 32 KiB for each.
        $file = New-TestFile "$folder/shared" -Bytes ([byte[]]::new(8 * 32KB))
        $snapshot = Open-MmapSnapshot $file
        $outcome = 0..7 | ForEach-Object -ThrottleLimit 8 -Parallel {
            Set-StrictMode -Version 3
            Import-Module -Name $using:module
            $shared, $start, $problems = $using:snapshot, ($_ * 32KB), @()
            $quiet = @{ ErrorAction = 'SilentlyContinue'; ErrorVariable = '+problems'; WarningAction = 'SilentlyContinue' }
            $random = [System.Random]::new($_)
            $clock = [System.Diagnostics.Stopwatch]::StartNew()
            for ($rounds = 0; $clock.ElapsedMilliseconds -lt 2000; $rounds++) {
                $offset = $start + $random.Next(32KB - 4096)
                switch ($random.Next(10)) {
                    0 { Set-SnapshotBytes $shared $offset -Fill $random.Next(256) -Count $random.Next(4096) @quiet }
                    1 { Set-SnapshotBytes $shared $offset -Number $rounds -As Int64 @quiet }
                    2 { [pscustomobject]@{ Offset = $offset }, [pscustomobject]@{ Offset = $offset + 100 } | Set-SnapshotBytes -Snapshot $shared -Bytes 'AA BB' @quiet }
                    3 { $null = Get-SnapshotBytes $shared $offset 4096 @quiet }
                    4 { $null = Find-SnapshotBytes $shared 'AA ?B' -First 5 @quiet }
                    5 { $null = Compare-Snapshot $shared @quiet | Select-Object -First 5 }
                    6 { Undo-SnapshotBytes $shared $offset 1000 @quiet }
                    7 { Undo-SnapshotBytes $shared -Last 2 @quiet }
                    8 { $null = Format-SnapshotBytes $shared $offset 64 @quiet }
                    9 { if ($random.Next(4) -eq 0) { Save-Snapshot $shared -NoFlush @quiet } else { Undo-SnapshotBytes $shared -All @quiet } }
                }
            }
            [pscustomobject]@{ Rounds = $rounds; Problems = @($problems | ForEach-Object FullyQualifiedErrorId) }
        }
        $outcome.Count | Should -Be 8
        ($outcome | Measure-Object -Property Rounds -Minimum).Minimum | Should -BeGreaterThan 10
        $outcome | ForEach-Object Problems | Where-Object { $_.Split(',')[0] -notin $documented } | Should -BeNullOrEmpty

        # Nobody takes back another's last change any more: now what each writes stays.
        $problems = 0..7 | ForEach-Object -ThrottleLimit 8 -Parallel {
            Import-Module -Name $using:module
            $shared, $start = $using:snapshot, ($_ * 32KB)
            foreach ($value in 1..20) {
                Set-SnapshotBytes $shared $start -Fill $value -Count 32KB -ErrorVariable +problems -ErrorAction SilentlyContinue
                Undo-SnapshotBytes $shared $start 16KB -ErrorVariable +problems -ErrorAction SilentlyContinue
                if ($value % 5 -eq 0) { Save-Snapshot $shared -NoFlush -ErrorVariable +problems -ErrorAction SilentlyContinue }
            }
            Set-SnapshotBytes $shared $start -Fill (0x10 + $_) -Count 32KB -ErrorVariable +problems -ErrorAction SilentlyContinue
            $problems | ForEach-Object FullyQualifiedErrorId
        }
        $problems | Should -BeNullOrEmpty
        Save-Snapshot $snapshot -Close
        $bytes = [System.IO.File]::ReadAllBytes($file)
        $bytes.Length | Should -Be (8 * 32KB)
        foreach ($thread in 0..7) {
            $part = [byte[]]::new(32KB)
            [array]::Copy($bytes, $thread * 32KB, $part, 0, 32KB)
            $part | Sort-Object -Unique | Should -Be (0x10 + $thread)
        }
        @(Get-DescriptorInto $folder) | Should -BeNullOrEmpty
    }

    It 'patch two hundred files, a snapshot each' {
        foreach ($number in 0..199) { [void](New-TestFile "$folder/$number.bin") }
        $results = Get-ChildItem -LiteralPath $folder | ForEach-Object -ThrottleLimit 8 -Parallel {
            Import-Module -Name $using:module
            $snapshot = $_ | Open-MmapSnapshot
            Find-SnapshotBytes $snapshot '40 41' | Set-SnapshotBytes -Bytes '90 90' -Expect '40 41'
            Set-SnapshotBytes $snapshot 0 -Number ([int]$_.BaseName) -As Int32
            Set-SnapshotBytes $snapshot 8 -Fill 0 -Count 100
            Undo-SnapshotBytes $snapshot
            @(Compare-Snapshot $snapshot).Count
            Save-Snapshot $snapshot -Close -NoFlush
        }
        $results.Count | Should -Be 200
        foreach ($number in 0..199) {
            $bytes = [System.IO.File]::ReadAllBytes("$folder/$number.bin")
            [System.BitConverter]::ToInt32($bytes, 0), $bytes[8], $bytes[0x3F], $bytes[0x40], $bytes[0x41], $bytes[0x42] | Should -Be $number, 8, 0x3F, 0x90, 0x90, 0x42
        }
        Get-MmapSnapshot "$folder/*" | Should -BeNullOrEmpty
        @(Get-DescriptorInto $folder) | Should -BeNullOrEmpty
        @(Get-ChildItem -LiteralPath $folder -Force).Count | Should -Be 200
    }
}

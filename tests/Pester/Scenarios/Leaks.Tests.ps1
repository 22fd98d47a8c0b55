# Done over and over, nothing is left: no descriptor, no mapping, no name.

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    $temporary = @{ Mount = [System.IO.Path]::GetTempPath(); Mounted = $true; Label = 'the temporary folder' }
    $places = @($temporary) + (Get-TestFileSystem xfs-exchange, btrfs)
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"

    # What this process holds of files. Pipes, events and libraries come and go as PowerShell pleases.
    function Get-Holding {
        Invoke-GarbageCollection
        $targets = foreach ($entry in [System.IO.Directory]::EnumerateFileSystemEntries('/proc/self/fd')) { try { [System.IO.FileInfo]::new($entry).LinkTarget } catch { $null } }
        [pscustomobject]@{
            Descriptors = @($targets | Where-Object { "$_".StartsWith('/') -and "$_" -notmatch '^/proc/|\.dll$|\.so' } | Sort-Object)
            Mappings    = @([System.IO.File]::ReadLines('/proc/self/maps') | Where-Object { $_.Contains($folder) -or $_.Contains('memfd:mmap-snapshot') }).Count
            Names       = @([System.IO.Directory]::EnumerateFileSystemEntries($folder)).Count
        }
    }
}

Describe 'Leaks in <Label>' -ForEach $places {
    Context 'after 30 cycles' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
            $file = New-TestFile "$folder/a.bin" -Bytes ([byte[]]::new(10000))
            Invoke-Shell 'mkfifo "$1/fifo"' $folder
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It 'nothing is left of <What>' -ForEach @(
            @{ What = 'snapshots that were closed'; Cycle = { Open-MmapSnapshot $file | Close-MmapSnapshot } }
            @{ What = 'snapshots that were forgotten'; Cycle = { [void](Open-MmapSnapshot $file) } }
            @{ What = 'snapshots that were saved and closed'; Cycle = { Open-MmapSnapshot $file | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot -NoFlush -Close } }
            @{ What = 'snapshots that were saved, then forgotten'; Cycle = { Open-MmapSnapshot $file | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot -NoFlush } }
            @{ What = 'snapshots that were resized again and again'; Cycle = { Open-MmapSnapshot $file | Resize-Snapshot -Length 0 -PassThru | Resize-Snapshot -Length 1MB -PassThru | Resize-Snapshot -Length 5 -PassThru | Close-MmapSnapshot -Force } }
            @{ What = 'snapshots with a scratch folder'; Cycle = { Open-MmapSnapshot $file -ScratchPath $folder | Close-MmapSnapshot } }
            @{ What = 'views and streams that were forgotten'; Cycle = { $snapshot = Open-MmapSnapshot $file; [void]$snapshot.GetView(0, 10); [void]$snapshot.AsStream().ReadByte() } }
            @{ What = 'files that could not be opened'; Cycle = { Open-MmapSnapshot "$folder/missing", "$folder/fifo", $folder -ErrorAction SilentlyContinue } }
            @{ What = 'files that were read by their paths'; Cycle = {
                    $null = Find-SnapshotBytes $file '00' -First 2 | Get-SnapshotBytes
                    $null = Find-SnapshotBytes $file '00' | Format-SnapshotBytes | Select-Object -First 1
                    Get-SnapshotBytes "$folder/missing", $file 20000 -ErrorAction SilentlyContinue
                }
            }
            @{ What = 'saves that were refused'; Cycle = {
                    $first, $second = Open-MmapSnapshot $file, $file | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru
                    Save-Snapshot $first -NoFlush
                    Save-Snapshot $second -NoFlush -ErrorAction SilentlyContinue
                    Save-Snapshot $first -Destination $file -ErrorAction SilentlyContinue
                    Close-MmapSnapshot $first, $second -Force
                }
            }
            @{ What = 'questions about the filesystem'; Cycle = { [void](Get-ReflinkSupport $file, $folder) } }
        ) {
            foreach ($time in 1..3) { & $Cycle }
            $before = Get-Holding
            foreach ($time in 1..30) { & $Cycle }
            $after = Get-Holding
            $after.Descriptors | Should -Be $before.Descriptors
            $after.Mappings | Should -Be 0
            $after.Names | Should -Be $before.Names
            Get-MmapSnapshot "$folder/*" | Should -BeNullOrEmpty
        }
    }
}

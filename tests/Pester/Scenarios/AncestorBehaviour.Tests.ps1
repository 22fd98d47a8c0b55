# What the crate does right, and we do too.

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
}

Describe 'The ancestor''s behaviour on <Label>' -ForEach (Get-TestFileSystem) {
    Context 'a snapshot keeps its bytes' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
            $file = New-TestFile "$folder/a.bin" -Bytes ([byte[]](1..100 * 200)) # 20,000 bytes: several blocks
            $original = Get-FileHex $file
            $snapshot = Open-MmapSnapshot $file
            $readOnly = Open-MmapSnapshot $file -ReadOnly
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It 'while the file is <What>' -ForEach @(
            @{ What = 'rewritten in place'; Script = 'head -c 20000 /dev/zero | dd of="$1" conv=notrunc status=none' }
            @{ What = 'rewritten in part'; Script = 'printf XXXX | dd of="$1" bs=1 seek=9000 conv=notrunc status=none' }
            # Not by truncate(1): that opens with O_NONBLOCK, and on a file under a lease is told to try again.
            @{ What = 'truncated to nothing'; Script = ': > "$1"' }
            @{ What = 'truncated in part'; Script = 'dd if=/dev/null of="$1" bs=1 seek=5001 status=none' }
            @{ What = 'made longer'; Script = 'dd if=/dev/null of="$1" bs=1 seek=50000 status=none' }
            @{ What = 'truncated and written anew'; Script = 'head -c 30000 /dev/urandom > "$1"' }
            @{ What = 'deleted'; Script = 'rm "$1"' }
            @{ What = 'replaced by another'; Script = 'echo other > "$1.new"; mv "$1.new" "$1"' }
            @{ What = 'moved away'; Script = 'mv "$1" "$1.moved"' }
            @{ What = 'punched full of holes'; Script = 'fallocate --punch-hole --offset 0 --length 20000 "$1"' }
        ) {
            Invoke-Shell $Script $file
            $snapshot.Length, $readOnly.Length | Should -Be 20000, 20000
            Get-SnapshotHex $snapshot | Should -BeExactly $original
            Get-SnapshotHex $readOnly | Should -BeExactly $original
        }
    }

    Context 'changes and commits' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
            $file = New-TestFile "$folder/a.bin"
            $original = Get-FileHex $file
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It 'shows changes to nobody until they are committed' {
            $snapshot = Open-MmapSnapshot $file
            $other = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 10 'AA BB CC'
            Resize-Snapshot $snapshot 300
            Get-FileHex $file | Should -BeExactly $original
            Get-SnapshotHex $other | Should -BeExactly $original
            Get-SnapshotHex (Open-MmapSnapshot $file) | Should -BeExactly $original
            Save-Snapshot $snapshot
            Get-FileHex $file 9 5 | Should -BeExactly '09 AA BB CC 0D'
            (Get-Item -LiteralPath $file).Length | Should -Be 300
            Get-SnapshotHex $other | Should -BeExactly $original
        }

        It 'opens an empty file, grows it, commits it' {
            $empty = New-TestFile "$folder/empty" -Bytes @()
            $snapshot = Open-MmapSnapshot $empty
            $snapshot.Length | Should -Be 0
            Resize-Snapshot $snapshot 5000
            Set-SnapshotBytes $snapshot 4996 -Text 'tail'
            (Get-Item -LiteralPath $empty).Length | Should -Be 0
            Save-Snapshot $snapshot
            (Get-Item -LiteralPath $empty).Length | Should -Be 5000
            Get-FileHex $empty 4994 | Should -BeExactly '00 00 74 61 69 6C'
        }

        It 'commits a file to nothing and lets it grow again' {
            $snapshot = Open-MmapSnapshot $file
            Resize-Snapshot $snapshot 0
            Save-Snapshot $snapshot
            (Get-Item -LiteralPath $file).Length | Should -Be 0
            Resize-Snapshot $snapshot 3
            Set-SnapshotBytes $snapshot 0 'AA BB CC'
            Save-Snapshot $snapshot
            Get-FileHex $file | Should -BeExactly 'AA BB CC'
        }

        It 'commits, goes on writing in private, commits again' {
            $snapshot = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 '11'
            Save-Snapshot $snapshot
            Get-FileHex $file 0 3 | Should -BeExactly '11 01 02'
            Set-SnapshotBytes $snapshot 1 '22'
            Get-FileHex $file 0 3 | Should -BeExactly '11 01 02'
            Save-Snapshot $snapshot
            Get-FileHex $file 0 3 | Should -BeExactly '11 22 02'
            Set-SnapshotBytes $snapshot 2 '33'
            Save-Snapshot $snapshot -Close
            Get-FileHex $file 0 3 | Should -BeExactly '11 22 33'
        }

        It 'keeps its bytes after a commit, while the file is rewritten' {
            $snapshot = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 '11'
            Save-Snapshot $snapshot
            Invoke-Shell 'head -c 256 /dev/zero | dd of="$1" conv=notrunc status=none' $file
            Get-SnapshotHex $snapshot 0 3 | Should -BeExactly '11 01 02'
        }

        It 'closes without a commit and leaves the file as it was' {
            $snapshot = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 -Fill 0 -Count 256
            Close-MmapSnapshot $snapshot -Force
            Get-FileHex $file | Should -BeExactly $original
        }

        It 'commits a second snapshot that was opened after the first was committed' {
            Open-MmapSnapshot $file | Set-SnapshotBytes -Offset 0 -Bytes 'AA' -PassThru | Save-Snapshot -Close
            Open-MmapSnapshot $file | Set-SnapshotBytes -Offset 1 -Bytes 'BB' -PassThru | Save-Snapshot -Close
            Get-FileHex $file 0 3 | Should -BeExactly 'AA BB 02'
        }
    }
}

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"

    # Changes as "offset: before > after", which a failed assertion shows in a readable way.
    function Show-Change {
        process { '{0}: {1} > {2}' -f $_.Offset, $_.Before, $_.After }
    }

    # As "kind offset > new offset: bytes".
    function Show-Move {
        process { '{0} {1} > {2}: {3}' -f $_.Kind, $_.Offset, $_.NewOffset, ($_.Before + $_.After) }
    }
}

Describe 'Compare-Snapshot' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $snapshot = Open-MmapSnapshot $file
        Push-Location -LiteralPath $folder
    }

    AfterEach {
        Pop-Location
        Remove-Workspace $folder
    }

    Context 'with what the file was' {
        It 'returns nothing of a snapshot without changes' {
            Compare-Snapshot $snapshot | Should -BeNullOrEmpty
        }

        It 'returns for each run of changed bytes the path, the kind, the offsets, the length, and both sides as hex text' {
            Set-SnapshotBytes $snapshot 0x80 'CC'
            Set-SnapshotBytes $snapshot 0x10 'AA BB'
            $changes = @(Compare-Snapshot -Snapshot $snapshot)
            $changes.Count | Should -Be 2
            $changes[0] | Should -BeOfType ([MmapSnapshot.SnapshotChange])
            $changes[0].Path | Should -BeExactly $file
            $changes.Offset | Should -Be 0x10, 0x80
            $changes | ForEach-Object Length | Should -Be 2, 1
            $changes.Before | Should -Be '10 11', '80'
            $changes.After | Should -Be 'AA BB', 'CC'
            $changes.Kind | Should -BeExactly 'Write', 'Write'
            $changes.NewOffset | Should -Be 0x10, 0x80
        }

        It 'leaves out bytes that were written over with what stood there' {
            Set-SnapshotBytes $snapshot 0x10 '10 11 12'
            Compare-Snapshot $snapshot | Should -BeNullOrEmpty
        }

        It 'takes bytes of one write that differ up to seven bytes apart for one change, and no others' {
            Set-SnapshotBytes $snapshot 0 'AA 01 02 03 04 05 06 07 BB 09 0A 0B 0C 0D 0E 0F 10 CC'
            Compare-Snapshot $snapshot | Show-Change | Should -Be '0: 00 01 02 03 04 05 06 07 08 > AA 01 02 03 04 05 06 07 BB', '17: 11 > CC'
        }

        It 'lists what was appended as an insertion at the end' {
            Resize-Snapshot $snapshot 0x120
            Set-SnapshotBytes $snapshot 0x11F 'AA'
            $change = Compare-Snapshot $snapshot
            $change | Show-Move | Should -BeExactly "Insert 256 > 256: $('00 ' * 31)AA"
            $change.Length | Should -Be 0x20
        }

        It 'lists what was cut off as a removal at the end' {
            Resize-Snapshot $snapshot 0xFE
            Compare-Snapshot $snapshot | Show-Move | Should -BeExactly 'Remove 254 > 254: FE FF'
        }

        It 'lists insertions and removals as such' {
            $snapshot.Remove(0x80, 2)
            $snapshot.Insert(0x10, [byte[]](1, 2, 3))
            Set-SnapshotBytes $snapshot 0xF0 'AA'
            $moves = Compare-Snapshot $snapshot | Show-Move
            $moves | Should -BeExactly 'Insert 16 > 16: 01 02 03', 'Remove 128 > 131: 80 81', 'Write 239 > 240: EFAA'
        }

        It 'returns nothing once the changes are saved' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Save-Snapshot $snapshot
            Compare-Snapshot $snapshot | Should -BeNullOrEmpty
            Set-SnapshotBytes $snapshot 0 'BB'
            Compare-Snapshot $snapshot | Show-Change | Should -BeExactly '0: AA > BB'
        }

        It 'has changes of at most 65,536 bytes' {
            $noise = [byte[]]::new(150000)
            [System.Random]::new(1).NextBytes($noise)
            $large = Open-MmapSnapshot (New-TestFile "$folder/large" -Bytes ([byte[]]::new(200000)))
            $large.Insert(10, $noise)
            $changes = @(Compare-Snapshot $large)
            $changes | ForEach-Object Length | Should -Be 65536, 65536, 18928
            $changes.Offset | Should -Be 10, 10, 10
        }

        It 'has one change of bytes of one value, however many' {
            $large = Open-MmapSnapshot (New-TestFile "$folder/large" -Bytes ([byte[]]::new(200000)))
            Set-SnapshotBytes $large 10 -Fill 1 -Count 150000
            Compare-Snapshot $large | Show-Change | Should -BeExactly '10: 00 * 150000 > 01 * 150000'
        }

        It 'compares a read-only snapshot' {
            Compare-Snapshot (Open-MmapSnapshot $file -ReadOnly) | Should -BeNullOrEmpty
        }

        It 'takes as long as what was written, not as the file weighs' {
            $huge = Open-MmapSnapshot (New-SparseFile "$folder/sparse" -Length 1TB)
            Set-SnapshotBytes $huge 512GB 'AA'
            (Measure-Command { Compare-Snapshot $huge | Show-Change | Should -BeExactly "$(512GB): 00 > AA" }).TotalSeconds | Should -BeLessThan 2
        }
    }

    Context '-With' {
        BeforeEach {
            $bytes = [byte[]](0..255)
            $bytes[3] = 0xEE
            $other = New-TestFile "$folder/b.bin" -Bytes $bytes
        }

        It 'takes <What>: what was before' -ForEach @(
            @{ What = 'a snapshot'; With = { Open-MmapSnapshot $other -ReadOnly } }
            @{ What = 'the id of one'; With = { (Open-MmapSnapshot $other).Id } }
            @{ What = 'a path'; With = { $other } }
            @{ What = 'a relative path'; With = { 'b.bin' } }
            @{ What = 'what Get-Item returns'; With = { Get-Item -LiteralPath $other } }
            @{ What = 'a FileInfo'; With = { [System.IO.FileInfo]::new($other) } }
        ) {
            $with = & $With
            Compare-Snapshot $snapshot -With $with | Show-Change | Should -BeExactly '3: EE > 03'
            Compare-Snapshot $snapshot $with | Show-Change | Should -BeExactly '3: EE > 03'
            Get-MmapSnapshot "$folder/*" | Where-Object Path -EQ $other | Close-MmapSnapshot
            @(Get-DescriptorInto $folder).Count | Should -Be 2 -Because 'only the first snapshot is open'
        }

        It 'takes the path of a file as it is written' {
            $bracketed = New-TestFile "$folder/[b].bin" -Bytes (, 9 + 1..255)
            Compare-Snapshot $snapshot -With $bracketed | Show-Change | Should -BeExactly '0: 09 > 00'
        }

        It 'sees the unsaved changes on both sides' {
            $second = Open-MmapSnapshot $other
            Set-SnapshotBytes $second 3 '03'
            Set-SnapshotBytes $snapshot 4 'AA'
            Compare-Snapshot $snapshot -With $second | Show-Change | Should -BeExactly '4: 04 > AA'
        }

        It 'compares a snapshot with its own file' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Compare-Snapshot $snapshot -With $file | Show-Change | Should -BeExactly '0: 00 > AA'
        }

        It 'lists another length as an insertion or a removal' {
            $short = Open-MmapSnapshot (New-TestFile "$folder/short" -Bytes (0..253))
            Compare-Snapshot $snapshot -With $short | Show-Move | Should -BeExactly 'Insert 254 > 254: FE FF'
            Compare-Snapshot $short -With $snapshot | Show-Move | Should -BeExactly 'Remove 254 > 254: FE FF'
        }

        It 'makes of three bytes inserted into 50 MB one row, and less than 1 KB of CSV' {
            $noise = [byte[]]::new(50MB)
            [System.Random]::new(1).NextBytes($noise)
            $old = New-TestFile "$folder/old" -Bytes $noise
            $changed = Open-MmapSnapshot $old
            $changed.Insert(3, [byte[]](0x58, 0x59, 0x5A))
            Save-Snapshot $changed -Destination "$folder/new" -NoFlush
            $new = Open-MmapSnapshot "$folder/new"
            $copy = Open-MmapSnapshot $old
            foreach ($patch in @((Compare-Snapshot $changed | ConvertTo-Csv), (Compare-Snapshot $new -With $old | ConvertTo-Csv))) {
                $patch.Count | Should -Be 2 -Because 'a header and a row'
                ($patch -join "`n").Length | Should -BeLessThan 1KB
                $patch | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $copy
                Get-SnapshotHex $copy 0 8 | Should -BeExactly (Get-SnapshotHex $changed 0 8)
                Compare-Snapshot $copy -With $new | Should -BeNullOrEmpty
                Undo-SnapshotBytes $copy
            }
        }

        It 'compares each snapshot that is piped to it' {
            $snapshot, (Open-MmapSnapshot $other) | Compare-Snapshot -With $file | Show-Change | Should -BeExactly '3: 03 > EE'
        }
    }

    Context 'a patch' {
        BeforeEach {
            Set-SnapshotBytes $snapshot 0x10 'AA BB'
            Set-SnapshotBytes $snapshot 0x80 'CC'
            $copy = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
        }

        It 'makes of another snapshot the same, by <What>' -ForEach @(
            @{ What = 'the objects themselves'; Carry = { $input } }
            @{ What = 'CSV'; Carry = { $input | ConvertTo-Csv | ConvertFrom-Csv } }
            @{ What = 'JSON'; Carry = { $input | ConvertTo-Json | ConvertFrom-Json } }
            @{ What = 'CLIXML'; Carry = { [System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize(@($input))) } }
        ) {
            foreach ($length in 256, 300, 200) {
                Resize-Snapshot $snapshot $length
                if ($length -eq 300) { Set-SnapshotBytes $snapshot 290 'DD' }
                if ($length -eq 200) { $snapshot.Insert(3, [byte[]](1, 2)); $snapshot.Insert(60, 1MB, 7); $snapshot.Remove(5, 10) }
                Undo-SnapshotBytes $copy -All
                Compare-Snapshot $snapshot | & $Carry | Set-SnapshotBytes -Snapshot $copy
                $copy.Length | Should -Be $snapshot.Length
                Compare-Snapshot $copy -With $snapshot | Should -BeNullOrEmpty
            }
            # As another file as well.
            Undo-SnapshotBytes $copy -All
            Compare-Snapshot $snapshot -With $copy | & $Carry | Set-SnapshotBytes -Snapshot $copy
            Compare-Snapshot $copy -With $snapshot | Should -BeNullOrEmpty
        }

        It 'is taken back by <What>' -ForEach @(
            @{ What = 'the objects themselves'; Carry = { $input } }
            @{ What = 'CSV'; Carry = { $input | ConvertTo-Csv | ConvertFrom-Csv } }
            @{ What = 'JSON'; Carry = { $input | ConvertTo-Json | ConvertFrom-Json } }
        ) {
            $original = Get-SnapshotHex $copy
            $snapshot.Insert(3, [byte[]](1, 2))
            $snapshot.Insert(60, 100, 7)
            $snapshot.Remove(5, 10)
            Compare-Snapshot $snapshot | & $Carry | Undo-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot | Should -BeExactly $original
        }

        It 'is one change, which Undo-SnapshotBytes takes back whole' {
            Resize-Snapshot $snapshot 300
            Compare-Snapshot $snapshot | Set-SnapshotBytes -Snapshot $copy
            Undo-SnapshotBytes $copy
            $copy.IsModified | Should -BeFalse
            $copy.Length | Should -Be 256
        }

        It 'is refused whole by a snapshot that has other bytes in one place' {
            Set-SnapshotBytes $copy 0x80 '81'
            $problems = @(Get-ErrorOf { Compare-Snapshot $snapshot | Set-SnapshotBytes -Snapshot $copy -WarningAction SilentlyContinue })
            $problems.FullyQualifiedErrorId | Should -Be 'ExpectationFailed,MmapSnapshot.SetSnapshotBytesCommand'
            Get-SnapshotHex $copy 0x10 2 | Should -BeExactly '10 11'
        }

        It 'is refused by a snapshot that is shorter, or has another length than -ExpectLength' {
            Resize-Snapshot $snapshot 300
            Resize-Snapshot $copy 255
            $problems = @(Get-ErrorOf { Compare-Snapshot $snapshot | Set-SnapshotBytes -Snapshot $copy -WarningAction SilentlyContinue })
            $problems.FullyQualifiedErrorId | Should -Be 'OutOfRange,MmapSnapshot.SetSnapshotBytesCommand'
            Resize-Snapshot $copy 257
            $patch = @(Compare-Snapshot $snapshot)
            $problems = @(Get-ErrorOf { $patch | Set-SnapshotBytes -Snapshot $copy -ExpectLength 256 -WarningAction SilentlyContinue })
            $problems.FullyQualifiedErrorId | Should -Be 'ExpectationFailed,MmapSnapshot.SetSnapshotBytesCommand'
            "$($problems[0])" | Should -BeLike '*257 bytes, not 256*'
            $copy.Length | Should -Be 257
        }
    }

    Context 'the table' {
        It 'shows the kind, the offset in hex, and both sides, at 80 columns' {
            Set-SnapshotBytes $snapshot 0xA0 'AA BB'
            $snapshot.Insert(0xB0, 1MB, 7)
            $snapshot.Remove(0, 3)
            $lines = Compare-Snapshot $snapshot | Out-String -Width 80 -Stream | Where-Object { $_ }
            $lines | Where-Object Length -GT 80 | Should -BeNullOrEmpty
            $lines[2..4] | Should -Match '^(Remove +0x0 +3 00 01 02|Write +0xA0 +2 A0 A1 +AA BB|Insert +0xB0 +1048576 +07 \* 1048576) *$'
        }

        It 'has the new offset in the list' {
            $snapshot.Insert(0x10, [byte[]](1, 2))
            Set-SnapshotBytes $snapshot 0x80 'AA'
            $list = Compare-Snapshot $snapshot | Format-List | Out-String
            $list | Should -Match '(?s)Kind +: Write\s+Offset +: 126\s+NewOffset +: 128\s+Length +: 1\s'
        }
    }

    Context 'what it refuses' {
        It 'refuses a closed snapshot, and goes on with the next one' {
            Set-SnapshotBytes $snapshot 0 'AA'
            $closed = Open-MmapSnapshot $file
            Close-MmapSnapshot $closed
            $changes = @($closed, $snapshot | Compare-Snapshot -ErrorAction SilentlyContinue -ErrorVariable problems)
            $changes | Show-Change | Should -BeExactly '0: 00 > AA'
            $problems.FullyQualifiedErrorId | Should -Be 'SnapshotClosed,MmapSnapshot.CompareSnapshotCommand'
            [object]::ReferenceEquals($problems[0].TargetObject, $closed) | Should -BeTrue
        }

        It 'names the one that is closed, whichever side it is on' {
            $closed = Open-MmapSnapshot $file
            Close-MmapSnapshot $closed
            Assert-SnapshotError { Compare-Snapshot $snapshot -With $closed } -Id SnapshotClosed -Cmdlet Compare-Snapshot -Target $closed
            Assert-SnapshotError { Compare-Snapshot $closed -With $snapshot } -Id SnapshotClosed -Cmdlet Compare-Snapshot -Target $closed
            Assert-SnapshotError { Compare-Snapshot $closed -With $file } -Id SnapshotClosed -Cmdlet Compare-Snapshot -Target $closed
        }

        It 'refuses <What> to compare with' -ForEach @(
            @{ What = 'a missing file'; With = 'missing'; Id = 'FileNotFound' }
            @{ What = 'a folder'; With = '.'; Id = 'NotARegularFile' }
            @{ What = 'wildcards'; With = '*.bin'; Id = 'FileNotFound' }
            @{ What = 'another provider'; With = 'Env:PATH'; Id = 'NotSupported' }
        ) {
            Assert-SnapshotError { Compare-Snapshot $snapshot -With $With } -Id $Id -Cmdlet Compare-Snapshot -Target $With
        }

        It 'refuses the id of no open snapshot, on either side' {
            Assert-SnapshotError { Compare-Snapshot 2147483647 } -Id ParameterArgumentTransformationError -Cmdlet Compare-Snapshot -Says '2147483647'
            Assert-SnapshotError { Compare-Snapshot $snapshot -With 2147483647 } -Id ParameterArgumentTransformationError -Cmdlet Compare-Snapshot -Says '2147483647'
        }

        It 'refuses null' {
            Assert-SnapshotError { Compare-Snapshot -Snapshot $null } -Id ParameterArgumentValidationError -Cmdlet Compare-Snapshot
            Assert-SnapshotError { Compare-Snapshot $snapshot -With $null } -Id ParameterArgumentValidationError -Cmdlet Compare-Snapshot
        }

        It 'refuses a piped object that is no snapshot' {
            Assert-SnapshotError { [datetime]::UnixEpoch | Compare-Snapshot } -Id InputObjectNotBound -Cmdlet Compare-Snapshot
        }

        It 'can be caught with -ErrorAction Stop' {
            { Compare-Snapshot $snapshot -With missing -ErrorAction Stop } | Should -Throw -ErrorId 'FileNotFound,MmapSnapshot.CompareSnapshotCommand'
        }
    }
}

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
    $quiet = @{ ErrorAction = 'SilentlyContinue'; WarningAction = 'SilentlyContinue' }
    $of = @{ Cmdlet = 'Add-SnapshotBytes' }

    # What arrives of an object from another process.
    function Copy-Elsewhere([object] $Value) {
        [System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize($Value))
    }
}

Describe 'Add-SnapshotBytes' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin" -Bytes 0, 1, 2, 3
        $snapshot = Open-MmapSnapshot $file
    }

    AfterEach {
        Remove-Workspace $folder
    }

    Context 'where' {
        It 'appends without -Offset, by position and by name, and leaves the file until it is saved' {
            Add-SnapshotBytes $snapshot 'AA BB'
            Add-SnapshotBytes -Snapshot $snapshot -Bytes 0xCC
            Get-SnapshotHex $snapshot | Should -BeExactly '00 01 02 03 AA BB CC'
            Get-FileHex $file | Should -BeExactly '00 01 02 03'
            Save-Snapshot $snapshot
            Get-FileHex $file | Should -BeExactly '00 01 02 03 AA BB CC'
        }

        It 'inserts at -Offset <Offset>, and moves what follows' -ForEach @(
            @{ Offset = 0; Result = 'AA BB 00 01 02 03' }
            @{ Offset = '0x1'; Result = '00 AA BB 01 02 03' }
            @{ Offset = 4; Result = '00 01 02 03 AA BB' }
        ) {
            Add-SnapshotBytes $snapshot 'AA BB' -Offset $Offset
            Get-SnapshotHex $snapshot | Should -BeExactly $Result
        }

        It 'is undone and redone as one change' {
            Add-SnapshotBytes $snapshot 'AA BB' -Offset 1
            Undo-SnapshotBytes $snapshot
            $snapshot.IsModified | Should -BeFalse
            Redo-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot | Should -BeExactly '00 AA BB 01 02 03'
        }

        It 'appends to an empty new snapshot' {
            $new = New-MmapSnapshot "$folder/new.bin"
            Add-SnapshotBytes $new -Text 'ab'
            Add-SnapshotBytes $new -Text 'cd'
            Get-SnapshotBytes $new -AsText | Should -BeExactly 'abcd'
        }

        It 'takes a negative offset for one from the end' {
            Add-SnapshotBytes $snapshot 'AA BB' -Offset -1
            Get-SnapshotHex $snapshot | Should -BeExactly '00 01 02 AA BB 03'
        }

        It 'refuses <What>, and changes nothing' -ForEach @(
            @{ What = 'an offset after the end'; Arguments = @{ Offset = 5; Bytes = 'AA' }; Says = 'offset 0x5 is past the end' }
            @{ What = 'an offset before the start'; Arguments = @{ Offset = -5; Bytes = 'AA' }; Says = 'offset -5, counted from the end' }
            @{ What = 'the highest offset'; Arguments = @{ Offset = [long]::MaxValue; Bytes = 'AA' }; Says = 'past the end' }
            @{ What = 'no bytes after the end'; Arguments = @{ Offset = 5; Bytes = '' }; Says = 'offset 0x5 is past the end' }
            @{ What = 'a negative count'; Arguments = @{ Fill = 1; Count = -1 }; Says = 'count -1 is negative', 'has 4 bytes' }
        ) {
            Assert-SnapshotError { Add-SnapshotBytes $snapshot @Arguments } -Id OutOfRange @of -Target $snapshot -Says (@($file) + $Says)
            Assert-SnapshotError { Add-SnapshotBytes $snapshot @Arguments -WhatIf } -Id OutOfRange @of
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses more than a snapshot can have' {
            Assert-SnapshotError { Add-SnapshotBytes $snapshot -Fill 0 -Count ([long]::MaxValue) } -Id TooLarge @of -Target $snapshot
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses -Offset $null rather than appending' {
            Assert-BindingError { Add-SnapshotBytes $snapshot 'AA' -Offset $null } -Parameter Offset
            Assert-BindingError { Add-SnapshotBytes $snapshot 'AA' -Offset ten } -Parameter Offset
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses an offset by position, as Set-SnapshotBytes takes it' {
            { Add-SnapshotBytes $snapshot 0 'AA' } | Should -Throw -ErrorId 'PositionalParameterNotFound,*'
        }
    }

    Context 'values' {
        It 'adds <Arguments.Keys> as <Result>' -ForEach @(
            @{ Arguments = @{ Bytes = 'AA', '0B' }; Result = 'AA 0B' }
            @{ Arguments = @{ Bytes = [byte[]](1, 2) }; Result = '01 02' }
            @{ Arguments = @{ Text = 'é' }; Result = 'C3 A9' }
            @{ Arguments = @{ Text = 'A'; Encoding = 'unicode'; NullTerminated = $true }; Result = '41 00 00 00' }
            @{ Arguments = @{ Number = 258; As = 'UInt32' }; Result = '02 01 00 00' }
            @{ Arguments = @{ Number = 1, 2; As = 'UInt16'; BigEndian = $true }; Result = '00 01 00 02' }
            @{ Arguments = @{ Fill = 'EE'; Count = '0x3' }; Result = 'EE EE EE' }
        ) {
            Add-SnapshotBytes $snapshot @Arguments -Offset 1
            Get-SnapshotHex $snapshot | Should -BeExactly "00 $Result 01 02 03"
        }

        It 'adds nothing for empty bytes, text or fill' {
            Add-SnapshotBytes $snapshot @()
            Add-SnapshotBytes $snapshot -Text ''
            Add-SnapshotBytes $snapshot -Fill 1 -Count 0
            $snapshot.IsModified | Should -BeFalse
        }

        It 'adds a tebibyte of zeros to a snapshot at once' {
            Add-SnapshotBytes $snapshot -Fill 0 -Count 1TB -Offset 2
            $snapshot.Length | Should -Be (1TB + 4)
            Get-SnapshotHex $snapshot (1TB + 1) 3 | Should -BeExactly '00 02 03'
        }

        It 'refuses <What>, once for all snapshots' -ForEach @(
            @{ What = 'text that is not hex'; Arguments = @{ Bytes = 'zz' } }
            @{ What = 'a character that the encoding does not have'; Arguments = @{ Text = 'é'; Encoding = 'ascii' } }
            @{ What = 'a number that does not fit'; Arguments = @{ Number = 256; As = 'Byte' } }
            @{ What = 'a fill of two bytes'; Arguments = @{ Fill = 'AA BB'; Count = 1 } }
        ) {
            $other = Open-MmapSnapshot $file
            Assert-SnapshotError { Add-SnapshotBytes $snapshot @Arguments } -Id InvalidBytes @of -Target $snapshot
            Assert-SnapshotError { Add-SnapshotBytes $snapshot, $other @Arguments } -Id InvalidBytes @of
            $snapshot.IsModified, $other.IsModified | Should -Be $false, $false
        }

        It 'asks for -Bytes if no value is given' {
            { Add-SnapshotBytes $snapshot } | Should -Throw -ErrorId 'MissingMandatoryParameter,*' -ExpectedMessage '*Bytes*'
        }
    }

    Context 'the pipeline' {
        It 'takes snapshots and ids, and passes on those that it changed' {
            $other, $readOnly = (Open-MmapSnapshot $file), (Open-MmapSnapshot $file -ReadOnly)
            $passed = @($readOnly, $snapshot, $other.Id | Add-SnapshotBytes -Bytes 'AA' -PassThru @quiet -ErrorVariable problems)
            $passed.Id | Should -Be $snapshot.Id, $other.Id
            $passed | ForEach-Object { Get-SnapshotHex $_ 4 } | Should -Be 'AA', 'AA'
            $problems.FullyQualifiedErrorId | Should -Be 'ReadOnlySnapshot,MmapSnapshot.AddSnapshotBytesCommand'
            Add-SnapshotBytes $snapshot 'AA' | Should -BeNullOrEmpty
        }

        It 'refuses a match, rather than appending once for each' {
            Assert-SnapshotError { Find-SnapshotBytes $snapshot '01' | Add-SnapshotBytes -Bytes 'AA' } -Id InputObjectNotBound @of
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses a read-only, a closed, and a deserialized snapshot' {
            $readOnly = Open-MmapSnapshot $file -ReadOnly
            Assert-SnapshotError { Add-SnapshotBytes $readOnly 'AA' } -Id ReadOnlySnapshot @of -Target $readOnly -Says $file
            $plain = Copy-Elsewhere $snapshot
            Assert-SnapshotError { $plain | Add-SnapshotBytes -Bytes 'AA' } -Id ParameterArgumentTransformationError @of -Says $file
            Close-MmapSnapshot $snapshot
            Assert-SnapshotError { Add-SnapshotBytes $snapshot 'AA' } -Id SnapshotClosed @of -Target $snapshot -Says $file
        }

        It 'says what it inserts and where' {
            $said = Add-SnapshotBytes $snapshot 'AA BB CC' -Verbose 4>&1
            "$said" | Should -BeLike "*Insert AA BB CC at 0x4*$file*"
            "$(Add-SnapshotBytes $snapshot 'AA' -Offset 1 -Verbose 4>&1)" | Should -BeLike '*Insert AA at 0x1*'
        }

        It 'adds nothing with -WhatIf, and passes the snapshot on with -PassThru' {
            [object]::ReferenceEquals((Add-SnapshotBytes $snapshot 'AA' -WhatIf -PassThru), $snapshot) | Should -BeTrue
            $snapshot.IsModified | Should -BeFalse
        }
    }
}

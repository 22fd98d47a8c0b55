Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
    $quiet = @{ ErrorAction = 'SilentlyContinue'; WarningAction = 'SilentlyContinue' }
    $of = @{ Cmdlet = 'Remove-SnapshotBytes' }

    # What arrives of an object from another process.
    function Copy-Elsewhere([object] $Value) {
        [System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize($Value))
    }
}

Describe 'Remove-SnapshotBytes' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin" -Text 'one, two, three'
        $snapshot = Open-MmapSnapshot $file
        $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin" -Text 'a, b')
    }

    AfterEach {
        Remove-Workspace $folder
    }

    Context 'a range' {
        It 'removes it, by position and by name, and leaves the file until it is saved' {
            Remove-SnapshotBytes $snapshot 0 5
            Remove-SnapshotBytes -Snapshot $snapshot -Offset '0x3' -Count '0x2'
            Get-SnapshotBytes $snapshot -AsText | Should -BeExactly 'twothree'
            Get-Content -LiteralPath $file -Raw | Should -BeExactly 'one, two, three'
            Save-Snapshot $snapshot
            Get-Content -LiteralPath $file -Raw | Should -BeExactly 'twothree'
        }

        It 'removes all, and nothing' {
            Remove-SnapshotBytes $snapshot 15 0
            $snapshot.IsModified | Should -BeFalse
            Remove-SnapshotBytes $snapshot 0 15
            $snapshot.Length | Should -Be 0
        }

        It 'is undone and redone as one change' {
            Remove-SnapshotBytes $snapshot 3 6
            Undo-SnapshotBytes $snapshot
            $snapshot.IsModified | Should -BeFalse
            Redo-SnapshotBytes $snapshot
            Get-SnapshotBytes $snapshot -AsText | Should -BeExactly 'one three'
        }

        It 'takes a negative offset for one from the end' {
            Remove-SnapshotBytes $snapshot -5 4
            Get-SnapshotBytes $snapshot -AsText | Should -BeExactly 'one, two, e'
        }

        It 'refuses <What>, and changes nothing' -ForEach @(
            @{ What = 'an offset before the start'; Offset = -16; Count = 1; Says = 'offset -16, counted from the end' }
            @{ What = 'a negative count'; Offset = 0; Count = -1; Says = 'count -1 is negative' }
            @{ What = 'an offset after the end'; Offset = 16; Count = 0; Says = 'offset 0x10 is past the end' }
            @{ What = 'a range that reaches past the end'; Offset = 14; Count = 2; Says = '2 bytes from offset 0xE reach past the end' }
            @{ What = 'the highest offset and count'; Offset = [long]::MaxValue; Count = [long]::MaxValue; Says = 'past the end' }
        ) {
            Assert-SnapshotError { Remove-SnapshotBytes $snapshot $Offset $Count } -Id OutOfRange @of -Target $snapshot -Says $file, $Says
            Assert-SnapshotError { Remove-SnapshotBytes $snapshot $Offset $Count -WhatIf } -Id OutOfRange @of
            $snapshot.IsModified | Should -BeFalse
        }

        It 'asks for what is missing' {
            { Remove-SnapshotBytes $snapshot 1 } | Should -Throw -ErrorId 'MissingMandatoryParameter,*' -ExpectedMessage '*Count*'
            { Remove-SnapshotBytes $snapshot -Count 1 } | Should -Throw -ErrorId 'MissingMandatoryParameter,*' -ExpectedMessage '*Offset*'
            { Remove-SnapshotBytes $snapshot } | Should -Throw -ErrorId 'MissingMandatoryParameter,*'
            Assert-BindingError { Remove-SnapshotBytes $snapshot ten 1 } -Parameter Offset
            $snapshot.IsModified | Should -BeFalse
        }
    }

    Context 'rows from the pipeline' {
        It 'removes matches as one change: their offsets mean the bytes before it' {
            Find-SnapshotBytes $snapshot -Text ', ' | Remove-SnapshotBytes
            Get-SnapshotBytes $snapshot -AsText | Should -BeExactly 'onetwothree'
            Undo-SnapshotBytes $snapshot
            $snapshot.IsModified | Should -BeFalse
        }

        It 'removes matches in any order, and bytes of overlapping ones once' {
            $matched = Find-SnapshotBytes $snapshot -Text 'one', 'ne, t', 'wo', 'three'
            $matched | Sort-Object -Property Offset -Descending | Remove-SnapshotBytes
            Get-SnapshotBytes $snapshot -AsText | Should -BeExactly ', '
        }

        It 'removes rows of CSV, hashtables and ranges from -Snapshot' {
            "Offset,Length`n0x0,1`n2,1" | ConvertFrom-Csv | Remove-SnapshotBytes $snapshot
            Get-SnapshotBytes $snapshot 0 3 -AsText | Should -BeExactly 'n, '
            @{ Offset = 1; Length = 2 }, [MmapSnapshot.ByteRange]::new(4, 2) | Remove-SnapshotBytes -Snapshot $snapshot
            Get-SnapshotBytes $snapshot -AsText | Should -BeExactly 'nt, three'
            Remove-SnapshotBytes $snapshot -Row @{ Offset = 1; Length = 3 }
            Get-SnapshotBytes $snapshot -AsText | Should -BeExactly 'nthree'
        }

        It 'removes the matches of each snapshot as one change of that one, when its turn is over' {
            $lengths = $snapshot, $other | Find-SnapshotBytes -Text ', ' | Remove-SnapshotBytes -PassThru |
                ForEach-Object { $_.Length; $other.Length }
            $lengths | Should -Be 11, 4, 2, 2
            $snapshot, $other | Undo-SnapshotBytes
            $snapshot.IsModified, $other.IsModified | Should -Be $false, $false
        }

        It 'refuses more matches of a snapshot after those of another one' {
            $matched = @($snapshot, $other, $snapshot | Find-SnapshotBytes -Text ', ')
            $matched | Remove-SnapshotBytes @quiet -ErrorVariable problems -WarningVariable warnings
            $problems.FullyQualifiedErrorId | Should -Be 'InvalidPatch,MmapSnapshot.RemoveSnapshotBytesCommand'
            "$problems" | Should -BeLike "Row 4 is for '$file'*"
            $warnings | Should -BeLike "Of the 2 removals from '$file' none was made*"
            Get-SnapshotBytes $snapshot -AsText | Should -BeExactly 'onetwothree'
            Get-SnapshotBytes $other -AsText | Should -BeExactly 'ab'
        }

        It 'removes nothing if one row cannot be removed, and warns' {
            $rows = @{ Offset = 0; Length = 1 }, @{ Offset = 14; Length = 2 }, @{ Offset = 1 }
            $passed = $rows | Remove-SnapshotBytes $snapshot -PassThru @quiet -ErrorVariable problems -WarningVariable warnings
            $passed | Should -BeNullOrEmpty
            $problems.Exception.Error | Should -Be 'OutOfRange', 'InvalidPatch'
            $warnings | Should -BeLike "Of the 3 removals from '$file' none was made*"
            $snapshot.IsModified | Should -BeFalse
        }

        It 'removes nothing from any snapshot after a row that does not say its own' {
            $matched = @(Find-SnapshotBytes $snapshot -Text ', ')
            Assert-SnapshotError { $matched[0], @{ Offset = 0; Length = 1 } | Remove-SnapshotBytes } -Id InvalidPatch @of -Says 'Row 2'
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses <What>' -ForEach @(
            @{ What = 'a snapshot'; Row = { $other }; Says = 'Offset' }
            @{ What = 'a file, which has a length of another meaning'; Row = { Get-Item -LiteralPath $file }; Says = 'Offset' }
            @{ What = 'null'; Row = { , $null }; Says = 'null' }
            @{ What = 'text'; Row = { 'junk' }; Says = 'Offset' }
            @{ What = 'a negative length'; Row = { @{ Offset = 0; Length = -1 } }; Says = 'Length' }
        ) {
            Assert-SnapshotError { & $Row | Remove-SnapshotBytes -Snapshot $snapshot } -Id InvalidPatch @of -Target $snapshot -Says $Says
            $snapshot.IsModified | Should -BeFalse
        }

        It 'does nothing when nothing is piped' {
            Find-SnapshotBytes $snapshot -Text 'none' | Remove-SnapshotBytes -PassThru | Should -BeNullOrEmpty
            @() | Remove-SnapshotBytes $snapshot -PassThru | Should -BeNullOrEmpty
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses matches of a closed snapshot with one error, and removes those of another one' {
            $matched = @($snapshot, $other | Find-SnapshotBytes -Text ', ')
            Close-MmapSnapshot $snapshot
            $matched | Remove-SnapshotBytes @quiet -ErrorVariable problems
            $problems.FullyQualifiedErrorId | Should -Be 'SnapshotClosed,MmapSnapshot.RemoveSnapshotBytesCommand'
            Get-SnapshotBytes $other -AsText | Should -BeExactly 'ab'
        }

        It 'refuses a match that arrived from another process' {
            $plain = Copy-Elsewhere (Find-SnapshotBytes $other -Text ', ')
            Assert-SnapshotError { $plain | Remove-SnapshotBytes } -Id InvalidPatch @of -Says 'the snapshot itself stayed there'
        }

        It 'removes 100,000 matches as one change' {
            $big = New-MmapSnapshot "$folder/big"
            Add-SnapshotBytes $big -Bytes ([byte[]](1, 2, 3, 4) * 100000)
            Find-SnapshotBytes $big '02 03' | Remove-SnapshotBytes
            $big.Length | Should -Be 200000
            @(Find-SnapshotBytes $big '01 04').Count | Should -Be 100000
            Undo-SnapshotBytes $big
            $big.Length | Should -Be 400000
        }
    }

    Context 'the pipeline of snapshots' {
        It 'takes snapshots and ids, and passes on those that it changed' {
            $readOnly = Open-MmapSnapshot $file -ReadOnly
            $passed = @($readOnly, $snapshot, $other.Id | Remove-SnapshotBytes -Offset 1 -Count 2 -PassThru @quiet -ErrorVariable problems)
            $passed.Id | Should -Be $snapshot.Id, $other.Id
            $passed | ForEach-Object { $_.Length } | Should -Be 13, 2
            $problems.FullyQualifiedErrorId | Should -Be 'ReadOnlySnapshot,MmapSnapshot.RemoveSnapshotBytesCommand'
            Remove-SnapshotBytes $snapshot 0 1 | Should -BeNullOrEmpty
        }

        It 'refuses a read-only and a closed snapshot, with <_>' -ForEach 'a range', 'a row' {
            $arguments = if ($_ -eq 'a row') { @{ Row = @{ Offset = 0; Length = 1 } } } else { @{ Offset = 0; Count = 1 } }
            $readOnly = Open-MmapSnapshot $file -ReadOnly
            Assert-SnapshotError { Remove-SnapshotBytes $readOnly @arguments } -Id ReadOnlySnapshot @of -Target $readOnly -Says $file
            Close-MmapSnapshot $snapshot
            Assert-SnapshotError { Remove-SnapshotBytes $snapshot @arguments } -Id SnapshotClosed @of -Target $snapshot -Says $file
        }

        It 'says what it removes and where, for each range' {
            "$(Remove-SnapshotBytes $snapshot 0 1 -Verbose 4>&1)" | Should -BeLike "*Remove 1 byte at 0x0*$file*"
            $said = Find-SnapshotBytes $snapshot -Text ', ' | Remove-SnapshotBytes -Verbose 4>&1
            "$said" | Should -BeLike '*Remove 2 bytes at 0x2*Remove 2 bytes at 0x7*'
        }

        It 'removes nothing with -WhatIf, and passes the snapshot on with -PassThru' {
            [object]::ReferenceEquals((Remove-SnapshotBytes $snapshot 0 1 -WhatIf -PassThru), $snapshot) | Should -BeTrue
            @(Find-SnapshotBytes $snapshot -Text ', ' | Remove-SnapshotBytes -WhatIf -PassThru).Id | Should -Be $snapshot.Id
            $snapshot.IsModified | Should -BeFalse
        }
    }
}

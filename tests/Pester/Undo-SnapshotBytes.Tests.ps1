Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'Undo-SnapshotBytes' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $original = Get-FileHex $file
        $snapshot = Open-MmapSnapshot $file
    }

    AfterEach {
        Remove-Workspace $folder
    }

    Context 'the last change' {
        It 'takes back the last change, and then the one before it' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Set-SnapshotBytes $snapshot 0 'BB'
            Undo-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot 0 1 | Should -BeExactly 'AA'
            $snapshot.IsModified | Should -BeTrue
            Undo-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot | Should -BeExactly $original
            $snapshot.IsModified | Should -BeFalse
            $snapshot.ModifiedBytes | Should -Be 0
        }

        It 'takes back a new length: <Length> bytes' -ForEach @{ Length = 100 }, @{ Length = 300 } {
            Resize-Snapshot $snapshot $Length
            Undo-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot | Should -BeExactly $original
            $snapshot.IsModified | Should -BeFalse
        }

        It 'takes back with -Last as many as it says' {
            foreach ($value in 1..5) { Set-SnapshotBytes $snapshot $value -Bytes 0xF0 }
            Undo-SnapshotBytes $snapshot -Last 3
            Get-SnapshotHex $snapshot 1 5 | Should -BeExactly 'F0 F0 03 04 05'
        }

        It 'takes back all there are if -Last is more, and says so with -Verbose' {
            Set-SnapshotBytes $snapshot 0 'AA'
            "$(Undo-SnapshotBytes $snapshot -Last 5 -Verbose 4>&1)" | Should -BeLike '*no more to take back than 1 change.*'
            $snapshot.IsModified | Should -BeFalse
        }

        It 'warns that a snapshot has no changes, and does nothing: <Arguments.Keys>' -ForEach @(
            @{ Arguments = @{}; Says = '*no change to take back.' }
            @{ Arguments = @{ Last = 3 }; Says = '*no change to take back.' }
            @{ Arguments = @{ All = $true }; Says = '*no changes since it was opened or last saved.' }
            @{ Arguments = @{ Offset = 0; Count = 256 }; Says = '*no changes since it was opened or last saved.' }
        ) {
            $warnings = @(Undo-SnapshotBytes $snapshot @Arguments 3>&1)
            $warnings.Count | Should -Be 1
            "$warnings" | Should -BeLike "'$file'*"
            "$warnings" | Should -BeLike $Says
            $snapshot.IsModified | Should -BeFalse
        }

        It 'takes back a change from before a save, and warns only when there is none' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Save-Snapshot $snapshot
            Undo-SnapshotBytes $snapshot 3>&1 | Should -BeNullOrEmpty
            $snapshot[0] | Should -Be 0
            Undo-SnapshotBytes $snapshot 3>&1 | Should -BeLike '*no change to take back.'
        }

        It 'takes back as one what one pipeline of Set-SnapshotBytes has written' {
            "Offset,Bytes`n0,AA`n10,BB`n20,CC" | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $snapshot
            Undo-SnapshotBytes $snapshot
            $snapshot.IsModified | Should -BeFalse
        }

        It 'takes back what the indexer has written' {
            $snapshot[0x40] = 0x90
            Undo-SnapshotBytes $snapshot
            $snapshot[0x40] | Should -Be 0x40
        }

        It 'takes back what was saved, and leaves the file' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Save-Snapshot $snapshot
            Undo-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot 0 1 | Should -BeExactly '00'
            $snapshot.IsModified | Should -BeTrue
            Get-FileHex $file 0 1 | Should -BeExactly 'AA'
        }
    }

    Context 'a range' {
        BeforeEach {
            Set-SnapshotBytes $snapshot 0x10 -Fill 0xEE -Count 16
        }

        It 'gives the bytes of the range back what the file has, by position and by name' {
            Undo-SnapshotBytes $snapshot 0x12 2
            Undo-SnapshotBytes -Snapshot $snapshot -Offset '0x16' -Count '0x2'
            Get-SnapshotHex $snapshot 0x10 9 | Should -BeExactly 'EE EE 12 13 EE EE 16 17 EE'
            $snapshot.ModifiedBytes | Should -Be 12
        }

        It 'is a change itself, which can be taken back' {
            Undo-SnapshotBytes $snapshot 0 256
            $snapshot.IsModified | Should -BeFalse
            Undo-SnapshotBytes $snapshot
            $snapshot.ModifiedBytes | Should -Be 16
            Get-SnapshotHex $snapshot 0x10 1 | Should -BeExactly 'EE'
        }

        It 'leaves the length' {
            Resize-Snapshot $snapshot 300
            Undo-SnapshotBytes $snapshot 0 300
            $snapshot.Length | Should -Be 300
            $snapshot.IsModified | Should -BeTrue
        }

        It 'takes a negative offset for one from the end' {
            Set-SnapshotBytes $snapshot 0xF0 -Fill 0 -Count 16
            Undo-SnapshotBytes $snapshot -Offset -2 -Count 1
            Get-SnapshotHex $snapshot 0xFD 3 | Should -BeExactly '00 FE 00'
            $says = '*1 byte from offset 0xFE on*'
            "$(Undo-SnapshotBytes $snapshot -2 1 -Verbose 4>&1)" | Should -BeLike $says
        }

        It 'refuses <What>, and changes nothing' -ForEach @(
            @{ What = 'an offset before the start'; Offset = -257; Count = 1 }
            @{ What = 'a negative count'; Offset = 0; Count = -1 }
            @{ What = 'an offset past the end'; Offset = 257; Count = 0 }
            @{ What = 'a range that reaches past the end'; Offset = 255; Count = 2 }
            @{ What = 'the highest offset and count there are'; Offset = [long]::MaxValue; Count = [long]::MaxValue }
        ) {
            Assert-SnapshotError { Undo-SnapshotBytes $snapshot $Offset $Count } -Id OutOfRange -Cmdlet Undo-SnapshotBytes -Target $snapshot -Says $file
            $snapshot.ModifiedBytes | Should -Be 16
        }

        It 'refuses an offset without a count, and a count without an offset' {
            { Undo-SnapshotBytes $snapshot -Count 1 -Confirm:$false } | Should -Throw -ErrorId 'MissingMandatoryParameter,MmapSnapshot.UndoSnapshotBytesCommand'
            { Undo-SnapshotBytes $snapshot -Offset 1 -Confirm:$false } | Should -Throw -ErrorId 'MissingMandatoryParameter,MmapSnapshot.UndoSnapshotBytesCommand'
        }
    }

    Context '-All' {
        It 'takes back everything, the length too' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Resize-Snapshot $snapshot 10
            Resize-Snapshot $snapshot 400
            Set-SnapshotBytes $snapshot 390 'BB'
            Undo-SnapshotBytes $snapshot -All
            Get-SnapshotHex $snapshot | Should -BeExactly $original
            $snapshot.IsModified | Should -BeFalse
            Compare-Snapshot $snapshot | Should -BeNullOrEmpty
        }

        It 'can be taken back itself' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Undo-SnapshotBytes $snapshot -All
            $snapshot.IsModified | Should -BeFalse
            Undo-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot 0 1 | Should -BeExactly 'AA'
        }

        It 'takes back what was changed since the last save' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Save-Snapshot $snapshot
            Set-SnapshotBytes $snapshot 0 'BB'
            Undo-SnapshotBytes $snapshot -All
            Get-SnapshotHex $snapshot 0 1 | Should -BeExactly 'AA'
        }

        It 'does not go with -Last' {
            { Undo-SnapshotBytes $snapshot -All -Last 1 } | Should -Throw -ErrorId 'AmbiguousParameterSet,MmapSnapshot.UndoSnapshotBytesCommand'
        }
    }

    Context 'changes from the pipeline' {
        It 'takes back those that Compare-Snapshot tells and Where-Object lets through' {
            Set-SnapshotBytes $snapshot 0x10 'AA'
            Set-SnapshotBytes $snapshot 0x40 'BB'
            Compare-Snapshot $snapshot | Where-Object Offset -EQ 0x10 | Undo-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot 0x10 1 | Should -BeExactly '10'
            Get-SnapshotHex $snapshot 0x40 1 | Should -BeExactly 'BB'
        }

        It 'takes back all of them, with a length of <Length> bytes' -ForEach @{ Length = 10 }, @{ Length = 300 } {
            Set-SnapshotBytes $snapshot 0 'AA'
            Resize-Snapshot $snapshot $Length
            Set-SnapshotBytes $snapshot ($Length - 1) 'BB'
            Compare-Snapshot $snapshot | Undo-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot | Should -BeExactly $original
            $snapshot.IsModified | Should -BeFalse
        }

        It 'takes back what one pipeline brings as one change, with a length of <Length> bytes' -ForEach @{ Length = 10 }, @{ Length = 256 }, @{ Length = 300 } {
            Set-SnapshotBytes $snapshot 0 'AA'
            Set-SnapshotBytes $snapshot 0x40 'BB'
            Resize-Snapshot $snapshot $Length
            $changed, $ranges, $modified = (Get-SnapshotHex $snapshot), $snapshot.GetModifiedRanges(), $snapshot.ModifiedBytes
            Compare-Snapshot $snapshot | Undo-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot | Should -BeExactly $original
            $snapshot.ModifiedBytes | Should -Be 0
            Undo-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot | Should -BeExactly $changed
            $snapshot.ModifiedBytes | Should -Be $modified
            $snapshot.GetModifiedRanges() | Should -Be $ranges
            Undo-SnapshotBytes $snapshot -Last 3
            Get-SnapshotHex $snapshot | Should -BeExactly $original
            $snapshot.IsModified | Should -BeFalse
        }

        It 'takes changes that have arrived from another session' {
            Set-SnapshotBytes $snapshot 0x10 'AA'
            Resize-Snapshot $snapshot 300
            $plain = [System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize((Compare-Snapshot $snapshot)))
            $plain | Undo-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot | Should -BeExactly $original
        }

        It 'takes changes as an argument' {
            Set-SnapshotBytes $snapshot 0x10 'AA'
            Undo-SnapshotBytes $snapshot -Change (Compare-Snapshot $snapshot)
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses what is no change' {
            Assert-SnapshotError { [pscustomobject]@{ Offset = 1 } | Undo-SnapshotBytes $snapshot } -Id InvalidPatch -Cmdlet Undo-SnapshotBytes -Target $snapshot -Says 'no property Length'
        }
    }

    Context 'the pipeline' {
        It 'takes snapshots from the pipeline, and passes them on with -PassThru' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
            $snapshot, $other | Set-SnapshotBytes -Offset 0 -Bytes 'AA'
            $passed = @($snapshot, $other | Undo-SnapshotBytes -PassThru)
            $passed.IsModified | Should -Be $false, $false
            [object]::ReferenceEquals($passed[0], $snapshot) | Should -BeTrue
        }

        It 'returns nothing without -PassThru' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Undo-SnapshotBytes $snapshot | Should -BeNullOrEmpty
        }

        It 'goes on after a snapshot that it cannot change, and does not pass that on' {
            $readOnly = Open-MmapSnapshot $file -ReadOnly
            Set-SnapshotBytes $snapshot 0 'AA'
            $passed = @($readOnly, $snapshot | Undo-SnapshotBytes -All -PassThru -ErrorAction SilentlyContinue -ErrorVariable problems)
            $passed.Count | Should -Be 1
            $snapshot.IsModified | Should -BeFalse
            $problems.FullyQualifiedErrorId | Should -Be 'ReadOnlySnapshot,MmapSnapshot.UndoSnapshotBytesCommand'
            [object]::ReferenceEquals($problems[0].TargetObject, $readOnly) | Should -BeTrue
        }

        It 'takes an id for the snapshot' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Undo-SnapshotBytes $snapshot.Id
            $snapshot.IsModified | Should -BeFalse
        }

        It 'touches nothing with -WhatIf, and passes the snapshot on' -ForEach @(
            @{ Arguments = @{ Last = 1 } }
            @{ Arguments = @{ Offset = 0; Count = 1 } }
            @{ Arguments = @{ All = $true } }
        ) {
            Set-SnapshotBytes $snapshot 0 'AA'
            [object]::ReferenceEquals((Undo-SnapshotBytes $snapshot @Arguments -WhatIf -PassThru), $snapshot) | Should -BeTrue
            $snapshot.ModifiedBytes | Should -Be 1
        }

        It 'touches nothing with -WhatIf on changes from the pipeline' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Compare-Snapshot $snapshot | Undo-SnapshotBytes $snapshot -WhatIf
            $snapshot.ModifiedBytes | Should -Be 1
        }

        It 'says with -Verbose what it takes back: <Says>' -ForEach @(
            @{ Arguments = @{}; Says = '*the last change of*' }
            @{ Arguments = @{ Last = 2 }; Says = '*the last 2 changes of*' }
            @{ Arguments = @{ Offset = 0x10; Count = 1 }; Says = '*in 1 byte from offset 0x10 on*' }
            @{ Arguments = @{ All = $true }; Says = '*all changes*' }
        ) {
            "$(Undo-SnapshotBytes $snapshot @Arguments -Verbose 4>&1)" | Should -BeLike $Says
        }
    }

    Context 'what it refuses' {
        It 'refuses a read-only snapshot with <_>' -ForEach 'Last', 'All', 'Range' {
            $arguments = @{ Last = @{ Last = 1 }; All = @{ All = $true }; Range = @{ Offset = 0; Count = 1 } }[$_]
            $readOnly = Open-MmapSnapshot $file -ReadOnly
            Assert-SnapshotError { Undo-SnapshotBytes $readOnly @arguments } -Id ReadOnlySnapshot -Cmdlet Undo-SnapshotBytes -Target $readOnly -Says $file
        }

        It 'refuses a closed snapshot with <_>' -ForEach 'Last', 'All', 'Range' {
            $arguments = @{ Last = @{ Last = 1 }; All = @{ All = $true }; Range = @{ Offset = 0; Count = 1 } }[$_]
            Close-MmapSnapshot $snapshot
            Assert-SnapshotError { Undo-SnapshotBytes $snapshot @arguments } -Id SnapshotClosed -Cmdlet Undo-SnapshotBytes -Target $snapshot -Says $file
        }

        It 'refuses -Last 0' {
            Assert-BindingError { Undo-SnapshotBytes $snapshot -Last 0 } -Parameter Last
        }

        It 'can be caught with -ErrorAction Stop' {
            { Undo-SnapshotBytes $snapshot 0 257 -ErrorAction Stop } | Should -Throw -ErrorId 'OutOfRange,MmapSnapshot.UndoSnapshotBytesCommand'
        }
    }
}

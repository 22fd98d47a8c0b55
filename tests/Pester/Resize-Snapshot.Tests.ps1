Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'Resize-Snapshot' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $original = Get-FileHex $file
        $snapshot = Open-MmapSnapshot $file
    }

    AfterEach {
        Remove-Workspace $folder
    }

    Context 'what it does' {
        It 'makes a snapshot longer, with zeros' {
            Resize-Snapshot -Snapshot $snapshot -Length 260
            $snapshot.Length | Should -Be 260
            Get-SnapshotHex $snapshot 254 | Should -BeExactly 'FE FF 00 00 00 00'
        }

        It 'makes a snapshot shorter' {
            Resize-Snapshot $snapshot 3
            Get-SnapshotHex $snapshot | Should -BeExactly '00 01 02'
        }

        It 'makes a snapshot empty' {
            Resize-Snapshot $snapshot 0
            (Get-SnapshotBytes $snapshot).Length | Should -Be 0
        }

        It 'makes an empty snapshot longer' {
            $empty = Open-MmapSnapshot (New-TestFile "$folder/empty" -Bytes @())
            Resize-Snapshot $empty 5000
            Set-SnapshotBytes $empty 4999 'AA'
            Get-SnapshotHex $empty 4998 | Should -BeExactly '00 AA'
        }

        It 'shows zeros, not the old bytes, when what was cut off is given back' {
            Resize-Snapshot $snapshot 2
            Resize-Snapshot $snapshot 4
            Get-SnapshotHex $snapshot | Should -BeExactly '00 01 00 00'
        }

        It 'leaves the file as it is' {
            Resize-Snapshot $snapshot 3
            Get-FileHex $file | Should -BeExactly $original
        }

        It 'marks the snapshot as modified, longer or shorter' -ForEach 300, 10, 0 {
            Resize-Snapshot $snapshot $_
            $snapshot.IsModified | Should -BeTrue
        }

        It 'does not mark a snapshot that gets the length it has' {
            Resize-Snapshot $snapshot 256
            $snapshot.IsModified | Should -BeFalse
        }

        It 'returns nothing without -PassThru' {
            Resize-Snapshot $snapshot 10 | Should -BeNullOrEmpty
        }

        It 'returns the snapshot with -PassThru' {
            [object]::ReferenceEquals((Resize-Snapshot $snapshot 10 -PassThru), $snapshot) | Should -BeTrue
        }

        It 'touches nothing with -WhatIf' {
            Resize-Snapshot $snapshot 10 -WhatIf
            $snapshot.Length | Should -Be 256
            $snapshot.IsModified | Should -BeFalse
        }

        It 'says with -Verbose what the lengths are' {
            "$(Resize-Snapshot $snapshot 10 -Verbose 4>&1)" | Should -BeLike '*256*10*'
        }
    }

    Context 'how lengths are written' {
        It 'takes the length <Length> for <Is>' -ForEach @(
            @{ Length = 1KB; Is = 1024 }
            @{ Length = '0x100000'; Is = 1048576 }
            @{ Length = 0x10; Is = 16 }
            @{ Length = '16'; Is = 16 }
            @{ Length = [uint64]16; Is = 16 }
        ) {
            Resize-Snapshot $snapshot $Length
            $snapshot.Length | Should -Be $Is
        }

        It 'refuses the length <_>, which is no whole number of 64 bits, rather than guessing one' -ForEach 1.5, '', 'ten', '9223372036854775808' {
            $length = $_
            Assert-BindingError { Resize-Snapshot $snapshot -Length $length } -Parameter Length
            $snapshot.Length | Should -Be 256
        }
    }

    Context 'the pipeline' {
        It 'takes snapshots from the pipeline' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
            $snapshot, $other | Resize-Snapshot -Length 7
            $snapshot.Length, $other.Length | Should -Be 7, 7
        }

        It 'does not take the length of a piped snapshot for the one that is wanted' {
            @(Get-ErrorOf { $snapshot | Resize-Snapshot -Confirm:$false }).Count | Should -Be 1
            $snapshot.Length | Should -Be 256
        }

        It 'goes on after a snapshot that it cannot resize, and passes on the others' {
            $readOnly = Open-MmapSnapshot $file -ReadOnly
            $passed = @($readOnly, $snapshot | Resize-Snapshot -Length 7 -PassThru -ErrorAction SilentlyContinue -ErrorVariable problems)
            $passed.Count | Should -Be 1
            $snapshot.Length | Should -Be 7
            $problems.FullyQualifiedErrorId | Should -Be 'ReadOnlySnapshot,MmapSnapshot.ResizeSnapshotCommand'
        }
    }

    Context 'what it refuses' {
        It 'refuses a length below zero' -ForEach -1, ([long]::MinValue + 1) {
            $length = $_
            Assert-SnapshotError { Resize-Snapshot $snapshot $length } -Id OutOfRange -Cmdlet Resize-Snapshot -Target $snapshot -Says $file, "$length"
            $snapshot.Length | Should -Be 256
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses a read-only snapshot' {
            $readOnly = Open-MmapSnapshot $file -ReadOnly
            Assert-SnapshotError { Resize-Snapshot $readOnly 3 } -Id ReadOnlySnapshot -Cmdlet Resize-Snapshot -Target $readOnly -Says $file
            $readOnly.Length | Should -Be 256
        }

        It 'refuses a closed snapshot' {
            Close-MmapSnapshot $snapshot
            Assert-SnapshotError { Resize-Snapshot $snapshot 3 } -Id SnapshotClosed -Cmdlet Resize-Snapshot -Target $snapshot -Says $file
        }

        It 'refuses a plus sign, which does not add' {
            Assert-BindingError { Resize-Snapshot $snapshot +10 } -Parameter Length
            Assert-BindingError { Resize-Snapshot $snapshot '+0x10' } -Parameter Length
            $snapshot.Length | Should -Be 256
        }

        It 'can be caught with -ErrorAction Stop' {
            { Resize-Snapshot $snapshot -1 -ErrorAction Stop } | Should -Throw -ErrorId 'OutOfRange,MmapSnapshot.ResizeSnapshotCommand'
        }
    }

    It 'has help that names its parameters' {
        Get-Help -Name Resize-Snapshot | Out-String | Should -BeLike '*-Length*-PassThru*'
    }
}

Describe 'Resize-Snapshot on <Label>' -ForEach (Get-TestFileSystem) {
    Context 'the limits of the filesystem' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
            $snapshot = Open-MmapSnapshot (New-TestFile "$folder/a.bin")
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It 'grows by 1 GiB of nothing without taking the space' {
            Resize-Snapshot $snapshot 1GB
            $snapshot.Length | Should -Be 1GB
            Get-SnapshotHex $snapshot (1GB - 2) | Should -BeExactly '00 00'
        }

        # What the filesystem holds differs: where it takes even this much, the address space does not.
        It 'refuses a length beyond what the filesystem or the address space takes, and stays as it is' {
            Assert-SnapshotError { Resize-Snapshot $snapshot ([long]::MaxValue) } -Id TooLarge -Cmdlet Resize-Snapshot -Target $snapshot -Says $snapshot.Path, '9223372036854775807'
            $snapshot.Length | Should -Be 256
            $snapshot.IsModified | Should -BeFalse
            Get-SnapshotHex $snapshot 254 | Should -BeExactly 'FE FF'
        }
    }
}

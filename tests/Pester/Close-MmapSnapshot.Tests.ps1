Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'Close-MmapSnapshot' {
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
        It 'closes a snapshot and returns nothing' {
            Close-MmapSnapshot -Snapshot $snapshot | Should -BeNullOrEmpty
            $snapshot.IsClosed | Should -BeTrue
        }

        It 'lets go of the descriptor' {
            @(Get-DescriptorInto $folder).Count | Should -BeGreaterThan 0
            Close-MmapSnapshot $snapshot
            @(Get-DescriptorInto $folder).Count | Should -Be 0
        }

        It 'leaves the file as it is' {
            Set-SnapshotBytes $snapshot 0 'FF'
            Close-MmapSnapshot $snapshot -Force
            Get-FileHex $file | Should -BeExactly $original
        }

        It 'keeps the last length and path of the snapshot for a look' {
            Close-MmapSnapshot $snapshot
            $snapshot.Length | Should -Be 256
            $snapshot.Path | Should -BeExactly $file
        }

        It 'does nothing, and says nothing, the second time' {
            Close-MmapSnapshot $snapshot
            @(Close-MmapSnapshot $snapshot *>&1).Count | Should -Be 0
        }

        It 'closes by id' {
            Close-MmapSnapshot -Id $snapshot.Id
            $snapshot.IsClosed | Should -BeTrue
        }

        It 'closes by several ids' {
            $other = Open-MmapSnapshot $file
            Close-MmapSnapshot -Id $snapshot.Id, $other.Id
            $snapshot.IsClosed, $other.IsClosed | Should -Be $true, $true
        }

        It 'closes nothing with -WhatIf' {
            Close-MmapSnapshot $snapshot -WhatIf
            $snapshot.IsClosed | Should -BeFalse
            Get-SnapshotHex $snapshot | Should -BeExactly $original
        }

        It 'closes nothing by id with -WhatIf' {
            Close-MmapSnapshot -Id $snapshot.Id -WhatIf
            $snapshot.IsClosed | Should -BeFalse
        }

        It 'closes a read-only snapshot' {
            $readOnly = Open-MmapSnapshot $file -ReadOnly
            Close-MmapSnapshot $readOnly
            $readOnly.IsClosed | Should -BeTrue
        }
    }

    Context 'unsaved changes' {
        It 'warns of bytes that are lost' {
            Set-SnapshotBytes $snapshot 0 'AA BB'
            $warnings = @(Close-MmapSnapshot $snapshot 3>&1)
            $warnings.Count | Should -Be 1
            $warnings[0] | Should -BeOfType ([System.Management.Automation.WarningRecord])
            "$($warnings[0])" | Should -BeLike "*$file*unsaved*2*"
            $snapshot.IsClosed | Should -BeTrue
        }

        It 'warns of a new length that is lost' {
            Resize-Snapshot $snapshot 10
            "$(Close-MmapSnapshot $snapshot 3>&1)" | Should -BeLike "*$file*unsaved*"
        }

        It 'does not warn with -Force' {
            Set-SnapshotBytes $snapshot 0 'AA'
            @(Close-MmapSnapshot $snapshot -Force *>&1).Count | Should -Be 0
            $snapshot.IsClosed | Should -BeTrue
        }

        It 'does not warn of a snapshot without changes' {
            @(Close-MmapSnapshot $snapshot *>&1).Count | Should -Be 0
        }

        It 'does not warn of changes that were saved' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Save-Snapshot $snapshot
            @(Close-MmapSnapshot $snapshot *>&1).Count | Should -Be 0
        }

        It 'warns but once of a snapshot closed twice' {
            Set-SnapshotBytes $snapshot 0 'AA'
            @(Close-MmapSnapshot $snapshot, $snapshot *>&1).Count | Should -Be 1
        }
    }

    Context 'at a terminal' {
        It 'asks before changes are lost, and only then; Enter alone keeps them' {
            Skip-When (Get-Obstacle -Program script)
            Invoke-Shell 'for name in b c d; do cp "$1/a.bin" "$1/$name.bin"; done' $folder
            # script(1) makes a terminal, at which Enter, n and y are typed in turn.
            $program = {
                Import-Module -Name $env:MMAPSNAPSHOT_MODULE
                $opened = Open-MmapSnapshot "$env:FOLDER/*.bin"
                Close-MmapSnapshot $opened[3]
                Set-SnapshotBytes $opened[0] 0 'FF'
                foreach ($attempt in 1..3) { Close-MmapSnapshot $opened[0]; "closed $($opened[0].IsClosed)." }
                Set-SnapshotBytes $opened[1] 0 'FF'
                Close-MmapSnapshot $opened[1] -Force
                Set-SnapshotBytes $opened[2] 0 'FF'
                Close-MmapSnapshot $opened[2] -Confirm:$false
                "all closed: $(-not (Get-MmapSnapshot))."
            }
            $encoded = [Convert]::ToBase64String([System.Text.Encoding]::Unicode.GetBytes("$program"))
            $printed = Invoke-Shell 'printf "\nn\ny\n" | FOLDER=$3 NO_COLOR=1 TERM=dumb timeout 60 script -qec "$1 -NoProfile -EncodedCommand $2" /dev/null' (Get-ProgramOfPowerShell) $encoded $folder
            $text = $printed -join "`n"
            @([regex]::Matches($text, 'has unsaved changes')).Count | Should -Be 3
            [regex]::Matches($text, 'closed (True|False)\.').Value | Should -Be 'closed False.', 'closed False.', 'closed True.'
            # Who has been asked already, or says so, is warned or left alone.
            @([regex]::Matches($text, 'was closed with unsaved changes')).Count | Should -Be 1
            $text | Should -BeLike '*all closed: True.*'
        }
    }

    Context 'the pipeline' {
        It 'closes what Get-MmapSnapshot finds' {
            $other = Open-MmapSnapshot $file
            Get-MmapSnapshot $file | Close-MmapSnapshot
            $snapshot.IsClosed, $other.IsClosed | Should -Be $true, $true
        }
    }

    Context 'what it refuses' {
        It 'refuses an id that no open snapshot has' {
            Assert-SnapshotError { Close-MmapSnapshot -Id 2147483647 } -Id SnapshotClosed -Cmdlet Close-MmapSnapshot -Target 2147483647 -Says '2147483647'
        }

        It 'closes the others when one id is not open' {
            [void](Get-ErrorOf { Close-MmapSnapshot -Id 2147483647, $snapshot.Id })
            $snapshot.IsClosed | Should -BeTrue
        }

        It 'refuses an object that is no snapshot' {
            $none = [datetime]::UnixEpoch
            Assert-SnapshotError { $none | Close-MmapSnapshot } -Id InputObjectNotBound -Cmdlet Close-MmapSnapshot
            Assert-SnapshotError { Close-MmapSnapshot -Snapshot $none } -Id CannotConvertArgumentNoMessage -Cmdlet Close-MmapSnapshot
        }

        It 'refuses null' {
            Assert-SnapshotError { Close-MmapSnapshot -Snapshot $null } -Id ParameterArgumentValidationError -Cmdlet Close-MmapSnapshot
        }

        It 'can be caught with -ErrorAction Stop' {
            { Close-MmapSnapshot -Id 2147483647 -ErrorAction Stop } | Should -Throw -ErrorId 'SnapshotClosed,MmapSnapshot.CloseMmapSnapshotCommand'
        }
    }

    It 'has help that names its parameters' {
        Get-Help -Name Close-MmapSnapshot | Out-String | Should -BeLike '*Snapshot*-Force*-Id*'
    }
}

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'Redo-SnapshotBytes' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $snapshot = Open-MmapSnapshot $file
        Set-SnapshotBytes $snapshot 0 'AA'
        Set-SnapshotBytes $snapshot 0 'BB'
        Undo-SnapshotBytes $snapshot -Last 2
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'makes the changes again, one by one' {
        Redo-SnapshotBytes $snapshot
        Get-SnapshotHex $snapshot 0 1 | Should -BeExactly 'AA'
        $snapshot.IsModified | Should -BeTrue
        $snapshot | Redo-SnapshotBytes -PassThru | Should -Be $snapshot
        Get-SnapshotHex $snapshot 0 1 | Should -BeExactly 'BB'
    }

    It 'makes several changes again, and says with -Verbose that there are no more' {
        @(Redo-SnapshotBytes $snapshot -Last 5 -Verbose 4>&1)[-1] | Should -BeLike '*no more to make again than 2 changes.'
        Get-SnapshotHex $snapshot 0 1 | Should -BeExactly 'BB'
    }

    It 'makes nothing again after another change, and warns' {
        Set-SnapshotBytes $snapshot 1 'CC'
        Redo-SnapshotBytes $snapshot 3>&1 | Should -BeLike "'$file' has no change to make again."
        Get-SnapshotHex $snapshot 0 2 | Should -BeExactly '00 CC'
    }

    It 'works after a save' {
        Save-Snapshot $snapshot
        Redo-SnapshotBytes $snapshot
        Get-SnapshotHex $snapshot 0 1 | Should -BeExactly 'AA'
        Get-FileHex $file 0 1 | Should -BeExactly '00'
    }

    It 'does nothing with -WhatIf' {
        Redo-SnapshotBytes $snapshot -WhatIf
        $snapshot.IsModified | Should -BeFalse
    }

    It 'refuses -Last 0' {
        Assert-BindingError { Redo-SnapshotBytes $snapshot -Last 0 } -Parameter Last
    }

    It 'refuses a read-only and a closed snapshot' {
        $readOnly = Open-MmapSnapshot $file -ReadOnly
        Assert-SnapshotError { Redo-SnapshotBytes $readOnly } -Id ReadOnlySnapshot -Cmdlet Redo-SnapshotBytes -Target $readOnly -Says $file
        Close-MmapSnapshot $snapshot
        Assert-SnapshotError { Redo-SnapshotBytes $snapshot } -Id SnapshotClosed -Cmdlet Redo-SnapshotBytes -Target $snapshot -Says $file
    }
}

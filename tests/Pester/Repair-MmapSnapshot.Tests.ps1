Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'Repair-MmapSnapshot' {
    BeforeEach {
        $folder = New-Workspace
        [void](New-Item -ItemType Directory "$folder/deep")
        $file = New-TestFile "$folder/deep/a.bin"
        $journal = New-InterruptedSave $file
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'completes the save of a <What>, and returns what it did' -ForEach @(
        @{ What = 'file'; Arguments = { @{ Path = $file } } }
        @{ What = 'wildcard'; Arguments = { @{ Path = "$folder/deep/*.bin" } } }
        @{ What = 'literal path'; Arguments = { @{ LiteralPath = $file } } }
        @{ What = 'journal'; Arguments = { @{ LiteralPath = $journal } } }
        @{ What = 'directory'; Arguments = { @{ Path = "$folder/deep" } } }
        @{ What = 'directory above'; Arguments = { @{ Path = $folder; Recurse = $true } } }
    ) {
        $repair = & $Arguments
        $record = Repair-MmapSnapshot @repair
        $record.GetType().FullName | Should -BeExactly 'MmapSnapshot.RepairRecord'
        $record.Path, "$($record.Action)", $record.Journal | Should -BeExactly $file, 'RollForward', $journal
        Get-FileHex $file 0 2 | Should -BeExactly 'DE AD'
        Test-Path -LiteralPath $journal | Should -BeFalse
        Repair-MmapSnapshot @repair -ErrorAction Ignore | Should -BeNullOrEmpty
    }

    It 'takes files from the pipeline' {
        (Get-Item -LiteralPath $file | Repair-MmapSnapshot).Action | Should -Be 'RollForward'
        $file | Repair-MmapSnapshot | Should -BeNullOrEmpty
    }

    It 'does not look below a directory without -Recurse' {
        Repair-MmapSnapshot $folder | Should -BeNullOrEmpty
        Test-Path -LiteralPath $journal | Should -BeTrue
    }

    It 'does nothing, and returns nothing, with -WhatIf' {
        Repair-MmapSnapshot $file -WhatIf | Should -BeNullOrEmpty
        Get-FileHex $file 0 2 | Should -BeExactly 'DE 01'
        Test-Path -LiteralPath $journal | Should -BeTrue
    }

    It 'leaves a file alone that is open elsewhere, says why, and repairs it with -Force' {
        $reader = [System.IO.File]::OpenRead($file)
        try {
            $record = Repair-MmapSnapshot $file
            "$($record.Action)", $record.Reason | Should -BeExactly 'None', 'a process has the file open'
            (Repair-MmapSnapshot $file -Force).Action | Should -Be 'RollForward'
        } finally {
            $reader.Dispose()
        }
        Get-FileHex $file 0 2 | Should -BeExactly 'DE AD'
    }

    It 'is not needed when the file is opened: a warning says what was done' {
        Open-MmapSnapshot $file -WarningVariable said -WarningAction SilentlyContinue | Close-MmapSnapshot
        "$said" | Should -BeLike "*'$file' was interrupted, and was completed*"
        Get-FileHex $file 0 2 | Should -BeExactly 'DE AD'
    }

    It 'is named by the warning of a read-only open' {
        Open-MmapSnapshot $file -ReadOnly -WarningVariable said -WarningAction SilentlyContinue | Close-MmapSnapshot
        "$said" | Should -BeLike "*'$file' was interrupted*Repair-MmapSnapshot*"
        Get-FileHex $file 0 2 | Should -BeExactly 'DE 01'
    }

    It 'reports a path that does not exist, and repairs the others' {
        $records = Repair-MmapSnapshot "$folder/none", $file -ErrorVariable errors -ErrorAction SilentlyContinue
        $records.Action | Should -Be 'RollForward'
        $errors.FullyQualifiedErrorId | Should -BeExactly 'FileNotFound,MmapSnapshot.RepairMmapSnapshotCommand'
    }

    It 'shows action, path and reason in a table' {
        Repair-MmapSnapshot $file | Format-Table | Out-String -Width 300 |
            Should -Match "Action\s+Path\s+Reason[\s-]+RollForward\s+$([regex]::Escape($file))\s+a save in place"
    }
}

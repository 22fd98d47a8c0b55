# What PowerShell's common parameters and preferences promise of every cmdlet.

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/../Support.psm1"

    # Each cmdlet, with arguments that work and others that fail; $file exists, $snapshot is open, $closed is closed.
    $cases = @(
        @{
            Cmdlet = 'Add-SnapshotBytes'
            Works  = { @{ Snapshot = $snapshot; Bytes = 'AA'; PassThru = $true } }
            Fails  = { @{ Snapshot = $closed; Bytes = 'AA' } }
            Id     = 'SnapshotClosed'
        }
        @{ Cmdlet = 'Close-MmapSnapshot'; Works = { @{ Snapshot = $snapshot } }; Fails = { @{ Id = 2147483647 } }; Id = 'SnapshotClosed' }
        @{ Cmdlet = 'Compare-Snapshot'; Works = { @{ Snapshot = $snapshot; With = $other } }; Fails = { @{ Snapshot = $closed } }; Id = 'SnapshotClosed' }
        @{ Cmdlet = 'Find-SnapshotBytes'; Works = { @{ Snapshot = $snapshot; Pattern = '10 11' } }; Fails = { @{ Snapshot = $closed; Pattern = 'AA' } }; Id = 'SnapshotClosed' }
        @{ Cmdlet = 'Format-SnapshotBytes'; Works = { @{ Snapshot = $snapshot; Count = 16 } }; Fails = { @{ Snapshot = $closed } }; Id = 'SnapshotClosed' }
        @{ Cmdlet = 'Get-MmapSnapshot'; Works = { @{ Id = $snapshot.Id } }; Fails = { @{ Id = 2147483647 } }; Id = 'SnapshotClosed' }
        @{ Cmdlet = 'Get-ReflinkSupport'; Works = { @{ Path = $file } }; Fails = { @{ Path = "$folder/none" } }; Id = 'FileNotFound' }
        @{ Cmdlet = 'Get-SnapshotBytes'; Works = { @{ Snapshot = $snapshot; Count = 1 } }; Fails = { @{ Snapshot = $closed } }; Id = 'SnapshotClosed' }
        @{ Cmdlet = 'Get-SnapshotHash'; Works = { @{ Snapshot = $snapshot } }; Fails = { @{ Snapshot = $closed } }; Id = 'SnapshotClosed' }
        @{ Cmdlet = 'New-MmapSnapshot'; Works = { @{ Path = "$folder/new.bin" } }; Fails = { @{ Path = $file } }; Id = 'DestinationExists' }
        @{ Cmdlet = 'Open-MmapSnapshot'; Works = { @{ Path = $file } }; Fails = { @{ Path = "$folder/none" } }; Id = 'FileNotFound' }
        @{
            Cmdlet = 'Redo-SnapshotBytes'
            Works  = { @{ Snapshot = $snapshot; PassThru = $true } }
            Fails  = { @{ Snapshot = $closed } }
            Id     = 'SnapshotClosed'
        }
        @{
            Cmdlet = 'Remove-SnapshotBytes'
            Works  = { @{ Snapshot = $snapshot; Offset = 0; Count = 1; PassThru = $true } }
            Fails  = { @{ Snapshot = $closed; Offset = 0; Count = 1 } }
            Id     = 'SnapshotClosed'
        }
        @{
            Cmdlet = 'Repair-MmapSnapshot'
            Works  = { @{ Path = New-InterruptedSave "$folder/a.bin" } }
            Fails  = { @{ Path = "$folder/none" } }
            Id     = 'FileNotFound'
        }
        @{ Cmdlet = 'Resize-Snapshot'; Works = { @{ Snapshot = $snapshot; Length = 1; PassThru = $true } }; Fails = { @{ Snapshot = $closed; Length = 1 } }; Id = 'SnapshotClosed' }
        @{ Cmdlet = 'Save-Snapshot'; Works = { @{ Snapshot = $snapshot; PassThru = $true } }; Fails = { @{ Snapshot = $closed } }; Id = 'SnapshotClosed' }
        @{ Cmdlet = 'Set-SnapshotBytes'; Works = { @{ Snapshot = $snapshot; Offset = 0; Bytes = 'AA'; PassThru = $true } }; Fails = { @{ Snapshot = $closed; Offset = 0; Bytes = 'AA' } }; Id = 'SnapshotClosed' }
        @{ Cmdlet = 'Undo-SnapshotBytes'; Works = { @{ Snapshot = $snapshot; PassThru = $true } }; Fails = { @{ Snapshot = $closed } }; Id = 'SnapshotClosed' }
    )
    # Those that change something, each in every way it has. All of them would change $snapshot, $file or $folder.
    $changes = @(
        @{
            Cmdlet     = 'Add-SnapshotBytes'
            Arguments  = { @{ Snapshot = $_; Bytes = 'AA BB' } }
            OnClosed   = 'SnapshotClosed'
            OnReadOnly = 'ReadOnlySnapshot'
        }
        @{
            Cmdlet     = 'Add-SnapshotBytes'
            Arguments  = { @{ Snapshot = $_; Fill = 1; Count = 9; Offset = 1 } }
            OnClosed   = 'SnapshotClosed'
            OnReadOnly = 'ReadOnlySnapshot'
        }
        @{ Cmdlet = 'Close-MmapSnapshot'; Arguments = { @{ Snapshot = $_ } }; OnClosed = $null; OnReadOnly = $null }
        @{ Cmdlet = 'Close-MmapSnapshot'; Arguments = { @{ Snapshot = $_; Force = $true } }; OnClosed = $null; OnReadOnly = $null }
        @{ Cmdlet = 'New-MmapSnapshot'; Arguments = { @{ Path = "$folder/new.bin" } } }
        @{ Cmdlet = 'Redo-SnapshotBytes'; Arguments = { @{ Snapshot = $_ } }; OnClosed = 'SnapshotClosed'; OnReadOnly = 'ReadOnlySnapshot' }
        @{
            Cmdlet     = 'Remove-SnapshotBytes'
            Arguments  = { @{ Snapshot = $_; Offset = 0; Count = 2 } }
            OnClosed   = 'SnapshotClosed'
            OnReadOnly = 'ReadOnlySnapshot'
        }
        @{
            Cmdlet     = 'Remove-SnapshotBytes'
            Arguments  = { @{ Snapshot = $_; Row = $change } }
            OnClosed   = 'SnapshotClosed'
            OnReadOnly = 'ReadOnlySnapshot'
        }
        @{ Cmdlet = 'Resize-Snapshot'; Arguments = { @{ Snapshot = $_; Length = 1 } }; OnClosed = 'SnapshotClosed'; OnReadOnly = 'ReadOnlySnapshot' }
        @{ Cmdlet = 'Save-Snapshot'; Arguments = { @{ Snapshot = $_ } }; OnClosed = 'SnapshotClosed'; OnReadOnly = 'ReadOnlySnapshot' }
        @{ Cmdlet = 'Save-Snapshot'; Arguments = { @{ Snapshot = $_; Method = 'InPlace' } }; OnClosed = 'SnapshotClosed'; OnReadOnly = 'ReadOnlySnapshot' }
        @{ Cmdlet = 'Save-Snapshot'; Arguments = { @{ Snapshot = $_; Close = $true; Force = $true } }; OnClosed = 'SnapshotClosed'; OnReadOnly = 'ReadOnlySnapshot' }
        @{ Cmdlet = 'Save-Snapshot'; Arguments = { @{ Snapshot = $_; Destination = "$folder/new.bin" } }; OnClosed = 'SnapshotClosed'; OnReadOnly = $null }
        @{ Cmdlet = 'Set-SnapshotBytes'; Arguments = { @{ Snapshot = $_; Offset = 0; Bytes = 'AA BB' } }; OnClosed = 'SnapshotClosed'; OnReadOnly = 'ReadOnlySnapshot' }
        @{ Cmdlet = 'Set-SnapshotBytes'; Arguments = { @{ Snapshot = $_; Offset = 0; Fill = 1; Count = 9 } }; OnClosed = 'SnapshotClosed'; OnReadOnly = 'ReadOnlySnapshot' }
        @{ Cmdlet = 'Set-SnapshotBytes'; Arguments = { @{ Snapshot = $_; Offset = 0; Bytes = 'AA'; NewLength = 9 } }; OnClosed = 'SnapshotClosed'; OnReadOnly = 'ReadOnlySnapshot' }
        @{ Cmdlet = 'Undo-SnapshotBytes'; Arguments = { @{ Snapshot = $_ } }; OnClosed = 'SnapshotClosed'; OnReadOnly = 'ReadOnlySnapshot' }
        @{ Cmdlet = 'Undo-SnapshotBytes'; Arguments = { @{ Snapshot = $_; All = $true } }; OnClosed = 'SnapshotClosed'; OnReadOnly = 'ReadOnlySnapshot' }
        @{ Cmdlet = 'Undo-SnapshotBytes'; Arguments = { @{ Snapshot = $_; Offset = 0; Count = 256 } }; OnClosed = 'SnapshotClosed'; OnReadOnly = 'ReadOnlySnapshot' }
        @{ Cmdlet = 'Undo-SnapshotBytes'; Arguments = { @{ Snapshot = $_; Change = $change } }; OnClosed = 'SnapshotClosed'; OnReadOnly = 'ReadOnlySnapshot' }
    )
}

BeforeAll {
    Set-StrictMode -Version Latest
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
}

Describe 'These tests' {
    It 'leave out no cmdlet' -ForEach @{ Named = $cases.Cmdlet; Changing = @($changes.Cmdlet | Sort-Object -Unique) } {
        $commands = Get-Command -Module MmapSnapshot -CommandType Cmdlet
        $Named | Should -Be $commands.Name
        # Repair-MmapSnapshot takes files, not snapshots.
        $commands = $commands | Where-Object Name -NE 'Repair-MmapSnapshot'
        $Changing | Should -Be ($commands | Where-Object { $_.Parameters.ContainsKey('WhatIf') }).Name
    }
}

Describe '<Cmdlet>, in StrictMode Latest' -ForEach $cases {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $snapshot, $other, $closed = Open-MmapSnapshot $file, $file, $file
        Set-SnapshotBytes $other 0 'FF'
        Close-MmapSnapshot $closed
        $errorId = "$Id,MmapSnapshot.$($Cmdlet.Replace('-', ''))Command"
        $works, $fails = (& $Works), (& $Fails)
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'fills -OutVariable, and -PipelineVariable of what is behind it' {
        $kept = $null
        $piped = @(& $Cmdlet @works -OutVariable kept -PipelineVariable current | ForEach-Object { [pscustomobject]@{ Given = $_; Current = $current } })
        $kept.Count | Should -Be $piped.Count
        if ($Cmdlet -ne 'Close-MmapSnapshot') { $piped.Count | Should -BeGreaterThan 0 }
        foreach ($one in $piped) { [object]::Equals($one.Given, $one.Current) | Should -BeTrue }
    }

    It 'throws its error with -ErrorAction Stop, and where $ErrorActionPreference says so' {
        { & $Cmdlet @fails -ErrorAction Stop } | Should -Throw -ErrorId $errorId
        $ErrorActionPreference = 'Stop'
        { & $Cmdlet @fails } | Should -Throw -ErrorId $errorId
    }

    It 'goes on after it with Continue' {
        $answer = @(& { $ErrorActionPreference = 'Continue'; & $Cmdlet @fails; 'went on' } 2>&1)
        $answer.Count | Should -Be 2
        $answer[0].FullyQualifiedErrorId | Should -BeExactly $errorId
        $answer[1] | Should -BeExactly 'went on'
    }

    It 'only notes it with SilentlyContinue, and not even that with Ignore' {
        $problems, $ignored = @(), @()
        $global:Error.Clear()
        @(& $Cmdlet @fails -ErrorAction SilentlyContinue -ErrorVariable problems 2>&1).Count | Should -Be 0
        $problems.Count | Should -Be 1
        $problems[0].FullyQualifiedErrorId | Should -BeExactly $errorId
        $global:Error.Count | Should -Be 1
        $global:Error.Clear()
        @(& $Cmdlet @fails -ErrorAction Ignore -ErrorVariable ignored 2>&1).Count | Should -Be 0
        $global:Error.Count | Should -Be 0
    }
}

Describe 'Warnings' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $snapshot = Open-MmapSnapshot $file
        Set-SnapshotBytes $snapshot 0 'AA'
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'of <Cmdlet> obey -WarningAction, -WarningVariable and $WarningPreference' -ForEach @(
        @{ Cmdlet = 'Close-MmapSnapshot'; Run = { param($Common) Close-MmapSnapshot $snapshot @Common } }
        @{ Cmdlet = 'Save-Snapshot'; Run = { param($Common) Set-Content -LiteralPath $file -Value 'other'; Save-Snapshot $snapshot -Force @Common } }
        @{
            Cmdlet = 'Undo-SnapshotBytes'
            Run    = { param($Common) Undo-SnapshotBytes $snapshot -Last 9; Undo-SnapshotBytes $snapshot @Common }
        }
        @{ Cmdlet = 'Redo-SnapshotBytes'; Run = { param($Common) Redo-SnapshotBytes $snapshot @Common } }
        @{ Cmdlet = 'Set-SnapshotBytes'; Run = { param($Common) @{ Offset = 0 }, @{ Offset = 9999 } | ForEach-Object { [pscustomobject]$_ } | Set-SnapshotBytes -Snapshot $snapshot -Bytes 'BB' -ErrorAction SilentlyContinue @Common } }
    ) {
        # Each round has something to lose, to overwrite, or that does not fit.
        $round = {
            if ($snapshot.IsClosed) { $script:snapshot = $snapshot = Open-MmapSnapshot $file }
            Set-SnapshotBytes $snapshot 0 -Number (++$script:rounds) -As Byte
        }
        $script:rounds = 1
        $warnings = @()
        @(. $round; & $Run @{} 3>&1).Count | Should -Be 1
        @(. $round; & $Run @{ WarningAction = 'SilentlyContinue'; WarningVariable = 'script:warnings' } 3>&1).Count | Should -Be 0
        $script:warnings.Count | Should -Be 1
        { . $round; & $Run @{ WarningAction = 'Stop' } } | Should -Throw -ErrorId 'ActionPreferenceStop,*'
        $WarningPreference = 'SilentlyContinue'
        @(. $round; & $Run @{} 3>&1).Count | Should -Be 0
    }
}

Describe '<Cmdlet>, which takes no paths' -ForEach @(
    @{ Cmdlet = 'Close-MmapSnapshot'; Also = @{} }
    @{ Cmdlet = 'Redo-SnapshotBytes'; Also = @{} }
    @{ Cmdlet = 'Resize-Snapshot'; Also = @{ Length = 1 } }
    @{ Cmdlet = 'Save-Snapshot'; Also = @{} }
    @{ Cmdlet = 'Set-SnapshotBytes'; Also = @{ Offset = 0; Bytes = 'AA' } }
    @{ Cmdlet = 'Undo-SnapshotBytes'; Also = @{} }
) {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $asked = @{ Id = 'ParameterArgumentTransformationError'; Cmdlet = $Cmdlet; Says = $file, 'Open-MmapSnapshot' }
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'says to open a path first, as an argument and from the pipeline' {
        Assert-SnapshotError { & $Cmdlet $file @Also } @asked
        Assert-SnapshotError { & $Cmdlet -Snapshot (Get-Item -LiteralPath $file) @Also } @asked
        Assert-SnapshotError { $file | & $Cmdlet @Also } @asked
        Assert-SnapshotError { Get-Item -LiteralPath $file | & $Cmdlet @Also } @asked
    }
}

Describe '<Cmdlet> with -WhatIf' -ForEach $changes {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $snapshot = Open-MmapSnapshot $file
        Set-SnapshotBytes $snapshot 0 'FF FF'
        $change = Compare-Snapshot $snapshot
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'changes nothing, and says so' {
        $state = { "$($snapshot.IsClosed) $($snapshot.IsModified) $($snapshot.Length) $($snapshot.ModifiedBytes) $(Get-SnapshotHex $snapshot) $(Get-FileHex $file) $((Get-Item $file).LastWriteTime.Ticks) $(Get-ChildItem -LiteralPath $folder -Force)" }
        $before, $open = (& $state), @(Get-MmapSnapshot).Count
        $splat = $snapshot | ForEach-Object $Arguments
        & $Cmdlet @splat -WhatIf | Should -BeNullOrEmpty
        & $state | Should -BeExactly $before
        @(Get-MmapSnapshot).Count | Should -Be $open
    }

    # New-MmapSnapshot takes no snapshot.
    if ($_.ContainsKey('OnClosed')) {
        It 'promises nothing that would be refused' {
            $closed, $readOnly = (Open-MmapSnapshot $file), (Open-MmapSnapshot $file -ReadOnly)
            Close-MmapSnapshot $closed
            foreach ($pair in @(@($closed, $OnClosed), @($readOnly, $OnReadOnly))) {
                $splat = $pair[0] | ForEach-Object $Arguments
                $problems = @(Get-ErrorOf { & $Cmdlet @splat -WhatIf })
                $problems | ForEach-Object { $_.FullyQualifiedErrorId.Split(',')[0] } | Should -Be $pair[1]
            }
        }
    }
}

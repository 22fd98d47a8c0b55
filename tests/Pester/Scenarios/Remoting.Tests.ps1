# A real remote session over SSH, to a server of our own on the loopback interface.

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    $obstacle = Get-SshObstacle
    $label = if ($obstacle) { " ($obstacle)" } else { '' }
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
}

Describe 'Over SSH<Label>' -ForEach @{ Label = $label } -Skip:([bool]$obstacle) {
    BeforeAll {
        $server = Start-SshServer
        $session = New-PSSession -HostName web1
        Invoke-Command -Session $session { Import-Module -Name MmapSnapshot }
    }

    AfterAll {
        Remove-PSSession -Session $session
        Stop-SshServer $server
    }

    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
    }

    AfterEach {
        Invoke-Command -Session $session { Get-MmapSnapshot | Close-MmapSnapshot -Force }
        Remove-Workspace $folder
    }

    It 'a file is opened, patched and saved where it is, and what comes back are plain properties' {
        $snapshot, $match, $change, $result = Invoke-Command -Session $session {
            $snapshot = Open-MmapSnapshot $using:file
            Set-SnapshotBytes $snapshot 0x10 'AA BB' -Expect '10 11'
            $snapshot
            Find-SnapshotBytes $snapshot 'AA BB'
            Compare-Snapshot $snapshot
            Save-Snapshot $snapshot -Close -PassThru
        }
        $snapshot, $match, $change, $result | ForEach-Object { $_.PSObject.TypeNames[0] } | Should -Be @('Snapshot', 'SnapshotMatch', 'SnapshotChange', 'CommitResult').ForEach({ "Deserialized.MmapSnapshot.$_" })
        $snapshot.PSComputerName, $result.PSComputerName | Should -Be 'web1', 'web1'
        $snapshot.Path, $snapshot.ModifiedBytes | Should -Be $file, 2
        $match.Offset, $change.After, "$($result.Path)" | Should -Be 0x10, 'AA BB', $file
        "$($result.Method)" | Should -BeIn 'Exchange', 'Replace'
        Get-FileHex $file 0x0F 4 | Should -BeExactly '0F AA BB 12'
        $snapshot | Format-Table | Out-String -Width 200 | Should -Match 'modified\s+a\.bin'
    }

    It 'a change that was told of there is made here: a patch travels' {
        Invoke-Command -Session $session { $remote = Open-MmapSnapshot $using:file; Set-SnapshotBytes $remote 0x10 'AA BB'; Compare-Snapshot $remote } |
            Set-SnapshotBytes -Snapshot (Open-MmapSnapshot $file)
        $here = Get-MmapSnapshot $file
        Get-SnapshotHex $here 0x10 2 | Should -BeExactly 'AA BB'
        Compare-Snapshot $here | Invoke-Command -Session $session { $input | Undo-SnapshotBytes $remote; $remote.IsModified } | Should -BeFalse
    }

    It 'the snapshot stays in the session, and can be used in the next command' {
        $plain = Invoke-Command -Session $session { ($kept = Open-MmapSnapshot $using:file) }
        Invoke-Command -Session $session { Set-SnapshotBytes $kept 0 'FF' }
        Invoke-Command -Session $session { Get-SnapshotBytes (Get-MmapSnapshot -Id $args[0]) 0 2 -AsHex } -ArgumentList $plain.Id | Should -BeExactly 'FF 01'
        Assert-SnapshotError { $plain | Save-Snapshot } -Id ParameterArgumentTransformationError -Cmdlet Save-Snapshot -Says $file, 'stayed there'
        Get-FileHex $file 0 2 | Should -BeExactly '00 01'
    }

    It 'errors come back with their ids, categories and messages, and say from where' {
        $problems = @()
        $answer = Invoke-Command -Session $session -ErrorVariable problems -ErrorAction SilentlyContinue {
            $snapshot = Open-MmapSnapshot $using:file
            Set-SnapshotBytes $snapshot 9999 'AA'
            Open-MmapSnapshot "$using:folder/none"
            'went on'
        }
        $answer | Should -BeExactly 'went on'
        $problems.FullyQualifiedErrorId | Should -Be 'OutOfRange,MmapSnapshot.SetSnapshotBytesCommand', 'FileNotFound,MmapSnapshot.OpenMmapSnapshotCommand'
        $problems.ForEach({ "$($_.CategoryInfo.Category)" }) | Should -Be 'InvalidArgument', 'ObjectNotFound'
        "$($problems[0])" | Should -BeLike "'$file': offset 0x270F is past the end*"
        $problems.OriginInfo.PSComputerName | Should -Be 'web1', 'web1'
        "$($problems[1].TargetObject)" | Should -BeExactly "$folder/none"
    }

    It 'an error that stops the command is caught here by its id' {
        $caught = try { Invoke-Command -Session $session -ErrorAction Stop { Open-MmapSnapshot "$using:folder/none" -ErrorAction Stop } } catch { $_ }
        $caught.FullyQualifiedErrorId | Should -BeExactly 'FileNotFound,MmapSnapshot.OpenMmapSnapshotCommand'
    }

    It 'warnings and verbose messages can be collected where they arise' {
        $messages = @(Invoke-Command -Session $session {
            (Open-MmapSnapshot $using:file -Verbose 4>&1)[0]
            Set-SnapshotBytes (Get-MmapSnapshot) 0 'FF'
            Get-MmapSnapshot | Close-MmapSnapshot 3>&1
        })
        $messages.Count | Should -Be 2
        "$($messages[0])" | Should -BeLike "Opened '$file': 256 bytes, * because *"
        "$($messages[1])" | Should -BeLike "'$file' was closed with unsaved changes*"
    }

    It 'the end of the session lets go of everything, and the file is as it was' {
        $other = New-PSSession -HostName web2
        $id = Invoke-Command -Session $other { Import-Module -Name MmapSnapshot; Set-SnapshotBytes (Open-MmapSnapshot $using:file) 0 'FF'; $PID }
        Remove-PSSession -Session $other
        for ($waited = 0; (Test-Path -LiteralPath "/proc/$id") -and $waited -lt 200; $waited++) { Start-Sleep -Milliseconds 50 }
        Test-Path -LiteralPath "/proc/$id" | Should -BeFalse
        Get-FileHex $file 0 2 | Should -BeExactly '00 01'
        @(Get-ChildItem -LiteralPath $folder -Force).Name | Should -Be 'a.bin'
    }
}

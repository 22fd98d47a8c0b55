# Jobs, files and other sessions: what arrives there, what can be done with it, and how a session ends.

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    $takeSnapshots = @((Get-Command -Module MmapSnapshot -CommandType Cmdlet | Where-Object { $_.Parameters.ContainsKey('Snapshot') }).Name)
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    $module = $env:MMAPSNAPSHOT_MODULE

    # Arguments that a cmdlet needs besides the snapshot.
    $also = @{
        'Add-SnapshotBytes'    = @{ Bytes = 'AA' }
        'Find-SnapshotBytes'   = @{ Pattern = 'AA' }
        'Remove-SnapshotBytes' = @{ Offset = 0; Count = 1 }
        'Resize-Snapshot'      = @{ Length = 1 }
        'Set-SnapshotBytes'    = @{ Offset = 0; Bytes = 'AA' }
    }

    function ConvertTo-Deserialized($Object) {
        [System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize($Object))
    }
}

Describe 'What the module returns, sent <Through>' -ForEach @(
    @{ Through = 'from a job' }
    @{ Through = 'through a file' }
) {
    BeforeAll {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $make = {
            param($Module, $File)
            Import-Module -Name $Module
            $snapshot = Open-MmapSnapshot -LiteralPath $File
            Set-SnapshotBytes $snapshot 0x10 'AA BB'
            $snapshot
            Find-SnapshotBytes $snapshot 'AA BB'
            Compare-Snapshot $snapshot
            Save-Snapshot $snapshot -Close -PassThru
            Get-ReflinkSupport $File
        }
        if ($Through -eq 'from a job') {
            $arrived = @(Start-Job -ScriptBlock $make -ArgumentList $module, $file | Receive-Job -Wait -AutoRemoveJob)
        } else {
            & $make $module $file | Export-Clixml -LiteralPath "$folder/sent.xml"
            $arrived = @(Import-Clixml -LiteralPath "$folder/sent.xml")
        }
    }

    AfterAll {
        Remove-Workspace $folder
    }

    It 'arrives as its properties' {
        $arrived | ForEach-Object { $_.PSObject.TypeNames[0] } | Should -Be @('Snapshot', 'SnapshotMatch', 'SnapshotChange', 'CommitResult', 'ReflinkSupport').ForEach({ "Deserialized.MmapSnapshot.$_" })
        $snapshot, $match, $change, $result, $support = $arrived
        $snapshot.Path, $match.Snapshot.Path, $change.Path, $result.Path, $support.Path | Should -Be (@($file) * 5)
        $snapshot.Length, $snapshot.ModifiedBytes, $snapshot.IsModified, $snapshot.IsClosed | Should -Be 256, 2, $true, $false
        $match.Offset, $match.Length, $match.Pattern | Should -Be 0x10, 2, 'AA BB'
        ConvertTo-HexText $match.Bytes | Should -BeExactly 'AA BB'
        $change.Offset, $change.Before, $change.After | Should -Be 0x10, '10 11', 'AA BB'
        $result.Length, $result.ModifiedBytes | Should -Be 256, 2
        "$($result.Method)" | Should -BeIn 'Exchange', 'Replace'
        $result.Elapsed | Should -BeOfType ([timespan])
        $result.Reason | Should -Not -BeNullOrEmpty
        $support.Lease | Should -BeOfType ([bool])
    }

    It 'is shown as it would be where it came from' {
        $snapshot, $match, $change, $result, $support = $arrived | ForEach-Object { $_ | Format-Table | Out-String -Width 200 }
        $snapshot | Should -Match 'Id\s+Length\s+Modified\s+Backing\s+State\s+Name'
        $snapshot | Should -Match "256\s+2\s+\S+\s+modified\s+$([regex]::Escape((Split-Path -Leaf $file)))"
        $match | Should -Match '0x10\s+2\s.*AA BB'
        $match | Should -Match "File: $([regex]::Escape($file))"
        $change | Should -Match '0x10\s+2\s+10 11\s+AA BB'
        $result | Should -Match 'Method\s+Length\s+Modified\s+Flushed\s+ms\s+Path'
        $support | Should -Match 'FileSystem\s+Reflink\s+TmpFile'
    }

    It 'has nothing of the file but what was asked for' {
        foreach ($one in $arrived) { [System.Management.Automation.PSSerializer]::Serialize($one).Length | Should -BeLessThan 4KB }
    }
}

Describe 'A snapshot that has arrived from elsewhere' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $snapshot = Open-MmapSnapshot $file
        $plain = ConvertTo-Deserialized $snapshot
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'is refused by <_> from the pipeline, in words that say what it is' -ForEach $takeSnapshots {
        $cmdlet, $arguments = $_, ($also[$_] ?? @{})
        Assert-SnapshotError { $plain | & $cmdlet @arguments } -Id ParameterArgumentTransformationError -Cmdlet $cmdlet -Says $file, 'stayed there', 'open the file here'
    }

    It 'is refused by <_> as an argument, alone or among others' -ForEach $takeSnapshots {
        $cmdlet, $arguments = $_, ($also[$_] ?? @{})
        foreach ($argument in $plain, @($snapshot, $plain)) {
            Assert-SnapshotError { & $cmdlet -Snapshot $argument @arguments } -Id ParameterArgumentTransformationError -Cmdlet $cmdlet -Says $file
        }
    }

    It 'does not keep those beside it in the pipeline from their turn' {
        $problems = @()
        $hex = $plain, $snapshot | Get-SnapshotBytes -Count 2 -AsHex -ErrorVariable problems -ErrorAction SilentlyContinue
        $hex | Should -BeExactly '00 01'
        $problems.Count | Should -Be 1
    }

    It 'is nothing to compare with' {
        Assert-SnapshotError { Compare-Snapshot $snapshot -With $plain } -Id ParameterArgumentTransformationError -Cmdlet Compare-Snapshot -Says $file
    }

    It 'takes its matches with it: they are refused too' {
        $match = ConvertTo-Deserialized (Find-SnapshotBytes $snapshot '10 11')
        Assert-SnapshotError { $match | Format-SnapshotBytes } -Id ParameterArgumentTransformationError -Cmdlet Format-SnapshotBytes -Says $file, '16'
        Assert-SnapshotError { $match | Set-SnapshotBytes -Bytes 'AA' } -Id InvalidPatch -Cmdlet Set-SnapshotBytes -Says $file
    }

    It 'tells by its matches what to change in another snapshot' {
        ConvertTo-Deserialized (Find-SnapshotBytes $snapshot '10 11') | Set-SnapshotBytes -Snapshot $snapshot -Bytes 'AA'
        Get-SnapshotHex $snapshot 0x10 2 | Should -BeExactly 'AA 11'
    }

    It 'is found by Get-MmapSnapshot only if id and path agree, as ids begin anew in each process' {
        [object]::ReferenceEquals(($plain | Get-MmapSnapshot), $snapshot) | Should -BeTrue
        $stranger = [pscustomobject]@{ Id = $snapshot.Id; Path = '/srv/other' }
        Assert-SnapshotError { $stranger | Get-MmapSnapshot } -Id SnapshotClosed -Cmdlet Get-MmapSnapshot -Target $snapshot.Id -Says '/srv/other'
        Assert-SnapshotError { Get-MmapSnapshot -Id $snapshot.Id -Path "$folder/b*" } -Id SnapshotClosed -Cmdlet Get-MmapSnapshot -Target $snapshot.Id
        [object]::ReferenceEquals((Get-MmapSnapshot -Id $snapshot.Id -Path "$folder/a*"), $snapshot) | Should -BeTrue
    }

    It 'opens the file here when it is piped to Open-MmapSnapshot' {
        $here = $plain | Open-MmapSnapshot -ReadOnly
        $here.Path | Should -BeExactly $file
        $here.Id | Should -Not -Be $snapshot.Id
    }
}

Describe 'A thread job' {
    BeforeEach {
        $folder = New-Workspace
        $snapshot = Open-MmapSnapshot (New-TestFile "$folder/a.bin")
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'works on the live snapshot with $using:, and hands over one of its own, with its unsaved changes' {
        $own = Start-ThreadJob {
            Import-Module -Name $using:module
            Set-SnapshotBytes $using:snapshot 0 'AA'
            $own = Open-MmapSnapshot ($using:snapshot).Path
            Set-SnapshotBytes $own 1 'BB'
            $own
        } | Receive-Job -Wait -AutoRemoveJob
        Get-SnapshotHex $snapshot 0 2 | Should -BeExactly 'AA 01'
        Get-SnapshotHex $own 0 2 | Should -BeExactly '00 BB'
        Get-MmapSnapshot -Id $own.Id | ForEach-Object IsModified | Should -BeTrue
    }
}

Describe 'The end of a session' {
    BeforeAll {
        # Runs a script in a PowerShell of its own, and returns its exit code and what it wrote to each stream.
        function Invoke-Session([string] $Script, [string] $Options = '-NonInteractive', [string] $Typed = '', [string] $Errors = '2>errors') {
            Set-Content -LiteralPath "$folder/session.ps1" -Value "Import-Module -Name '$module'; `$file = '$file'", $Script
            Set-Content -LiteralPath "$folder/typed" -Value $Typed -NoNewline
            Set-Content -LiteralPath "$folder/errors" -Value ''
            $command = "cd `"`$1`"; NO_COLOR=1 $(Get-ProgramOfPowerShell) -NoProfile -NoLogo $Options -File session.ps1 <typed >output $Errors; echo `$?"
            $code = bash -c $command bash $folder 2>$null
            $output, $errors = 'output', 'errors' | ForEach-Object { [System.IO.File]::ReadAllText("$folder/$_").Trim() }
            Remove-Item -LiteralPath "$folder/session.ps1", "$folder/typed", "$folder/output", "$folder/errors"
            [pscustomobject]@{ ExitCode = [int]$code; Output = $output; Errors = $errors }
        }
    }

    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'says once, on standard error, which changes are lost: <How>' -ForEach @(
        @{ How = 'the end of a script'; Options = '-NonInteractive'; Code = 0; End = ''; Typed = '' }
        @{ How = 'exit in a script'; Options = '-NonInteractive'; Code = 3; End = 'exit 3'; Typed = '' }
        @{ How = 'an error that ends a script'; Options = '-NonInteractive'; Code = 1; End = "throw 'broken'"; Typed = '' }
        @{ How = 'exit at the prompt'; Options = '-NoExit'; Code = 0; End = 'Remove-Module PSReadLine -ErrorAction Ignore'; Typed = "exit`n" }
        @{ How = 'the end of the input at the prompt'; Options = '-NoExit'; Code = 0; End = 'Remove-Module PSReadLine -ErrorAction Ignore'; Typed = '' }
    ) {
        $session = Invoke-Session "Set-SnapshotBytes (Open-MmapSnapshot `$file) 0 'FF FF'; `$null = Open-MmapSnapshot `$file; 'data'; $End" $Options $Typed
        $session.ExitCode | Should -Be $Code
        $session.Errors.Split("`n")[-1] | Should -BeExactly "WARNING: The session ends with unsaved changes, which are lost: '$file' (modified bytes: 2)."
        ([regex]::Matches($session.Output + $session.Errors, 'unsaved')).Count | Should -Be 1
        $session.Output.Split("`n")[0] | Should -BeExactly 'data'
        Get-FileHex $file 0 2 | Should -BeExactly '00 01'
    }

    It 'says nothing where nothing is lost' {
        $session = Invoke-Session @'
$unchanged = Open-MmapSnapshot $file
$closed, $saved, $undone = Open-MmapSnapshot $file, $file, $file
$closed, $saved, $undone | Set-SnapshotBytes -Offset 0 -Bytes 'FF'
Close-MmapSnapshot $closed -Force
Undo-SnapshotBytes $undone
Save-Snapshot $saved
'@
        "$($session.ExitCode) $($session.Output) $($session.Errors)" | Should -BeExactly '0  '
    }

    It 'names the first five of many' {
        $session = Invoke-Session "1..7 | ForEach-Object { Set-SnapshotBytes (Open-MmapSnapshot `$file) 0 'FF' }"
        ([regex]::Matches($session.Errors, [regex]::Escape($file))).Count | Should -Be 5
        $session.Errors | Should -BeLike '* and 2 more.'
    }

    It 'is no crash when standard error is closed' {
        (Invoke-Session "Set-SnapshotBytes (Open-MmapSnapshot `$file) 0 'FF'; 'data'" -Errors '2>&-').ExitCode | Should -Be 0
    }

    It 'by force leaves the file as it was, and no name' {
        $session = Invoke-Session "Set-SnapshotBytes (Open-MmapSnapshot `$file) 0 'FF'; [System.Diagnostics.Process]::GetCurrentProcess().Kill(); Start-Sleep 5"
        $session.ExitCode | Should -Be 137
        Get-FileHex $file 0 2 | Should -BeExactly '00 01'
        @(Get-ChildItem -LiteralPath $folder -Force).Name | Should -Be 'a.bin'
    }
}

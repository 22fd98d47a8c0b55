Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/Support.psm1"
    $cmdlets = @(
        @{ Cmdlet = 'Add-SnapshotBytes'; Returns = 'MmapSnapshot.Snapshot'; Changes = $true }
        @{ Cmdlet = 'Close-MmapSnapshot'; Returns = $null; Changes = $true }
        @{ Cmdlet = 'Compare-Snapshot'; Returns = 'MmapSnapshot.SnapshotChange'; Changes = $false }
        @{ Cmdlet = 'Find-SnapshotBytes'; Returns = 'MmapSnapshot.SnapshotMatch'; Changes = $false }
        @{ Cmdlet = 'Format-SnapshotBytes'; Returns = 'System.String'; Changes = $false }
        @{ Cmdlet = 'Get-MmapSnapshot'; Returns = 'MmapSnapshot.Snapshot'; Changes = $false }
        @{ Cmdlet = 'Get-ReflinkSupport'; Returns = 'MmapSnapshot.ReflinkSupport'; Changes = $false }
        @{ Cmdlet = 'Get-SnapshotBytes'; Returns = @('Byte[]', 'String', 'Byte', 'SByte', 'Int16', 'UInt16', 'Int32', 'UInt32', 'Int64', 'UInt64', 'Half', 'Single', 'Double').ForEach({ "System.$_" }); Changes = $false }
        @{ Cmdlet = 'Get-SnapshotHash'; Returns = 'MmapSnapshot.SnapshotHash'; Changes = $false }
        @{ Cmdlet = 'New-MmapSnapshot'; Returns = 'MmapSnapshot.Snapshot'; Changes = $true }
        @{ Cmdlet = 'Open-MmapSnapshot'; Returns = 'MmapSnapshot.Snapshot'; Changes = $false }
        @{ Cmdlet = 'Redo-SnapshotBytes'; Returns = 'MmapSnapshot.Snapshot'; Changes = $true }
        @{ Cmdlet = 'Remove-SnapshotBytes'; Returns = 'MmapSnapshot.Snapshot'; Changes = $true }
        @{ Cmdlet = 'Repair-MmapSnapshot'; Returns = 'MmapSnapshot.RepairRecord'; Changes = $true }
        @{ Cmdlet = 'Resize-Snapshot'; Returns = 'MmapSnapshot.Snapshot'; Changes = $true }
        @{ Cmdlet = 'Save-Snapshot'; Returns = 'MmapSnapshot.CommitResult'; Changes = $true }
        @{ Cmdlet = 'Set-SnapshotBytes'; Returns = 'MmapSnapshot.Snapshot'; Changes = $true }
        @{ Cmdlet = 'Undo-SnapshotBytes'; Returns = 'MmapSnapshot.Snapshot'; Changes = $true }
    )
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
    $staged = Split-Path -Path $env:MMAPSNAPSHOT_MODULE
    $names = @(
        'Add-SnapshotBytes', 'Close-MmapSnapshot', 'Compare-Snapshot', 'Find-SnapshotBytes', 'Format-SnapshotBytes', 'Get-MmapSnapshot'
        'Get-ReflinkSupport', 'Get-SnapshotBytes', 'Get-SnapshotHash', 'New-MmapSnapshot', 'Open-MmapSnapshot', 'Redo-SnapshotBytes'
        'Remove-SnapshotBytes', 'Repair-MmapSnapshot', 'Resize-Snapshot', 'Save-Snapshot', 'Set-SnapshotBytes', 'Undo-SnapshotBytes'
    )
}

Describe 'The staged module' {
    It 'has exactly these files' -Tag Packing {
        $files = Get-ChildItem -LiteralPath $staged -Recurse -File -Force | ForEach-Object { [System.IO.Path]::GetRelativePath($staged, $_.FullName) }
        $expected = @(
            'LICENSE'
            'MmapSnapshot.dll'
            'MmapSnapshot.Format.ps1xml'
            'MmapSnapshot.psd1'
            'MmapSnapshot.Types.ps1xml'
            'en-US/about_MmapSnapshot.help.txt'
            'en-US/about_MmapSnapshot_Errors.help.txt'
            'en-US/about_MmapSnapshot_Guarantees.help.txt'
            'en-US/about_MmapSnapshot_Patching.help.txt'
            'en-US/MmapSnapshot.dll-Help.xml'
            'linux-arm64/MmapSnapshot.Core.dll'
            'linux-arm64/Mono.Posix.NETStandard.dll'
            'linux-arm64/MonoPosixHelper.so'
            'linux-x64/MmapSnapshot.Core.dll'
            'linux-x64/Mono.Posix.NETStandard.dll'
            'linux-x64/MonoPosixHelper.so'
            'System.IO.Hashing.dll'
        )
        Compare-Object -ReferenceObject $expected -DifferenceObject $files | ForEach-Object { "$($_.SideIndicator) $($_.InputObject)" } | Should -BeNullOrEmpty
    }

    # Offset 18 of an ELF file: the machine (man 5 elf).
    It 'has the native library of <Platform> in the folder of that name' -ForEach @(
        @{ Platform = 'linux-x64'; Machine = '3E 00' }
        @{ Platform = 'linux-arm64'; Machine = 'B7 00' }
    ) {
        Get-FileHex "$staged/$Platform/MonoPosixHelper.so" 0 4 | Should -BeExactly '7F 45 4C 46'
        Get-FileHex "$staged/$Platform/MonoPosixHelper.so" 18 2 | Should -BeExactly $Machine
    }

    It 'has the engine for <Platform>, which the runtime of this PowerShell need not compile if it is .NET 10' -Tag Packing -ForEach @(
        @{ Platform = 'linux-x64'; Machine = 'Amd64' }
        @{ Platform = 'linux-arm64'; Machine = 'Arm64' }
    ) {
        foreach ($name in 'MmapSnapshot.Core', 'Mono.Posix.NETStandard') {
            $file = [System.IO.File]::OpenRead("$staged/$Platform/$name.dll")
            try {
                $headers = [System.Reflection.PortableExecutable.PEReader]::new($file).PEHeaders
                # The machine of an image that is not for Windows is marked as Linux's.
                ($headers.CoffHeader.Machine -bxor 0x7B79) | Should -Be ([int][System.Reflection.PortableExecutable.Machine]$Machine)
                $headers.CorHeader.ManagedNativeHeaderDirectory.Size | Should -BeGreaterThan 0
            } finally {
                $file.Dispose()
            }
        }
    }

    It 'can be looked at by PowerShell before the engine is loaded: no public class has a field that is one of its structs or enums' {
        $engine = [MmapSnapshot.Snapshot].Assembly
        [MmapSnapshot.OpenMmapSnapshotCommand].Assembly.GetExportedTypes().ForEach{ $_.GetFields('Instance, Static, NonPublic, Public, DeclaredOnly') } |
            Where-Object { $_.FieldType.IsValueType -and $_.FieldType.Assembly -eq $engine } |
            ForEach-Object { "$($_.DeclaringType).$($_.Name)" } | Should -BeNullOrEmpty
    }

    It 'has a valid manifest' {
        $manifest = Test-ModuleManifest -Path $env:MMAPSNAPSHOT_MODULE
        $manifest.Name | Should -BeExactly 'MmapSnapshot'
        $manifest.RootModule | Should -BeExactly 'MmapSnapshot.dll'
        $manifest.PowerShellVersion | Should -Be '7.4'
        $manifest.CompatiblePSEditions | Should -Be 'Core'
        $manifest.Description | Should -Not -BeNullOrEmpty
    }

    It 'lies in a folder named after the version in its manifest, as a module path wants it' {
        $version = (Import-PowerShellDataFile -LiteralPath $env:MMAPSNAPSHOT_MODULE).ModuleVersion
        Split-Path -Path $staged -Leaf | Should -BeExactly $version
    }

    It 'names in its manifest exactly the cmdlets' {
        (Import-PowerShellDataFile -LiteralPath $env:MMAPSNAPSHOT_MODULE).CmdletsToExport | Should -Be $names
    }

    It 'exports nothing else, and by name, so that it can be found without being loaded' {
        $data = Import-PowerShellDataFile -LiteralPath $env:MMAPSNAPSHOT_MODULE
        $data.FunctionsToExport, $data.VariablesToExport | ForEach-Object { @($_).Count } | Should -Be 0, 0
        $aliases = 'Close-Snapshot', 'Compare-MmapSnapshot', 'Open-Snapshot', 'Resize-MmapSnapshot', 'Save-MmapSnapshot'
        $data.AliasesToExport | Should -Be $aliases
        foreach ($alias in $data.AliasesToExport) { (Get-Alias -Name $alias).ResolvedCommand.ModuleName | Should -Be MmapSnapshot }
    }

    It 'has in its DLL exactly the cmdlets that it exports' {
        $module = Get-Module -Name MmapSnapshot
        $inDll = $module.ImplementingAssembly, [System.Reflection.Assembly]::LoadFrom("$staged/MmapSnapshot.dll") | Where-Object { $_ } | Select-Object -First 1 | ForEach-Object { $_.GetExportedTypes() } |
            ForEach-Object { $_.GetCustomAttributes([System.Management.Automation.CmdletAttribute], $false) } | ForEach-Object { "$($_.VerbName)-$($_.NounName)" }
        $inDll | Sort-Object | Should -Be $names
        $module.ExportedCmdlets.Keys | Sort-Object | Should -Be $names
    }

    It 'uses approved verbs' {
        $approved = (Get-Verb).Verb
        (Get-Command -Module MmapSnapshot -CommandType Cmdlet).Verb | ForEach-Object { $_ | Should -BeIn $approved }
    }

    It 'imports without a word, twice' {
        $shell = Start-Pipeline 'Import-Module -Name $env:MMAPSNAPSHOT_MODULE -Verbose:$false; Import-Module -Name $env:MMAPSNAPSHOT_MODULE -Force; (Get-Module MmapSnapshot).Count'
        while ($shell.InvocationStateInfo.State -eq 'Running') { Start-Sleep -Milliseconds 5 }
        $shell.InvocationStateInfo.State | Should -Be 'Completed'
        $shell.Streams.Error.Count, $shell.Streams.Warning.Count | Should -Be 0, 0
        $shell.Runspace.Dispose()
    }

    It 'does not lose an open snapshot when it is imported again' {
        $answer = @(Invoke-FreshPowerShell {
            $file = "$HOME/a.bin"
            [System.IO.File]::WriteAllText($file, 'abc')
            $snapshot = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 -Text 'X'
            Import-Module -Name (Get-Module MmapSnapshot).Path
            $snapshot.IsClosed
            [System.Text.Encoding]::ASCII.GetString((Get-SnapshotBytes $snapshot))
            Close-MmapSnapshot $snapshot -Force
        })
        $answer | Should -Be $false, 'Xbc'
    }
}

Describe '<Cmdlet>' -ForEach $cmdlets {
    It 'says what it returns' {
        $types = @((Get-Command -Name $Cmdlet).OutputType | ForEach-Object Name)
        if ($Returns) { $types | Should -Be $Returns } else { $types.Count | Should -Be 0 }
    }

    It 'has -WhatIf and -Confirm if, and only if, it changes something' {
        $parameters = (Get-Command -Name $Cmdlet).Parameters.Keys
        'WhatIf' -in $parameters | Should -Be $Changes
        'Confirm' -in $parameters | Should -Be $Changes
    }

    It 'has -PassThru if it changes something, and returns it only then' {
        'PassThru' -in (Get-Command -Name $Cmdlet).Parameters.Keys | Should -Be ($Changes -and $null -ne $Returns -and $Cmdlet -notmatch '^(New|Repair)-')
    }

    It 'is shown by Get-Help with all its parameters' {
        $shown = Get-Help -Name $Cmdlet -Full | Out-String
        $common = [System.Management.Automation.PSCmdlet]::CommonParameters + [System.Management.Automation.PSCmdlet]::OptionalCommonParameters
        foreach ($parameter in (Get-Command -Name $Cmdlet).Parameters.Keys | Where-Object { $_ -notin $common }) { $shown | Should -BeLike "*-$parameter*" }
    }
}

Describe 'Help about the errors' {
    It 'names every error id' {
        $text = [System.IO.File]::ReadAllText("$staged/en-US/about_MmapSnapshot_Errors.help.txt")
        foreach ($id in [MmapSnapshot.SnapshotError].GetEnumNames()) { $text | Should -BeLike "*$id*" }
    }

    It 'is found by Get-Help' {
        $shown = Invoke-FreshPowerShell {
            $env:PSModulePath = (Split-Path (Split-Path (Split-Path (Get-Module MmapSnapshot).Path))) + ':' + $env:PSModulePath
            Get-Help about_MmapSnapshot_Errors | Out-String
        }
        $shown | Should -BeLike '*SnapshotConflict*'
    }
}

Describe 'Remove-Module' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $original = Get-FileHex $file
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'closes what is open, and warns of unsaved changes only, in the stream of warnings' {
        $answer = @(Invoke-FreshPowerShell -Arguments $file {
            $changed = Open-MmapSnapshot $args[0]
            $unchanged = Open-MmapSnapshot $args[0]
            Set-SnapshotBytes $changed 0 'FF FF'
            Remove-Module MmapSnapshot
            $changed.IsClosed
            $unchanged.IsClosed
        })
        $answer.Count | Should -Be 3
        $answer[0].Warning | Should -BeLike "*$file*unsaved*2*"
        $answer[1, 2] | Should -Be $true, $true
        Get-FileHex $file | Should -BeExactly $original
    }

    It 'warns once for each snapshot' {
        $answer = @(Invoke-FreshPowerShell -Arguments $file {
            foreach ($number in 1..3) { Set-SnapshotBytes (Open-MmapSnapshot $args[0]) 0 'FF' }
            Remove-Module MmapSnapshot -WarningVariable warnings
            $warnings.Count
        })
        @($answer).Count | Should -Be 4
        $answer[3] | Should -Be 3
    }

    It 'closes and warns even where the user has given the module another OnRemove' {
        $answer = @(Invoke-FreshPowerShell -Arguments $file -WithPrinted {
            (Get-Module MmapSnapshot).OnRemove = { 'the user''s' }
            $changed = Open-MmapSnapshot $args[0]
            Set-SnapshotBytes $changed 0 'FF FF'
            Remove-Module MmapSnapshot
            $changed.IsClosed
        })
        $answer[0, 1] | Should -Be 'the user''s', $true
        $answer[2].Printed | Should -BeLike "WARNING: *$file*unsaved*2*"
    }

    It 'leaves alone what another runspace has opened' {
        $snapshot = Open-MmapSnapshot $file
        $shell = Start-Pipeline 'Remove-Module MmapSnapshot'
        while ($shell.InvocationStateInfo.State -eq 'Running') { Start-Sleep -Milliseconds 5 }
        $shell.InvocationStateInfo.State | Should -Be 'Completed'
        $shell.Runspace.Dispose()
        $snapshot.IsClosed | Should -BeFalse
    }

    It 'can be imported and used again afterwards' {
        Invoke-FreshPowerShell -Arguments $file {
            $path = (Get-Module MmapSnapshot).Path
            Remove-Module MmapSnapshot
            Import-Module $path
            (Open-MmapSnapshot $args[0]).Length
        } | Should -Be 256
    }
}

Describe 'Views' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $snapshot = Open-MmapSnapshot $file
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'shows a snapshot as a table' {
        $text = $snapshot | Out-String -Width 300
        $text | Should -Match 'Id\s+Length\s+Modified\s+Backing\s+State\s+Name'
        $text | Should -Match "$($snapshot.Id)\s+256\s+0\s+$($snapshot.Backing)\s+unchanged\s+a\.bin"
        $text | Should -Match "(?m)^ +Directory: $([regex]::Escape($folder)) *$"
    }

    It 'shows the state <State>' -ForEach @(
        @{ State = 'modified'; Make = { Set-SnapshotBytes $snapshot 0 'FF'; $snapshot } }
        @{ State = 'closed'; Make = { Close-MmapSnapshot $snapshot; $snapshot } }
        @{ State = 'read-only'; Make = { Open-MmapSnapshot $file -ReadOnly } }
    ) {
        . $Make | Out-String -Width 300 | Should -Match "\s$State\s"
    }

    It 'shows the backing whole in 80 columns' {
        $plain = [pscustomobject]@{
            PSTypeName = 'MmapSnapshot.Snapshot'; Id = 1; Path = '/a/b'; Length = 1; ModifiedBytes = 0; Backing = 'Immutable'
            IsClosed = $false; IsModified = $false; IsReadOnly = $true
        }
        $plain | Format-Table | Out-String -Width 80 | Should -Match '1 +1 +0 Immutable read-only b'
    }

    It 'shows the name of a file whose path does not fit in a window of 80 columns' {
        ($snapshot | Format-Table | Out-String -Width 80) -replace '\s' | Should -BeLike '*a.bin*'
    }

    It 'shows a snapshot as a list' {
        $text = $snapshot | Format-List | Out-String -Width 300
        foreach ($property in 'Id', 'Path', 'Length', 'IsModified', 'ModifiedBytes', 'IsReadOnly', 'IsClosed', 'Backing', 'BackingReason', 'BackingLocation', 'OpenedAt') {
            $text | Should -Match "(?m)^$property\s+:"
        }
    }

    It 'shows the result of a save' {
        Set-SnapshotBytes $snapshot 0 'FF FF'
        Save-Snapshot $snapshot -PassThru | Out-String -Width 300 |
            Should -Match "(Replace|Exchange)\s+256\s+2\s+True\s+\d+\S\d\d\s+$([regex]::Escape($file))"
    }

    It 'shows what a filesystem can do' {
        Get-ReflinkSupport $file | Format-Table | Out-String -Width 300 | Should -Match 'FileSystem\s+Reflink\s+TmpFile\s+Exchange\s+Lease\s+OpenCost\s+CommitCost\s+Path'
    }

    It 'gives the snapshot a short text' {
        "$snapshot" | Should -BeExactly "MmapSnapshot $($snapshot.Id): $file"
    }
}

Describe 'A snapshot sent elsewhere' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $snapshot = Open-MmapSnapshot $file
        Set-SnapshotBytes $snapshot 0 'FF FF'
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'arrives with its plain properties, and nothing of its bytes' {
        $plain = [System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize($snapshot))
        $plain.PSObject.TypeNames[0] | Should -BeExactly 'Deserialized.MmapSnapshot.Snapshot'
        $plain.PSObject.Properties.Name | Sort-Object | Should -Be 'Backing', 'BackingLocation', 'BackingReason', 'BaselineLength', 'Id', 'IsClosed', 'IsModified', 'IsReadOnly', 'Length', 'ModifiedBytes', 'OpenedAt', 'Path'
        $plain.Id | Should -Be $snapshot.Id
        $plain.Path | Should -BeExactly $file
        $plain.Length | Should -Be 256
        $plain.Length | Should -BeOfType ([long])
        $plain.IsModified | Should -BeTrue
        $plain.ModifiedBytes | Should -Be 2
        "$($plain.Backing)" | Should -BeExactly "$($snapshot.Backing)"
        [DateTimeOffset]"$($plain.OpenedAt)" | Should -BeLessOrEqual ([DateTimeOffset]::Now)
        "$plain" | Should -BeExactly "$snapshot"
    }

    It 'arrives from a job' {
        $job = Start-Job -ArgumentList $env:MMAPSNAPSHOT_MODULE, $file {
            Import-Module -Name $args[0]
            Open-MmapSnapshot -LiteralPath $args[1] -ReadOnly
        }
        $plain = $job | Receive-Job -Wait -AutoRemoveJob
        $plain.Path | Should -BeExactly $file
        $plain.Length | Should -Be 256
        $plain.IsReadOnly | Should -BeTrue
        $plain | Format-Table | Out-String -Width 300 | Should -BeLike '*read-only*'
    }

    It 'becomes JSON' {
        $json = $snapshot | ConvertTo-Json -WarningAction SilentlyContinue | ConvertFrom-Json
        $json.Path | Should -BeExactly $file
        $json.ModifiedBytes | Should -Be 2
    }
}

Describe 'Tab completion' {
    BeforeAll {
        # What the prompt would offer.
        function Get-Completion([string] $Line) {
            [System.Management.Automation.CommandCompletion]::CompleteInput($Line, $Line.Length, $null).CompletionMatches
        }
    }

    BeforeEach {
        $folder = New-Workspace
        $snapshot = Open-MmapSnapshot (New-TestFile "$folder/a.bin")
        $changed = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
        Set-SnapshotBytes $changed 0 'FF'
        $closed = Open-MmapSnapshot "$folder/a.bin"
        Close-MmapSnapshot $closed
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'offers the ids of the open snapshots after <_>' -ForEach @(
        'Save-Snapshot ', 'Save-Snapshot -Snapshot ', 'Set-SnapshotBytes ', 'Get-SnapshotBytes ', 'Find-SnapshotBytes ', 'Compare-Snapshot '
        'Get-SnapshotHash '
        'Add-SnapshotBytes ', 'Remove-SnapshotBytes ', 'Undo-SnapshotBytes ', 'Redo-SnapshotBytes '
        'Format-SnapshotBytes ', 'Resize-Snapshot ', 'Close-MmapSnapshot ',
        'Close-MmapSnapshot -Id ', 'Get-MmapSnapshot -Id '
    ) {
        $offered = Get-Completion $_
        $offered.CompletionText | Should -Contain "$($snapshot.Id)"
        $offered.CompletionText | Should -Contain "$($changed.Id)"
        $offered.CompletionText | Should -Not -Contain "$($closed.Id)"
    }

    It 'says which file each id stands for, and whether it was changed' {
        $offered = Get-Completion 'Save-Snapshot ' | Where-Object CompletionText -In $snapshot.Id, $changed.Id
        $offered.ListItemText | Should -Be "$($snapshot.Id)  a.bin", "$($changed.Id)  b.bin"
        $offered.ToolTip | Should -Be "$folder/a.bin, 256 bytes, unchanged", "$folder/b.bin, 256 bytes, 1 modified"
    }

    It 'offers only ids that begin as what was typed' {
        (Get-Completion "Save-Snapshot $($changed.Id)").CompletionText | Should -Contain "$($changed.Id)"
        (Get-Completion "Save-Snapshot $($changed.Id)").CompletionText | Should -Not -Contain "$($snapshot.Id)"
    }

    It 'offers encodings, methods and types of numbers' {
        (Get-Completion 'Get-SnapshotBytes $s -AsText -Encoding big').CompletionText | Should -Be 'bigendianunicode', 'bigendianutf32'
        (Get-Completion 'Save-Snapshot $s -Method ').CompletionText | Should -Be 'Auto', 'Exchange', 'InPlace', 'Replace'
        (Get-Completion 'Get-SnapshotBytes $s -AsNumber s').CompletionText | Should -Be 'Single'
    }
}

Describe 'An id for the snapshot' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $snapshot = Open-MmapSnapshot $file
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'does in every cmdlet' {
        $id = $snapshot.Id
        Set-SnapshotBytes $id 0 'AA'
        Get-SnapshotBytes $id 0 1 -AsHex | Should -BeExactly 'AA'
        (Find-SnapshotBytes $id 'AA' -First 1).Offset | Should -Be 0
        (Compare-Snapshot $id).After | Should -BeExactly 'AA'
        (Format-SnapshotBytes $id 0 1)[-1] -replace "`e\[[\d;]*m" | Should -BeLike '00000000  AA*'
        Undo-SnapshotBytes $id
        Add-SnapshotBytes $id 'AA'
        Remove-SnapshotBytes $id 0 1
        Resize-Snapshot $id 10
        Save-Snapshot $id
        Close-MmapSnapshot $id
        $snapshot.IsClosed | Should -BeTrue
        (Get-Item -LiteralPath $file).Length | Should -Be 10
    }

    It 'does in a list, among snapshots' {
        $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
        @(Get-SnapshotBytes $snapshot.Id, $other -Count 1).Count | Should -Be 2
    }

    It 'is refused by <_> if no open snapshot has it' -ForEach 'Save-Snapshot', 'Compare-Snapshot', 'Undo-SnapshotBytes', 'Format-SnapshotBytes', 'Get-SnapshotBytes', 'Close-MmapSnapshot' {
        $cmdlet = $_
        Close-MmapSnapshot $snapshot
        Assert-SnapshotError { & $cmdlet $snapshot.Id } -Id ParameterArgumentTransformationError -Cmdlet $cmdlet -Says "$($snapshot.Id)", 'Get-MmapSnapshot'
    }
}

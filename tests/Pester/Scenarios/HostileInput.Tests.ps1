# Whatever a parameter is given, the answer is a result, an error of this module, or PowerShell's own about the argument.

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    $cmdlets = @(Get-Command -Module MmapSnapshot -CommandType Cmdlet | ForEach-Object { @{ Cmdlet = $_.Name } })
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"

    # PowerShell's ids for an argument that it does not bind.
    $ofBinding = 'ParameterArgument*', 'CannotConvertArgument*', 'AmbiguousParameterSet', 'MissingMandatoryParameter', 'InputObjectNotBound', 'InputObjectMissingMandatory', 'ScriptBlockArgumentNoInput', 'ParameterBindingFailed'
    $ours = [MmapSnapshot.SnapshotError].GetEnumNames()

    function Test-Known([string] $Id) {
        $Id -cin $ours -or @($ofBinding | Where-Object { $Id -clike $_ }).Count -gt 0
    }
}

Describe '<Cmdlet> with hostile input' -ForEach $cmdlets {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $snapshot = Open-MmapSnapshot $file
        $closed = Open-MmapSnapshot $file
        Close-MmapSnapshot $closed
        $match = Find-SnapshotBytes $snapshot '10 11'
        Push-Location -LiteralPath $folder
        $usual = @(switch ($Cmdlet) {
            'Open-MmapSnapshot' { @{ LiteralPath = $file }; @{ Path = $file } }
            'New-MmapSnapshot' { @{ Path = "$folder/new" } }
            'Get-MmapSnapshot' { @{}; @{ Id = $snapshot.Id } }
            'Get-ReflinkSupport' { @{}; @{ LiteralPath = $file } }
            'Add-SnapshotBytes' {
                @{ Snapshot = $snapshot; Bytes = '61' }; @{ Snapshot = $snapshot; Text = 'a'; Offset = 0 }
                @{ Snapshot = $snapshot; Number = 1; As = 'Byte' }; @{ Snapshot = $snapshot; Fill = 1; Count = 1 }
            }
            'Remove-SnapshotBytes' {
                @{ Snapshot = $snapshot; Offset = 0; Count = 1 }; @{ Snapshot = $snapshot; Row = @{ Offset = 0; Length = 1 } }
            }
            'Repair-MmapSnapshot' { @{ Path = $file }; @{ LiteralPath = $folder; Recurse = $true } }
            'Resize-Snapshot' { @{ Snapshot = $snapshot; Length = 3 } }
            'Find-SnapshotBytes' {
                @{ Snapshot = $snapshot; Pattern = '61' }; @{ Snapshot = $snapshot; Text = 'a'; IgnoreCase = $true }
                @{ LiteralPath = $file; Pattern = '61'; ExpectCount = 1 }
            }
            'Format-SnapshotBytes' { @{ Snapshot = $snapshot }; @{ Match = $match }; @{ Path = $file } }
            'Get-SnapshotBytes' {
                @{ Match = $match }; @{ LiteralPath = $file }
                @{ Snapshot = $snapshot }; @{ Snapshot = $snapshot; AsText = $true }; @{ Snapshot = $snapshot; AsHex = $true }
                @{ Snapshot = $snapshot; AsNumber = 'Int32' }
            }
            'Set-SnapshotBytes' {
                @{ Snapshot = $snapshot; Offset = 0; Bytes = '61' }; @{ Snapshot = $snapshot; Offset = 0; Text = 'a' }; @{ Snapshot = $snapshot; Offset = 0; Number = 1; As = 'Byte' }
                @{ Snapshot = $snapshot; Offset = 0; Fill = 1; Count = 1 }; @{ Snapshot = $snapshot; Row = @{ Offset = 0; After = '61' } }
            }
            'Undo-SnapshotBytes' { @{ Snapshot = $snapshot }; @{ Snapshot = $snapshot; Offset = 0; Count = 1 }; @{ Snapshot = $snapshot; Change = @{ Offset = 0; Length = 1 } } }
            default { @{ Snapshot = $snapshot } }
        })
        $values = [ordered]@{
            'null' = $null; 'empty text' = ''; 'NUL' = "`0"; 'a NUL in a path' = "$file`0x"; 'an open bracket' = 'a[b'; 'a backtick' = '`'; 'a missing drive' = 'none:/x'; 'another provider' = 'Env:PATH'
            'no path of a provider' = 'FileSystem::'; 'a missing provider' = 'None::x'; 'a surrogate' = [string][char]0xD800; 'long text' = 'x' * 5000; '-1' = -1; 'the highest number' = [long]::MaxValue
            'the lowest number' = [long]::MinValue; 'a huge number' = [bigint]::Pow(2, 200); 'a huge fraction' = [double]::MaxValue; 'NaN' = [double]::NaN; 'infinity' = [double]::PositiveInfinity
            'true' = $true; 'a date' = [datetime]::UnixEpoch; 'a character' = [char]'x'; 'a hashtable' = @{ a = 1 }; 'a list' = 1, 'x', $null; 'nested lists' = @(, @(1, @(2))); 'an empty list' = @()
            'an object' = [pscustomobject]@{ a = 1 }; 'a script' = { 1 }; 'a type' = [int]; 'a closed snapshot' = $closed; 'a match' = $match; 'DBNull' = [DBNull]::Value
            'a snapshot from elsewhere' = [System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize($snapshot))
        }
    }

    AfterEach {
        Pop-Location
        Remove-Workspace $folder
    }

    It 'gives no error that is neither of this module nor about the argument' {
        $common = [System.Management.Automation.PSCmdlet]::CommonParameters
        $surprises = foreach ($arguments in $usual) {
            foreach ($parameter in (Get-Command -Name $Cmdlet).Parameters.Keys | Where-Object { $_ -notin $common -and $_ -notin 'WhatIf', 'Confirm' }) {
                foreach ($value in $values.Keys) {
                    $call = $arguments.Clone()
                    $call[$parameter] = $values[$value]
                    $errors = Get-ErrorOf { & $Cmdlet @call 3>$null | Select-Object -First 20 }
                    $errors | Where-Object { -not (Test-Known ($_.FullyQualifiedErrorId -replace ',.*')) } | ForEach-Object { "-$parameter ${value}: $($_.FullyQualifiedErrorId): $_" }
                }
            }
            foreach ($value in $values.Keys) {
                $call = $arguments.Clone()
                'Snapshot', 'Path', 'LiteralPath', 'Id', 'Row', 'Match', 'Change' | ForEach-Object { $call.Remove($_) }
                $errors = Get-ErrorOf { , $values[$value] | & $Cmdlet @call 3>$null | Select-Object -First 20 }
                $errors | Where-Object { -not (Test-Known ($_.FullyQualifiedErrorId -replace ',.*')) } | ForEach-Object { "piped ${value}: $($_.FullyQualifiedErrorId): $_" }
            }
        }
        $surprises | Should -BeNullOrEmpty
    }
}

Describe 'More bytes than there is memory' {
    It 'are TooLarge, and the shell continues' {
        $folder = New-Workspace
        $file = New-SparseFile "$folder/big" -Length 1GB
        $env:DOTNET_GCHeapHardLimit = '0x10000000'
        try {
            $answer = @(Invoke-FreshPowerShell -Arguments $file {
                $s = Open-MmapSnapshot $args[0]
                Get-SnapshotBytes $s | Out-Null
                (Get-SnapshotBytes $s 0 16).Length
            })
        } finally {
            Remove-Item -LiteralPath Env:DOTNET_GCHeapHardLimit
            Remove-Workspace $folder
        }
        $answer[0].ErrorId | Should -BeExactly 'TooLarge,MmapSnapshot.GetSnapshotBytesCommand'
        $answer[1] | Should -Be 16
    }
}

Describe 'A path with a NUL character' {
    It 'is not the path before it' {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        foreach ($name in 'Path', 'LiteralPath') {
            $argument = @{ $name = "$file`0.old" }
            Assert-SnapshotError { Open-MmapSnapshot @argument } -Id FileNotFound -Cmdlet Open-MmapSnapshot -Target $argument[$name]
        }
        Assert-SnapshotError { New-MmapSnapshot "$file`0.new" } -Id FileNotFound -Cmdlet New-MmapSnapshot
        Assert-SnapshotError { Save-Snapshot (Open-MmapSnapshot $file) -Destination "$file`0.new" } -Id FileNotFound -Cmdlet Save-Snapshot
        Remove-Workspace $folder
    }
}

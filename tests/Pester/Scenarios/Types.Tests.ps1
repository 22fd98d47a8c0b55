# The module's types in scripts: what about_MmapSnapshot says of classes and typed catch.

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    $modulePath = Split-Path -Path (Split-Path -Path (Split-Path -Path $env:MMAPSNAPSHOT_MODULE))

    # Runs a script file in a PowerShell that finds the module and has not loaded it.
    function Invoke-ScriptFile([string] $Text, [string[]] $Arguments = @()) {
        $script = New-TestFile "$folder/script.ps1" -Text $Text
        Invoke-FreshPowerShell -WithoutModule -ModulePath $modulePath -Arguments (@($script) + $Arguments) {
            $rest = @($args | Select-Object -Skip 1)
            try { & $args[0] @rest } catch { [pscustomobject]@{ Thrown = "$_" } }
        }
    }
}

Describe 'A script with #requires -Modules MmapSnapshot' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'can have a class with the module''s types' {
        Invoke-ScriptFile -Arguments $file @'
#requires -Modules MmapSnapshot
class Patch {
    [MmapSnapshot.Snapshot] $Snapshot
    [MmapSnapshot.SnapshotChange[]] $Changes
    Patch([string] $path) { $this.Snapshot = Open-MmapSnapshot -LiteralPath $path }
    [void] Apply([long] $offset, [byte] $value) { $this.Snapshot[$offset] = $value; $this.Changes = Compare-Snapshot $this.Snapshot }
}
$patch = [Patch]::new($args[0])
$patch.Apply(16, 0x90)
$patch.Changes[0].After
$patch.Snapshot.ModifiedBytes
Close-MmapSnapshot $patch.Snapshot -Force
'@ | Should -Be '90', 1
    }

    It 'can catch the module''s exception by its type, and others as they are' {
        Invoke-ScriptFile -Arguments $folder @'
#requires -Modules MmapSnapshot
$ErrorActionPreference = 'Stop'
foreach ($action in { Get-Item -LiteralPath "$($args[0])/none" }, { Open-MmapSnapshot "$($args[0])/none" }) {
    try { & $action $args[0] } catch [MmapSnapshot.SnapshotException] { "$($_.Exception.Error): $($_.Exception.Path)" } catch { 'another' }
}
'@ | Should -Be 'another', "FileNotFound: $folder/none"
    }

    It 'is needed for a class: without it the script is not read' {
        $answer = Invoke-ScriptFile "class Patch { [MmapSnapshot.Snapshot] `$Snapshot }; 'read'"
        $answer.Thrown | Should -BeLike '*MmapSnapshot.Snapshot*'
    }

    It 'is not needed for a parameter of a function whose caller has opened a snapshot' {
        Invoke-ScriptFile -Arguments $file @'
function Get-Size { param([MmapSnapshot.Snapshot] $Snapshot) $Snapshot.Length }
Get-Size (Open-MmapSnapshot $args[0])
'@ | Should -Be 256
    }
}

# The job the module is made for: a text in a real program is changed while a copy of the program runs.

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    $temporary = @{ Mount = [System.IO.Path]::GetTempPath(); Mounted = $true; Label = 'the temporary folder' }
    $places = @($temporary) + (Get-TestFileSystem)
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"

    $sleep = (Get-Command -Name sleep -CommandType Application | Select-Object -First 1).Source
    $latin1 = [System.Text.Encoding]::Latin1

    # What a program says about its version, in the language its texts are written in.
    function Get-Version([string] $Program) {
        (Invoke-Shell 'LC_ALL=C "$1" --version' $Program) -join "`n"
    }

    # The longest piece of what it says that stands in the program as it is printed.
    function Find-PrintedText([string] $Printed, [string] $Content) {
        $pieces = [regex]::Split($Printed, '[\n<>()]') | ForEach-Object Trim | Where-Object Length -GE 8
        $pieces | Where-Object { $Content.Contains($_, 'Ordinal') } | Sort-Object -Property Length -Descending | Select-Object -First 1
    }
}

Describe 'A real program in <Label>' -ForEach $places {
    Context 'is patched' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
            $program = "$folder/sleep"
            Copy-Item -LiteralPath $sleep -Destination $program
            $running = Start-Process -FilePath $program -ArgumentList 60 -PassThru
        }

        AfterEach {
            $running.Kill()
            $running.WaitForExit()
            Remove-Workspace $folder
        }

        It 'while it runs; nobody sees it before it is saved; then it prints the new text' {
            $printed = Get-Version $program
            $mode = Invoke-Shell 'stat -c "%a %s" "$1"' $program

            $snapshot = Open-MmapSnapshot $program
            $content = $latin1.GetString((Get-SnapshotBytes $snapshot))
            $old = Find-PrintedText $printed $content
            $old | Should -Not -BeNullOrEmpty -Because 'the program prints a text that it holds'
            $new = ('PATCHED BY MMAPSNAPSHOT ' * 9).Substring(0, $old.Length)
            $offset = $content.IndexOf($old, [StringComparison]::Ordinal)
            Set-SnapshotBytes $snapshot $offset -Text $new -Expect $latin1.GetBytes($old)

            # A second reader, and the program itself, see the old one.
            Get-Version $program | Should -BeExactly $printed
            $second = Open-MmapSnapshot $program -ReadOnly
            $latin1.GetString((Get-SnapshotBytes $second $offset $old.Length)) | Should -BeExactly $old

            Save-Snapshot $snapshot -Close
            $now = Get-Version $program
            $now.Contains($new) | Should -BeTrue
            $now.Contains($old) | Should -BeFalse
            Invoke-Shell 'stat -c "%a %s" "$1"' $program | Should -BeExactly $mode
            $latin1.GetString((Get-SnapshotBytes $second $offset $old.Length)) | Should -BeExactly $old
            $running.HasExited | Should -BeFalse
        }
    }
}

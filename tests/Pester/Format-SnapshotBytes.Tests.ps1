Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"

    $green, $red, $found, $reset = "`e[92m", "`e[91m", "`e[30;103m", "`e[0m"

    $header = '  Offset  00 01 02 03 04 05 06 07  08 09 0A 0B 0C 0D 0E 0F'

    # Runs a script with colours allowed, whatever the environment of these tests says.
    function Invoke-WithColour([scriptblock] $Script) {
        $environment, $style = $env:NO_COLOR, $PSStyle.OutputRendering
        try {
            $env:NO_COLOR = ''
            $PSStyle.OutputRendering = 'Ansi'
            & $Script
        } finally {
            $env:NO_COLOR, $PSStyle.OutputRendering = $environment, $style
        }
    }
}

Describe 'Format-SnapshotBytes' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $snapshot = Open-MmapSnapshot $file
        $environment = $env:NO_COLOR
        $env:NO_COLOR = '1'
    }

    AfterEach {
        $env:NO_COLOR = $environment
        Remove-Workspace $folder
    }

    Context 'what it shows' {
        It 'shows offset, bytes and text, sixteen bytes a line, below a header' {
            $lines = @(Format-SnapshotBytes -Snapshot $snapshot)
            $lines.Count | Should -Be 17
            $lines[0] | Should -BeOfType ([string])
            $lines[0] | Should -BeExactly $header
            $lines[5] | Should -BeExactly '00000040  40 41 42 43 44 45 46 47  48 49 4A 4B 4C 4D 4E 4F |@ABCDEFGHIJKLMNO|'
            $lines[16] | Should -BeExactly '000000F0  F0 F1 F2 F3 F4 F5 F6 F7  F8 F9 FA FB FC FD FE FF |................|'
        }

        It 'shows the range asked for, from its first byte on, by position' {
            Format-SnapshotBytes $snapshot 0x41 3 | Should -Be @(
                $header
                '00000041  41 42 43                                         |ABC|'
            )
        }

        It 'shows 512 bytes unless told otherwise, and says how many more there are' {
            $long = Open-MmapSnapshot (New-TestFile "$folder/long" -Bytes (0..255 + 0..255 + 0))
            $lines = @(Format-SnapshotBytes $long)
            $lines.Count | Should -Be 34
            $lines[-1] | Should -BeExactly '... 1 more byte (-Offset and -Count show them)'
            @(Format-SnapshotBytes $long -Count 513).Count | Should -Be 34
            @(Format-SnapshotBytes $long 1)[-1] | Should -Not -BeLike '...*'
        }

        It 'folds equal lines, though not the last' {
            $zeros = Open-MmapSnapshot (New-TestFile "$folder/zeros" -Bytes ([byte[]]::new(1MB)))
            $zero = '00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00 |................|'
            Format-SnapshotBytes $zeros -Count 1MB | Should -Be $header, "00000000  $zero", '*', "000FFFF0  $zero"
        }

        It 'does not fold lines that were changed' {
            $zeros = Open-MmapSnapshot (New-TestFile "$folder/zeros" -Bytes ([byte[]]::new(128)))
            Set-SnapshotBytes $zeros 32 -Fill 7 -Count 64
            $lines = Format-SnapshotBytes $zeros | Select-Object -Skip 1
            $lines | ForEach-Object { $_.Split(' ')[0] } |
                Should -Be '00000000', '*', '00000020', '00000030', '00000040', '00000050', '00000060', '00000070'
        }

        It 'shows nothing of an empty snapshot, and of a count of 0' {
            Format-SnapshotBytes (Open-MmapSnapshot (New-TestFile "$folder/empty" -Bytes @())) | Should -BeNullOrEmpty
            Format-SnapshotBytes $snapshot 0 0 | Should -BeNullOrEmpty
            Format-SnapshotBytes $snapshot 256 | Should -BeNullOrEmpty
        }

        It 'ends at the end, whatever -Count is' {
            Format-SnapshotBytes $snapshot 0xFE 9 | Should -Be $header, '000000FE  FE FF                                            |..|'
            Format-SnapshotBytes $snapshot -Offset -2 -Count ([long]::MaxValue) | Should -HaveCount 2
            Format-SnapshotBytes $snapshot -Offset -2 | Should -HaveCount 2
        }

        It 'has offsets as long as the length' {
            $huge = Open-MmapSnapshot (New-SparseFile "$folder/sparse" -Length 1TB)
            $lines = @(Format-SnapshotBytes $huge 0xFF00000000 4)
            $lines[0] | Should -BeLike '     Offset  00 01 02 03 *'
            $lines[1] | Should -BeLike '0FF00000000  00 00 00 00 *'
        }

        It 'fits the width of the terminal: <Shown> bytes in <Columns> columns' -ForEach @(
            @{ Columns = 78; Shown = 16 }
            @{ Columns = 77; Shown = 8 }
            @{ Columns = 44; Shown = 4 }
        ) {
            Skip-When (Get-Obstacle -Program script, stty)
            # A terminal of that width, made by script(1).
            $program = "Import-Module -Name '$env:MMAPSNAPSHOT_MODULE'; Format-SnapshotBytes (Open-MmapSnapshot '$file') 0 16"
            $encoded = [Convert]::ToBase64String([System.Text.Encoding]::Unicode.GetBytes($program))
            $pwsh = Get-ProgramOfPowerShell
            $lines = Invoke-Shell 'export COLUMNS="$3"; script -qec "stty cols $3 rows 24; NO_COLOR=1 TERM=dumb $1 -NoProfile -NonInteractive -EncodedCommand $2" /dev/null < /dev/null' $pwsh $encoded $Columns
            $line = $lines | Where-Object { $_ -like '*00000000  00 01*' } | ForEach-Object { $_.Substring($_.IndexOf('00000000')).TrimEnd() }
            $line.Split('|')[1].Length | Should -Be $Shown
            $line.Length | Should -BeLessOrEqual $Columns
        }
    }

    Context '-Diff' {
        BeforeEach {
            Set-SnapshotBytes $snapshot 0x41 'AA BB'
        }

        It 'shows below changed bytes what stood there, with a line around them' {
            Format-SnapshotBytes $snapshot -Diff | Should -Be @(
                $header
                '00000030  30 31 32 33 34 35 36 37  38 39 3A 3B 3C 3D 3E 3F |0123456789:;<=>?|'
                '00000040  40 AA*BB*43 44 45 46 47  48 49 4A 4B 4C 4D 4E 4F |@..CDEFGHIJKLMNO|'
                '     was     41 42                                         | AB             |'
                '00000050  50 51 52 53 54 55 56 57  58 59 5A 5B 5C 5D 5E 5F |PQRSTUVWXYZ[\]^_|'
            )
        }

        It 'shows as many lines around as -Context says, and parts what does not touch' {
            Set-SnapshotBytes $snapshot 0xF0 'CC'
            $lines = Format-SnapshotBytes $snapshot -Diff -Context 0 | Select-Object -Skip 1
            $lines | ForEach-Object { $_.Substring(0, [Math]::Min(8, $_.Length)).Trim() } |
                Should -Be '00000040', 'was', '--', '000000F0', 'was'
            @(Format-SnapshotBytes $snapshot -Diff -Context 3).Count | Should -Be 15
            @(Format-SnapshotBytes $snapshot -Diff -Context 1000).Count | Should -Be 19
        }

        It 'shows the changes in a range that is asked for, and the rest of it' {
            @(Format-SnapshotBytes $snapshot 0x40 32 -Diff).Count | Should -Be 4
        }

        It 'shows nothing of a snapshot without changes' {
            Undo-SnapshotBytes $snapshot
            Format-SnapshotBytes $snapshot -Diff | Should -BeNullOrEmpty
        }

        It 'has nothing to show below bytes behind the former end' {
            Undo-SnapshotBytes $snapshot
            Resize-Snapshot $snapshot 272
            Set-SnapshotBytes $snapshot 256 -Fill 'EE' -Count 16
            Format-SnapshotBytes $snapshot -Diff -Context 0 | Select-Object -Skip 1 |
                Should -BeExactly '00000100  EE*EE*EE*EE*EE*EE*EE*EE* EE*EE*EE*EE*EE*EE*EE*EE*|................|'
        }

        It 'shows what is left of a snapshot that was cut' {
            Resize-Snapshot $snapshot 0x43
            @(Format-SnapshotBytes $snapshot -Diff -Context 0) | Should -Be @(
                $header
                '00000040  40 AA*BB*                                        |@..|'
                '     was     41 42                                         | AB|'
            )
        }
    }

    Context 'matches' {
        It 'shows the surroundings of each match that Find-SnapshotBytes pipes to it' {
            Set-SnapshotBytes $snapshot 0xC0 -Text 'AB'
            Find-SnapshotBytes $snapshot -Text AB | Format-SnapshotBytes -Context 0 | Should -Be @(
                "   File: $file"
                ''
                $header
                '00000040  40 41 42 43 44 45 46 47  48 49 4A 4B 4C 4D 4E 4F |@ABCDEFGHIJKLMNO|'
                '--'
                '000000C0  41*42*C2 C3 C4 C5 C6 C7  C8 C9 CA CB CC CD CE CF |AB..............|'
            )
            @(Find-SnapshotBytes $snapshot -Text AB -First 1 | Format-SnapshotBytes).Count | Should -Be 6
        }

        It 'merges the surroundings of matches that overlap or touch' {
            $lines = Format-SnapshotBytes -Match (Find-SnapshotBytes $snapshot '41', '43', '62', 'A0') | Select-Object -Skip 1
            $lines | ForEach-Object { $_.Substring(0, [Math]::Min(8, $_.Length)) } | Should -Be @(
                '00000030', '00000040', '00000050', '00000060', '00000070', '--', '00000090', '000000A0', '000000B0'
            )
        }

        It 'names the file of matches, when it changes' {
            $other = New-TestFile "$folder/b.bin" -Text 'xAB'
            $lines = Find-SnapshotBytes $file, $other -Text AB | Format-SnapshotBytes -Context 0
            $lines.Count | Should -Be 9
            $lines[0, 1, 2] | Should -Be "   File: $file", '', $header
            $lines[4, 5, 6, 7] | Should -Be '', "   File: $other", '', $header
            $lines[8] | Should -BeExactly '00000000  78 41 42                                         |xAB|'
        }

        It 'shows many matches in one file fast' {
            $zeros = Open-MmapSnapshot (New-TestFile "$folder/zeros" -Bytes ([byte[]]::new(100000)))
            $lines = Find-SnapshotBytes $zeros '00' | Format-SnapshotBytes
            $lines.Count | Should -Be 6253
        }

        It 'takes matches as an argument' {
            @(Format-SnapshotBytes -Match (Find-SnapshotBytes $snapshot '4F 50') -Context 0).Count | Should -Be 3
        }

        It 'refuses a match whose snapshot was closed, and shows the others' {
            $other = Open-MmapSnapshot $file
            $matched = @(Find-SnapshotBytes $other, $snapshot '41')
            Close-MmapSnapshot $other
            $lines = @($matched | Format-SnapshotBytes -Context 0 -ErrorAction SilentlyContinue -ErrorVariable problems)
            $lines[-1] | Should -BeLike '00000040*'
            $problems.FullyQualifiedErrorId | Should -Be 'SnapshotClosed,MmapSnapshot.FormatSnapshotBytesCommand'
            [object]::ReferenceEquals($problems[0].TargetObject, $other) | Should -BeTrue
        }

        It 'refuses a match that lies behind the end by now' {
            $matched = Find-SnapshotBytes $snapshot 'FE FF'
            Resize-Snapshot $snapshot 16
            Assert-SnapshotError { $matched | Format-SnapshotBytes } -Id OutOfRange -Cmdlet Format-SnapshotBytes -Target $snapshot
        }

        It 'does not take -Offset or -Diff with matches' {
            $matched = Find-SnapshotBytes $snapshot 'FE FF'
            { Format-SnapshotBytes -Match $matched -Offset 1 } | Should -Throw -ErrorId 'AmbiguousParameterSet,MmapSnapshot.FormatSnapshotBytesCommand'
            { Format-SnapshotBytes -Match $matched -Diff } | Should -Throw -ErrorId 'AmbiguousParameterSet,MmapSnapshot.FormatSnapshotBytesCommand'
        }
    }

    Context 'colours' {
        BeforeEach {
            Set-SnapshotBytes $snapshot 0x41 'AA'
        }

        It 'marks changed bytes, what they were, and matches' {
            Invoke-WithColour {
                $lines = @(Format-SnapshotBytes $snapshot 0x40 3 -Diff)
                $lines[1].Contains("40 ${green}AA${reset} 42") | Should -BeTrue
                $lines[1].Contains("@${green}.${reset}B") | Should -BeTrue
                $lines[2].Contains("${red}41${reset}") | Should -BeTrue
                $shown = @(Find-SnapshotBytes $snapshot '42 43' | Format-SnapshotBytes -Context 0)
                $shown[-1].Contains("${found}42${reset} ${found}43${reset} 44") | Should -BeTrue
            }
        }

        It 'leaves them out when <What>' -ForEach @(
            @{ What = 'NO_COLOR is set'; Prepare = { $env:NO_COLOR = '1' } }
            @{ What = 'the output is no terminal'; Prepare = { $PSStyle.OutputRendering = 'Host' } }
            @{ What = '$PSStyle.OutputRendering is PlainText'; Prepare = { $PSStyle.OutputRendering = 'PlainText' } }
        ) {
            Invoke-WithColour {
                & $Prepare
                "$(Format-SnapshotBytes $snapshot -Diff)".Contains("`e") | Should -BeFalse
                "$(Format-SnapshotBytes $snapshot)".Contains('40 AA*42') | Should -BeTrue
                "$(Find-SnapshotBytes $snapshot '42' | Format-SnapshotBytes)".Contains("`e") | Should -BeFalse
            }
        }

        It 'leaves them out of a file, as PowerShell does, and marks changed bytes there' {
            $printed = Invoke-FreshPowerShell -Arguments $file {
                $env:NO_COLOR = ''
                $snapshot = Open-MmapSnapshot $args[0]
                Set-SnapshotBytes $snapshot 0 'AA'
                Format-SnapshotBytes $snapshot | Out-File "$HOME/dump"
                [System.IO.File]::ReadAllText("$HOME/dump")
                Close-MmapSnapshot $snapshot -Force
            }
            $printed | Should -BeLike '*00000000  AA`*01*'
            $printed.Contains([char]27) | Should -BeFalse
        }
    }

    Context 'the pipeline' {
        It 'shows each snapshot that is piped to it' {
            $shown = '   File: *', '', '  Offset *', '00000000*'
            $lines = @($snapshot, $snapshot | Format-SnapshotBytes -Count 4)
            $lines.Count | Should -Be 9
            0..8 | ForEach-Object { $lines[$_] | Should -BeLike @($shown + '' + $shown)[$_] }
        }

        It 'takes ids' {
            @(Format-SnapshotBytes $snapshot.Id 0 4).Count | Should -Be 2
            @(Format-SnapshotBytes $snapshot.Id, $snapshot.Id 0 4).Count | Should -Be 9
        }

        It 'shows files, and names them if they are several' {
            Format-SnapshotBytes $file 0x41 3 | Should -Be $header, '00000041  41 42 43                                         |ABC|'
            $other = New-TestFile "$folder/b.bin" -Text 'xAB'
            $expected = "   File: $file", "   File: $other"
            Format-SnapshotBytes $file, $other -Count 4 | Where-Object { $_ -like '*File:*' } | Should -Be $expected
            Format-SnapshotBytes "$folder/*.bin" -Count 4 | Where-Object { $_ -like '*File:*' } | Should -Be $expected
            Get-ChildItem -LiteralPath $folder | Format-SnapshotBytes -Count 4 | Where-Object { $_ -like '*File:*' } | Should -Be $expected
        }

        It 'goes on after a closed snapshot' {
            $closed = Open-MmapSnapshot $file
            Close-MmapSnapshot $closed
            $lines = @($closed, $snapshot | Format-SnapshotBytes -Count 4 -ErrorAction SilentlyContinue -ErrorVariable problems)
            $lines.Count | Should -Be 4
            $problems.FullyQualifiedErrorId | Should -Be 'SnapshotClosed,MmapSnapshot.FormatSnapshotBytesCommand'
        }

        It 'shows a read-only snapshot' {
            @(Format-SnapshotBytes (Open-MmapSnapshot $file -ReadOnly)).Count | Should -Be 17
        }
    }

    Context 'what it refuses' {
        It 'refuses <What>' -ForEach @(
            @{ What = 'an offset before the start'; Range = @{ Offset = -257 } }
            @{ What = 'a negative count'; Range = @{ Count = -1 } }
            @{ What = 'an offset past the end'; Range = @{ Offset = 257 } }
            @{ What = 'the highest offset and count there are'; Range = @{ Offset = [long]::MaxValue; Count = [long]::MaxValue } }
            @{ What = 'the lowest offset there is'; Range = @{ Offset = [long]::MinValue + 1 } }
        ) {
            Assert-SnapshotError { Format-SnapshotBytes $snapshot @Range } -Id OutOfRange -Cmdlet Format-SnapshotBytes -Target $snapshot -Says $file
        }

        It 'refuses -Context <_>' -ForEach -1, 1001 {
            $context = $_
            Assert-BindingError { Format-SnapshotBytes $snapshot -Diff -Context $context } -Parameter Context
        }

        It 'refuses a path that leads nowhere' {
            $none = "$folder/none"
            Assert-SnapshotError { $none | Format-SnapshotBytes } -Id FileNotFound -Cmdlet Format-SnapshotBytes -Target $none
        }

        It 'can be caught with -ErrorAction Stop' {
            { Format-SnapshotBytes $snapshot 257 -ErrorAction Stop } | Should -Throw -ErrorId 'OutOfRange,MmapSnapshot.FormatSnapshotBytesCommand'
        }
    }
}

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"

    function Find-Offset {
        @(Find-SnapshotBytes @args | ForEach-Object Offset)
    }
}

Describe 'Find-SnapshotBytes' {
    BeforeEach {
        $folder = New-Workspace
        # The bytes 00 to FF, twice.
        $file = New-TestFile "$folder/a.bin" -Bytes (0..255 + 0..255)
        $snapshot = Open-MmapSnapshot $file
    }

    AfterEach {
        Remove-Workspace $folder
    }

    Context '-Regex' {
        BeforeEach {
            $file = Join-Path $folder 'regex.bin'
            $text = [System.Text.Encoding]::ASCII.GetBytes("port = 8080`nPort = 9090`n")
            [System.IO.File]::WriteAllBytes($file, [byte[]](0x90, 0x90, 0xFF, 0x0A) + $text)
        }

        It 'finds what it matches, each byte being a character' {
            $found = Find-SnapshotBytes $file -Regex '\x90+\xff'
            $found.Hex | Should -BeExactly '90 90 FF'
            $found.Pattern | Should -BeExactly '\x90+\xff'
            (Find-SnapshotBytes $file -Regex '\d+').Text | Should -Be '8080', '9090'
            (Find-SnapshotBytes $file -Regex '(?m)^port').Offset | Should -Be 4
            (Find-SnapshotBytes $file -Regex '(?m)^port' -IgnoreCase).Offset | Should -Be 4, 16
        }

        It 'goes with the other parameters' {
            (Find-SnapshotBytes $file -Regex '\d' -Offset 11 -Count 3).Offset | Should -Be 11, 12, 13
            (Find-SnapshotBytes $file -Regex '\d' -First 2).Offset | Should -Be 11, 12
            (Find-SnapshotBytes $file -Regex '\d' -Last 1).Offset | Should -Be 26
            $attempt = { Find-SnapshotBytes $file -Regex '\d+' -ExpectCount 1 }
            Assert-SnapshotError $attempt -Id ExpectationFailed -Cmdlet Find-SnapshotBytes -Target $file -Says "'\d+'", 'found'
        }

        It 'brings the match to cmdlets that change it' {
            $s = Open-MmapSnapshot $file
            Find-SnapshotBytes $s -Regex '\d{4}' | Set-SnapshotBytes -Text '1234'
            Get-SnapshotBytes $s 4 -AsText | Should -BeExactly "port = 1234`nPort = 1234`n"
        }

        It 'refuses what it cannot search for: <_>' -ForEach '(', '(a)\1', '(?=a)', '[' {
            $pattern = $_
            $attempt = { Find-SnapshotBytes $file -Regex $pattern }
            Assert-SnapshotError $attempt -Id InvalidBytes -Cmdlet Find-SnapshotBytes -Target $pattern -Says 'cannot be searched for'
        }

        It 'finds nothing empty, and all that is there' {
            Find-SnapshotBytes $file -Regex 'x*' | Should -BeNullOrEmpty
            (Find-SnapshotBytes $file -Regex '(?s).+').Length | Should -Be 28
        }

        It 'goes with neither -Pattern nor -Text' {
            { Find-SnapshotBytes $file '90' -Regex 'a' } | Should -Throw -ErrorId 'AmbiguousParameterSet,*'
            { Find-SnapshotBytes $file -Text 'a' -Regex 'a' } | Should -Throw -ErrorId 'AmbiguousParameterSet,*'
            { Find-SnapshotBytes $file -Regex 'a' -Encoding unicode } | Should -Throw -ErrorId 'AmbiguousParameterSet,*'
        }
    }

    Context 'what it returns' {
        It 'returns a match for each place, with the snapshot, the offset, the length, the bytes and the pattern' {
            $found = @(Find-SnapshotBytes -Snapshot $snapshot -Pattern '41 ?? 4?')
            $found.Count | Should -Be 2
            $found[0] | Should -BeOfType ([MmapSnapshot.SnapshotMatch])
            [object]::ReferenceEquals($found[0].Snapshot, $snapshot) | Should -BeTrue
            $found.Offset | Should -Be 0x41, 0x141
            $found[0].Length | Should -Be 3
            ConvertTo-HexText $found[0].Bytes | Should -BeExactly '41 42 43'
            $found[0].Pattern | Should -BeExactly '41 ?? 4?'
            $found[0].Path | Should -BeExactly $file
            $found[0].Hex | Should -BeExactly '41 42 43'
            $found[0].Text | Should -BeExactly 'ABC'
            $found[0].Encoding | Should -BeNullOrEmpty
        }

        It 'returns text in its encoding, and bytes as ASCII with dots' {
            Set-SnapshotBytes $snapshot 0 -Text 'Aé' -Encoding unicode
            $text = Find-SnapshotBytes $snapshot -Text 'aé' -Encoding unicode -IgnoreCase
            $text.Text, $text.Encoding | Should -Be 'Aé', 'utf-16'
            (Find-SnapshotBytes $snapshot '41 00 E9').Text | Should -BeExactly 'A..'
        }

        It 'returns what CSV and JSON keep' {
            $row = Find-SnapshotBytes $snapshot -Text ABC -First 1 | ConvertTo-Csv | ConvertFrom-Csv
            $row.Path, $row.Offset, $row.Length, $row.Hex, $row.Text | Should -Be $file, '65', '3', '41 42 43', 'ABC'
            $row.PSObject.Properties.Name | Select-Object -First 5 | Should -Be Path, Offset, Length, Hex, Text
            $json = Find-SnapshotBytes $snapshot -Text ABC -First 1 | ConvertTo-Json | ConvertFrom-Json
            $json.Path, $json.Offset, $json.Hex | Should -Be $file, 65, '41 42 43'
            (Find-SnapshotBytes $snapshot '41' -First 1 | Get-Member).Name -match '[<>$]' | Should -BeNullOrEmpty
        }

        It 'returns nothing where there is nothing' {
            Find-SnapshotBytes $snapshot '42 41' | Should -BeNullOrEmpty
        }

        It 'returns matches that overlap' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin" -Text 'aaaa')
            Find-Offset $other -Text aa | Should -Be 0, 1, 2
        }

        It 'returns matches as it finds them' {
            $endless = Open-MmapSnapshot (New-SparseFile "$folder/sparse" -Length 1TB)
            $found = Find-SnapshotBytes $endless '00' | Select-Object -First 3
            $found.Offset | Should -Be 0, 1, 2
        }

        It 'finds what was written to the snapshot' {
            Set-SnapshotBytes $snapshot 16 -Text 'Needle'
            Find-Offset $snapshot -Text Needle | Should -Be 16
        }
    }

    Context 'how patterns are written' {
        It 'takes <What> for one pattern' -ForEach @(
            @{ What = 'hex text'; Pattern = '41 42' }
            @{ What = 'hex text without blanks'; Pattern = '4142' }
            @{ What = 'hex text with 0x'; Pattern = '0x41,0x42' }
            @{ What = 'a byte array'; Pattern = [byte[]](0x41, 0x42) }
            @{ What = 'numbers'; Pattern = 0x41, 0x42 }
            @{ What = 'half bytes'; Pattern = '4? ?2' }
        ) {
            $offsets = Find-Offset $snapshot $Pattern
            $offsets | Should -Contain 0x41
            $offsets[0] | Should -Be 0x41
        }

        It 'takes a number for the byte of that value' {
            Find-Offset $snapshot 65 | Should -Be 65, 321
        }

        It 'looks for several patterns at once, and returns what it finds in the order of the offsets' {
            $found = @(Find-SnapshotBytes $snapshot '50', ([byte[]](0x40, 0x41)), '40')
            $found.Offset | Should -Be 0x40, 0x40, 0x50, 0x140, 0x140, 0x150
            $found[0, 1, 2].Pattern | Should -Be '40 41', '40', '50'
        }

        It 'finds text in <Encoding>' -ForEach @(
            @{ Encoding = 'utf8'; Hex = 'C3 89 74 C3 A9' }
            @{ Encoding = 'latin1'; Hex = 'C9 74 E9' }
            @{ Encoding = 'unicode'; Hex = 'C9 00 74 00 E9 00' }
            @{ Encoding = 'bigendianutf32'; Hex = '00 00 00 C9 00 00 00 74 00 00 00 E9' }
            @{ Encoding = 28591; Hex = 'C9 74 E9' }
        ) {
            Set-SnapshotBytes $snapshot 30 $Hex
            Find-Offset $snapshot -Text 'Été' -Encoding $Encoding | Should -Be 30
            Find-Offset $snapshot -Text 'ÉTÉ' -Encoding $Encoding | Should -BeNullOrEmpty
            Find-Offset $snapshot -Text 'ÉTÉ' -Encoding $Encoding -IgnoreCase | Should -Be 30
        }

        It 'looks for several texts at once' {
            Find-Offset $snapshot -Text abc, XYZ | Should -Be 0x58, 0x61, 0x158, 0x161
        }

        It 'refuses the pattern <Pattern>, and says why' -ForEach @(
            @{ Pattern = '4'; Says = 'a byte has two' }
            @{ Pattern = '4G'; Says = "'G'" }
            @{ Pattern = '?? ??'; Says = 'match everywhere' }
            @{ Pattern = ' '; Says = 'empty' }
            @{ Pattern = 1.5; Says = '1.5' }
            @{ Pattern = 256; Says = '256' }
        ) {
            Assert-SnapshotError { Find-SnapshotBytes $snapshot $Pattern } -Id InvalidBytes -Cmdlet Find-SnapshotBytes -Says $Says
        }

        It 'refuses hex text without quotes that PowerShell takes for another number' {
            Assert-SnapshotError { Find-SnapshotBytes $snapshot 2d } -Id InvalidBytes -Cmdlet Find-SnapshotBytes -Says 'quotes'
            Assert-SnapshotError { Find-SnapshotBytes $snapshot 1e1, 2d } -Id InvalidBytes -Cmdlet Find-SnapshotBytes -Says 'quotes'
        }

        It 'refuses text that the encoding lacks' {
            Assert-SnapshotError { Find-SnapshotBytes $snapshot -Text 'Ω' -Encoding ascii } -Id InvalidBytes -Cmdlet Find-SnapshotBytes -Target 'Ω' -Says 'us-ascii'
        }

        It 'says once what is wrong with a pattern, and looks for the others in all snapshots' {
            $other = Open-MmapSnapshot $file
            $found = @($snapshot, $other | Find-SnapshotBytes -Pattern '4G', '41' -ErrorAction SilentlyContinue -ErrorVariable problems)
            $found.Offset | Should -Be 0x41, 0x141, 0x41, 0x141
            $problems.Count | Should -Be 1
            $problems[0].TargetObject | Should -BeExactly '4G'
        }

        It 'does not take -IgnoreCase for hex' {
            { Find-SnapshotBytes $snapshot -Pattern '41' -IgnoreCase } | Should -Throw -ErrorId 'AmbiguousParameterSet,MmapSnapshot.FindSnapshotBytesCommand'
        }

        It 'takes either -Pattern or -Text' {
            $refused = @{ Id = 'AmbiguousParameterSet'; Cmdlet = 'Find-SnapshotBytes'; Says = '-Pattern', '-Text' }
            Assert-SnapshotError { Find-SnapshotBytes $snapshot } @refused
            Assert-SnapshotError { Find-SnapshotBytes $snapshot '41' -Text a } @refused
        }
    }

    Context 'where it looks' {
        It 'begins at -Offset and ends after -Count bytes, in which a match lies whole' {
            Find-Offset $snapshot '41 42' -Offset 0x42 | Should -Be 0x141
            Find-Offset $snapshot '41 42' -Count 0x43 | Should -Be 0x41
            Find-Offset $snapshot '41 42' -Count 0x42 | Should -BeNullOrEmpty
            Find-Offset $snapshot '41 42' -Offset '0x41' -Count '0x2' | Should -Be 0x41
            Find-Offset $snapshot '41 42' -Offset 512 | Should -BeNullOrEmpty
            Find-Offset $snapshot '41 42' -Offset -0xBF | Should -Be 0x141
            Find-Offset $snapshot '41 42' -Offset -0xBE | Should -BeNullOrEmpty
        }

        It 'returns the last matches of each snapshot with -Last, in the order of their offsets' {
            Find-Offset $snapshot, $snapshot '41', '42' -Last 3 | Should -Be 0x42, 0x141, 0x142, 0x42, 0x141, 0x142
            Find-Offset $snapshot '41' -Last 9 | Should -Be 0x41, 0x141
            $refused = @{ Id = 'AmbiguousParameterSet'; Cmdlet = 'Find-SnapshotBytes'; Says = '-First', '-Last' }
            Assert-SnapshotError { Find-SnapshotBytes $snapshot '41' -First 1 -Last 1 } @refused
        }

        It 'leaves out with -NonOverlapping what begins within the match before' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin" -Text 'aaaaaXaa')
            Find-Offset $other -Text aa -NonOverlapping | Should -Be 0, 2, 6
            Find-Offset $other -Text aa, aX -NonOverlapping | Should -Be 0, 2, 4, 6
            Find-Offset $other -Text aa -NonOverlapping -Last 2 | Should -Be 2, 6
        }

        It 'returns no more than -First matches of each snapshot' {
            Find-Offset $snapshot, $snapshot '41', '42' -First 3 | Should -Be 0x41, 0x42, 0x141, 0x41, 0x42, 0x141
        }

        It 'refuses -First <_>' -ForEach 0, -1 {
            $first = $_
            Assert-BindingError { Find-SnapshotBytes $snapshot '41' -First $first } -Parameter First
        }

        It 'refuses <What>' -ForEach @(
            @{ What = 'an offset before the start'; Range = @{ Offset = -513 }; Says = 'offset -513, counted from the end' }
            @{ What = 'a negative count'; Range = @{ Count = -1 }; Says = 'count -1 is negative' }
            @{ What = 'an offset past the end'; Range = @{ Offset = 513 }; Says = 'offset 0x201 is past the end' }
            @{ What = 'a count that reaches past the end'; Range = @{ Offset = 511; Count = 2 }; Says = '2 bytes from offset 0x1FF' }
            @{ What = 'the highest offset and count there are'; Range = @{ Offset = [long]::MaxValue; Count = [long]::MaxValue }; Says = '0x7FFFFFFFFFFFFFFF' }
        ) {
            Assert-SnapshotError { Find-SnapshotBytes $snapshot '41' @Range } -Id OutOfRange -Cmdlet Find-SnapshotBytes -Target $snapshot -Says $file, $Says
        }

        It 'refuses an offset that is no whole number' {
            Assert-BindingError { Find-SnapshotBytes $snapshot '41' -Offset ten } -Parameter Offset
        }

        It 'refuses a closed snapshot, and goes on with the next one' {
            $closed = Open-MmapSnapshot $file
            Close-MmapSnapshot $closed
            $found = @($closed, $snapshot | Find-SnapshotBytes -Pattern '41' -ErrorAction SilentlyContinue -ErrorVariable problems)
            $found.Count | Should -Be 2
            $problems.FullyQualifiedErrorId | Should -Be 'SnapshotClosed,MmapSnapshot.FindSnapshotBytesCommand'
            [object]::ReferenceEquals($problems[0].TargetObject, $closed) | Should -BeTrue
        }

        It 'finds nothing in an empty snapshot' {
            Find-SnapshotBytes (Open-MmapSnapshot (New-TestFile "$folder/empty" -Bytes @())) '00' | Should -BeNullOrEmpty
        }
    }

    Context '-ExpectCount' {
        It 'returns the matches of a snapshot that has as many' {
            Find-Offset $snapshot '41', '42' -ExpectCount 4 | Should -Be 0x41, 0x42, 0x141, 0x142
            Find-Offset $snapshot '41', '42' -ExpectCount 4 -First 1 | Should -Be 0x41
            Find-SnapshotBytes $snapshot '42 41' -ExpectCount 0 | Should -BeNullOrEmpty
        }

        It 'returns no match of a snapshot that has <What>' -ForEach @(
            @{ What = 'more'; Expected = 1; Says = "expected 1 match of '41 42'", 'at least 2 (at 0x41, 0x141)' }
            @{ What = 'fewer'; Expected = 3; Says = 'expected 3 matches', 'found 2 (at 0x41, 0x141)' }
            @{ What = 'some where none is expected'; Expected = 0; Says = 'expected 0 matches', 'at least 1 (at 0x41)' }
        ) {
            $all = @{ Id = 'ExpectationFailed'; Cmdlet = 'Find-SnapshotBytes'; Target = $snapshot; Says = @($file) + $Says }
            $found = [System.Collections.Generic.List[object]]::new()
            Assert-SnapshotError { Find-SnapshotBytes $snapshot '41 42' -ExpectCount $Expected | ForEach-Object { $found.Add($_) } } @all
            $found.Count | Should -Be 0
        }

        It 'counts in each snapshot, and continues with the next one' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin" -Text 'A')
            $found = @($snapshot, $other | Find-SnapshotBytes -Text A -ExpectCount 1 -ErrorAction SilentlyContinue -ErrorVariable problems)
            $found.Path | Should -BeExactly "$folder/b.bin"
            $problems.FullyQualifiedErrorId | Should -Be 'ExpectationFailed,MmapSnapshot.FindSnapshotBytesCommand'
        }

        It 'refuses a negative number' {
            Assert-BindingError { Find-SnapshotBytes $snapshot '41' -ExpectCount -1 } -Parameter ExpectCount
        }
    }

    Context '-CloseUnmatched' {
        It 'closes the snapshots of which no match is written' {
            $other, $wrong = Open-MmapSnapshot (New-TestFile "$folder/b.bin" -Text 'A'), (New-TestFile "$folder/c.bin" -Text 'AAA')
            $all = $snapshot, $other, $wrong
            $found = @($all | Find-SnapshotBytes -Text A -ExpectCount 1 -CloseUnmatched -ErrorAction SilentlyContinue)
            $found.Path | Should -BeExactly "$folder/b.bin"
            $all.IsClosed | Should -Be $true, $false, $true
        }

        It 'leaves a snapshot with unsaved changes open' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Find-SnapshotBytes $snapshot '42 41' -CloseUnmatched
            $snapshot.IsClosed | Should -BeFalse
        }

        It 'leaves a snapshot open of whose matches the pipeline takes only some' {
            $null = Find-SnapshotBytes $snapshot '41' -CloseUnmatched | Select-Object -First 1
            $snapshot.IsClosed | Should -BeFalse
        }
    }

    Context 'files' {
        It 'searches paths, and what it finds has no snapshot' {
            $open = @(Get-MmapSnapshot).Count
            $found = @(Find-SnapshotBytes $file '41 42')
            $found.Offset | Should -Be 0x41, 0x141
            $found[0].Path | Should -BeExactly $file
            $found[0].Snapshot | Should -BeNullOrEmpty
            (Get-ChildItem -LiteralPath $folder | Find-SnapshotBytes -Text ABC).Offset | Should -Be 0x41, 0x141
            @(Get-MmapSnapshot).Count | Should -Be $open
        }

        It 'shows in the table what is around a match in a file' {
            $shown = Find-SnapshotBytes $file '41 42' -First 1 | Out-String -Width 120
            $shown | Should -Match '(?m)^ +0x41 +2 3D 3E 3F 40 41 42 43 44 45 46 +=>\?@ABCDEF *$'
        }

        It 'finds matches that <Cmdlet> refuses, saying to open the file first' -ForEach @(
            @{ Cmdlet = 'Save-Snapshot'; Arguments = @{}; Id = 'ParameterArgumentTransformationError' }
            @{ Cmdlet = 'Set-SnapshotBytes'; Arguments = @{ Bytes = '90' }; Id = 'ParameterArgumentTransformationError' }
        ) {
            $match = Find-SnapshotBytes $file '41' -First 1
            Assert-SnapshotError { $match | & $Cmdlet @Arguments } -Id $Id -Cmdlet $Cmdlet -Says $file, '0x41', 'Open-MmapSnapshot'
        }
    }

    Context 'a patch of every match' {
        It 'pipes into Set-SnapshotBytes -Bytes, whose argument wins over the bytes that were found' {
            Find-SnapshotBytes $snapshot '41 42 ?? 44' | Set-SnapshotBytes -Bytes '90 90 90 90'
            Get-SnapshotHex $snapshot 0x40 6 | Should -BeExactly '40 90 90 90 90 45'
            Get-SnapshotHex $snapshot 0x140 6 | Should -BeExactly '40 90 90 90 90 45'
        }

        It 'pipes into Set-SnapshotBytes with numbers, and with what is expected there' {
            Find-SnapshotBytes $snapshot '41 42' -First 1 | Set-SnapshotBytes -Bytes 0x90, 0x91 -Expect '41 42'
            Get-SnapshotHex $snapshot 0x41 2 | Should -BeExactly '90 91'
        }

        It 'pipes into Set-SnapshotBytes -Text' {
            Find-SnapshotBytes $snapshot -Text ABC | Set-SnapshotBytes -Text xyz
            Get-SnapshotHex $snapshot 0x140 5 | Should -BeExactly '40 78 79 7A 44'
        }

        It 'pipes into Set-SnapshotBytes -Fill' {
            Find-SnapshotBytes $snapshot '41 42' | Set-SnapshotBytes -Fill 0 -Count 2
            Get-SnapshotHex $snapshot 0x140 4 | Should -BeExactly '40 00 00 43'
        }

        It 'pipes into Get-SnapshotBytes' {
            Find-SnapshotBytes $snapshot '41 42' | Get-SnapshotBytes -AsHex | Should -Be '41 42', '41 42'
            @(Find-SnapshotBytes $snapshot '41' | Get-SnapshotBytes -Count 2 | ForEach-Object { ConvertTo-HexText $_ }) | Should -Be '41 42', '41 42'
        }
    }

    Context 'the table of matches' {
        It 'shows the offset in hex, and the match with four bytes before and behind it' {
            $shown = Find-SnapshotBytes $snapshot '41 42' -First 1 | Out-String -Width 120
            $shown | Should -Match '(?m)^ +0x41 +2 3D 3E 3F 40 41 42 43 44 45 46 +=>\?@ABCDEF *$'
        }

        It 'shows what there is at the start and at the end, matches below each other' {
            $lines = (Find-SnapshotBytes $snapshot '00', 'FE FF' | Out-String -Width 120) -split "`n" | Where-Object { $_ -match '0x' }
            $lines[0] | Should -Match '^ +0x0 +1 {13}00 01 02 03 04 +\.{5} *$'
            $lines[3] | Should -Match '^ +0x1FE +2 FA FB FC FD FE FF +\.{6} *$'
            $lines[0].IndexOf(' 00 01') | Should -Be $lines[3].IndexOf(' FE FF')
        }

        It 'shows of a wide match eight bytes, and what follows it only where they leave room' {
            $shown = Find-SnapshotBytes $snapshot ([byte[]](16..63)) -First 1 | Out-String -Width 120
            $shown | Should -Match '(?m)0x10 +48 0C 0D 0E 0F 10 11 12 13 14 15 16 17 +\.{12} *$'
            $shown = Find-SnapshotBytes $snapshot ([byte[]](16..21)) -First 1 | Out-String -Width 120
            $shown | Should -Match '(?m)0x10 +6 0C 0D 0E 0F 10 11 12 13 14 15 16 17 +\.{12} *$'
        }

        It 'is one for each file' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin" -Text 'AB')
            $lines = $snapshot, $other | Find-SnapshotBytes -Text AB -First 1 | Out-String -Width 120 -Stream
            $lines = @($lines) -match 'File|0x'
            $lines -replace ' +', ' ' -replace '(0x\w+).*', '$1' | Should -Be " File: $file", ' 0x41', " File: $folder/b.bin", ' 0x0'
        }

        It 'shows the highest offsets whole, in 80 columns' {
            $huge = Open-MmapSnapshot (New-SparseFile "$folder/huge" -Length 8TB)
            Set-SnapshotBytes $huge 0x7FFFFFFFFF0 -Text 'HELLO, HELLO'
            $lines = Find-SnapshotBytes $huge -Text 'HELLO, HELLO' -Offset -4096 | Out-String -Width 80 -Stream
            @($lines) -match '0x7FFFFFFFFF0 +12 00 00 00 00 48 45 4C 4C 4F 2C 20 48 +\.{4}HELLO, H *$' | Should -HaveCount 1
        }

        It 'colours the match, unless PowerShell is told to be plain' {
            $before = $PSStyle.OutputRendering
            try {
                $PSStyle.OutputRendering = 'Ansi'
                $colored = Find-SnapshotBytes $snapshot '41 42' -First 1 | Out-String -Width 120
                $PSStyle.OutputRendering = 'PlainText'
                $plain = Find-SnapshotBytes $snapshot '41 42' -First 1 | Out-String -Width 120
            } finally {
                $PSStyle.OutputRendering = $before
            }
            $colored.Contains("40 $($PSStyle.Foreground.BrightGreen)41 42$($PSStyle.Reset) 43") | Should -BeTrue
            $plain.Contains("`e") | Should -BeFalse
            $plain.Contains('40 41 42 43') | Should -BeTrue
        }

        It 'shows the match alone when its snapshot was closed since' {
            $found = Find-SnapshotBytes $snapshot '41 42' -First 1
            Close-MmapSnapshot $snapshot
            $found | Out-String -Width 120 | Should -Match '0x41 +2 +41 42 +AB'
        }

        It 'shows the match alone when it comes from another process' {
            $found = [System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize((Find-SnapshotBytes $snapshot '41 42' -First 1)))
            $found | Out-String -Width 120 | Should -Match '0x41 +2 +41 42 +AB'
        }
    }

    Context 'a long search' {
        It 'shows its progress after a second, and ends at once when it is stopped' {
            $endless = Open-MmapSnapshot (New-SparseFile "$folder/sparse" -Length 1TB)
            $pipeline = Start-Pipeline 'Find-SnapshotBytes $snapshot 00 | Out-Null' -Variables @{ snapshot = $endless }
            while ($pipeline.Streams.Progress.Count -eq 0 -and $pipeline.InvocationStateInfo.State -eq 'Running') { [System.Threading.Thread]::Sleep(5) }
            $record = $pipeline.Streams.Progress[0]
            $clock = [System.Diagnostics.Stopwatch]::StartNew()
            $pipeline.Stop()
            $clock.Elapsed.TotalMilliseconds | Should -BeLessThan 800
            $pipeline.InvocationStateInfo.State | Should -Be 'Stopped'
            $pipeline.Runspace.Dispose()
            $record.Activity | Should -BeExactly "Searching '$folder/sparse'"
            $record.StatusDescription | Should -Match '^\d+ of 1048576 MiB$'
            # Nobody holds its lock any more.
            Set-SnapshotBytes $endless 0 'FF'
            Close-MmapSnapshot $endless -Force
        }

        It 'finds in a gibibyte what grep finds' {
            Skip-When (Get-Obstacle -Program grep)
            # Programs and texts, over and over.
            $large = "$folder/large"
            Invoke-Shell 'cat "$(command -v bash)" /etc/[a-p]*.conf > "$1.part" || true; while [ "$(stat -c %s "$1.part")" -lt 134217728 ]; do cat "$1.part" "$1.part" > "$1"; mv "$1" "$1.part"; done
                for i in 1 2 3 4 5 6 7 8; do cat "$1.part"; done > "$1"; truncate -s 1G "$1"; rm "$1.part"' $large
            $expected = [long[]](Invoke-Shell 'LC_ALL=C grep -obUaF "bash" "$1" | cut -d : -f 1' $large)
            $found = [long[]](Find-SnapshotBytes (Open-MmapSnapshot $large -ReadOnly) -Text bash).Offset
            $expected.Length | Should -BeGreaterThan 1000
            [System.Linq.Enumerable]::SequenceEqual($found, $expected) | Should -BeTrue
        }
    }

    It 'completes encodings' {
        $line = 'Find-SnapshotBytes $snapshot -Text a -Encoding lat'
        (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText | Should -Be latin1
    }

    It 'has help that names its parameters' {
        Get-Help -Name Find-SnapshotBytes | Out-String | Should -BeLike '*Pattern*Text*IgnoreCase*'
    }
}

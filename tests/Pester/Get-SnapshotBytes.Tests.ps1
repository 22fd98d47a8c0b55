Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'Get-SnapshotBytes' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $snapshot = Open-MmapSnapshot $file
    }

    AfterEach {
        Remove-Workspace $folder
    }

    Context 'what it returns' {
        It 'returns one byte array, not its bytes' {
            $output = @(Get-SnapshotBytes $snapshot)
            $output.Count | Should -Be 1
            , $output[0] | Should -BeOfType ([byte[]])
            $output[0].Length | Should -Be 256
        }

        It 'returns all bytes without -Offset and -Count' {
            ConvertTo-HexText (Get-SnapshotBytes -Snapshot $snapshot) | Should -BeExactly (Get-FileHex $file)
        }

        It 'returns all from -Offset on without -Count' {
            ConvertTo-HexText (Get-SnapshotBytes $snapshot -Offset 254) | Should -BeExactly 'FE FF'
        }

        It 'returns the first -Count bytes without -Offset' {
            ConvertTo-HexText (Get-SnapshotBytes $snapshot -Count 2) | Should -BeExactly '00 01'
        }

        It 'takes snapshot, offset and count by position' {
            ConvertTo-HexText (Get-SnapshotBytes $snapshot 16 3) | Should -BeExactly '10 11 12'
        }

        It 'returns an empty array for <What>' -ForEach @(
            @{ What = 'a count of 0'; Offset = 16; Count = 0 }
            @{ What = 'a count of 0 at the end'; Offset = 256; Count = 0 }
            @{ What = 'the end and no count'; Offset = 256; Count = $null }
        ) {
            $range = @{ Offset = $Offset }
            if ($null -ne $Count) { $range.Count = $Count }
            $bytes = Get-SnapshotBytes $snapshot @range
            , $bytes | Should -BeOfType ([byte[]])
            $bytes.Length | Should -Be 0
        }

        It 'returns the bytes as they were written last' {
            Set-SnapshotBytes $snapshot 16 'AA BB'
            ConvertTo-HexText (Get-SnapshotBytes $snapshot 15 4) | Should -BeExactly '0F AA BB 12'
        }

        It 'returns what Set-Content -AsByteStream and Format-Hex take as it is' {
            Get-SnapshotBytes $snapshot | Set-Content -AsByteStream -LiteralPath "$folder/copy.bin"
            Get-FileHex "$folder/copy.bin" | Should -BeExactly (Get-FileHex $file)
            @(Get-SnapshotBytes $snapshot 0 32 | Format-Hex).Count | Should -Be 2
        }

        It 'reads a read-only snapshot' {
            Get-SnapshotHex (Open-MmapSnapshot $file -ReadOnly) 0 2 | Should -BeExactly '00 01'
        }
    }

    Context 'how offsets and counts are written' {
        It 'takes the offset <Offset> for <Is>' -ForEach @(
            @{ Offset = 0x10; Is = 16 }
            @{ Offset = '0x10'; Is = 16 }
            @{ Offset = '0X1f'; Is = 31 }
            @{ Offset = ' 0x10 '; Is = 16 }
            @{ Offset = '16'; Is = 16 }
            @{ Offset = [long]16; Is = 16 }
            @{ Offset = [byte]16; Is = 16 }
            @{ Offset = [uint64]16; Is = 16 }
        ) {
            (Get-SnapshotBytes $snapshot -Offset $Offset -Count 1)[0] | Should -Be $Is
        }

        It 'takes 0x… for the count as well' {
            (Get-SnapshotBytes $snapshot -Count '0x10').Length | Should -Be 16
        }

        It 'takes 1KB for 1024' {
            $large = Open-MmapSnapshot (New-TestFile "$folder/large" -Bytes ([byte[]]::new(1024) + [byte[]](7, 8)))
            ConvertTo-HexText (Get-SnapshotBytes $large -Offset 1KB) | Should -BeExactly '07 08'
        }

        It 'refuses the offset <_>, which is no whole number of 64 bits, rather than guessing one' -ForEach 'ten', '0xZZ', '1.5.2', '', 1.5, '9223372036854775808' {
            $offset = $_
            Assert-BindingError { Get-SnapshotBytes $snapshot -Offset $offset } -Parameter Offset
        }

        It 'refuses such an offset by position as clearly' {
            Assert-BindingError { Get-SnapshotBytes $snapshot ten } -Parameter Offset
        }
    }

    Context '-AsHex' {
        It 'returns hex text that Set-SnapshotBytes takes back' {
            Get-SnapshotBytes $snapshot 0x10 3 -AsHex | Should -BeExactly '10 11 12'
            Set-SnapshotBytes $snapshot 0 (Get-SnapshotBytes $snapshot 0x10 3 -AsHex)
            Get-SnapshotHex $snapshot 0 4 | Should -BeExactly '10 11 12 03'
        }

        It 'returns an empty text of no bytes' {
            Get-SnapshotBytes $snapshot 256 -AsHex | Should -BeExactly ''
        }
    }

    Context '-AsText' {
        It 'returns text in <Encoding>' -ForEach @(
            @{ Encoding = 'utf8'; Hex = '41 C3 A9' }
            @{ Encoding = 'latin1'; Hex = '41 E9' }
            @{ Encoding = 'unicode'; Hex = '41 00 E9 00' }
            @{ Encoding = 'bigendianunicode'; Hex = '00 41 00 E9' }
            @{ Encoding = 1200; Hex = '41 00 E9 00' }
        ) {
            Set-SnapshotBytes $snapshot 0x20 $Hex
            Get-SnapshotBytes $snapshot 0x20 $Hex.Split(' ').Count -AsText -Encoding $Encoding | Should -BeExactly 'Aé'
        }

        It 'is UTF-8 without -Encoding' {
            Set-SnapshotBytes $snapshot 0 'C3 A9'
            Get-SnapshotBytes $snapshot 0 2 -AsText | Should -BeExactly 'é'
        }

        It 'ends with -NullTerminated before the first NUL character' {
            Set-SnapshotBytes $snapshot 0x41 -Text 'one' -NullTerminated
            Get-SnapshotBytes $snapshot 0x41 -AsText -NullTerminated | Should -BeExactly 'one'
            Get-SnapshotBytes $snapshot 0x41 2 -AsText -NullTerminated | Should -BeExactly 'on'
            Get-SnapshotBytes $snapshot 0 -AsText -NullTerminated | Should -BeExactly ''
            Get-SnapshotBytes $snapshot 0x61 3 -AsText -NullTerminated | Should -BeExactly 'abc'
        }

        It 'takes two zeros for the end of UTF-16 only where a character begins' {
            Set-SnapshotBytes $snapshot 0 '00 41 00 00 42 00 00 00 43 00'
            Get-SnapshotBytes $snapshot 0 10 -AsText -Encoding unicode -NullTerminated | Should -BeExactly ([char]0x4100)
            Set-SnapshotBytes $snapshot 0 '41 00 00 42 00 00'
            Get-SnapshotBytes $snapshot 0 6 -AsText -Encoding unicode -NullTerminated | Should -BeExactly "A$([char]0x4200)"
        }

        It 'finds the NUL character beyond what it reads at a time' {
            $long = Open-MmapSnapshot (New-TestFile "$folder/long" -Bytes ([byte[]]::new(200000)))
            Set-SnapshotBytes $long 0 -Fill 0x61 -Count 150001
            (Get-SnapshotBytes $long -AsText -NullTerminated).Length | Should -Be 150001
        }

        It 'refuses <What> with -NullTerminated too' -ForEach @(
            @{ What = 'an offset before the start'; Range = @{ Offset = -257 } }
            @{ What = 'an offset before the start and no bytes'; Range = @{ Offset = -257; Count = 0 } }
            @{ What = 'a negative count'; Range = @{ Count = -1 } }
            @{ What = 'an offset past the end'; Range = @{ Offset = 257 } }
            @{ What = 'a count that reaches past the end'; Range = @{ Offset = 0; Count = 257 } }
        ) {
            Assert-SnapshotError { Get-SnapshotBytes $snapshot @Range -AsText -NullTerminated } -Id OutOfRange -Cmdlet Get-SnapshotBytes -Target $snapshot -Says $file
        }
    }

    Context '-AsNumber' {
        It 'returns one <Type>' -ForEach @(
            @{ Type = 'Byte'; Of = [byte]; Little = 0xF0; Big = 0xF0 }
            @{ Type = 'Int8'; Of = [sbyte]; Little = -16; Big = -16 }
            @{ Type = 'Int16'; Of = [short]; Little = -3600; Big = -3855 }
            @{ Type = 'UInt16'; Of = [ushort]; Little = 0xF1F0; Big = 0xF0F1 }
            @{ Type = 'Int32'; Of = [int]; Little = 0xF3F2F1F0; Big = 0xF0F1F2F3 }
            @{ Type = 'UInt32'; Of = [uint]; Little = 0xF3F2F1F0u; Big = 0xF0F1F2F3u }
            @{ Type = 'Int64'; Of = [long]; Little = 0xF7F6F5F4F3F2F1F0; Big = 0xF0F1F2F3F4F5F6F7 }
            @{ Type = 'UInt64'; Of = [ulong]; Little = 0xF7F6F5F4F3F2F1F0ul; Big = 0xF0F1F2F3F4F5F6F7ul }
        ) {
            $number = Get-SnapshotBytes $snapshot 0xF0 -AsNumber $Type
            $number | Should -BeOfType $Of
            $number | Should -Be $Little
            Get-SnapshotBytes $snapshot 0xF0 -AsNumber $Type -BigEndian | Should -Be $Big
        }

        It 'returns one <Type>, a real number' -ForEach @(
            @{ Type = 'Half'; Of = [System.Half]; Hex = '00 BE' }
            @{ Type = 'Single'; Of = [float]; Hex = '00 00 C0 BF' }
            @{ Type = 'Double'; Of = [double]; Hex = '00 00 00 00 00 00 F8 BF' }
        ) {
            Set-SnapshotBytes $snapshot 0 $Hex
            $number = Get-SnapshotBytes $snapshot -AsNumber $Type
            $number | Should -BeOfType $Of
            [double]$number | Should -Be -1.5
        }

        It 'returns as many as -Count bytes hold' {
            Get-SnapshotBytes $snapshot 0x10 6 -AsNumber UInt16 -BigEndian | Should -Be 0x1011, 0x1213, 0x1415
            Get-SnapshotBytes $snapshot 0x10 0 -AsNumber UInt16 | Should -BeNullOrEmpty
        }

        It 'refuses a count that is no whole number of them' {
            Assert-SnapshotError { Get-SnapshotBytes $snapshot 0 3 -AsNumber UInt16 } -Id InvalidBytes -Cmdlet Get-SnapshotBytes -Target $snapshot -Says 'UInt16'
        }

        It 'refuses a number that reaches past the end' {
            Assert-SnapshotError { Get-SnapshotBytes $snapshot 255 -AsNumber UInt16 } -Id OutOfRange -Cmdlet Get-SnapshotBytes -Target $snapshot
        }

        It 'refuses -Encoding, and -AsHex' {
            { Get-SnapshotBytes $snapshot -AsNumber Byte -Encoding utf8 } | Should -Throw -ErrorId 'AmbiguousParameterSet,MmapSnapshot.GetSnapshotBytesCommand'
            { Get-SnapshotBytes $snapshot -AsNumber Byte -AsHex } | Should -Throw -ErrorId 'AmbiguousParameterSet,MmapSnapshot.GetSnapshotBytesCommand'
        }

        It 'refuses a type that there is not' {
            Assert-SnapshotError { Get-SnapshotBytes $snapshot -AsNumber Int7 } -Id CannotConvertArgumentNoMessage -Cmdlet Get-SnapshotBytes
        }

        It 'reads at each match as many bytes as it has, or as -Count says' {
            Find-SnapshotBytes $snapshot '10 11', '20 21' | Get-SnapshotBytes -AsNumber UInt16 -BigEndian | Should -Be 0x1011, 0x2021
            Find-SnapshotBytes $snapshot '10', '20' | Get-SnapshotBytes -Count 2 -AsNumber UInt16 -BigEndian | Should -Be 0x1011, 0x2021
            $match = Find-SnapshotBytes $snapshot '10'
            $refused = @{ Id = 'InvalidBytes'; Cmdlet = 'Get-SnapshotBytes'; Target = $snapshot; Says = '0x10', '-Count' }
            Assert-SnapshotError { $match | Get-SnapshotBytes -AsNumber UInt16 } @refused
        }
    }

    Context 'the pipeline' {
        It 'takes snapshots from the pipeline' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin" -Bytes 1, 2, 3)
            $read = @($snapshot, $other | Get-SnapshotBytes -Count 2 | ForEach-Object { ConvertTo-HexText $_ })
            $read | Should -Be '00 01', '01 02'
        }

        It 'takes several snapshots as an argument' {
            @(Get-SnapshotBytes $snapshot, $snapshot -Count 1).Count | Should -Be 2
        }

        It 'takes the properties Snapshot and Offset of what is piped to it' {
            $rows = @(
                [pscustomobject]@{ Snapshot = $snapshot; Offset = 5 }
                [pscustomobject]@{ Snapshot = $snapshot; Offset = '0x10' }
            )
            @($rows | Get-SnapshotBytes -Count 1 | ForEach-Object { $_[0] }) | Should -Be 5, 16
        }

        It 'goes on after a snapshot that it cannot read' {
            $closed = Open-MmapSnapshot $file
            Close-MmapSnapshot $closed
            $read = @($closed, $snapshot | Get-SnapshotBytes -Count 1 -ErrorAction SilentlyContinue -ErrorVariable problems)
            $read.Count | Should -Be 1
            $problems.FullyQualifiedErrorId | Should -Be 'SnapshotClosed,MmapSnapshot.GetSnapshotBytesCommand'
        }
    }

    Context 'offsets from the end' {
        It 'takes a negative offset for one from the end, of each snapshot' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin" -Bytes 1, 2, 3)
            Get-SnapshotBytes $snapshot, $other -Offset -2 -AsHex | Should -Be 'FE FF', '02 03'
            Get-SnapshotBytes $snapshot -2 1 -AsHex | Should -BeExactly 'FE'
            Get-SnapshotBytes $snapshot -256 1 -AsHex | Should -BeExactly '00'
            Get-SnapshotBytes $snapshot -Offset '-0x10' -Count 1 -AsHex | Should -BeExactly 'F0'
        }

        It 'refuses a plus sign, which does not add' {
            Assert-BindingError { Get-SnapshotBytes $snapshot -Offset +4 } -Parameter Offset
            Assert-BindingError { Get-SnapshotBytes $snapshot -Count '+4' } -Parameter Count
        }
    }

    Context 'files' {
        BeforeEach {
            $open = @(Get-MmapSnapshot).Count
        }

        AfterEach {
            @(Get-MmapSnapshot).Count | Should -Be $open
        }

        It 'reads a path by position, by name and from the pipeline' {
            Get-SnapshotBytes $file 0x10 2 -AsHex | Should -BeExactly '10 11'
            Get-SnapshotBytes -Path $file -Offset -2 -AsHex | Should -BeExactly 'FE FF'
            $file | Get-SnapshotBytes -Count 2 -AsHex | Should -BeExactly '00 01'
            Get-SnapshotBytes (Get-Item -LiteralPath $file) 0 2 -AsHex | Should -BeExactly '00 01'
        }

        It 'reads the files of Get-ChildItem, and of wildcards' {
            $null = New-TestFile "$folder/b[1].bin" -Bytes 7, 8
            Get-ChildItem -LiteralPath $folder | Get-SnapshotBytes -Count 2 -AsHex | Should -Be '00 01', '07 08'
            Get-SnapshotBytes "$folder/*.bin" -Count 1 -AsHex | Should -Be '00', '07'
            Get-SnapshotBytes -LiteralPath "$folder/b[1].bin" -AsHex | Should -BeExactly '07 08'
        }

        It 'takes a number for an id, and text for a path' {
            Push-Location -LiteralPath $folder
            try {
                $null = New-TestFile "$folder/$($snapshot.Id)" -Bytes 9
                Get-SnapshotBytes $snapshot.Id 0 1 -AsHex | Should -BeExactly '00'
                [long]$snapshot.Id | Get-SnapshotBytes -Count 1 -AsHex | Should -BeExactly '00'
                Get-SnapshotBytes "$($snapshot.Id)" -AsHex | Should -BeExactly '09'
            } finally {
                Pop-Location
            }
        }

        It 'reads a snapshot, not its file' {
            Set-SnapshotBytes $snapshot 0 'AA'
            $snapshot | Get-SnapshotBytes -Count 1 -AsHex | Should -BeExactly 'AA'
            Find-SnapshotBytes $snapshot 'AA 01' | Get-SnapshotBytes -AsHex | Should -BeExactly 'AA 01'
        }

        It 'refuses a change, which has a path but does not say which snapshot it is of' {
            Set-SnapshotBytes $snapshot 0 'AA'
            $change = Compare-Snapshot $snapshot
            $asked = @{ Id = 'ParameterArgumentTransformationError'; Cmdlet = 'Get-SnapshotBytes'; Says = $file, '-Snapshot' }
            Assert-SnapshotError { $change | Get-SnapshotBytes } @asked
            $change | Get-SnapshotBytes -Snapshot $snapshot -Count 1 -AsHex | Should -BeExactly 'AA'
        }

        It 'continues after a file that cannot be opened' {
            $problems = @()
            $hex = Get-SnapshotBytes "$folder/none", $file 0 1 -AsHex -ErrorAction SilentlyContinue -ErrorVariable problems
            $hex | Should -BeExactly '00'
            $problems.FullyQualifiedErrorId | Should -Be 'FileNotFound,MmapSnapshot.GetSnapshotBytesCommand'
            $problems[0].TargetObject | Should -BeExactly "$folder/none"
        }

        It 'keeps no file open, also when the pipeline is stopped' {
            $other = New-TestFile "$folder/b.bin"
            $null = Find-SnapshotBytes $other '10', '20' | Get-SnapshotBytes | Select-Object -First 1
            $null = Get-SnapshotBytes $other
            # A lease would make this fail.
            Invoke-Shell 'truncate -s 1 "$1"' $other
        }
    }

    Context 'matches' {
        It 'reads exactly the bytes of each match' {
            Find-SnapshotBytes $snapshot '40 4?', 'FE' | Get-SnapshotBytes -AsHex | Should -Be '40 41', 'FE'
            Get-SnapshotBytes -Match (Find-SnapshotBytes $snapshot '40 4?') -AsText | Should -BeExactly '@A'
        }

        It 'reads the text of a match in the encoding that it was searched for in' {
            Set-SnapshotBytes $snapshot 8 -Text 'Aé' -Encoding unicode
            $match = Find-SnapshotBytes $snapshot -Text 'aé' -Encoding unicode -IgnoreCase
            $match | Get-SnapshotBytes -AsText | Should -BeExactly 'Aé'
            $match | Get-SnapshotBytes -AsText -Encoding latin1 | Should -BeExactly "A`0é`0"
        }

        It 'reads matches in files, each from its file' {
            $other = New-TestFile "$folder/b.bin" -Bytes 5, 0x41, 0x42
            Find-SnapshotBytes $file, $other '41 42' | Get-SnapshotBytes -Count 1 -AsHex | Should -Be '41', '41'
        }

        It 'refuses a match whose snapshot was closed, and -Offset' {
            $match = Find-SnapshotBytes $snapshot '41'
            { Get-SnapshotBytes -Match $match -Offset 1 } | Should -Throw -ErrorId 'AmbiguousParameterSet,*'
            Close-MmapSnapshot $snapshot
            Assert-SnapshotError { $match | Get-SnapshotBytes } -Id SnapshotClosed -Cmdlet Get-SnapshotBytes -Target $snapshot
        }
    }

    Context 'what it refuses' {
        It 'refuses <What>' -ForEach @(
            @{ What = 'an offset before the start'; Offset = -257; Count = 1; Says = 'offset -257, counted from the end' }
            @{ What = 'a negative count'; Offset = 0; Count = -1; Says = 'count -1 is negative' }
            @{ What = 'an offset past the end'; Offset = 257; Count = 0; Says = 'offset 0x101 is past the end' }
            @{ What = 'a count that reaches past the end'; Offset = 255; Count = 2; Says = '2 bytes from offset 0xFF' }
            @{ What = 'the highest offset there is'; Offset = [long]::MaxValue; Count = 1; Says = '0x7FFFFFFFFFFFFFFF' }
            @{ What = 'the highest count there is'; Offset = 1; Count = [long]::MaxValue; Says = '9223372036854775807' }
            @{ What = 'the highest offset and count there are'; Offset = [long]::MaxValue; Count = [long]::MaxValue; Says = '0x7FFFFFFFFFFFFFFF' }
            @{ What = 'the lowest offset there is'; Offset = [long]::MinValue + 1; Count = 1; Says = 'before the start' }
            @{ What = 'the lowest count there is'; Offset = 1; Count = [long]::MinValue + 1; Says = 'negative' }
        ) {
            Assert-SnapshotError { Get-SnapshotBytes $snapshot $Offset $Count } -Id OutOfRange -Cmdlet Get-SnapshotBytes -Target $snapshot -Says $file, $Says, '256 bytes'
        }

        It 'refuses an offset past the end without a count' {
            Assert-SnapshotError { Get-SnapshotBytes $snapshot 257 } -Id OutOfRange -Cmdlet Get-SnapshotBytes -Target $snapshot -Says 'offset 0x101 is past the end'
        }

        It 'refuses any byte of an empty snapshot' {
            $empty = Open-MmapSnapshot (New-TestFile "$folder/empty" -Bytes @())
            Assert-SnapshotError { Get-SnapshotBytes $empty 0 1 } -Id OutOfRange -Cmdlet Get-SnapshotBytes -Target $empty -Says '0 bytes'
        }

        It 'refuses a closed snapshot' {
            Close-MmapSnapshot $snapshot
            Assert-SnapshotError { Get-SnapshotBytes $snapshot } -Id SnapshotClosed -Cmdlet Get-SnapshotBytes -Target $snapshot -Says $file, 'closed'
        }

        It 'refuses a path for -Snapshot by name' {
            Assert-SnapshotError { Get-SnapshotBytes -Snapshot $file } -Id CannotConvertArgumentNoMessage -Cmdlet Get-SnapshotBytes
        }

        It 'refuses switches that exclude each other: <Switches.Keys>' -ForEach @(
            @{ Switches = @{ AsHex = $true; AsText = $true } }
            @{ Switches = @{ AsText = $true; AsNumber = 'Byte' } }
            @{ Switches = @{ NullTerminated = $true } }
            @{ Switches = @{ AsHex = $true; BigEndian = $true } }
        ) {
            Assert-SnapshotError { Get-SnapshotBytes $snapshot @Switches } -Id AmbiguousParameterSet -Cmdlet Get-SnapshotBytes -Says '-As'
        }

        It 'refuses null for a snapshot' {
            Assert-SnapshotError { Get-SnapshotBytes -Snapshot $null } -Id ParameterArgumentValidationError -Cmdlet Get-SnapshotBytes
        }

        It 'can be caught with -ErrorAction Stop' {
            { Get-SnapshotBytes $snapshot 257 -ErrorAction Stop } | Should -Throw -ErrorId 'OutOfRange,MmapSnapshot.GetSnapshotBytesCommand'
        }
    }

    It 'has help that names its parameters' {
        Get-Help -Name Get-SnapshotBytes | Out-String | Should -BeLike '*Offset*Count*'
    }
}

Describe 'Get-SnapshotBytes of a large file on <Label>' -ForEach (Get-TestFileSystem xfs, ext4) {
    Context 'beyond 4 GiB' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
            $large = New-SparseFile "$folder/large" -Length 5GB
            Invoke-Shell 'printf "\x11\x22" | dd of="$1" bs=1 seek=4294967295 conv=notrunc status=none' $large
            $snapshot = Open-MmapSnapshot $large
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It 'takes the literal 0xFFFFFFFF for 4294967295, not for -1' {
            ConvertTo-HexText (Get-SnapshotBytes $snapshot -Offset 0xFFFFFFFF -Count 2) | Should -BeExactly '11 22'
            ConvertTo-HexText (Get-SnapshotBytes $snapshot 0xFFFFFFFF 0x2) | Should -BeExactly '11 22'
        }

        It 'takes an offset of 64 bits, as a literal and as text' {
            ConvertTo-HexText (Get-SnapshotBytes $snapshot 0x100000000 1) | Should -BeExactly '22'
            ConvertTo-HexText (Get-SnapshotBytes $snapshot '0x100000000' 1) | Should -BeExactly '22'
        }

        It 'takes 4GB for an offset' {
            ConvertTo-HexText (Get-SnapshotBytes $snapshot -Offset 4GB -Count 1) | Should -BeExactly '22'
        }

        It 'refuses more bytes than one string holds, as hex and as text, before it reads them' {
            Assert-SnapshotError { Get-SnapshotBytes $snapshot 0 360000000 -AsHex } -Id TooLarge -Cmdlet Get-SnapshotBytes -Target $snapshot -Says $large, '360000000', 'one string', 'Read fewer bytes at a time'
            Assert-SnapshotError { Get-SnapshotBytes $snapshot 0 1100000000 -AsText } -Id TooLarge -Cmdlet Get-SnapshotBytes -Target $snapshot -Says $large, '1100000000', 'one string', 'Read fewer bytes at a time'
        }

        It 'refuses more bytes than one array holds' {
            Assert-SnapshotError { Get-SnapshotBytes $snapshot } -Id TooLarge -Cmdlet Get-SnapshotBytes -Target $snapshot -Says $large, '5368709120', 'Read fewer bytes at a time'
        }
    }
}

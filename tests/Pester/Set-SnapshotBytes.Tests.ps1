Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'Set-SnapshotBytes' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $original = Get-FileHex $file
        $snapshot = Open-MmapSnapshot $file
    }

    AfterEach {
        Remove-Workspace $folder
    }

    Context 'what it does' {
        It 'writes into the snapshot, not into the file' {
            Set-SnapshotBytes -Snapshot $snapshot -Offset 16 -Bytes 'AA BB'
            Get-SnapshotHex $snapshot 15 4 | Should -BeExactly '0F AA BB 12'
            Get-FileHex $file | Should -BeExactly $original
        }

        It 'takes snapshot, offset and bytes by position' {
            Set-SnapshotBytes $snapshot 16 'AA'
            Get-SnapshotHex $snapshot 16 1 | Should -BeExactly 'AA'
        }

        It 'marks the snapshot as modified and counts its modified bytes once' {
            Set-SnapshotBytes $snapshot 16 'AA BB'
            Set-SnapshotBytes $snapshot 17 'CC DD'
            $snapshot.IsModified | Should -BeTrue
            $snapshot.ModifiedBytes | Should -Be 3
        }

        It 'writes up to the last byte' {
            Set-SnapshotBytes $snapshot 255 'AA'
            Get-SnapshotHex $snapshot 254 2 | Should -BeExactly 'FE AA'
            $snapshot.Length | Should -Be 256
        }

        It 'writes nothing at the end when there are no bytes to write' {
            Set-SnapshotBytes $snapshot 256 -Bytes @()
            $snapshot.IsModified | Should -BeFalse
        }

        It 'returns nothing without -PassThru' {
            Set-SnapshotBytes $snapshot 0 'AA' | Should -BeNullOrEmpty
        }

        It 'returns the snapshot with -PassThru' {
            [object]::ReferenceEquals((Set-SnapshotBytes $snapshot 0 'AA' -PassThru), $snapshot) | Should -BeTrue
        }

        It 'touches nothing with -WhatIf' {
            Set-SnapshotBytes $snapshot 0 'AA' -WhatIf
            $snapshot.IsModified | Should -BeFalse
            Get-SnapshotHex $snapshot | Should -BeExactly $original
        }

        It 'passes the snapshot on with -WhatIf -PassThru, so that the rest of the pipeline can say what it would do' {
            [object]::ReferenceEquals((Set-SnapshotBytes $snapshot 0 'AA' -WhatIf -PassThru), $snapshot) | Should -BeTrue
        }

        It 'says with -Verbose where it writes' {
            "$(Set-SnapshotBytes $snapshot 0x40 'AA BB' -Verbose 4>&1)" | Should -BeLike "*Write AA BB at 0x40*$file*"
        }
    }

    Context 'offsets' {
        It 'takes the offset <Offset> for <Is>' -ForEach @(
            @{ Offset = 0x40; Is = 64 }
            @{ Offset = '0x40'; Is = 64 }
            @{ Offset = '64'; Is = 64 }
            @{ Offset = [uint64]64; Is = 64 }
        ) {
            Set-SnapshotBytes $snapshot -Offset $Offset -Bytes 'FF'
            Get-SnapshotHex $snapshot ($Is - 1) 3 | Should -BeExactly '3F FF 41'
        }

        It 'takes 1KB for 1024' {
            Resize-Snapshot $snapshot 2KB
            Set-SnapshotBytes $snapshot 1KB 'FF'
            Get-SnapshotHex $snapshot 1023 3 | Should -BeExactly '00 FF 00'
        }

        It 'refuses the offset <_>, which is no whole number of 64 bits, rather than guessing one' -ForEach 'ten', '0xZZ', '', 1.5, '9223372036854775808' {
            $offset = $_
            Assert-BindingError { Set-SnapshotBytes $snapshot -Offset $offset -Bytes 'FF' } -Parameter Offset
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses such an offset by position as clearly' {
            Assert-BindingError { Set-SnapshotBytes $snapshot ten 'FF' } -Parameter Offset
        }

        It 'refuses a row of a patch without an offset, rather than writing at 0' {
            @(Get-ErrorOf { "Offset,Bytes`n,FF" | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $snapshot }).Count | Should -Be 1
            $snapshot.IsModified | Should -BeFalse
        }
    }

    Context '-Bytes' {
        It 'takes hex text written as <Text>' -ForEach @(
            @{ Text = '90 4f' }
            @{ Text = '904F' }
            @{ Text = '0x90 0x4F' }
            @{ Text = '0x904F' }
            @{ Text = '0X90,0x4F' }
            @{ Text = '90,4F' }
            @{ Text = '90, 4f' }
            @{ Text = '90;4F' }
            @{ Text = '90-4F' }
            @{ Text = '90:4F' }
            @{ Text = '90_4F' }
            @{ Text = "90`n4F" }
            @{ Text = "90`t4F`r`n" }
            @{ Text = '  90  4F  ' }
        ) {
            Set-SnapshotBytes $snapshot 2 $Text
            Get-SnapshotHex $snapshot 1 4 | Should -BeExactly '01 90 4F 04'
        }

        It 'takes <What>' -ForEach @(
            @{ What = 'a byte array'; Value = [byte[]](0x90, 0x4F) }
            @{ What = 'an array of numbers'; Value = 0x90, 79 }
            @{ What = 'an array of hex texts'; Value = '90', '4F' }
            @{ What = 'an array of 64-bit numbers'; Value = [long[]](0x90, 0x4F) }
            @{ What = 'bytes and numbers mixed'; Value = [byte]0x90, 79 }
            @{ What = 'a list'; Value = [System.Collections.Generic.List[byte]][byte[]](0x90, 0x4F) }
            @{ What = 'a list of objects'; Value = [System.Collections.ArrayList]@(0x90, [byte]0x4F) }
        ) {
            Set-SnapshotBytes $snapshot 2 -Bytes $Value
            Get-SnapshotHex $snapshot 1 4 | Should -BeExactly '01 90 4F 04'
        }

        It 'takes a single number' {
            Set-SnapshotBytes $snapshot 2 -Bytes 0x90
            Get-SnapshotHex $snapshot 1 3 | Should -BeExactly '01 90 03'
        }

        It 'takes what Get-SnapshotBytes returns' {
            Set-SnapshotBytes $snapshot 0 -Bytes (Get-SnapshotBytes $snapshot 0x80 2)
            Get-SnapshotHex $snapshot 0 3 | Should -BeExactly '80 81 02'
        }

        It 'takes the output of a pipeline' {
            Set-SnapshotBytes $snapshot 0 -Bytes (3..5 | ForEach-Object { $_ * 16 })
            Get-SnapshotHex $snapshot 0 4 | Should -BeExactly '30 40 50 03'
        }

        It 'writes a megabyte' {
            Resize-Snapshot $snapshot 2MB
            $noise = [byte[]]::new(1MB)
            [System.Random]::new(7).NextBytes($noise)
            Set-SnapshotBytes $snapshot 1000 -Bytes $noise
            [System.Linq.Enumerable]::SequenceEqual([byte[]](Get-SnapshotBytes $snapshot 1000 1MB), $noise) | Should -BeTrue
        }

        It 'refuses <What>, and changes nothing' -ForEach @(
            @{ What = 'one hex digit'; Value = '9'; Says = "'9'" }
            @{ What = 'an odd number of hex digits'; Value = '90 4'; Says = "'4'" }
            @{ What = 'an odd number of digits in a row'; Value = '904'; Says = "'904'" }
            @{ What = 'text that is not hex'; Value = 'zz'; Says = "'z'" }
            @{ What = 'a lone 0x'; Value = '0x'; Says = "'0x'" }
            @{ What = 'a hex digit of another script'; Value = '9０'; Says = 'hex' }
            @{ What = 'a number over 255'; Value = 256; Says = "'256'" }
            @{ What = 'a negative number'; Value = -1; Says = "'-1'" }
            @{ What = 'a fraction'; Value = 1.5; Says = "'1.5'" }
            @{ What = 'a number over 255 among others'; Value = 1, 256, 2; Says = "'256'" }
            @{ What = 'text that is not hex among numbers'; Value = 1, 'x1'; Says = "'x1'" }
            @{ What = 'a boolean'; Value = $true; Says = 'True' }
            @{ What = 'a character'; Value = [char]'A'; Says = "'A'" }
            @{ What = 'a date'; Value = [datetime]'2020-01-02'; Says = 'byte' }
            @{ What = 'a hashtable'; Value = @{ a = 1 }; Says = 'byte' }
            @{ What = 'an array of arrays'; Value = @(, [byte[]](1, 2)); Says = 'byte' }
            @{ What = 'a number of 20 digits'; Value = [bigint]'99999999999999999999'; Says = '99999999999999999999' }
            @{ What = 'not a number'; Value = [double]::NaN; Says = 'byte' }
        ) {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 -Bytes $Value } -Id InvalidBytes -Cmdlet Set-SnapshotBytes -Target $snapshot -Says $Says
            $snapshot.IsModified | Should -BeFalse
            Get-SnapshotHex $snapshot | Should -BeExactly $original
        }

        # Unquoted, PowerShell reads them as the numbers 0 (a decimal) and 10 (a double) before a cmdlet sees them.
        It 'refuses the unquoted hex digits <_>, which PowerShell takes for another number' -ForEach '0d', '2d', '1e1', '0d,0a', '0x41,1e1' {
            $command = [scriptblock]::Create("param(`$snapshot) Set-SnapshotBytes `$snapshot 0 -Bytes $_")
            Assert-SnapshotError { & $command $snapshot } -Id InvalidBytes -Cmdlet Set-SnapshotBytes
            $snapshot.IsModified | Should -BeFalse
        }

        It 'quotes of a long text only what is wrong' {
            $record = Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 -Bytes ('90 ' * 500 + 'zz') } -Id InvalidBytes -Cmdlet Set-SnapshotBytes -Says 'z' -PassThru
            "$record".Length | Should -BeLessThan 300
        }

        It 'refuses null, alone or among numbers' {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 -Bytes 1, $null } -Id ParameterArgumentValidationError -Cmdlet Set-SnapshotBytes
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 -Bytes $null } -Id ParameterArgumentValidationError -Cmdlet Set-SnapshotBytes
        }
    }

    Context '-Text' {
        It 'writes UTF-8 without -Encoding, and no byte order mark' {
            Set-SnapshotBytes $snapshot 1 -Text 'aé€'
            Get-SnapshotHex $snapshot 0 8 | Should -BeExactly '00 61 C3 A9 E2 82 AC 07'
        }

        It 'writes <Text> in <Encoding> as <Hex>' -ForEach @(
            @{ Encoding = 'utf8'; Text = 'é'; Hex = 'C3 A9' }
            @{ Encoding = 'UTF8'; Text = 'é'; Hex = 'C3 A9' }
            @{ Encoding = 'ascii'; Text = 'Az'; Hex = '41 7A' }
            @{ Encoding = 'latin1'; Text = 'é'; Hex = 'E9' }
            @{ Encoding = 'unicode'; Text = 'A€'; Hex = '41 00 AC 20' }
            @{ Encoding = 'bigendianunicode'; Text = 'A€'; Hex = '00 41 20 AC' }
            @{ Encoding = 'utf32'; Text = 'A'; Hex = '41 00 00 00' }
            @{ Encoding = 'bigendianutf32'; Text = 'A'; Hex = '00 00 00 41' }
            @{ Encoding = 'utf-16'; Text = 'A'; Hex = '41 00' }
            @{ Encoding = 'windows-1252'; Text = '€'; Hex = '80' }
            @{ Encoding = 1252; Text = '€'; Hex = '80' }
            @{ Encoding = '1252'; Text = '€'; Hex = '80' }
            @{ Encoding = 28591; Text = 'é'; Hex = 'E9' }
        ) {
            Set-SnapshotBytes $snapshot 0 -Text $Text -Encoding $Encoding
            Get-SnapshotHex $snapshot 0 ($Hex.Split(' ').Count) | Should -BeExactly $Hex
            $snapshot.ModifiedBytes | Should -BeGreaterThan 0
        }

        It 'takes an encoding object, and writes no byte order mark' {
            Set-SnapshotBytes $snapshot 0 -Text 'A' -Encoding ([System.Text.UnicodeEncoding]::new($true, $true))
            Get-SnapshotHex $snapshot 0 3 | Should -BeExactly '00 41 02'
        }

        It 'takes the name utf8NoBOM that PowerShell has for its default encoding' {
            Set-SnapshotBytes $snapshot 0 -Text 'A' -Encoding utf8NoBOM
            Get-SnapshotHex $snapshot 0 2 | Should -BeExactly '41 01'
        }

        It 'writes nothing for an empty text' {
            Set-SnapshotBytes $snapshot 0 -Text ''
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses a character that <Encoding> does not have, and changes nothing' -ForEach @(
            @{ Encoding = 'ascii'; Text = 'abé'; Position = '2' }
            @{ Encoding = 'latin1'; Text = 'a€'; Position = '1' }
            @{ Encoding = 'windows-1252'; Text = '日'; Position = '0' }
            @{ Encoding = 'utf8'; Text = "x$([char]0xD800)y"; Position = '1' }
            @{ Encoding = 'unicode'; Text = "x$([char]0xDC00)"; Position = '1' }
        ) {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 -Text $Text -Encoding $Encoding } -Id InvalidBytes -Cmdlet Set-SnapshotBytes -Target $snapshot -Says "position $Position"
            Get-SnapshotHex $snapshot | Should -BeExactly $original
        }

        It 'refuses a character that an encoding object would replace by a question mark' {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 -Text 'é' -Encoding ([System.Text.Encoding]::ASCII) } -Id InvalidBytes -Cmdlet Set-SnapshotBytes
        }

        It 'refuses an encoding that does not exist, and names some that do' -ForEach 'bogus', 99999, '' {
            $encoding = $_
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 -Text 'a' -Encoding $encoding } -Id ParameterArgumentTransformationError -Cmdlet Set-SnapshotBytes -Says 'utf8', 'latin1'
        }

        It 'completes the encodings' {
            $names = (TabExpansion2 -inputScript 'Set-SnapshotBytes $s 0 -Text x -Encoding ').CompletionMatches.CompletionText
            $names | Should -Be 'utf8', 'utf8NoBOM', 'ascii', 'latin1', 'unicode', 'bigendianunicode', 'utf32', 'bigendianutf32', 'ansi', 'oem'
        }

        It 'writes in <Name>, the code page of the session''s culture' -ForEach @{ Name = 'ansi'; Bytes = 'E9' }, @{ Name = 'oem'; Bytes = '82' } {
            $before = [cultureinfo]::CurrentCulture
            try {
                [cultureinfo]::CurrentCulture = 'en-US'
                Set-SnapshotBytes $snapshot 0 -Text 'é' -Encoding $Name
                Get-SnapshotHex $snapshot 0 2 | Should -BeExactly "$Bytes 01"
                Get-SnapshotBytes $snapshot 0 1 -AsText -Encoding $Name | Should -BeExactly 'é'
            } finally {
                [cultureinfo]::CurrentCulture = $before
            }
        }

        It 'completes an encoding that was begun' {
            (TabExpansion2 -inputScript 'Set-SnapshotBytes $s 0 -Text x -Encoding LA').CompletionMatches.CompletionText | Should -Be 'latin1'
        }
    }

    Context '-Fill' {
        It 'writes a byte given as <Value> over the whole range' -ForEach @(
            @{ Value = 0x90 }
            @{ Value = 144 }
            @{ Value = '90' }
            @{ Value = '0x90' }
            @{ Value = [byte]0x90 }
        ) {
            Set-SnapshotBytes $snapshot 2 -Fill $Value -Count 3
            Get-SnapshotHex $snapshot 1 5 | Should -BeExactly '01 90 90 90 05'
            $snapshot.ModifiedBytes | Should -Be 3
        }

        It 'fills more than it writes at a time' {
            Resize-Snapshot $snapshot (3MB + 2)
            Set-SnapshotBytes $snapshot 1 -Fill 'EE' -Count 3MB
            $bytes = Get-SnapshotBytes $snapshot
            $bytes[0], $bytes[1], $bytes[1MB], $bytes[1MB + 1], $bytes[3MB], $bytes[3MB + 1] | Should -Be 0, 0xEE, 0xEE, 0xEE, 0xEE, 0
            [array]::IndexOf($bytes, [byte]0, 1, 3MB) | Should -Be -1
        }

        It 'fills nothing with a count of 0' {
            Set-SnapshotBytes $snapshot 2 -Fill 0x90 -Count 0
            $snapshot.IsModified | Should -BeFalse
        }

        It 'takes 0x… for the count' {
            Set-SnapshotBytes $snapshot 0 -Fill 0 -Count '0x10'
            $snapshot.ModifiedBytes | Should -BeIn 15, 16 # one of them was there already
        }

        It 'refuses <_> for a byte' -ForEach 256, -1, '90 90', '', 'x' {
            $fill = $_
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 -Fill $fill -Count 4 } -Id InvalidBytes -Cmdlet Set-SnapshotBytes -Target $snapshot
            $snapshot.IsModified | Should -BeFalse
        }
    }

    Context '-Expect' {
        It 'writes when the expected bytes stand there, given as <What>' -ForEach @(
            @{ What = 'hex text'; Value = '10 11' }
            @{ What = 'a byte array'; Value = [byte[]](16, 17) }
            @{ What = 'numbers'; Value = 16, 17 }
            @{ What = 'fewer bytes than are written'; Value = '10' }
            @{ What = 'more bytes than are written'; Value = '10 11 12 13' }
        ) {
            Set-SnapshotBytes $snapshot 16 'AA BB' -Expect $Value
            Get-SnapshotHex $snapshot 16 2 | Should -BeExactly 'AA BB'
        }

        It 'refuses when other bytes stand there, says which, and changes nothing' {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 16 'AA BB' -Expect '10 99' } -Id ExpectationFailed -Cmdlet Set-SnapshotBytes -Target $snapshot -Says $file, 'expected 10 99 at 0x10, found 10 11'
            $snapshot.IsModified | Should -BeFalse
            Get-SnapshotHex $snapshot | Should -BeExactly $original
        }

        It 'goes with -Text' {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 -Text 'A' -Expect 'FF' } -Id ExpectationFailed -Cmdlet Set-SnapshotBytes -Target $snapshot
            Set-SnapshotBytes $snapshot 0 -Text 'A' -Expect '00'
            Get-SnapshotHex $snapshot 0 1 | Should -BeExactly '41'
        }

        It 'goes with -Fill' {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 -Fill 1 -Count 4 -Expect 'FF' } -Id ExpectationFailed -Cmdlet Set-SnapshotBytes -Target $snapshot
            $snapshot.IsModified | Should -BeFalse
            Set-SnapshotBytes $snapshot 0 -Fill 1 -Count 4 -Expect '00 01 02 03'
            Get-SnapshotHex $snapshot 0 5 | Should -BeExactly '01 01 01 01 04'
        }

        It 'refuses to expect bytes past the end' {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 255 'AA' -Expect 'FF 00' } -Id OutOfRange -Cmdlet Set-SnapshotBytes -Target $snapshot
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses an expectation that is no bytes' {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 'AA' -Expect 'zz' } -Id InvalidBytes -Cmdlet Set-SnapshotBytes -Target $snapshot
            $snapshot.IsModified | Should -BeFalse
        }

        It 'sees what was written before' {
            Set-SnapshotBytes $snapshot 0 'AA'
            Set-SnapshotBytes $snapshot 0 'BB' -Expect 'AA'
            Get-SnapshotHex $snapshot 0 1 | Should -BeExactly 'BB'
        }
    }

    Context '-Number' {
        It 'writes <Number> as <As>, the least significant byte first: <Hex>' -ForEach @(
            @{ Number = 255; As = 'Byte'; Hex = 'FF' }
            @{ Number = -128; As = 'Int8'; Hex = '80' }
            @{ Number = -2; As = 'Int16'; Hex = 'FE FF' }
            @{ Number = 0x1234; As = 'UInt16'; Hex = '34 12' }
            @{ Number = 0x12345678; As = 'Int32'; Hex = '78 56 34 12' }
            @{ Number = 0xFFFFFFFF; As = 'UInt32'; Hex = 'FF FF FF FF' }
            @{ Number = [long]::MinValue; As = 'Int64'; Hex = '00 00 00 00 00 00 00 80' }
            @{ Number = [ulong]::MaxValue; As = 'UInt64'; Hex = 'FF FF FF FF FF FF FF FF' }
            @{ Number = 1.5; As = 'Half'; Hex = '00 3E' }
            @{ Number = -0.5; As = 'Single'; Hex = '00 00 00 BF' }
            @{ Number = [double]::PositiveInfinity; As = 'Double'; Hex = '00 00 00 00 00 00 F0 7F' }
            @{ Number = '0xFFFE'; As = 'Int16'; Hex = 'FE FF' }
            @{ Number = '18446744073709551615'; As = 'UInt64'; Hex = 'FF FF FF FF FF FF FF FF' }
            @{ Number = 3.0; As = 'Int32'; Hex = '03 00 00 00' }
        ) {
            if ($As -eq 'UInt32') {
                # PowerShell reads the literal as -1; only a bare one keeps its text.
                Set-SnapshotBytes $snapshot 16 -Number 0xFFFFFFFF -As UInt32
            } else {
                Set-SnapshotBytes $snapshot 16 -Number $Number -As $As
            }
            $count = $Hex.Split(' ').Count
            Get-SnapshotHex $snapshot 15 ($count + 2) | Should -BeExactly ('0F {0} {1:X2}' -f $Hex, (16 + $count))
            if ($Number -isnot [string] -and $As -ne 'UInt32') { Get-SnapshotBytes $snapshot 16 -AsNumber $As | Should -Be $Number }
        }

        It 'writes the most significant byte first with -BigEndian' {
            Set-SnapshotBytes $snapshot 0 -Number 0x1234 -As UInt32 -BigEndian
            Set-SnapshotBytes $snapshot 4 -Number 1.5 -As Half -BigEndian
            Get-SnapshotHex $snapshot 0 6 | Should -BeExactly '00 00 12 34 3E 00'
        }

        It 'writes several numbers behind each other' {
            Set-SnapshotBytes $snapshot 0 -Number 1, -2, '0x7FFF' -As Int16
            Get-SnapshotHex $snapshot 0 7 | Should -BeExactly '01 00 FE FF FF 7F 06'
            Undo-SnapshotBytes $snapshot
            $snapshot.IsModified | Should -BeFalse
        }

        It 'goes with -Expect and with matches from the pipeline' {
            Find-SnapshotBytes $snapshot '40 41' | Set-SnapshotBytes -Number 7 -As Int16 -Expect '40 41'
            Get-SnapshotHex $snapshot 0x40 2 | Should -BeExactly '07 00'
        }

        It 'refuses <What>, and changes nothing' -ForEach @(
            @{ What = '256 as Byte'; Number = 256; As = 'Byte'; Says = 'does not fit into Byte' }
            @{ What = '-1 as UInt32, and says why it may be so'; Number = -1; As = 'UInt32'; Says = 'quotes' }
            @{ What = '128 as Int8'; Number = 128; As = 'Int8'; Says = 'does not fit' }
            @{ What = 'hex digits that are too many'; Number = '0x10000'; As = 'UInt16'; Says = 'does not fit' }
            @{ What = 'a fraction as Int32'; Number = 1.5; As = 'Int32'; Says = 'whole number' }
            @{ What = '70000 as Half'; Number = 70000; As = 'Half'; Says = 'does not fit' }
            @{ What = '1e300 as Single'; Number = 1e300; As = 'Single'; Says = 'does not fit' }
            @{ What = 'a word'; Number = 'ten'; As = 'Int32'; Says = "'ten'" }
            @{ What = 'a word as Double'; Number = 'ten'; As = 'Double'; Says = "'ten'" }
            @{ What = 'an empty text'; Number = ''; As = 'Int32'; Says = 'whole number' }
            @{ What = 'true'; Number = $true; As = 'Int32'; Says = 'True' }
            @{ What = 'one bad number among good ones'; Number = @(1, 2, 'x'); As = 'Int32'; Says = "'x'" }
        ) {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 -Number $Number -As $As } -Id InvalidBytes -Cmdlet Set-SnapshotBytes -Target $snapshot -Says $Says
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses a number that reaches past the end' {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 254 -Number 1 -As UInt32 } -Id OutOfRange -Cmdlet Set-SnapshotBytes -Target $snapshot
        }

        It 'refuses a number without its type' {
            { Set-SnapshotBytes $snapshot 0 -Number 1 } | Should -Throw -ErrorId 'MissingMandatoryParameter,MmapSnapshot.SetSnapshotBytesCommand'
        }

        It 'completes the types' {
            (TabExpansion2 -inputScript 'Set-SnapshotBytes $s 0 -Number 1 -As ui').CompletionMatches.CompletionText | Should -Be 'UInt16', 'UInt32', 'UInt64'
        }
    }

    Context '-NullTerminated' {
        It 'writes a NUL character behind the text in <Encoding>' -ForEach @(
            @{ Encoding = 'utf8'; Hex = 'C3 A9 00' }
            @{ Encoding = 'unicode'; Hex = 'E9 00 00 00' }
            @{ Encoding = 'bigendianutf32'; Hex = '00 00 00 E9 00 00 00 00' }
        ) {
            Set-SnapshotBytes $snapshot 0x20 -Text 'é' -Encoding $Encoding -NullTerminated
            Get-SnapshotBytes $snapshot 0x20 $Hex.Split(' ').Count -AsHex | Should -BeExactly $Hex
            Get-SnapshotBytes $snapshot 0x20 -AsText -Encoding $Encoding -NullTerminated | Should -BeExactly 'é'
        }

        It 'does not go with -Bytes' {
            { Set-SnapshotBytes $snapshot 0 -Bytes 'AA' -NullTerminated } | Should -Throw -ErrorId 'AmbiguousParameterSet,MmapSnapshot.SetSnapshotBytesCommand'
        }
    }

    Context '-NewLength and -ExpectLength' {
        It 'makes the snapshot longer and writes there, as one change' {
            Set-SnapshotBytes $snapshot 256 'AA BB' -NewLength 258 -ExpectLength 256
            $snapshot.Length | Should -Be 258
            Get-SnapshotHex $snapshot 255 3 | Should -BeExactly 'FF AA BB'
            Undo-SnapshotBytes $snapshot
            $snapshot.Length | Should -Be 256
            $snapshot.IsModified | Should -BeFalse
        }

        It 'makes the snapshot shorter, the length written as 0x…' {
            Set-SnapshotBytes $snapshot 0 'AA' -NewLength '0x10'
            $snapshot.Length | Should -Be 16
            Get-SnapshotHex $snapshot 0 2 | Should -BeExactly 'AA 01'
        }

        It 'refuses <What>, and changes nothing' -ForEach @(
            @{ What = 'another length than it has'; Arguments = @{ ExpectLength = 255 }; Id = 'ExpectationFailed'; Says = '256 bytes, not 255' }
            @{ What = 'a negative length'; Arguments = @{ NewLength = -1 }; Id = 'OutOfRange'; Says = 'negative' }
            @{ What = 'bytes that reach past the new end'; Arguments = @{ NewLength = 1 }; Id = 'OutOfRange'; Says = 'past the end' }
            @{ What = 'the highest length there is'; Arguments = @{ NewLength = [long]::MaxValue }; Id = 'TooLarge'; Says = 'at most' }
        ) {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 'AA BB' @Arguments } -Id $Id -Cmdlet Set-SnapshotBytes -Target $snapshot -Says $Says
            $snapshot.IsModified | Should -BeFalse
            Get-SnapshotHex $snapshot | Should -BeExactly $original
        }

        It 'refuses the length <_>' -ForEach 'ten', 1.5 {
            $length = $_
            Assert-BindingError { Set-SnapshotBytes $snapshot 0 'AA' -NewLength $length } -Parameter NewLength
        }
    }

    Context '-Reverse and -SkipApplied' {
        BeforeEach {
            $patched = Open-MmapSnapshot $file
            Set-SnapshotBytes $patched 3 'AA BB'
            Add-SnapshotBytes $patched -Offset 0x10 '01 02 03'
            Remove-SnapshotBytes $patched -Offset 0x40 -Count 5
            Set-SnapshotBytes $patched 0x80 'CC'
            $moving = @(Compare-Snapshot $patched)
            $hex = Get-SnapshotHex $patched
            Undo-SnapshotBytes $patched -All
            Set-SnapshotBytes $patched 3 'AA BB'
            Set-SnapshotBytes $patched 0x80 'CC'
            $writing = @(Compare-Snapshot $patched)
        }

        It 'applies a patch and takes it back, directly, through CSV and through JSON: <Carry>' -ForEach @(
            @{ Carry = { $input } }
            @{ Carry = { $input | ConvertTo-Csv | ConvertFrom-Csv } }
            @{ Carry = { $input | ConvertTo-Json | ConvertFrom-Json } }
        ) {
            $moving | & $Carry | Set-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot | Should -BeExactly $hex
            $moving | & $Carry | Set-SnapshotBytes $snapshot -Reverse
            Get-SnapshotHex $snapshot | Should -BeExactly (Get-FileHex $file)
        }

        It 'does nothing with -SkipApplied where all is there: <Patch>' -ForEach @{ Patch = 'moving' }, @{ Patch = 'writing' } {
            $rows = Get-Variable -Name $Patch -ValueOnly
            foreach ($i in 1..3) { $rows | Set-SnapshotBytes $snapshot -SkipApplied }
            @(Compare-Snapshot $snapshot).Count | Should -Be $rows.Count
            foreach ($i in 1..3) { $rows | Set-SnapshotBytes $snapshot -Reverse -SkipApplied }
            Get-SnapshotHex $snapshot | Should -BeExactly (Get-FileHex $file)
        }

        It 'completes with -SkipApplied a patch of writes that was applied in part' {
            $writing[1] | Set-SnapshotBytes $snapshot
            $said = $writing | Set-SnapshotBytes $snapshot -SkipApplied -Verbose 4>&1
            "$said" | Should -BeLike '*1 of 2 rows had been applied*'
            Get-SnapshotHex $snapshot 3 2 | Should -BeExactly 'AA BB'
        }

        It 'refuses a patch for another version with -SkipApplied too, and with -Reverse' {
            Set-SnapshotBytes $snapshot 3 'EE'
            foreach ($rows in $moving, $writing) {
                $attempt = { $rows | Set-SnapshotBytes $snapshot -SkipApplied -WarningAction Ignore }
                Assert-SnapshotError $attempt -Id ExpectationFailed -Cmdlet Set-SnapshotBytes -Target $snapshot
                $attempt = { $rows | Set-SnapshotBytes $snapshot -Reverse -WarningAction Ignore }
                Assert-SnapshotError $attempt -Id ExpectationFailed -Cmdlet Set-SnapshotBytes -Target $snapshot
            }
            $snapshot.ModifiedBytes | Should -Be 1
        }

        It 'takes back a patch of version 0.1, with a change of the length' {
            $rows = "Offset,Length,Before,After,OldLength,NewLength`n256,2,,AA BB,256,258`n0,1,00,CC,," | ConvertFrom-Csv
            $rows | Set-SnapshotBytes $snapshot
            $rows | Set-SnapshotBytes $snapshot -SkipApplied
            $snapshot.Length | Should -Be 258
            $rows | Set-SnapshotBytes $snapshot -Reverse
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses to go back where a row does not say what was before: <Row>' -ForEach @(
            @{ Row = @{ Kind = 'Write'; Offset = 0; After = 'AA' }; Says = 'no old bytes' }
            @{ Row = @{ Kind = 'Insert'; Offset = 0; After = 'AA' }; Says = 'no NewOffset' }
            @{ Row = @{ Offset = 0; After = 'AA' }; Says = 'bytes are missing' }
        ) {
            if (-not $Row.ContainsKey('Kind')) { $Row['Before'] = $null }
            $attempt = { $Row | Set-SnapshotBytes $snapshot -Reverse }
            Assert-SnapshotError $attempt -Id InvalidPatch -Cmdlet Set-SnapshotBytes -Target $snapshot -Says $Says
        }

        It 'goes with rows that bring their bytes, and with nothing else' {
            { $writing | Set-SnapshotBytes $snapshot -Reverse -Bytes 1 } | Should -Throw -ErrorId 'AmbiguousParameterSet,*'
            { $writing | Set-SnapshotBytes $snapshot -SkipApplied -Expect 1 } | Should -Throw -ErrorId 'AmbiguousParameterSet,*'
            { Find-SnapshotBytes $snapshot '03' | Set-SnapshotBytes -Reverse } | Should -Throw -ErrorId 'AmbiguousParameterSet,*'
            $snapshot.IsModified | Should -BeFalse
        }
    }

    Context 'one pipeline, one change' {
        It 'takes the names Before, After and OldLength for Expect, Bytes and ExpectLength' {
            "Offset,Before,After,OldLength,NewLength`n256,,AA,256,257`n0,00,BB,," | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $snapshot
            $snapshot.Length | Should -Be 257
            Get-SnapshotHex $snapshot 0 1 | Should -BeExactly 'BB'
            Set-SnapshotBytes $snapshot 0 -Before 'BB' -After 'CC' -OldLength 257
            Get-SnapshotHex $snapshot 0 1 | Should -BeExactly 'CC'
        }

        It 'writes nothing if one of many expectations fails, and warns' {
            $rows = "Offset,Bytes,Expect`n0,AA,00`n1,AA,EE`n2,AA,02" | ConvertFrom-Csv
            $rows | Set-SnapshotBytes -Snapshot $snapshot -PassThru -ErrorAction SilentlyContinue -ErrorVariable problems -WarningAction SilentlyContinue -WarningVariable warnings | Should -BeNullOrEmpty
            $problems.FullyQualifiedErrorId | Should -Be 'ExpectationFailed,MmapSnapshot.SetSnapshotBytesCommand'
            "$problems" | Should -BeLike '*expected EE at 0x1,*'
            $warnings.Count | Should -Be 1
            $snapshot.IsModified | Should -BeFalse
        }

        It 'tells of a patch for another version once, with the number of rows, and of each with -Verbose' {
            $rows = "Offset,Bytes,Expect`n0,AA,00`n1,AA,EE`n2,AA,02`n3,AA,EE" | ConvertFrom-Csv
            $common = @{ ErrorAction = 'SilentlyContinue'; ErrorVariable = 'problems'; WarningVariable = 'warnings' }
            $said = $rows | Set-SnapshotBytes -Snapshot $snapshot -Verbose @common 4>&1
            $problems.FullyQualifiedErrorId | Should -Be 'ExpectationFailed,MmapSnapshot.SetSnapshotBytesCommand'
            "$problems" | Should -BeLike '*another version*2 of 4 rows*The first row: expected EE at 0x1,*'
            @("$said" -split 'VERBOSE' | Select-String 'at 0x[13],').Count | Should -BeGreaterThan 0
            $warnings.Count | Should -Be 0
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses rows that overlap, names them, and changes nothing: <Rows>' -ForEach @(
            @{ Rows = '0,AA AA', '1,BB'; Says = '2 bytes at 0x0', '1 bytes at 0x1' }
            @{ Rows = '0x10,AA', '0x10,AA'; Says = '1 bytes at 0x10', '1 bytes at 0x10' }
            @{ Rows = '5,AA', '0,00 01 02 03 04 05'; Says = '6 bytes at 0x0', '1 bytes at 0x5' }
        ) {
            $rows = @('Offset,Bytes') + $Rows | ConvertFrom-Csv
            $write = { $rows | Set-SnapshotBytes -Snapshot $snapshot -WarningAction SilentlyContinue }
            Assert-SnapshotError $write -Id OverlappingChanges -Cmdlet Set-SnapshotBytes -Target $snapshot -Says $Says
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses matches that overlap' {
            Set-SnapshotBytes $snapshot 0 -Fill 'AA' -Count 8
            $write = { Find-SnapshotBytes $snapshot 'AA AA' | Set-SnapshotBytes -Bytes 'BB CC' -WarningAction SilentlyContinue }
            Assert-SnapshotError $write -Id OverlappingChanges -Cmdlet Set-SnapshotBytes -Target $snapshot
            Get-SnapshotHex $snapshot 0 2 | Should -BeExactly 'AA AA'
        }

        It 'inserts and removes where rows say so, at offsets before the change' {
            $rows = 'Write,0x10,10,AA', 'Insert,4,,01 02', 'Insert,4,,EE * 3', 'Remove,8,08 09,', 'Insert,256,,FF'
            @('Kind,Offset,Before,After') + $rows | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $snapshot
            Get-SnapshotHex $snapshot 0 17 | Should -BeExactly '00 01 02 03 01 02 EE EE EE 04 05 06 07 0A 0B 0C 0D'
            Get-SnapshotHex $snapshot 19 1 | Should -BeExactly 'AA'
            $snapshot.Length | Should -Be 260
            Undo-SnapshotBytes $snapshot
            $snapshot.IsModified | Should -BeFalse
        }

        It 'says with -WhatIf and -Verbose what a row does' {
            $rows = 'Kind,Offset,Before,After', 'Insert,4,,01 02', 'Remove,8,08 09 0A,' | ConvertFrom-Csv
            $said = @($rows | Set-SnapshotBytes -Snapshot $snapshot -Verbose 4>&1)
            "$($said[0])" | Should -BeLike '*Insert 01 02 at 0x4*'
            "$($said[1])" | Should -BeLike '*Remove 3 bytes at 0x8*'
        }

        It 'refuses a row that inserts where the bytes are a parameter' {
            $row = [pscustomobject]@{ Kind = 'Insert'; Offset = 4; After = '01' }
            $write = { $row | Set-SnapshotBytes -Snapshot $snapshot -Text 'x' }
            Assert-SnapshotError $write -Id InvalidPatch -Cmdlet Set-SnapshotBytes -Target $snapshot -Says 'Insert'
            $snapshot.IsModified | Should -BeFalse
        }

        It 'writes nothing if the pipeline ends early' {
            { 1..3 | ForEach-Object { if ($_ -eq 3) { throw 'enough' }; [pscustomobject]@{ Offset = $_; Bytes = 'AA' } } | Set-SnapshotBytes -Snapshot $snapshot } | Should -Throw 'enough'
            $snapshot.IsModified | Should -BeFalse
        }

        It 'writes nothing with -ErrorAction Stop' {
            { "Offset,Bytes`n0,AA`n999,BB" | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $snapshot -ErrorAction Stop } |
                Should -Throw -ErrorId 'OutOfRange,MmapSnapshot.SetSnapshotBytesCommand'
            $snapshot.IsModified | Should -BeFalse
        }

        It 'writes nothing with -WhatIf, and says what it would' {
            "Offset,Bytes`n0,AA`n1,BB" | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $snapshot -WhatIf
            $snapshot.IsModified | Should -BeFalse
        }

        It 'is one for each of several snapshots that come one after another; one that fails leaves the others' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
            $rows = foreach ($one in $snapshot, $other) { foreach ($offset in 0, 1) { [pscustomobject]@{ Snapshot = $one; Offset = $offset; Bytes = 'AA'; Expect = '{0:X2}' -f $offset } } }
            $rows[1].Expect = 'EE'
            $rows | Set-SnapshotBytes -ErrorAction SilentlyContinue -ErrorVariable problems -WarningAction SilentlyContinue -WarningVariable warnings
            $problems.Count, $warnings.Count | Should -Be 1, 1
            [object]::ReferenceEquals($problems[0].TargetObject, $snapshot) | Should -BeTrue
            $snapshot.IsModified | Should -BeFalse
            $other.ModifiedBytes | Should -Be 2
            Undo-SnapshotBytes $other
            $other.IsModified | Should -BeFalse
        }

        It 'does not wait for the end of the pipeline when -Offset is given as an argument, and warns of nothing' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin" -Bytes 1)
            $written = [System.Collections.Generic.List[bool]]::new()
            $other, $snapshot | Set-SnapshotBytes -Offset 8 -Bytes 'AA' -PassThru -ErrorAction SilentlyContinue -ErrorVariable problems -WarningVariable warnings |
                ForEach-Object { $written.Add($_.IsModified) }
            $written | Should -Be @($true)
            $problems.Count, $warnings.Count | Should -Be 1, 0
        }

        It 'says the bytes, or how many there are of more than 16' {
            "$(Set-SnapshotBytes $snapshot 0 'AA' -Verbose 4>&1)" | Should -BeLike '*Write AA at 0x0*'
            "$(Set-SnapshotBytes $snapshot 0x40 ([byte[]]::new(17)) -Verbose 4>&1)" | Should -BeLike '*Write 17 bytes at 0x40*'
            "$(Set-SnapshotBytes $snapshot 0 -Fill 0x90 -Count 1 -Verbose 4>&1)" | Should -BeLike '*Write 1 byte of 90 at 0x0*'
        }

        It 'names -Offset if no place is given: <_>' -ForEach @(
            { Set-SnapshotBytes $snapshot -Text a }
            { Set-SnapshotBytes $snapshot -Number 1 -As Byte }
            { Set-SnapshotBytes $snapshot -Fill 1 -Count 2 }
        ) {
            Assert-SnapshotError $_ -Id OutOfRange -Cmdlet Set-SnapshotBytes -Says '-Offset', 'Add-SnapshotBytes'
            $snapshot.IsModified | Should -BeFalse
        }
    }

    Context 'the indexer' {
        It 'reads and writes one byte' {
            $snapshot[0x40] | Should -Be 0x40
            $snapshot[0x40] = 0x90
            $snapshot[0x40] | Should -Be 0x90
            $snapshot.ModifiedBytes | Should -Be 1
            $snapshot[0x10..0x12] | Should -Be 0x10, 0x11, 0x12
        }

        It 'refuses <What>, and changes nothing' -ForEach @(
            @{ What = 'to read behind the end'; Do = { $snapshot[256] }; Says = '*offset 0x100*' }
            @{ What = 'to read before the start'; Do = { $snapshot[-1] }; Says = '*offset -1 is negative*' }
            @{ What = 'to write behind the end'; Do = { $snapshot[256] = 1 }; Says = '*offset 0x100*' }
            @{ What = 'what is no byte'; Do = { $snapshot[0] = 256 }; Says = '*256*' }
        ) {
            $Do | Should -Throw -ExpectedMessage $Says
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses to write to a read-only snapshot, and to read a closed one' {
            $readOnly = Open-MmapSnapshot $file -ReadOnly
            { $readOnly[0] = 1 } | Should -Throw -ExpectedMessage '*read-only*'
            Close-MmapSnapshot $readOnly
            { $readOnly[0] } | Should -Throw -ExpectedMessage '*closed*'
        }
    }

    Context 'the pipeline' {
        It 'takes snapshots from the pipeline' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
            $snapshot, $other | Set-SnapshotBytes -Offset 0 -Bytes 'FF'
            $snapshot, $other | ForEach-Object { Get-SnapshotHex $_ 0 1 } | Should -Be 'FF', 'FF'
        }

        It 'takes several snapshots as an argument' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
            @(Set-SnapshotBytes $snapshot, $other 0 'FF' -PassThru).Count | Should -Be 2
            $other.ModifiedBytes | Should -Be 1
        }

        It 'takes the properties Snapshot, Offset, Bytes and Expect of what is piped to it' {
            @(
                [pscustomobject]@{ Snapshot = $snapshot; Offset = 0; Bytes = 'AA'; Expect = '00' }
                [pscustomobject]@{ Snapshot = $snapshot; Offset = '0x10'; Bytes = [byte[]](1, 2); Expect = 16, 17 }
            ) | Set-SnapshotBytes
            Get-SnapshotHex $snapshot 0 1 | Should -BeExactly 'AA'
            Get-SnapshotHex $snapshot 16 2 | Should -BeExactly '01 02'
        }

        It 'applies a patch written as CSV' {
            "Offset,Bytes,Expect`n0x10,AA BB,10 11`n32,CC,20" | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $snapshot
            Get-SnapshotHex $snapshot 16 2 | Should -BeExactly 'AA BB'
            Get-SnapshotHex $snapshot 32 1 | Should -BeExactly 'CC'
        }

        # PowerShell gives an empty last field of the last line as null, any other as an empty string.
        It 'applies rows of a patch that expect nothing, the last one too' {
            "Offset,Bytes,Expect`n0x10,AA,10`n32,CC,`n33,DD,21`n34,EE," | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $snapshot
            Get-SnapshotHex $snapshot 16 1 | Should -BeExactly 'AA'
            Get-SnapshotHex $snapshot 32 3 | Should -BeExactly 'CC DD EE'
        }

        It 'does not carry the expectation of one row over to the next' {
            @([pscustomobject]@{ Offset = 0; Bytes = 'AA'; Expect = '00' }, [pscustomobject]@{ Offset = 1; Bytes = 'BB' }) | Set-SnapshotBytes -Snapshot $snapshot
            Get-SnapshotHex $snapshot 0 2 | Should -BeExactly 'AA BB'
        }

        It 'writes nothing of several rows if one cannot be, and tells which' {
            $rows = "Offset,Bytes`n0,AA`n999,BB`n1,zz`n2,CC" | ConvertFrom-Csv
            $rows | Set-SnapshotBytes -Snapshot $snapshot -ErrorAction SilentlyContinue -ErrorVariable problems -WarningAction SilentlyContinue -WarningVariable warnings
            $problems.FullyQualifiedErrorId | Should -Be 'InvalidPatch,MmapSnapshot.SetSnapshotBytesCommand', 'OutOfRange,MmapSnapshot.SetSnapshotBytesCommand'
            $warnings | Should -BeLike 'Of the 4 writes to * none was made*'
            $snapshot.IsModified | Should -BeFalse
        }

        It 'passes on only the snapshots that it wrote to' {
            $short = Open-MmapSnapshot (New-TestFile "$folder/short" -Bytes 1)
            $passed = @($short, $snapshot | Set-SnapshotBytes -Offset 8 -Bytes 'AA' -PassThru -ErrorAction SilentlyContinue)
            $passed.Count | Should -Be 1
            [object]::ReferenceEquals($passed[0], $snapshot) | Should -BeTrue
        }
    }

    Context 'matches' {
        BeforeEach {
            $sentence = Open-MmapSnapshot (New-TestFile "$folder/text" -Bytes ([System.Text.Encoding]::ASCII.GetBytes('one, two, one.')))
        }

        It 'refuses <What> than the match, names <Names>, and changes nothing' -ForEach @(
            @{ What = 'less'; Arguments = @{ Text = 'I' }; Names = '-Pad', '-Splice' }
            @{ What = 'more'; Arguments = @{ Text = 'four' }; Names = '-Splice' }
            @{ What = 'more, with a pad'; Arguments = @{ Text = 'four'; Pad = ' ' }; Names = '-Splice' }
            @{ What = 'more to fill'; Arguments = @{ Fill = 0; Count = 4 }; Names = '-Count 3' }
        ) {
            $write = { Find-SnapshotBytes $sentence -Text one -First 1 | Set-SnapshotBytes @Arguments }
            $says = @("$folder/text", '0x0') + $Names
            Assert-SnapshotError $write -Id LengthMismatch -Cmdlet Set-SnapshotBytes -Target $sentence -Says $says
            $sentence.IsModified | Should -BeFalse
        }

        It 'fills the rest of a match with -Pad <Pad>' -ForEach @(
            @{ Pad = ' '; Arguments = @{ Text = 'I' }; Result = 'I  , two, I  .' }
            @{ Pad = '0x2E'; Arguments = @{ Text = 'I' }; Result = 'I.., two, I...' }
            @{ Pad = 0x2D; Arguments = @{ Bytes = '49' }; Result = 'I--, two, I--.' }
            @{ Pad = 0x2D; Arguments = @{ Number = 0x3149; As = 'UInt16' }; Result = 'I1-, two, I1-.' }
        ) {
            Find-SnapshotBytes $sentence -Text one | Set-SnapshotBytes @Arguments -Pad $Pad
            Get-SnapshotBytes $sentence -AsText | Should -BeExactly $Result
            Undo-SnapshotBytes $sentence
            $sentence.IsModified | Should -BeFalse
        }

        It 'replaces with -Splice by <New>; what follows moves, as one change' -ForEach @(
            @{ New = ''; Result = ', two, .' }
            @{ New = 'I'; Result = 'I, two, I.' }
            @{ New = 'eleven'; Result = 'eleven, two, eleven.' }
        ) {
            Find-SnapshotBytes $sentence -Text one | Set-SnapshotBytes -Text $New -Splice
            Get-SnapshotBytes $sentence -AsText | Should -BeExactly $Result
            Undo-SnapshotBytes $sentence
            Get-SnapshotBytes $sentence -AsText | Should -BeExactly 'one, two, one.'
        }

        It 'replaces matches that touch each other with -Splice' {
            $new = New-MmapSnapshot "$folder/new" 4
            Find-SnapshotBytes $new '00 00' -NonOverlapping | Set-SnapshotBytes -Bytes '01 02 03' -Splice
            Get-SnapshotHex $new | Should -BeExactly '01 02 03 01 02 03'
        }

        It 'refuses to splice matches that overlap, or a read-only snapshot, and changes nothing' {
            $new = New-MmapSnapshot "$folder/new" 4
            $write = { Find-SnapshotBytes $new '00 00' | Set-SnapshotBytes -Bytes '01 02 03' -Splice -WarningAction SilentlyContinue }
            Assert-SnapshotError $write -Id OverlappingChanges -Cmdlet Set-SnapshotBytes -Target $new
            Get-SnapshotHex $new | Should -BeExactly '00 00 00 00'
            $readOnly = Open-MmapSnapshot $file -ReadOnly
            $write = { Find-SnapshotBytes $readOnly '10' | Set-SnapshotBytes -Text 'long' -Splice }
            Assert-SnapshotError $write -Id ReadOnlySnapshot -Cmdlet Set-SnapshotBytes -Target $readOnly
        }

        It 'checks -Expect before it splices' {
            $write = { Find-SnapshotBytes $sentence -Text one -First 1 | Set-SnapshotBytes -Text 'eleven' -Splice -Expect '00' }
            Assert-SnapshotError $write -Id ExpectationFailed -Cmdlet Set-SnapshotBytes -Target $sentence
            $sentence.IsModified | Should -BeFalse
        }

        It 'writes text in the encoding that was searched for, pads included' {
            $wide = New-MmapSnapshot "$folder/wide" 8
            Set-SnapshotBytes $wide 0 -Text 'four' -Encoding unicode
            Find-SnapshotBytes $wide -Text four -Encoding unicode | Set-SnapshotBytes -Text one -Pad ' '
            Get-SnapshotBytes $wide -AsText -Encoding unicode | Should -BeExactly 'one '
        }

        It 'takes matches as -Match' {
            Set-SnapshotBytes -Match (Find-SnapshotBytes $sentence -Text one) -Text 'ONE'
            Get-SnapshotBytes $sentence -AsText | Should -BeExactly 'ONE, two, ONE.'
        }

        It 'asks for Open-MmapSnapshot where the match is in a file' {
            $write = { Find-SnapshotBytes $file '10' | Set-SnapshotBytes -Bytes 'AA' }
            Assert-SnapshotError $write -Id ParameterArgumentTransformationError -Cmdlet Set-SnapshotBytes -Says 'Open-MmapSnapshot first'
        }

        It 'changes each of two snapshots whose matches come in one pipe' {
            $other = Open-MmapSnapshot "$folder/text"
            $sentence, $other | Find-SnapshotBytes -Text one | Set-SnapshotBytes -Text '1' -Splice
            Get-SnapshotBytes $sentence -AsText | Should -BeExactly '1, two, 1.'
            Get-SnapshotBytes $other -AsText | Should -BeExactly '1, two, 1.'
        }

        It 'refuses matches of a closed snapshot' {
            $match = Find-SnapshotBytes $sentence -Text one -First 1
            Close-MmapSnapshot $sentence
            Assert-SnapshotError { $match | Set-SnapshotBytes -Text 'ONE' } -Id SnapshotClosed -Cmdlet Set-SnapshotBytes -Target $sentence
        }

        It 'changes 100,000 matches as one change, spliced or not' {
            $new = New-MmapSnapshot "$folder/new" 200000
            $clock = [System.Diagnostics.Stopwatch]::StartNew()
            Find-SnapshotBytes $new '00 00' -NonOverlapping | Set-SnapshotBytes -Bytes '01 02 03' -Splice
            Find-SnapshotBytes $new '01' | Set-SnapshotBytes -Bytes 'AA'
            $clock.Elapsed.TotalSeconds | Should -BeLessThan 20
            $new.Length | Should -Be 300000
            Get-SnapshotHex $new 299997 3 | Should -BeExactly 'AA 02 03'
        }

        It 'refuses -Splice with -Pad or -NewLength, and where there is no match' {
            $match = Find-SnapshotBytes $sentence -Text one -First 1
            foreach ($arguments in @{ Splice = $true; Pad = 0 }, @{ Splice = $true; NewLength = 20 }) {
                { $match | Set-SnapshotBytes -Text 'I' @arguments } | Should -Throw -ErrorId 'AmbiguousParameterSet,*'
            }
            $write = { [pscustomobject]@{ Offset = 0 } | Set-SnapshotBytes -Snapshot $sentence -Text 'I' -Splice }
            Assert-SnapshotError $write -Id InvalidPatch -Cmdlet Set-SnapshotBytes -Says 'Find-SnapshotBytes'
            $sentence.IsModified | Should -BeFalse
        }
    }

    Context 'first mistakes' {
        It 'refuses a list that mixes numbers and hex text: <Script>' -ForEach @(
            @{ Script = { Set-SnapshotBytes $snapshot 0 -Bytes 90,9F,C3 } }
            @{ Script = { Set-SnapshotBytes $snapshot 0 -Bytes 74,0F,90 } }
            @{ Script = { Set-SnapshotBytes $snapshot 0 -Bytes '90', 0x90 } }
            @{ Script = { Set-SnapshotBytes $snapshot 0 -Bytes ([byte]1), '02' } }
        ) {
            Assert-SnapshotError $Script -Id InvalidBytes -Cmdlet Set-SnapshotBytes -Target $snapshot -Says 'mixes', 'quotes'
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses -Expect that is <What> on the command line' -ForEach @(
            @{ What = '$null'; Value = $null }, @{ What = 'empty text'; Value = '' }, @{ What = 'an empty list'; Value = @() }
        ) {
            { Set-SnapshotBytes $snapshot 0 'AA' -Expect $Value } | Should -Throw -ErrorId 'InvalidBytes,*' -ExpectedMessage '*-Expect*'
            $snapshot.IsModified | Should -BeFalse
        }
    }

    It 'takes a negative offset for one from the end, of each snapshot' {
        $other = Open-MmapSnapshot (New-TestFile "$folder/other.bin" -Bytes 1, 2, 3)
        Set-SnapshotBytes $snapshot, $other -2 'AA BB'
        Get-SnapshotHex $snapshot 0xFD 3 | Should -BeExactly 'FD AA BB'
        Get-SnapshotHex $other | Should -BeExactly '01 AA BB'
    }

    Context 'what it refuses' {
        It 'refuses <What>, and changes nothing' -ForEach @(
            @{ What = 'an offset before the start'; Offset = -257; Says = 'offset -257, counted from the end, is before the start' }
            @{ What = 'bytes that reach past the end, from an offset from there'; Offset = -1; Says = '2 bytes from offset 0xFF reach' }
            @{ What = 'an offset past the end'; Offset = 257; Says = 'offset 0x101 is past the end' }
            @{ What = 'bytes that reach past the end'; Offset = 255; Says = '2 bytes from offset 0xFF reach past the end' }
            @{ What = 'bytes at the end'; Offset = 256; Says = '2 bytes from offset 0x100' }
            @{ What = 'the highest offset there is'; Offset = [long]::MaxValue; Says = '0x7FFFFFFFFFFFFFFF' }
            @{ What = 'an offset just below the highest'; Offset = [long]::MaxValue - 1; Says = '0x7FFFFFFFFFFFFFFE' }
            @{ What = 'the lowest offset there is'; Offset = [long]::MinValue + 1; Says = 'before the start' }
        ) {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot $Offset 'AA BB' } -Id OutOfRange -Cmdlet Set-SnapshotBytes -Target $snapshot -Says $file, $Says
            $snapshot.IsModified | Should -BeFalse
            Get-SnapshotHex $snapshot | Should -BeExactly $original
        }

        It 'refuses to fill with <What>, and changes nothing' -ForEach @(
            @{ What = 'a negative count'; Offset = 0; Count = -1 }
            @{ What = 'a count past the end'; Offset = 250; Count = 7 }
            @{ What = 'the highest count there is'; Offset = 1; Count = [long]::MaxValue }
            @{ What = 'the highest offset and count there are'; Offset = [long]::MaxValue; Count = [long]::MaxValue }
        ) {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot $Offset -Fill 1 -Count $Count } -Id OutOfRange -Cmdlet Set-SnapshotBytes -Target $snapshot -Says $file
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses a read-only snapshot' {
            $readOnly = Open-MmapSnapshot $file -ReadOnly
            Assert-SnapshotError { Set-SnapshotBytes $readOnly 0 'AA' } -Id ReadOnlySnapshot -Cmdlet Set-SnapshotBytes -Target $readOnly -Says $file
            Assert-SnapshotError { Set-SnapshotBytes $readOnly 0 -Fill 1 -Count 1 } -Id ReadOnlySnapshot -Cmdlet Set-SnapshotBytes -Target $readOnly
            Get-SnapshotHex $readOnly | Should -BeExactly $original
        }

        It 'refuses a closed snapshot' {
            Close-MmapSnapshot $snapshot
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 'AA' } -Id SnapshotClosed -Cmdlet Set-SnapshotBytes -Target $snapshot -Says $file
        }

        It 'refuses a snapshot that arrived from another process' {
            $plain = [System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize($snapshot))
            Assert-SnapshotError { $plain | Set-SnapshotBytes -Offset 0 -Bytes 'AA' } -Id ParameterArgumentTransformationError -Cmdlet Set-SnapshotBytes -Says $file
        }

        It 'refuses an offset without a value, <How>, and names the parameters for one' -ForEach @(
            @{ How = 'by position'; Script = { Set-SnapshotBytes $snapshot 0 } }
            @{ How = 'by name'; Script = { Set-SnapshotBytes -Snapshot $snapshot -Offset 0 -Expect '00' } }
            @{ How = 'with a piped snapshot'; Script = { $snapshot | Set-SnapshotBytes -Offset 0 } }
        ) {
            $says = '-Bytes', '-Text', '-Number', '-Fill'
            Assert-SnapshotError $Script -Id InvalidBytes -Cmdlet Set-SnapshotBytes -Target $snapshot -Says $says
            $snapshot.IsModified | Should -BeFalse
        }

        It 'refuses <What> together' -ForEach @(
            @{ What = '-Bytes and -Text'; Arguments = @{ Bytes = 'AA'; Text = 'a' } }
            @{ What = '-Bytes and -Encoding'; Arguments = @{ Bytes = 'AA'; Encoding = 'utf8' } }
            @{ What = '-Bytes and -Fill'; Arguments = @{ Bytes = 'AA'; Fill = 1; Count = 1 } }
            @{ What = '-Text and -Fill'; Arguments = @{ Text = 'a'; Fill = 1; Count = 1 } }
            @{ What = '-Text and -Count'; Arguments = @{ Text = 'a'; Count = 1 } }
        ) {
            { Set-SnapshotBytes $snapshot 0 @Arguments } | Should -Throw -ErrorId 'AmbiguousParameterSet,MmapSnapshot.SetSnapshotBytesCommand'
            $snapshot.IsModified | Should -BeFalse
        }

        It 'can be caught with -ErrorAction Stop' {
            { Set-SnapshotBytes $snapshot 257 'AA' -ErrorAction Stop } | Should -Throw -ErrorId 'OutOfRange,MmapSnapshot.SetSnapshotBytesCommand'
        }
    }

    It 'has help that names its parameters' {
        Get-Help -Name Set-SnapshotBytes | Out-String | Should -BeLike '*-Text*-Fill*'
    }
}

Describe 'Set-SnapshotBytes in a large file on <Label>' -ForEach (Get-TestFileSystem xfs, ext4) {
    Context 'beyond 4 GiB' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
            $large = New-SparseFile "$folder/large" -Length 5GB
            $snapshot = Open-MmapSnapshot $large
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It 'takes the literal 0xFFFFFFFF for 4294967295, not for -1' {
            Set-SnapshotBytes $snapshot -Offset 0xFFFFFFFF -Bytes '90 90'
            Get-SnapshotHex $snapshot 4294967294 4 | Should -BeExactly '00 90 90 00'
        }

        It 'saves what was written there, and leaves the holes' {
            Set-SnapshotBytes $snapshot 0xFFFFFFFF -Text 'MARK'
            Save-Snapshot $snapshot -Close
            Invoke-Shell 'dd if="$1" bs=1 skip=4294967295 count=4 status=none' $large | Should -BeExactly 'MARK'
            (Get-Item -LiteralPath $large).Length | Should -Be 5GB
            [long](Invoke-Shell 'stat -c %b "$1"' $large) * 512 | Should -BeLessThan 1MB
        }

        It 'refuses an offset past the end of 5 GiB' {
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0x140000000 'AA' } -Id OutOfRange -Cmdlet Set-SnapshotBytes -Target $snapshot -Says '5368709120'
        }
    }
}

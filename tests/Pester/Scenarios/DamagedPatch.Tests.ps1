# A patch is applied whole or not at all: one damaged row refuses all of them.

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"

    # Applies rows to $snapshot, and asserts that it is unchanged, and that these rows, and no others, are reported as damaged.
    function Assert-Damaged($Rows, [int[]] $Number, [string] $Says = '', [string] $Cmdlet = 'Set-SnapshotBytes') {
        $Rows | & $Cmdlet -Snapshot $snapshot -ErrorAction SilentlyContinue -ErrorVariable problems -WarningAction SilentlyContinue
        @($problems.FullyQualifiedErrorId | Select-Object -Unique) | Should -Be "InvalidPatch,MmapSnapshot.$($Cmdlet.Replace('-', ''))Command"
        @($problems.CategoryInfo.Category | Select-Object -Unique) | Should -Be 'InvalidData'
        @($problems | ForEach-Object { [int]("$_" -replace '^Row (\d+) .*', '$1') }) | Should -Be $Number
        foreach ($problem in $problems) {
            [object]::ReferenceEquals($problem.TargetObject, $snapshot) | Should -BeTrue
            "$problem" | Should -BeLike "*$Says*"
        }
    }
}

Describe 'A damaged row of a patch' {
    BeforeEach {
        $folder = New-Workspace
        $snapshot = Open-MmapSnapshot (New-TestFile "$folder/a.bin")
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'in CSV refuses the patch: <What>' -ForEach @(
        @{ What = 'cut off after Before'; Header = 'Offset,Before,After'; Row = '8,08'; Says = 'new bytes are missing' }
        @{ What = 'cut off after the offset'; Header = 'Offset,Before,After'; Row = '8'; Says = 'new bytes are missing' }
        @{ What = 'cut off within a byte'; Header = 'Offset,Before,After'; Row = '8,08,6'; Says = '1 digits' }
        @{ What = 'cut off between two bytes'; Header = 'Offset,Length,Before,After'; Row = '8,2,08 09,62'; Says = 'Length is 2, but it has 1 new bytes' }
        @{ What = 'cut off before its new bytes, with a length'; Header = 'Offset,Length,Before,After'; Row = '8,2,08 09'; Says = 'missing' }
        @{ What = 'old bytes that are too few'; Header = 'Offset,Length,Before,After'; Row = '8,2,08,62 63'; Says = 'Length is 2, but it has 1 old bytes' }
        @{ What = 'an empty After'; Header = 'Offset,Before,After,Note'; Row = '8,08,,x'; Says = 'no new bytes' }
        @{ What = 'an offset that ends in a letter'; Header = 'Offset,Before,After'; Row = '8x,08,62'; Says = "'8x'" }
        @{ What = 'an offset of hex digits without 0x'; Header = 'Offset,Before,After'; Row = '1d,08,62'; Says = "'1d'" }
        @{ What = 'an offset of 0x alone'; Header = 'Offset,Before,After'; Row = '0x,00,62'; Says = "'0x'" }
        @{ What = 'an offset of 0x with a unit'; Header = 'Offset,Before,After'; Row = '0xKB,00,62'; Says = "'0xKB'" }
        @{ What = 'an offset beyond 64 bits'; Header = 'Offset,Before,After'; Row = '99999999999999999999,08,62'; Says = '64-bit' }
        @{ What = 'a negative offset'; Header = 'Offset,Before,After'; Row = '-8,08,62'; Says = 'negative' }
        @{ What = 'a fraction as the offset'; Header = 'Offset,Before,After'; Row = '8.5,08,62'; Says = "'8.5'" }
        @{ What = 'an empty offset'; Header = 'Offset,Before,After'; Row = ',08,62'; Says = 'Offset is empty' }
        @{ What = 'no column Offset'; Header = 'Place,Before,After'; Row = '8,08,62'; First = $true; Says = 'no property Offset' }
        @{ What = 'no column After'; Header = 'Offset,Before'; Row = '8,08'; First = $true; Says = 'neither a property Bytes nor After' }
        @{ What = 'old bytes of an odd number of digits'; Header = 'Offset,Before,After'; Row = '8,080,62'; Says = '3 digits' }
        @{ What = 'new bytes that are not hex'; Header = 'Offset,Before,After'; Row = '8,08,zz'; Says = 'hex' }
        @{ What = 'a negative Length'; Header = 'Offset,Length,Before,After'; Row = '8,-1,08,62'; Says = 'Length is negative' }
        @{ What = 'a Length that is no number'; Header = 'Offset,Length,Before,After'; Row = '8,one,08,62'; Says = "'one'" }
        @{ What = 'a NewLength that is no number'; Header = 'Offset,Before,After,NewLength'; Row = '8,08,62,abc'; Says = "'abc'" }
        @{ What = 'a negative NewLength'; Header = 'Offset,Before,After,NewLength'; Row = '8,08,62,-1'; Says = 'NewLength is negative' }
        @{ What = 'a NewLength of 0x alone'; Header = 'Offset,Before,After,NewLength'; Row = '8,08,62,0x'; Says = "'0x'" }
        @{ What = 'an OldLength that is no number'; Header = 'Offset,Before,After,OldLength'; Row = '8,08,62,abc'; Says = "'abc'" }
        @{ What = 'lengths that do not fit each other'; Header = 'Offset,Length,Before,After,OldLength,NewLength'; Row = '256,744,,,256,100'; Says = 'differ by 156' }
        @{
            What = 'an unknown Kind'; Header = 'Kind,Offset,Before,After'
            Row = 'Delete,8,08,62'; Says = "Kind 'Delete' is none of Write, Insert, Remove"
        }
        @{ What = 'a Kind that is a number'; Header = 'Kind,Offset,Before,After'; Row = '1,8,,62'; Says = "Kind '1'" }
        @{
            What = 'an insertion with old bytes'; Header = 'Kind,Offset,Before,After'
            Row = 'Insert,8,08,62'; Says = 'is an insertion, but has 1 old bytes'
        }
        @{ What = 'an insertion without new bytes'; Header = 'Kind,Offset,Before,After,Note'; Row = 'Insert,8,,,x'; Says = 'no new bytes' }
        @{
            What = 'an insertion that was cut off'; Header = 'Kind,Offset,Length,Before,After'
            Row = 'Insert,8,2,,62'; Says = 'Length is 2, but it has 1 new bytes'
        }
        @{
            What = 'an insertion that was cut off before its bytes'; Header = 'Kind,Offset,Length,Before,After'
            Row = 'Insert,8,2'; Says = 'new bytes are missing'
        }
        @{
            What = 'a removal with new bytes'; Header = 'Kind,Offset,Before,After'
            Row = 'Remove,8,08,62'; Says = 'is a removal, but has 1 new bytes'
        }
        @{ What = 'a removal without old bytes'; Header = 'Kind,Offset,Length,Before,After'; Row = 'Remove,8,2'; Says = 'no old bytes' }
        @{
            What = 'a removal that was cut off'; Header = 'Kind,Offset,Length,Before,After'
            Row = 'Remove,8,2,08'; Says = 'Length is 2, but it has 1 old bytes'
        }
        @{
            What = 'a write with a Kind that was cut off'; Header = 'Kind,Offset,Length,Before,After'
            Row = 'Write,8,2,08 09,62'; Says = 'Length is 2, but it has 1 new bytes'
        }
        @{
            What = 'a write of other lengths'; Header = 'Kind,Offset,Before,After'
            Row = 'Write,8,08 09,62'; Says = '1 new bytes, but 2 old bytes'
        }
        @{
            What = 'a Kind and an empty Length'; Header = 'Kind,Offset,Length,Before,After'
            Row = 'Write,8,,08,62'; Says = 'Length is empty'
        }
        @{
            What = 'a Kind and an empty Offset'; Header = 'Kind,Offset,Length,Before,After'
            Row = 'Write,,1,08,62'; Says = 'Offset is empty'
        }
        @{
            What = 'a repeated byte that was cut off'; Header = 'Kind,Offset,Length,Before,After'
            Row = 'Insert,8,4096,,00 * 40'; Says = 'Length is 4096, but it has 40 new bytes'
        }
        @{
            What = 'a repeated byte without its number'; Header = 'Kind,Offset,Length,Before,After'
            Row = 'Insert,8,4096,,00 *'; Says = '00 *'
        }
        @{
            What = 'a repeated byte of which the byte alone is left'; Header = 'Kind,Offset,Length,Before,After'
            Row = 'Insert,8,4096,,00'; Says = 'Length is 4096, but it has 1 new bytes'
        }
        @{
            What = 'an insertion and a NewLength'; Header = 'Kind,Offset,Before,After,NewLength'
            Row = 'Insert,8,,62,257'; Says = 'NewLength'
        }
        @{
            What = 'a row of another file'; Header = 'Path,Offset,Before,After'
            Row = '/other,8,08,62'; Says = "it is of '/other', and a row before it of '/file'"
        }
        @{ What = 'a length row that was cut off'; Header = 'Offset,Length,Before,After,OldLength,NewLength'; Row = '256,744,,,256'; Says = 'Length is 744, but it has no bytes' }
    ) {
        $good = @{
            Path = '/file'; Kind = 'Write'; Offset = 0; Place = 0; Length = 1; Before = '00'; After = '61'; Note = 'x'
            OldLength = ''; NewLength = ''
        }
        $goodRow = ($Header -split ',' | ForEach-Object { $good[$_] }) -join ','
        $last = ConvertFrom-Csv "$Header`n$goodRow`n$Row"
        $good['Offset'], $good['Place'], $good['Before'] = 1, 1, '01'
        $middle = ConvertFrom-Csv "$Header`n$goodRow`n$Row`n$(($Header -split ',' | ForEach-Object { $good[$_] }) -join ',')"
        # Where a column is missing, each row lacks it.
        Assert-Damaged $last $(if ($_['First']) { 1, 2 } else { 2 }) $Says
        Assert-Damaged $middle $(if ($_['First']) { 1, 2, 3 } else { 2 }) $Says
        $snapshot.IsModified | Should -BeFalse
    }

    It 'is none in a patch of version 0.1, which is applied with its length' {
        $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
        $rows = 'Path,Offset,Length,Before,After,OldLength,NewLength', '/x,256,44,,,256,300', '/x,3,1,03,AA,,', '/x,254,3,FE FF,BB CC DD,,'
        $rows | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $snapshot
        $snapshot.Length | Should -Be 300
        Get-SnapshotHex $snapshot 252 8 | Should -BeExactly 'FC FD BB CC DD 00 00 00'
        Get-SnapshotHex $snapshot 3 1 | Should -BeExactly 'AA'
        $rows = 'Path,Offset,Length,Before,After,OldLength,NewLength', '/x,254,2,,,256,254', '/x,253,3,FD FE FF,BB,,'
        $rows | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $other
        $other.Length | Should -Be 254
        Get-SnapshotHex $other 252 2 | Should -BeExactly 'FC BB'
        $rows | ConvertFrom-Csv | Undo-SnapshotBytes -Snapshot $other
        $other.IsModified | Should -BeFalse
    }

    It 'in JSON refuses the patch: <What>' -ForEach @(
        @{ What = 'no After'; Row = '{"Offset":8,"Before":"08"}' }
        @{ What = 'After is null'; Row = '{"Offset":8,"After":null}' }
        @{ What = 'After is an object'; Row = '{"Offset":8,"After":{"x":1}}' }
        @{ What = 'Offset is null'; Row = '{"Offset":null,"After":"62"}' }
        @{ What = 'Offset is true'; Row = '{"Offset":true,"After":"62"}' }
        @{ What = 'Offset is a list'; Row = '{"Offset":[8],"After":"62"}' }
        @{ What = 'Offset is a fraction'; Row = '{"Offset":8.5,"After":"62"}' }
        @{ What = 'Offset is huge'; Row = '{"Offset":1e300,"After":"62"}' }
        @{ What = 'a list in place of a row'; Row = '[1,2]' }
        @{ What = 'null in place of a row'; Row = 'null' }
        @{ What = 'a number in place of a row'; Row = '5' }
        @{ What = 'a text in place of a row'; Row = '"8,08,62"' }
    ) {
        $rows = @(ConvertFrom-Json "[{`"Offset`":0,`"Before`":`"00`",`"After`":`"61`"},$Row]" -NoEnumerate)[0]
        $numbers = if ($Row -eq '[1,2]') { 2, 3 } else { 2 }
        Assert-Damaged $rows $numbers
        $snapshot.IsModified | Should -BeFalse
    }

    It 'made by hand refuses the patch: <What>' -ForEach @(
        @{ What = 'a hashtable without Offset'; Row = { @{ After = '62' } } }
        @{ What = 'a hashtable without After'; Row = { @{ Offset = 8 } } }
        @{ What = 'a property that throws'; Row = { [pscustomobject]@{ After = '62' } | Add-Member -MemberType ScriptProperty -Name Offset -Value { throw 'no' } -PassThru } }
        @{ What = 'a character as the offset'; Row = { [pscustomobject]@{ Offset = [char]'8'; After = '62' } } }
        @{ What = 'a file'; Row = { Get-Item -LiteralPath $snapshot.Path } }
        @{ What = 'a snapshot'; Row = { $snapshot } }
        @{ What = 'a number that is no byte among the bytes'; Row = { [pscustomobject]@{ Offset = 8; After = 1, 256 } } }
    ) {
        Assert-Damaged @([pscustomobject]@{ Offset = 0; After = '61' }; & $Row) 2
        $snapshot.IsModified | Should -BeFalse
    }

    It 'of hashtables leaves a whole patch to be applied' {
        @{ Offset = 0; Before = '00'; After = '61' }, [ordered]@{ offset = '0x10'; after = 0x62, 0x63 } | Set-SnapshotBytes -Snapshot $snapshot
        Get-SnapshotHex $snapshot 0 1 | Should -BeExactly '61'
        Get-SnapshotHex $snapshot 16 2 | Should -BeExactly '62 63'
    }

    It 'is reported, and refuses the patch, among 100,000 rows' {
        $big = Open-MmapSnapshot (New-TestFile "$folder/big.bin" -Bytes ([byte[]]::new(200000)))
        $rows = foreach ($offset in 0..99999) { [pscustomobject]@{ Offset = 2 * $offset; Length = 1; Before = '00'; After = '61' } }
        $rows | Set-SnapshotBytes -Snapshot $big
        $big.ModifiedBytes | Should -Be 100000
        Undo-SnapshotBytes $big
        $rows[77776].After = '6'
        Assert-SnapshotError { $rows | Set-SnapshotBytes -Snapshot $big -WarningAction SilentlyContinue } -Id InvalidPatch -Cmdlet Set-SnapshotBytes -Target $big -Says 'Row 77777 '
        $big.IsModified | Should -BeFalse
    }

    It 'refuses a patch with -ErrorAction Stop as well' {
        { "Offset,After`n0,61`n8" | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $snapshot -ErrorAction Stop } |
            Should -Throw -ErrorId 'InvalidPatch,MmapSnapshot.SetSnapshotBytesCommand'
        $snapshot.IsModified | Should -BeFalse
    }

    It 'lets nothing reach the file in a pipeline that saves' {
        "Offset,Before,After`n0,00,61`n8,08" | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $snapshot -PassThru -ErrorAction SilentlyContinue -WarningAction SilentlyContinue |
            Save-Snapshot -Close -PassThru | Should -BeNullOrEmpty
        Get-FileHex $snapshot.Path 0 1 | Should -BeExactly '00'
    }

    It 'that does not say which snapshot it is for refuses the changes of every snapshot' {
        $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
        $rows = @(
            [pscustomobject]@{ Snapshot = $snapshot; Offset = 0; After = 'AA' }
            [pscustomobject]@{ Snapshot = $null; Offset = 1; After = 'AA' }
            [pscustomobject]@{ Snapshot = $other; Offset = 2; After = 'AA' }
        )
        $rows | Set-SnapshotBytes -ErrorAction SilentlyContinue -ErrorVariable problems
        $problems.FullyQualifiedErrorId | Should -Be 'InvalidPatch,MmapSnapshot.SetSnapshotBytesCommand'
        "$problems" | Should -BeLike 'Row 2 *'
        $snapshot.IsModified, $other.IsModified | Should -Be $false, $false
    }

    It 'refuses to take back the other rows' {
        Set-SnapshotBytes $snapshot 0 'AA'
        Set-SnapshotBytes $snapshot 16 'BB'
        $changes = @(Compare-Snapshot $snapshot)
        $rows = $changes | ConvertTo-Csv | ConvertFrom-Csv
        foreach ($damage in @{ Offset = '0x' }, @{ Offset = '' }, @{ Length = 'x' }, @{ Length = '' }, @{ Offset = '-1' }) {
            $copy = $changes | ConvertTo-Csv | ConvertFrom-Csv
            foreach ($name in $damage.Keys) { $copy[1].$name = $damage[$name] }
            Assert-Damaged @($changes[0]; $copy[1]) 2 -Cmdlet Undo-SnapshotBytes
        }
        Assert-Damaged @($changes[0]; 'junk'; $null) 2, 3 -Cmdlet Undo-SnapshotBytes
        $snapshot.ModifiedBytes | Should -Be 2
        $rows | Undo-SnapshotBytes $snapshot
        $snapshot.IsModified | Should -BeFalse
    }
}

Describe 'A number that a parameter takes' {
    BeforeEach {
        $folder = New-Workspace
        $snapshot = Open-MmapSnapshot (New-TestFile "$folder/a.bin")
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'cannot be <_>' -ForEach '0x', '0xKB', '-0x', '0xL', '1D', '8n' {
        $text = $_
        Assert-BindingError { Set-SnapshotBytes $snapshot -Offset $text -Bytes 'FF' } -Parameter Offset
        Assert-BindingError { Get-SnapshotBytes $snapshot -Offset $text } -Parameter Offset
        Assert-BindingError { Resize-Snapshot $snapshot -Length $text } -Parameter Length
        Assert-BindingError { Set-SnapshotBytes $snapshot 0 -Fill 0 -Count $text } -Parameter Count
        $snapshot.IsModified | Should -BeFalse
    }

    It 'cannot be 0x alone where it is written with -Number' {
        Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 -Number '0x' -As Byte } -Id InvalidBytes -Cmdlet Set-SnapshotBytes
        $snapshot.IsModified | Should -BeFalse
    }
}

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'Get-SnapshotHash' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin" -Bytes ([System.Text.Encoding]::ASCII.GetBytes('x123456789'))
        $snapshot = Open-MmapSnapshot $file
    }

    AfterEach {
        Remove-Workspace $folder
    }

    # Of the nine digits: the check values that the standards and the algorithms' own projects give.
    It 'computes <Algorithm>' -ForEach @(
        @{ Algorithm = 'CRC32'; Hash = 'CBF43926' }
        @{ Algorithm = 'CRC64'; Hash = '6C40DF5F0B497347' }
        @{ Algorithm = 'XXH64'; Hash = '8CB841DB40E6AE83' }
        @{ Algorithm = 'XXH3'; Hash = '72DCB18B67A17DFF' }
        @{ Algorithm = 'XXH128'; Hash = '33119477EDE5DCD5E9716427681D5860' }
        @{ Algorithm = 'MD5'; Hash = '25F9E794323B453885F5181F1B624D0B' }
        @{ Algorithm = 'SHA1'; Hash = 'F7C3BC1D808E04732ADF679965CCC34CA7AE3441' }
        @{ Algorithm = 'SHA256'; Hash = '15E2B0D3C33891EBB0F1EF609EC419420C20E320CE94C65FBC8C3312448EB225' }
    ) {
        $result = Get-SnapshotHash $snapshot $Algorithm -Offset 1
        $result.Hash | Should -BeExactly $Hash
        $result.Algorithm, $result.Path, $result.Offset, $result.Length | Should -Be $Algorithm, $file, 1, 9
    }

    It 'computes <_> as Get-FileHash does' -ForEach 'SHA256', 'SHA1', 'SHA384', 'SHA512', 'MD5' {
        $large = New-TestFile "$folder/large" -Bytes ([byte[]](, 7 * 3MB + 1, 2, 3))
        (Get-SnapshotHash $large -Algorithm $_).Hash | Should -BeExactly (Get-FileHash -LiteralPath $large -Algorithm $_).Hash
    }

    It 'is SHA256 of the whole without parameters, changes included' {
        Set-SnapshotBytes $snapshot 0 -Text 'y'
        Add-SnapshotBytes $snapshot -Text '!'
        $result = Get-SnapshotHash $snapshot
        $result.Algorithm, $result.Offset, $result.Length | Should -Be 'SHA256', 0, 11
        Save-Snapshot $snapshot
        $result.Hash | Should -BeExactly (Get-FileHash -LiteralPath $file).Hash
    }

    It 'counts a negative offset from the end' {
        (Get-SnapshotHash $snapshot CRC32 -Offset -9).Hash | Should -BeExactly 'CBF43926'
        (Get-SnapshotHash $snapshot CRC32 -Offset -9 -Count 0x9).Hash | Should -BeExactly 'CBF43926'
    }

    It 'is the hash of no bytes for a count of 0, and at the end' {
        (Get-SnapshotHash $snapshot -Count 0).Hash | Should -BeLike 'E3B0C44298FC1C14*'
        (Get-SnapshotHash $snapshot -Offset 10).Length | Should -Be 0
    }

    It 'takes files, by wildcards, literally and from Get-ChildItem, and leaves none open' {
        $other = New-TestFile "$folder/b[1].bin"
        (Get-SnapshotHash "$folder/*.bin").Path | Should -Be $file, $other
        (Get-SnapshotHash -LiteralPath $other).Path | Should -Be $other
        (Get-ChildItem -LiteralPath $folder -Filter *.bin | Get-SnapshotHash -Algorithm CRC32 -ErrorAction Stop).Count | Should -Be 2
        @(Get-MmapSnapshot).Count | Should -Be 1
    }

    It 'takes matches: exactly their bytes' {
        $result = Find-SnapshotBytes $snapshot -Text '123456789' | Get-SnapshotHash -Algorithm CRC32
        $result.Hash, $result.Offset, $result.Length | Should -Be 'CBF43926', 1, 9
        (Find-SnapshotBytes $file -Text '123456789' | Get-SnapshotHash -Algorithm CRC32).Hash | Should -BeExactly 'CBF43926'
    }

    It 'refuses <What>' -ForEach @(
        @{ What = 'an offset past the end'; Range = @{ Offset = 11 } }
        @{ What = 'an offset before the start'; Range = @{ Offset = -11 } }
        @{ What = 'a range past the end'; Range = @{ Offset = 1; Count = 10 } }
        @{ What = 'a negative count'; Range = @{ Count = -1 } }
    ) {
        Assert-SnapshotError { Get-SnapshotHash $snapshot @Range } -Id OutOfRange -Cmdlet Get-SnapshotHash -Target $snapshot -Says $file
    }

    It 'continues with the next file after an error' {
        $results = Get-SnapshotHash "$folder/none", $file -ErrorAction SilentlyContinue -ErrorVariable errors
        $results.Path | Should -Be $file
        $errors.FullyQualifiedErrorId | Should -Be 'FileNotFound,MmapSnapshot.GetSnapshotHashCommand'
    }
}

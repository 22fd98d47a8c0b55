# What people do with a binary: look, find, check, change, compare, undo, and hand the patch on.

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    $needsX64 = if ([System.Runtime.InteropServices.RuntimeInformation]::ProcessArchitecture -ne 'X64') { 'needs an x64 processor' }
}

Describe 'A conditional jump in an ELF executable' {
    BeforeAll {
        # One comparison with 0x12345678, which is never equal; what is behind the jump that follows ends with exit code 0.
        function New-CompiledProgram([string] $Path) {
            $source = @'
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv)
{
    int key = argc > 1 ? atoi(argv[1]) : 0;
    if (key == 0x12345678) { puts("unlocked"); return 0; }
    puts("locked");
    return 1;
}
'@
            Set-Content -LiteralPath "$Path.c" -Value $source
            Invoke-Shell 'gcc -O0 -o "$1" "$1.c"' $Path
        }

        # The same in 32 bytes of machine code, built with the cmdlets (man 5 elf).
        function New-HandmadeProgram([string] $Path) {
            $code = @(
                '8B 3C 24'          # mov edi, [rsp]: the number of arguments
                '81 FF 78 56 34 12' # cmp edi, 0x12345678
                '75 04'             # jne to the second mov
                '31 FF'             # xor edi, edi
                'EB 05'             # jmp over it
                'BF 01 00 00 00'    # mov edi, 1
                'B8 3C 00 00 00'    # mov eax, 60: exit
                '0F 05'             # syscall
            ) -join ' '
            $new = New-MmapSnapshot $Path 0x98
            $rows = @"
Offset,Bytes
0,7F 45 4C 46 02 01 01
0x10,02 00 3E 00 01 00 00 00
0x18,78 00 40
0x20,40
0x34,40 00 38 00 01 00
0x40,01 00 00 00 05 00 00 00
0x50,00 00 40
0x58,00 00 40
0x60,98
0x68,98
0x71,10
0x78,$code
"@
            $rows | ConvertFrom-Csv | Set-SnapshotBytes -Snapshot $new
            Save-Snapshot $new -Close
            Invoke-Shell 'chmod +x "$1"' $Path
        }
    }

    BeforeEach {
        $folder = New-Workspace
        $program = "$folder/program"
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'is found by its bytes, neutralised, and the <Kind> program takes the other way' -ForEach @(
        @{ Kind = 'hand-made'; Make = { New-HandmadeProgram $program }; Needs = @() }
        @{ Kind = 'compiled'; Make = { New-CompiledProgram $program }; Needs = @('gcc') }
    ) {
        Skip-When ($needsX64 ?? (Get-Obstacle -Program $Needs))
        & $Make
        & $program | Out-Null
        $LASTEXITCODE | Should -Be 1

        $snapshot = Open-MmapSnapshot $program
        $jump = @(Find-SnapshotBytes $snapshot '78 56 34 12 75 ??')
        $jump.Count | Should -Be 1
        $jump | Set-SnapshotBytes -Bytes '78 56 34 12 90 90' -Expect '78 56 34 12 75'
        Save-Snapshot $snapshot -Close

        $said = & $program
        $LASTEXITCODE | Should -Be 0
        if ($said) { $said | Should -BeExactly 'unlocked' }
    }
}

Describe 'A version in a .NET assembly' {
    BeforeEach {
        $folder = New-Workspace
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'is changed wherever it stands, in UTF-16 and in UTF-8, and the assembly says the new one' {
        $assembly = "$folder/tool.dll"
        Invoke-FreshPowerShell -Arguments $assembly {
            Add-Type -OutputAssembly $args[0] -TypeDefinition @'
[assembly: System.Reflection.AssemblyInformationalVersion("3.1.4-original")]
public static class Tool { public static string Version() { return "Tool 3.1.4-original"; } }
'@
        } | Should -BeNullOrEmpty

        $snapshot = Open-MmapSnapshot $assembly
        foreach ($encoding in 'unicode', 'utf8') {
            $places = @(Find-SnapshotBytes $snapshot -Text '3.1.4-original' -Encoding $encoding)
            $places.Count | Should -BeGreaterThan 0
            $places | Set-SnapshotBytes -Text '3.1.5-patched!' -Encoding $encoding
        }
        Save-Snapshot $snapshot -Close

        $says = Invoke-FreshPowerShell -Arguments $assembly {
            $tool = [System.Reflection.Assembly]::LoadFrom($args[0])
            $tool.GetType('Tool').GetMethod('Version').Invoke($null, $null)
            [System.Reflection.CustomAttributeExtensions]::GetCustomAttribute($tool, [System.Reflection.AssemblyInformationalVersionAttribute]).InformationalVersion
        }
        $says | Should -Be 'Tool 3.1.5-patched!', '3.1.5-patched!'
    }
}

Describe 'The header of a PNG' {
    BeforeAll {
        # CRC-32 as PNG has it (ISO 3309).
        function Get-Crc([byte[]] $Bytes) {
            [uint] $crc = 0xFFFFFFFFu
            foreach ($byte in $Bytes) {
                $crc = $crc -bxor $byte
                foreach ($bit in 1..8) { $crc = if ($crc -band 1) { ($crc -shr 1) -bxor 0xEDB88320u } else { $crc -shr 1 } }
            }
            $crc -bxor 0xFFFFFFFFu
        }

        function ConvertTo-BigEndian([uint] $Number) {
            $bytes = [System.BitConverter]::GetBytes($Number)
            [array]::Reverse($bytes)
            $bytes
        }

        function Get-Chunk([string] $Name, [byte[]] $Data) {
            [byte[]] $body = [System.Text.Encoding]::ASCII.GetBytes($Name) + $Data
            ConvertTo-BigEndian $Data.Length
            $body
            ConvertTo-BigEndian (Get-Crc $body)
        }

        # 4 by 2 grey pixels of 8 bits.
        function New-Png([string] $Path) {
            $packed = [System.IO.MemoryStream]::new()
            $zlib = [System.IO.Compression.ZLibStream]::new($packed, [System.IO.Compression.CompressionLevel]::Optimal)
            $zlib.Write([byte[]](0, 10, 20, 30, 40, 0, 50, 60, 70, 80), 0, 10)
            $zlib.Dispose()
            [byte[]] $bytes = 0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A
            $bytes += Get-Chunk 'IHDR' (@(0, 0, 0, 4, 0, 0, 0, 2) + 8, 0, 0, 0, 0)
            $bytes += Get-Chunk 'IDAT' $packed.ToArray()
            $bytes += Get-Chunk 'IEND' @()
            New-TestFile $Path -Bytes $bytes
        }

        # A decoder: size and pixels, or what is wrong. It shares nothing with the module.
        function Read-Png([string] $Path) {
            $bytes = [System.IO.File]::ReadAllBytes($Path)
            $number = { param($at) [System.Buffers.Binary.BinaryPrimitives]::ReadUInt32BigEndian([byte[]]$bytes[$at..($at + 3)]) }
            $packed = [System.IO.MemoryStream]::new()
            for ($at = 8; $at -lt $bytes.Length; $at += 12 + $length) {
                $length = & $number $at
                [byte[]] $body = $bytes[($at + 4)..($at + 7 + $length)]
                $name = [System.Text.Encoding]::ASCII.GetString($body, 0, 4)
                if ((Get-Crc $body) -ne (& $number ($at + 8 + $length))) { return "the check sum of $name is wrong" }
                if ($name -eq 'IHDR') { $width, $height = (& $number ($at + 8)), (& $number ($at + 12)) }
                if ($name -eq 'IDAT') { $packed.Write($body, 4, $length) }
            }
            $packed.Position = 0
            $rows = [System.IO.MemoryStream]::new()
            [System.IO.Compression.ZLibStream]::new($packed, [System.IO.Compression.CompressionMode]::Decompress).CopyTo($rows)
            if ($rows.Length -ne $height * (1 + $width)) { return 'the picture is too long or too short' }
            "$width by $height, the last pixel $($rows.ToArray()[-1])"
        }
    }

    BeforeEach {
        $folder = New-Workspace
        $picture = New-Png "$folder/a.png"
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'is changed with its check sum, and a decoder sees another picture' {
        Read-Png $picture | Should -BeExactly '4 by 2, the last pixel 80'
        $snapshot = Open-MmapSnapshot $picture
        $header = Find-SnapshotBytes $snapshot -Text IHDR -First 1
        $width = $header.Offset + 4
        Get-SnapshotBytes $snapshot $width 8 -AsNumber UInt32 -BigEndian | Should -Be 4, 2

        # 9 by 1 has as many bytes.
        Set-SnapshotBytes $snapshot $width -Number 9, 1 -As UInt32 -BigEndian -Expect '00 00 00 04 00 00 00 02'
        Save-Snapshot $snapshot
        Read-Png $picture | Should -BeExactly 'the check sum of IHDR is wrong'

        Set-SnapshotBytes $snapshot ($header.Offset + 17) -Number (Get-Crc (Get-SnapshotBytes $snapshot $header.Offset 17)) -As UInt32 -BigEndian
        Save-Snapshot $snapshot -Close
        Read-Png $picture | Should -BeExactly '9 by 1, the last pixel 80'
        if (-not (Get-Obstacle -Program python3)) {
            Invoke-Shell 'python3 -c "import struct, sys, zlib; b = open(sys.argv[1], \"rb\").read(); print(*struct.unpack(\">II\", b[16:24]), zlib.crc32(b[12:29]) == struct.unpack(\">I\", b[29:33])[0])" "$1"' $picture | Should -BeExactly '9 1 True'
        }
    }
}

Describe 'A patch of a program on <Label>' -ForEach (Get-TestFileSystem xfs, ext4) {
    Context 'carried to another copy' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
            Push-Location -LiteralPath $folder
            $program = (Get-Command -Name sleep -CommandType Application | Select-Object -First 1).Source
            foreach ($name in 'first', 'second', 'third') { Copy-Item -LiteralPath $program -Destination "$folder/$name" }
            $length = (Get-Item -LiteralPath first).Length
            # A text wherever it stands, and bytes that are appended.
            $snapshot = Open-MmapSnapshot first
            Find-SnapshotBytes $snapshot -Text 'coreutils' | Set-SnapshotBytes -Text 'COREUTILS'
            Set-SnapshotBytes $snapshot $length -Text 'a trailer' -NewLength ($length + 9)
            @(Compare-Snapshot $snapshot).Count | Should -BeGreaterThan 2
        }

        AfterEach {
            Pop-Location
            Remove-Workspace $folder
        }

        It 'through <Format> makes of it the same file, which runs' -ForEach @(
            @{ Format = 'CSV'; Write = { $input | Export-Csv -LiteralPath patch }; Read = { Import-Csv -LiteralPath patch } }
            @{ Format = 'JSON'; Write = { $input | ConvertTo-Json | Set-Content -LiteralPath patch }; Read = { Get-Content -LiteralPath patch -Raw | ConvertFrom-Json } }
        ) {
            Compare-Snapshot $snapshot | & $Write
            Save-Snapshot $snapshot -Close
            $other = Open-MmapSnapshot second
            & $Read | Set-SnapshotBytes -Snapshot $other
            Save-Snapshot $other -Close
            Invoke-Shell 'cmp first second; LC_ALL=C ./second --version | head -n 1' | Should -BeLike '*COREUTILS*'
        }

        It 'is refused by a third version of it, whole, and tells where that differs' {
            Compare-Snapshot $snapshot | Export-Csv -LiteralPath patch
            $third = Open-MmapSnapshot third
            $last = @(Find-SnapshotBytes $third -Text 'coreutils')[-1]
            Set-SnapshotBytes $third $last.Offset -Text 'Coreutils'
            Save-Snapshot $third -Close
            $before = Invoke-Shell 'stat -c "%i %y %s" third; sha256sum third'

            $third = Open-MmapSnapshot third
            Import-Csv -LiteralPath patch | Set-SnapshotBytes -Snapshot $third -ErrorAction SilentlyContinue -ErrorVariable problems -WarningAction SilentlyContinue -WarningVariable warnings
            $problems.FullyQualifiedErrorId | Should -Be 'ExpectationFailed,MmapSnapshot.SetSnapshotBytesCommand'
            "$problems" | Should -BeLike "*third*at 0x$($last.Offset.ToString('X')),*"
            "$warnings" | Should -BeLike '*none was made*'
            $third.IsModified | Should -BeFalse
            Compare-Snapshot $third | Should -BeNullOrEmpty
            Save-Snapshot $third -Close
            Invoke-Shell 'stat -c "%i %y %s" third; sha256sum third' | Should -BeExactly $before
        }
    }
}

<#
.SYNOPSIS
    Makes the files that the examples of the help work on, the same on every machine.
.DESCRIPTION
    tool      a program of 1 KiB for Linux on x64, which prints its version. It prints "tracing on" as well if the byte at 0x100
              is not 0, or if the jump at 0x97 is overwritten.
    tool.old  an older build of it
    app.conf  a text file
    images    three small files with a version number at offset 4
.EXAMPLE
    ./tests/examples/New-ExampleFolder.ps1 -Path /tmp/app
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    # The folder, which is made.
    [Parameter(Mandatory)]
    [string] $Path
)

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'
if (-not $PSCmdlet.ShouldProcess($Path)) { return }

function Write-At([byte[]] $File, [int] $Offset, [string] $Hex) {
    [Convert]::FromHexString($Hex.Replace(' ', '')).CopyTo($File, $Offset)
}

function Write-TextAt([byte[]] $File, [int] $Offset, [string] $Text, [System.Text.Encoding] $Encoding = [System.Text.Encoding]::ASCII) {
    $Encoding.GetBytes($Text).CopyTo($File, $Offset)
}

$tool = [byte[]]::new(1024)
# The ELF header (man 5 elf): an executable for x64 that begins at 0x400078, with one program header at 0x40.
Write-At $tool 0x00 '7F 45 4C 46 02 01 01 00 00 00 00 00 00 00 00 00'
Write-At $tool 0x10 '02 00 3E 00 01 00 00 00 78 00 40 00 00 00 00 00'
Write-At $tool 0x20 '40 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00'
Write-At $tool 0x30 '00 00 00 00 40 00 38 00 01 00 00 00 00 00 00 00'
# The program header: all 1024 bytes are loaded at 0x400000, to be read and executed.
Write-At $tool 0x40 '01 00 00 00 05 00 00 00 00 00 00 00 00 00 00 00'
Write-At $tool 0x50 '00 00 40 00 00 00 00 00 00 00 40 00 00 00 00 00'
Write-At $tool 0x60 '00 04 00 00 00 00 00 00 00 04 00 00 00 00 00 00'
Write-At $tool 0x70 '00 10 00 00 00 00 00 00'
Write-At $tool 0x78 'B8 01 00 00 00'       # mov eax, 1 (write)
Write-At $tool 0x7D 'BF 01 00 00 00'       # mov edi, 1
Write-At $tool 0x82 '48 8D 35 37 00 00 00' # lea rsi, [0xC0]
Write-At $tool 0x89 'BA 09 00 00 00'       # mov edx, 9
Write-At $tool 0x8E '0F 05'                # syscall
Write-At $tool 0x90 '80 3D 69 00 00 00 00' # cmp byte [0x100], 0
Write-At $tool 0x97 '74 18'                # je 0xB1
Write-At $tool 0x99 'B8 01 00 00 00'       # mov eax, 1 (write)
Write-At $tool 0x9E 'BF 01 00 00 00'       # mov edi, 1
Write-At $tool 0xA3 '48 8D 35 26 00 00 00' # lea rsi, [0xD0]
Write-At $tool 0xAA 'BA 0B 00 00 00'       # mov edx, 11
Write-At $tool 0xAF '0F 05'                # syscall
Write-At $tool 0xB1 'B8 3C 00 00 00'       # mov eax, 60 (exit)
Write-At $tool 0xB6 '31 FF 0F 05'          # xor edi, edi; syscall
Write-TextAt $tool 0xC0 "tool 1.0`n"
Write-TextAt $tool 0xD0 "tracing on`n"
# Settings: the flag at 0x100 (0), a port (8080), a limit with the most significant byte first (1000), a ratio (0.75).
Write-At $tool 0x102 '90 1F 00 00 03 E8 00 00 00 00 00 00 E8 3F'
Write-TextAt $tool 0x140 'Version 1.0' ([System.Text.Encoding]::Unicode)

$old = [byte[]]$tool.Clone()
Write-TextAt $old 0xC5 '0.9'
Write-At $old 0x102 '50 00'

[void](New-Item -ItemType Directory -Path $Path, "$Path/images")
foreach ($program in @{ Name = 'tool'; Bytes = $tool }, @{ Name = 'tool.old'; Bytes = $old }) {
    [System.IO.File]::WriteAllBytes("$Path/$($program.Name)", $program.Bytes)
    [System.IO.File]::SetUnixFileMode("$Path/$($program.Name)", [System.IO.UnixFileMode]'UserRead, UserWrite, UserExecute, GroupRead, GroupExecute, OtherRead, OtherExecute')
}
[System.IO.File]::WriteAllText("$Path/app.conf", "port = 8080`nworkers = 4`ntrace = off`n")
$version = 1
foreach ($name in 'a', 'b', 'c') {
    $image = [byte[]]::new(64)
    Write-TextAt $image 0 'IMG!'
    $image[4] = $version
    if ($name -eq 'b') { $version = 2 }
    [System.IO.File]::WriteAllBytes("$Path/images/$name.img", $image)
}

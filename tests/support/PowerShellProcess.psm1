# How to start another PowerShell like this one, however this one was started: by its own executable, by a .NET tool's launcher,
# or as a DLL that dotnet runs.

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

<#
.SYNOPSIS
    The program that starts another PowerShell like this one, and its first arguments, if any.
#>
function Get-PowerShellCommand {
    [CmdletBinding()]
    [OutputType([string])]
    param()

    [Environment]::ProcessPath
    if ([System.IO.Path]::GetFileName([Environment]::ProcessPath) -eq 'dotnet') { Join-Path $PSHOME 'pwsh.dll' }
}

<#
.SYNOPSIS
    Runs a command line: a program, and its arguments, if any. $LASTEXITCODE is its exit code.
#>
function Invoke-CommandLine {
    [CmdletBinding()]
    param([Parameter(Mandatory, Position = 0)] [string[]] $Command)

    # Not "$program, $arguments = $Command": of two elements that leaves a string, which is splatted character by character.
    $arguments = @($Command | Select-Object -Skip 1)
    & $Command[0] @arguments
}

<#
.SYNOPSIS
    Copies this PowerShell, and the .NET runtime that it takes from another directory, so that every user can run it; returns how
    to start the copy, as Get-PowerShellCommand does.
#>
function Copy-PowerShell {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [string] $Destination)

    [void](New-Item -ItemType Directory -Path $Destination)
    Copy-Item -LiteralPath $PSHOME -Destination "$Destination/pwsh" -Recurse
    $runtime = [System.Runtime.InteropServices.RuntimeEnvironment]::GetRuntimeDirectory().TrimEnd('/')
    if ($runtime -eq $PSHOME.TrimEnd('/')) {
        "$Destination/pwsh/$([System.IO.Path]::GetFileName([Environment]::ProcessPath))"
    } else {
        # <dotnet>/shared/Microsoft.NETCore.App/<version>
        $dotnet = [System.IO.Path]::GetFullPath("$runtime/../../..")
        foreach ($part in 'dotnet', 'host', [System.IO.Path]::GetRelativePath($dotnet, $runtime)) {
            [void][System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName("$Destination/dotnet/$part"))
            Copy-Item -LiteralPath "$dotnet/$part" -Destination "$Destination/dotnet/$part" -Recurse
        }
        "$Destination/dotnet/dotnet"
        "$Destination/pwsh/pwsh.dll"
    }
    chmod -R 'a+rX' $Destination
}

Export-ModuleMember -Function *-*

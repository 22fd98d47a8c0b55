# Which programs are missing on this machine, and which Debian package has each (packages.txt).

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

$packages = @{}
foreach ($line in [System.IO.File]::ReadAllLines("$PSScriptRoot/packages.txt")) {
    if ($line -match '^(\S+): (.+)$') {
        $package = $Matches[1]
        foreach ($name in $Matches[2] -split ' ') { $packages[$name] = $package }
    }
}

<#
.SYNOPSIS
    Those of the programs that are not on PATH, each with its package, as in "setfacl (package acl)".
#>
function Get-MissingProgram {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory, Position = 0)] [AllowEmptyCollection()] [string[]] $Name)

    foreach ($one in $Name) {
        if (Get-Command -Name $one -CommandType Application -ErrorAction Ignore) { continue }
        if ($packages.ContainsKey($one)) { "$one (package $($packages[$one]))" } else { $one }
    }
}

Export-ModuleMember -Function *-*

# The examples of the help topics do what they say: each line is run, in order, in an empty folder.

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'about_MmapSnapshot_Patching' {
    It 'has examples that run as they stand' {
        $topic = Join-Path (Split-Path -Path $env:MMAPSNAPSHOT_MODULE) 'en-US/about_MmapSnapshot_Patching.help.txt'
        $lines = @(Get-Content -LiteralPath $topic | Where-Object { $_ -match '^ +PS> ' } | ForEach-Object { $_ -replace '^ +PS> ' })
        $lines.Count | Should -BeGreaterThan 25
        $folder = New-Workspace
        Push-Location -LiteralPath $folder
        try {
            $shown = @{}
            foreach ($line in $lines) { $shown[$line] = (. ([scriptblock]::Create($line)) | Out-String).Trim() }
        } finally {
            Pop-Location
            Remove-Workspace $folder
        }
        $shown['Get-SnapshotBytes $s 1 3 -AsText'] | Should -Be 'ELF'
        $shown['Compare-Snapshot $t -With $s'] | Should -BeNullOrEmpty
        $shown['./sleep --version'] | Should -BeLike '*MmapSnapshot!*'
    }

    It 'is found by Get-Help' {
        $help = Get-Help about_MmapSnapshot_Patching | Out-String
        $help | Should -BeLike '*HAND A PATCH ON*'
    }
}

# Runs the code of docs/how-to.md, each section in a folder of its own, and compares what it prints with the page.

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    $mountObstacle = Get-Obstacle -Root
    $text = [System.IO.File]::ReadAllText("$PSScriptRoot/../../../docs/how-to.md")
    $titles = [regex]::Split($text, '(?m)^## ') | Select-Object -Skip 1 | Where-Object { $_ -match '(?m)^```powershell' } |
        ForEach-Object { ($_ -split "`n")[0] } | Where-Object { $_ -ne 'Work on a read-only mount' -or -not $mountObstacle }
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    . "$PSScriptRoot/Recipes.ps1" -Page "$PSScriptRoot/../../../docs/how-to.md"
}

Describe 'The how-to "<_>"' -ForEach $titles {
    BeforeEach {
        $modulePath = $env:PSModulePath
        $env:PSModulePath = (Split-Path (Split-Path (Split-Path $env:MMAPSNAPSHOT_MODULE))) + ':' + $modulePath
        $folder = New-Workspace
        & "$PSScriptRoot/../../examples/New-ExampleFolder.ps1" -Path "$folder/app"
        if ($_ -eq 'Work on a read-only mount') {
            $null = New-Item -ItemType Directory -Path "$folder/app/media"
            Invoke-Shell 'mount -t tmpfs tmpfs "$1/media"; cp "$1/app.conf" "$1/media"; mount -o remount,ro "$1/media"' "$folder/app"
        }
    }

    AfterEach {
        $env:PSModulePath = $modulePath
        Get-MmapSnapshot "$folder/app/*" | Close-MmapSnapshot -Force
        if ($_ -eq 'Work on a read-only mount') { Invoke-Shell 'umount "$1/media"' "$folder/app" }
        Remove-Workspace $folder
    }

    It 'prints what the page shows' {
        Invoke-Recipe $_ "$folder/app" '/srv/app'
        Get-Recipe $_ | Should -Not -BeNullOrEmpty
    }
}

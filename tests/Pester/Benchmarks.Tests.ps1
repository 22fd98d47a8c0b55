# What benchmarks/README.md says of speed is what was measured.

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
    $root = [System.IO.Path]::GetFullPath("$PSScriptRoot/../..")
    $results = "$root/benchmarks/results.json"
}

Describe 'The committed results of the benchmarks' {
    It 'are of the full form' {
        (Get-Content -LiteralPath $results -Raw | ConvertFrom-Json).Form | Should -BeExactly 'full'
    }

    It 'are what benchmarks/README.md has' {
        $text = & "$root/benchmarks/Show-Results.ps1" -Results $results
        # Not -BeLike: before version 7.6 WildcardPattern.Escape leaves backticks as they are.
        [System.IO.File]::ReadAllText("$root/benchmarks/README.md").Contains("`n$text`n") | Should -BeTrue
    }

    It 'are what the picture shows' {
        $folder = New-Workspace
        & "$root/benchmarks/New-Plot.ps1" -Results $results -Plot "$folder/plot.svg"
        (Get-FileHash -LiteralPath "$folder/plot.svg").Hash | Should -Be (Get-FileHash -LiteralPath "$root/benchmarks/results.svg").Hash
        Remove-Workspace $folder
    }
}

# Functions that run the code of a page in docs/, and compare what it prints with what the page shows below it. For dot-sourcing.

param(
    # The page.
    [Parameter(Mandatory)]
    [string] $Page
)

# A section's blocks of code in order, each with what is shown below it.
function Get-Recipe([string] $Title) {
    $section = [regex]::Split([System.IO.File]::ReadAllText($Page), '(?m)^## ') | Where-Object { $_.StartsWith("$Title`n") }
    if (-not $section) { throw "$Page has no section '$Title'." }
    $blocks = [regex]::Matches($section, '(?ms)^```(\w+)\n(.*?)^```')
    for ($number = 0; $number -lt $blocks.Count; $number++) {
        $language, $text = $blocks[$number].Groups[1].Value, $blocks[$number].Groups[2].Value
        if ($language -notin 'powershell', 'csharp') { continue }
        $next = if ($number + 1 -lt $blocks.Count) { $blocks[$number + 1] }
        $shown = if ($next -and $next.Groups[1].Value -eq 'text') { $next.Groups[2].Value } else { '' }
        @{ Language = $language; Code = $text; Shown = $shown }
    }
}

# Runs a section's code in one scope, as at a prompt, in a folder in the place of the page's.
function Invoke-Recipe([string] $Title, [string] $Folder, [string] $FolderOfPage) {
    Set-StrictMode -Off
    $ErrorActionPreference = 'Continue'
    $rendering, $PSStyle.OutputRendering = $PSStyle.OutputRendering, 'PlainText'
    Push-Location -LiteralPath $Folder
    try {
        foreach ($block in Get-Recipe $Title) {
            $printed = . ([scriptblock]::Create($block.Code)) 2>&1 | Out-String -Width 200
            $why = "that is what the page shows below:`n$($block.Code)"
            (Format-Printed $printed.Replace($Folder, $FolderOfPage)) | Should -BeExactly (Format-Printed $block.Shown) -Because $why
        }
    } finally {
        Pop-Location
        $PSStyle.OutputRendering = $rendering
    }
}

# Blank lines and blanks at the ends of lines count for nothing.
function Format-Printed([string] $Text) {
    ($Text -split "`n" | ForEach-Object TrimEnd | Where-Object { $_ }) -join "`n"
}

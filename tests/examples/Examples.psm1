# The examples of the help, in docs/en-US/*.md and module/en-US/*.help.txt: finds them, runs them, and writes down what they print.
#
# An example is a row of steps: commands behind PS> (and >> for further lines), then what they print. On a page a step is a
# powershell block, and what it prints the output block behind it. In a topic a step is one command, what it prints are the lines
# behind it, and both are indented by four blanks; an empty line ends them.
#
# They run in a terminal of 76 columns, so that Get-Help, which indents by four, can show them in 80; on a tmpfs of their own at
# /srv; and each example of a page, and each topic, in a folder /srv/app as New-ExampleFolder.ps1 makes it.

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

$root = (Resolve-Path -LiteralPath "$PSScriptRoot/../..").ProviderPath
Import-Module -Name "$root/docs/HelpPages.psm1", "$root/tests/support/Packages.psm1", "$root/tests/support/PowerShellProcess.psm1"

# Each command behind PS>, with its further lines behind >>, as Command, Lines (how many it takes) and what it prints, as Output.
function Split-Command([string[]] $Text) {
    $one = $null
    foreach ($line in $Text) {
        if ($line -match '^PS> (.+)$') {
            if ($one) { $one }
            $one = [pscustomobject]@{ Command = $Matches[1]; Lines = 1; Output = [System.Collections.Generic.List[string]]::new() }
        } elseif ($null -eq $one) {
            throw "An example begins with 'PS> ', and not with '$line'."
        } elseif ($line -match '^>> ?(.*)$' -and $one.Output.Count -eq 0) {
            $one.Command += "`n" + $Matches[1]
            $one.Lines++
        } else { $one.Output.Add($line) }
    }
    if ($one) { $one }
}

# First and Last: the lines (from 0 on) that Update-Example may replace by what the step prints; none yet if Last is less than First.
function New-Step([string[]] $Commands, [int] $First, [int] $Last, [string[]] $Printed) {
    [pscustomobject]@{ Commands = $Commands; Expected = $Printed -join "`n"; First = $First; Last = $Last }
}

function Get-PageExample([string] $Path) {
    $page = Read-HelpPage -Path $Path
    foreach ($example in $page.Examples) {
        $steps = for ($i = 0; $i -lt $example.Code.Count; $i++) {
            $code = $example.Code[$i]
            if ($code.Language -ne 'powershell') { throw "${Path}:$($code.Line): only a block of powershell has output behind it." }
            $lines = $code.Text -split "`n"
            $commands = @(Split-Command $lines)
            if ($commands | Where-Object { $_.Output.Count -gt 0 }) { throw "${Path}:$($code.Line): a block of powershell is lines behind 'PS> ' and '>> '." }
            $end = $code.Line + $lines.Count # the line behind the closing fence, from 0 on, less one
            $next = if ($i + 1 -lt $example.Code.Count) { $example.Code[$i + 1] }
            if ($next -and $next.Language -eq 'output') {
                $i++
                New-Step $commands.Command ($end + 1) ($next.Line + ($next.Text -split "`n").Count) ($next.Text -split "`n")
            } else { New-Step $commands.Command ($end + 1) $end @() }
        }
        [pscustomobject]@{ Path = $Path; Title = $example.Title; Line = $example.Line; Steps = @($steps) }
    }
}

function Get-TopicExample([string] $Path) {
    $lines = [System.IO.File]::ReadAllLines($Path)
    $steps = for ($at = 0; $at -lt $lines.Length; $at++) {
        if ($lines[$at] -notmatch '^    PS> ') { continue }
        $first = $at
        while ($at -lt $lines.Length -and $lines[$at].StartsWith('    ')) { $at++ }
        foreach ($one in Split-Command @($lines[$first..($at - 1)] | ForEach-Object { $_.Substring(4) })) {
            $first += $one.Lines
            New-Step $one.Command $first ($first + $one.Output.Count - 1) $one.Output
            $first += $one.Output.Count
        }
    }
    if ($steps) { [pscustomobject]@{ Path = $Path; Title = [System.IO.Path]::GetFileName($Path) -replace '\.help\.txt$'; Line = 1; Steps = @($steps) } }
}

<#
.SYNOPSIS
    The examples of all pages and topics: Path, Title, Line and Steps.
#>
function Get-Example {
    [CmdletBinding()]
    param()

    foreach ($page in Get-ChildItem -LiteralPath "$root/docs/en-US" -Filter *.md) { Get-PageExample $page.FullName }
    foreach ($topic in Get-ChildItem -LiteralPath "$root/module/en-US" -Filter *.help.txt) { Get-TopicExample $topic.FullName }
}

<#
.SYNOPSIS
    Why examples cannot be run here, or nothing.
#>
function Get-ExampleObstacle {
    [CmdletBinding()]
    [OutputType([string])]
    param()

    $missing = @(Get-MissingProgram unshare, mount, script, stty)
    if ([System.Runtime.InteropServices.RuntimeInformation]::ProcessArchitecture -ne 'X64') { return 'needs x64, which the program of the examples is for' }
    if ($missing.Count -gt 0) { return "needs $($missing -join ', ')" }
    if ("$root/".StartsWith('/srv/')) { return 'needs a checkout that does not lie in /srv' }
    unshare @(Get-NamespaceOption) sh -c 'mount -t tmpfs tmpfs /srv' *> $null
    if ($LASTEXITCODE -ne 0) { 'needs to mount a tmpfs on /srv in a namespace of its own (unshare --mount)' }
}

# Who is not root is it in a namespace.
function Get-NamespaceOption {
    '--mount'
    if ([Environment]::UserName -ne 'root') { '--map-root-user' }
}

# What is printed, without what cannot be the same twice: times of day and how long a save took.
function ConvertTo-Comparable([string[]] $Line) {
    $text = foreach ($one in $Line) {
        $one = $one.TrimEnd()
        $one = $one -replace '^(OpenedAt +: ).*', '${1}5/4/2026 9:30:00 AM +00:00' -replace '^(Elapsed +: ).*', '${1}00:00:00.0003500' -replace '\b\d+\.\d ms\b', '0.4 ms'
        # The column "ms" of a save.
        if ($one -match '^(?<before>(?:Exchange|Replace|InPlace|None) +\d+ +\d+ +(?:True|False) )(?<ms> *\d+\.\d\d)(?<after> /.*)$') {
            $one = $Matches.before + '0.35'.PadLeft($Matches.ms.Length) + $Matches.after
        }
        # PowerShell leaves the breaking of long lines to the terminal, which does not look for blanks.
        while ($one.Length -gt 75 -and ($blank = $one.LastIndexOf(' ', 75)) -gt 0) {
            $one.Substring(0, $blank)
            $one = "$(if ($one.StartsWith('     | ')) { '     | ' })$($one.Substring($blank + 1))"
        }
        $one
    }
    # One empty line at most, and none at the ends.
    ($text -join "`n") -replace "`n{3,}", "`n`n" -replace '^\n+|\n+$'
}

<#
.SYNOPSIS
    Runs examples, and adds to each of their steps what it printed, as Actual.
#>
function Invoke-Example {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)] [object[]] $Example,

        # The staged MmapSnapshot.psd1.
        [Parameter(Mandatory)] [string] $Module
    )

    $work = Join-Path ([System.IO.Path]::GetTempPath()) ('mmapsnapshot-examples-' + [guid]::NewGuid().ToString('N'))
    [void](New-Item -ItemType Directory -Path $work)
    try {
        $plan = foreach ($one in $Example) { , @(foreach ($step in $one.Steps) { , $step.Commands }) }
        ConvertTo-Json -InputObject @($plan) -Depth 5 | Set-Content -LiteralPath "$work/plan.json"
        $start = (@(Get-PowerShellCommand) + '-NoProfile', '-NonInteractive', '-File', "$PSScriptRoot/Invoke-Example.ps1", '-Module', $Module, '-Plan', "$work/plan.json" |
                ForEach-Object { "'" + $_.Replace("'", "'\''") + "'" }) -join ' '
        Set-Content -LiteralPath "$work/start.sh" -Value @(
            'mount -t tmpfs -o mode=755 tmpfs /srv || exit'
            'umask 022'
            # TERM=dumb: no escape sequences. HOME: no profile or cache of who runs this. LANG: words are not broken at the end of a line.
            "export TERM=dumb LANG=en_US.UTF-8 POWERSHELL_TELEMETRY_OPTOUT=1 HOME=$work"
            'unset LC_ALL LC_CTYPE NO_COLOR'
            "stty cols 76 rows 50 -echo -onlcr && exec $start"
        )
        $printed = $null | unshare @(Get-NamespaceOption) script -qec "sh $work/start.sh" /dev/null 2>&1 | ForEach-Object { "$_" }
    } finally {
        Remove-Item -LiteralPath $work -Recurse -Force
    }
    $parts = @{}
    $key = 'start'
    foreach ($line in $printed) {
        $line = $line.TrimEnd("`r")
        if ($line -match '^\u0001(.+)$') { $key = $Matches[1]; $parts[$key] = [System.Collections.Generic.List[string]]::new() }
        elseif ($parts.ContainsKey($key)) { $parts[$key].Add($line) }
    }
    if ($key -ne 'end') { throw "The examples did not come to their end: $printed" }
    for ($i = 0; $i -lt $Example.Count; $i++) {
        for ($j = 0; $j -lt $Example[$i].Steps.Count; $j++) {
            $actual = ConvertTo-Comparable $parts["$i.$j"]
            # An empty line ends the example in a topic.
            if ($Example[$i].Path.EndsWith('.txt')) { $actual = $actual -replace "`n+", "`n" }
            $Example[$i].Steps[$j] | Add-Member -NotePropertyName Actual -NotePropertyValue $actual
        }
    }
}

<#
.SYNOPSIS
    Writes into the pages and topics what their examples have printed, and returns the paths of those that are other now.
#>
function Update-Example {
    [CmdletBinding(SupportsShouldProcess)]
    [OutputType([string])]
    param(
        # As Invoke-Example has left them.
        [Parameter(Mandatory)] [object[]] $Example
    )

    foreach ($file in $Example | Group-Object -Property Path) {
        $lines = [System.Collections.Generic.List[string]][System.IO.File]::ReadAllLines($file.Name)
        $isPage = $file.Name.EndsWith('.md')
        # From the end on, so that the numbers of the lines before stay true.
        $steps = @($file.Group.Steps | Where-Object { $_.Actual -ne $_.Expected } | Sort-Object -Property First -Descending)
        if ($steps.Count -eq 0 -or -not $PSCmdlet.ShouldProcess($file.Name)) { continue }
        foreach ($step in $steps) {
            $lines.RemoveRange($step.First, $step.Last - $step.First + 1)
            $new = @(if ($step.Actual) { $step.Actual -split "`n" })
            if ($isPage -and $new) { $new = @('', '```output') + $new + '```' }
            elseif (-not $isPage) { $new = @($new | ForEach-Object { "    $_" }) }
            $lines.InsertRange($step.First, [string[]]$new)
        }
        [System.IO.File]::WriteAllLines($file.Name, $lines)
        $file.Name
    }
}

Export-ModuleMember -Function Get-Example, Get-ExampleObstacle, Invoke-Example, Update-Example

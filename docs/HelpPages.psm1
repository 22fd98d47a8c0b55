# The pages in docs/en-US, one a cmdlet: reads them, and makes of them the MAML file that Get-Help reads.
#
# A page is Markdown in PlatyPS's layout (schema 2.0.0). Of Markdown it uses headings, paragraphs, flat lists, fenced code, `code`,
# **bold** and links; anything else is an error that names the line, so that nothing is lost on the way to the terminal.

Set-StrictMode -Version 3
$ErrorActionPreference = 'Stop'

# The paragraphs of a page as plain text: marks are taken off, and a link to somewhere else shows where it leads.
function ConvertTo-PlainText([string] $Markdown) {
    $parts = [regex]::Split($Markdown, '(`[^`]+`)') | ForEach-Object {
        if ($_ -match '^`([^`]+)`$') { $Matches[1] }
        else {
            ($_ -replace '\[([^\]]+)\]\((https?://[^)]+)\)', '$1 ($2)' -replace '\[([^\]]+)\]\([^)]+\)', '$1' -replace '\*\*([^*]+)\*\*', '$1' -replace '\\([\\`*_{}\[\]()#+\-.!<>])', '$1')
        }
    }
    -join $parts
}

# The page as blocks: Kind (Heading, Code, Text, Item), Line, Text; of a heading the Level, of code the Language.
function Read-Block([string] $Path) {
    $lines = [System.IO.File]::ReadAllLines($Path)
    $at = 0
    if ($lines[0] -eq '---') { $at = [array]::IndexOf($lines, '---', 1) + 1 }
    while ($at -lt $lines.Length) {
        $start = $at + 1
        $line = $lines[$at++]
        if ($line -match '^\s*$') { continue }
        if ($line -match '^(#{1,6}) (.+)$') {
            [pscustomobject]@{ Kind = 'Heading'; Line = $start; Level = $Matches[1].Length; Text = $Matches[2] }
        } elseif ($line -match '^```(\w+)$') {
            $language = $Matches[1]
            $code = @(while ($at -lt $lines.Length -and $lines[$at] -ne '```') { $lines[$at++] })
            if ($at -eq $lines.Length) { throw "${Path}:${start}: the code is not closed." }
            $at++
            [pscustomobject]@{ Kind = 'Code'; Line = $start; Language = $language; Text = $code -join "`n" }
        } elseif ($line -match '^(\s|```|\||>|<|\d+\. |\* |\+ |(---|===)+$)') {
            throw "${Path}:${start}: pages have headings, paragraphs, lists with '- ' and code with a language, and not '$line'."
        } else {
            $text = $line -replace '^- '
            while ($at -lt $lines.Length -and $lines[$at] -match '^ {0,2}[^\s#`-]|^ {0,2}`[^`]|^ {0,2}-[^ ]') { $text += ' ' + $lines[$at++].Trim() }
            [pscustomobject]@{ Kind = if ($line.StartsWith('- ')) { 'Item' } else { 'Text' }; Line = $start; Text = ConvertTo-PlainText $text }
        }
    }
}

# Paragraphs for the terminal: each list is one, so that no empty lines part its items.
function ConvertTo-Paragraph([object[]] $Block) {
    $items = @()
    foreach ($one in $Block) {
        if ($one.Kind -eq 'Item') { $items += "- $($one.Text)"; continue }
        if ($items) { $items -join "`n" }
        $items = @()
        $one.Text
    }
    if ($items) { $items -join "`n" }
}

# Blocks below headings of one level: Title, Line, and the Blocks up to the next such heading.
function Split-Section([object[]] $Block, [int] $Level) {
    $section = $null
    foreach ($one in $Block) {
        if ($one.Kind -eq 'Heading' -and $one.Level -eq $Level) {
            if ($section) { $section }
            $section = [pscustomobject]@{ Title = $one.Text; Line = $one.Line; Blocks = [System.Collections.Generic.List[object]]::new() }
        } elseif ($section) { $section.Blocks.Add($one) }
    }
    if ($section) { $section }
}

# What stands in the yaml block of a parameter.
function ConvertFrom-ParameterBlock([object] $Block, [string] $Path) {
    $values = @{}
    foreach ($line in $Block.Text -split "`n") {
        if ($line -match '^([A-Z][a-z ]+):(?: (.*))?$') { $values[$Matches[1]] = "$($Matches[2])" }
        elseif ($line) { throw "${Path}:$($Block.Line): '$line' is no 'Name: value'." }
    }
    foreach ($name in 'Type', 'Parameter Sets', 'Aliases', 'Required', 'Position', 'Default value', 'Accept pipeline input', 'Accept wildcard characters') {
        if (-not $values.ContainsKey($name)) { throw "${Path}:$($Block.Line): '$name' is missing." }
    }
    [pscustomobject]@{
        Type           = $values['Type']
        Sets           = @($values['Parameter Sets'] -split ', ')
        Aliases        = @($values['Aliases'] -split ', ' | Where-Object { $_ })
        AcceptedValues = @(if ($values.ContainsKey('Accepted values')) { $values['Accepted values'] -split ', ' })
        Required       = $values['Required'] -eq 'True'
        Position       = $values['Position']
        Default        = $values['Default value']
        PipelineInput  = $values['Accept pipeline input']
        Wildcards      = $values['Accept wildcard characters'] -eq 'True'
    }
}

# The types below INPUTS and OUTPUTS, each with its description.
function ConvertFrom-TypeSection([object] $Section) {
    foreach ($type in Split-Section $Section.Blocks 3) {
        [pscustomobject]@{ Type = $type.Title; Description = @(ConvertTo-Paragraph $type.Blocks) }
    }
}

<#
.SYNOPSIS
    Reads the page of a cmdlet.
#>
function Read-HelpPage {
    [CmdletBinding()]
    param([Parameter(Mandatory, ValueFromPipelineByPropertyName)] [Alias('FullName')] [string] $Path)

    process {
        $blocks = @(Read-Block $Path)
        $sections = @{}
        foreach ($section in Split-Section $blocks 2) { $sections[$section.Title] = $section }
        foreach ($name in 'SYNOPSIS', 'SYNTAX', 'DESCRIPTION', 'EXAMPLES', 'PARAMETERS', 'INPUTS', 'OUTPUTS', 'NOTES', 'RELATED LINKS') {
            if (-not $sections.ContainsKey($name)) { throw "${Path}: the section '$name' is missing." }
        }
        $syntax = $sections['SYNTAX'].Blocks
        [pscustomobject]@{
            Path        = $Path
            Name        = $blocks[0].Text
            Synopsis    = @(ConvertTo-Paragraph $sections['SYNOPSIS'].Blocks) -join ' '
            Syntax      = @(
                if ($syntax[0].Kind -eq 'Code') { [pscustomobject]@{ Set = '__AllParameterSets'; IsDefault = $true; Text = $syntax[0].Text } }
                else {
                    foreach ($set in Split-Section $syntax 3) {
                        [pscustomobject]@{ Set = $set.Title -replace ' \(Default\)$'; IsDefault = $set.Title.EndsWith(' (Default)'); Text = $set.Blocks[0].Text }
                    }
                }
            )
            Description = @(ConvertTo-Paragraph $sections['DESCRIPTION'].Blocks)
            Examples    = @(
                foreach ($example in Split-Section $sections['EXAMPLES'].Blocks 3) {
                    $code = @($example.Blocks | Where-Object Kind -EQ 'Code')
                    $first = if ($code) { $code[0].Line } else { [int]::MaxValue }
                    [pscustomobject]@{
                        Title        = $example.Title
                        Line         = $example.Line
                        Introduction = @(ConvertTo-Paragraph @($example.Blocks | Where-Object { $_.Kind -ne 'Code' -and $_.Line -lt $first }))
                        Code         = $code
                        Remarks      = @(ConvertTo-Paragraph @($example.Blocks | Where-Object { $_.Kind -ne 'Code' -and $_.Line -gt $first }))
                    }
                }
            )
            Parameters  = @(
                foreach ($parameter in Split-Section $sections['PARAMETERS'].Blocks 3 | Where-Object Title -Like '-*') {
                    [pscustomobject]@{
                        Name        = $parameter.Title.Substring(1)
                        Description = @(ConvertTo-Paragraph @($parameter.Blocks | Where-Object { $_.Kind -ne 'Code' -or $_.Language -ne 'yaml' }))
                        Uses        = @($parameter.Blocks | Where-Object { $_.Kind -eq 'Code' -and $_.Language -eq 'yaml' } | ForEach-Object { ConvertFrom-ParameterBlock $_ $Path })
                    }
                }
            )
            Inputs      = @(ConvertFrom-TypeSection $sections['INPUTS'])
            Outputs     = @(ConvertFrom-TypeSection $sections['OUTPUTS'])
            Notes       = @(ConvertTo-Paragraph $sections['NOTES'].Blocks)
            Links       = @(ConvertTo-Paragraph $sections['RELATED LINKS'].Blocks)
        }
    }
}

# An element of MAML; what is inside is XML already.
function ConvertTo-Element([string] $Name, [string[]] $Inner, [System.Collections.IDictionary] $Attribute = @{}) {
    $attributes = $Attribute.Keys | ForEach-Object { " $_=`"$([System.Security.SecurityElement]::Escape($Attribute[$_]))`"" }
    "<$Name$(-join $attributes)>$(-join $Inner)</$Name>"
}

# An element with text in it.
function ConvertTo-TextElement([string] $Name, [string] $Text, [System.Collections.IDictionary] $Attribute = @{}) {
    ConvertTo-Element $Name ([System.Security.SecurityElement]::Escape($Text)) $Attribute
}

function ConvertTo-ParagraphElement([string] $Name, [string[]] $Text) {
    ConvertTo-Element $Name @($Text | ForEach-Object { ConvertTo-TextElement 'maml:para' $_ })
}

function ConvertTo-TypeElement([string] $Type) {
    ConvertTo-Element 'dev:type' (ConvertTo-TextElement 'maml:name' $Type)
}

function ConvertTo-TypeUseElement([string] $Name, [object] $Use) {
    ConvertTo-Element $Name @((ConvertTo-TypeElement $Use.Type), (ConvertTo-ParagraphElement 'maml:description' $Use.Description))
}

function ConvertTo-ParameterElement([object] $Parameter, [object] $Use) {
    $attributes = [ordered]@{
        required       = "$($Use.Required)".ToLowerInvariant()
        variableLength = "$($Use.Type.EndsWith('[]'))".ToLowerInvariant()
        globbing       = "$($Use.Wildcards)".ToLowerInvariant()
        pipelineInput  = $Use.PipelineInput
        position       = $Use.Position.ToLowerInvariant()
        aliases        = if ($Use.Aliases) { $Use.Aliases -join ', ' } else { 'none' }
    }
    ConvertTo-Element 'command:parameter' -Attribute $attributes -Inner @(
        ConvertTo-TextElement 'maml:name' $Parameter.Name
        ConvertTo-ParagraphElement 'maml:description' $Parameter.Description
        if ($Use.AcceptedValues) { ConvertTo-Element 'command:parameterValueGroup' @($Use.AcceptedValues | ForEach-Object { ConvertTo-TextElement 'command:parameterValue' $_ }) }
        if ($Use.Type -ne 'SwitchParameter') { ConvertTo-TextElement 'command:parameterValue' $Use.Type @{ required = 'true' } }
        ConvertTo-TypeElement $Use.Type
        ConvertTo-TextElement 'dev:defaultValue' $Use.Default
    )
}

# A parameter set, with its parameters in the order of the page's SYNTAX.
function ConvertTo-SyntaxElement([object] $Page, [object] $Syntax) {
    $uses = foreach ($parameter in $Page.Parameters) {
        $use = $parameter.Uses | Where-Object { $Syntax.Set -in $_.Sets -or '(All)' -in $_.Sets } | Select-Object -First 1
        if (-not $use) { continue }
        [pscustomobject]@{ Parameter = $parameter; Use = $use; At = [regex]::Match($Syntax.Text, "-$($parameter.Name)\b").Index }
    }
    ConvertTo-Element 'command:syntaxItem' @(
        ConvertTo-TextElement 'maml:name' $Page.Name
        foreach ($one in $uses | Sort-Object -Property At) { ConvertTo-ParameterElement $one.Parameter $one.Use }
    )
}

# The blocks of an example as a terminal shows them: what commands print stands below them, and an empty line parts it from the next.
function ConvertTo-Session([object[]] $Code) {
    $lines = foreach ($one in $Code) { $one.Text; if ($one.Language -eq 'output') { '' } }
    ($lines -join "`n").TrimEnd()
}

function ConvertTo-CommandElement([object] $Page, [string] $OnlineFolder) {
    $verb, $noun = $Page.Name -split '-'
    ConvertTo-Element 'command:command' @(
        ConvertTo-Element 'command:details' @(
            ConvertTo-TextElement 'command:name' $Page.Name
            ConvertTo-TextElement 'command:verb' $verb
            ConvertTo-TextElement 'command:noun' $noun
            ConvertTo-ParagraphElement 'maml:description' $Page.Synopsis
        )
        ConvertTo-ParagraphElement 'maml:description' $Page.Description
        ConvertTo-Element 'command:syntax' @($Page.Syntax | ForEach-Object { ConvertTo-SyntaxElement $Page $_ })
        ConvertTo-Element 'command:parameters' @($Page.Parameters | ForEach-Object { ConvertTo-ParameterElement $_ $_.Uses[0] })
        ConvertTo-Element 'command:inputTypes' @($Page.Inputs | ForEach-Object { ConvertTo-TypeUseElement 'command:inputType' $_ })
        ConvertTo-Element 'command:returnValues' @($Page.Outputs | ForEach-Object { ConvertTo-TypeUseElement 'command:returnValue' $_ })
        ConvertTo-Element 'maml:alertSet' (ConvertTo-ParagraphElement 'maml:alert' $Page.Notes)
        ConvertTo-Element 'command:examples' @($Page.Examples | ForEach-Object {
                ConvertTo-Element 'command:example' @(
                    ConvertTo-TextElement 'maml:title' "-------- $($_.Title) --------"
                    # PowerShell puts no empty line between the paragraphs here, and none before the code.
                    ConvertTo-ParagraphElement 'maml:introduction' "$($_.Introduction -join "`n`n")`n`n"
                    ConvertTo-TextElement 'dev:code' (ConvertTo-Session $_.Code)
                    if ($_.Remarks) { ConvertTo-ParagraphElement 'dev:remarks' @($_.Remarks, '') }
                )
            })
        ConvertTo-Element 'command:relatedLinks' @(
            # Get-Help -Online opens the first one that has a URI.
            if ($OnlineFolder) { ConvertTo-Element 'maml:navigationLink' @((ConvertTo-TextElement 'maml:linkText' 'Online Version:'), (ConvertTo-TextElement 'maml:uri' "$OnlineFolder/$($Page.Name).md")) }
            foreach ($link in $Page.Links) { ConvertTo-Element 'maml:navigationLink' (ConvertTo-TextElement 'maml:linkText' $link) }
        )
    )
}

<#
.SYNOPSIS
    Makes the MAML file of all pages in a folder, and returns it as text.
.PARAMETER OnlineFolder
    The URI of the folder in which Get-Help -Online finds the pages; without it there is no online version.
#>
function ConvertTo-Maml {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)] [string] $Path, [string] $OnlineFolder)

    $maml = 'http://schemas.microsoft.com/maml'
    $attributes = [ordered]@{
        'schema'        = 'maml'
        'xmlns'         = 'http://msh'
        'xmlns:maml'    = "$maml/2004/10"
        'xmlns:command' = "$maml/dev/command/2004/10"
        'xmlns:dev'     = "$maml/dev/2004/10"
    }
    $commands = Get-ChildItem -LiteralPath $Path -Filter *.md | Read-HelpPage | ForEach-Object { ConvertTo-CommandElement $_ $OnlineFolder }
    "<?xml version=`"1.0`" encoding=`"utf-8`"?>`n$(ConvertTo-Element 'helpItems' $commands $attributes)"
}

Export-ModuleMember -Function Read-HelpPage, ConvertTo-Maml

# The help is in step with the code, and its examples print what it says. ./build.ps1 -Task Help writes what they print.

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/../../docs/HelpPages.psm1", "$PSScriptRoot/../examples/Examples.psm1", "$PSScriptRoot/Support.psm1"
    $cmdlets = @(Get-Command -Module MmapSnapshot -CommandType Cmdlet | ForEach-Object { @{ Name = $_.Name } })
    $examples = @(Get-Example | ForEach-Object { @{ Key = "$($_.Path):$($_.Line)"; File = Split-Path -Leaf $_.Path; Title = $_.Title } })
    $topics = @(Get-ChildItem -LiteralPath "$PSScriptRoot/../../module/en-US" -Filter *.help.txt | ForEach-Object { @{ Topic = $_.Name -replace '\.help\.txt$'; Path = $_.FullName } })
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../../docs/HelpPages.psm1", "$PSScriptRoot/../examples/Examples.psm1", "$PSScriptRoot/Support.psm1"
    $pages = Join-Path $PSScriptRoot '../../docs/en-US'

    # What the code has for a default, as a page says it; nothing where it has none, which a page may put into words.
    function Get-Default([object] $Instance, [System.Management.Automation.ParameterMetadata] $Parameter) {
        if ($Parameter.SwitchParameter) { return 'False' }
        # The cmdlet leaves this one to the engine.
        if ($Parameter.Name -eq 'MaxWriterDelay') { return "$([MmapSnapshot.SnapshotOptions]::new().MaxWriterDelay.TotalSeconds) second" }
        $value = $Instance.$($Parameter.Name)
        switch ($value) {
            { $null -eq $_ -or ($_ -is [array] -and $_.Count -eq 0) } { return }
            { $_ -is [System.Text.Encoding] } { return $_.WebName.Replace('-', '') }
            ([int]::MaxValue) { return 'All' }
            default { return "$_" }
        }
    }

    # Everything that a page says of a parameter in a parameter set, from the code: a line each.
    function Get-Fact([System.Management.Automation.CmdletInfo] $Cmdlet) {
        $instance = $Cmdlet.ImplementingType::new()
        $common = [System.Management.Automation.PSCmdlet]::CommonParameters
        foreach ($set in $Cmdlet.ParameterSets) {
            foreach ($parameter in $set.Parameters | Where-Object Name -NotIn $common) {
                $metadata = $Cmdlet.Parameters[$parameter.Name]
                $attributes = @($metadata.Attributes)
                $choice = @($attributes | Where-Object { $_ -is [System.Management.Automation.ValidateSetAttribute] })
                $default = if (-not $parameter.IsMandatory) { Get-Default $instance $metadata }
                $pipeline = @(if ($parameter.ValueFromPipelineByPropertyName) { 'ByPropertyName' }; if ($parameter.ValueFromPipeline) { 'ByValue' }) -join ', '
                Format-Fact @{
                    Set           = $set.Name
                    Name          = $parameter.Name
                    Type          = if ($metadata.SwitchParameter) { 'SwitchParameter' } elseif ("$set" -match "-$($parameter.Name)\]? <([^>]+)>") { $Matches[1] }
                    Required      = $parameter.IsMandatory
                    Position      = if ($parameter.Position -lt 0) { 'Named' } else { $parameter.Position }
                    Default       = if ($default) { $default } else { 'None' }
                    PipelineInput = if ($pipeline) { "True ($pipeline)" } else { 'False' }
                    Wildcards     = [bool]($attributes | Where-Object { $_.GetType().Name -eq 'SupportsWildcardsAttribute' })
                    Aliases       = $metadata.Aliases -join ', '
                    Accepted      = @(if ($choice) { $choice[0].ValidValues } elseif ($metadata.ParameterType.IsEnum) { [enum]::GetNames($metadata.ParameterType) }) -join ', '
                }
            }
        }
    }

    # The same from the page.
    function Get-PageFact([object] $Page) {
        foreach ($syntax in $Page.Syntax) {
            $set = $syntax.Set
            foreach ($parameter in $Page.Parameters) {
                foreach ($use in $parameter.Uses | Where-Object { $set -in $_.Sets -or '(All)' -in $_.Sets }) {
                    Format-Fact @{
                        Set           = $set
                        Name          = $parameter.Name
                        Type          = $use.Type
                        Required      = $use.Required
                        Position      = $use.Position
                        Default       = $use.Default
                        PipelineInput = $use.PipelineInput
                        Wildcards     = $use.Wildcards
                        Aliases       = $use.Aliases -join ', '
                        Accepted      = $use.AcceptedValues -join ', '
                    }
                }
            }
        }
    }

    function Format-Fact([hashtable] $Fact) {
        "$($Fact.Set) -$($Fact.Name): " + (@('Type', 'Required', 'Position', 'Default', 'PipelineInput', 'Wildcards', 'Aliases', 'Accepted' | ForEach-Object { "$_=$($Fact[$_])" }) -join '; ')
    }
}

Describe 'The pages of the cmdlets' {
    It 'are one for each cmdlet, and no more' {
        (Get-ChildItem -LiteralPath $pages -Filter *.md).BaseName | Sort-Object | Should -Be ((Get-Command -Module MmapSnapshot -CommandType Cmdlet).Name | Sort-Object)
    }

    It 'are refused if they have something that would be lost on the way to the terminal' {
        $folder = New-Workspace
        $page = New-TestFile "$folder/Get-It.md" -Text "# Get-It`n`n| a | table |`n"
        { Read-HelpPage -Path $page } | Should -Throw '*Get-It.md:3: *'
        Remove-Workspace $folder
    }
}

Describe 'The page of <Name>' -ForEach $cmdlets {
    BeforeAll {
        $cmdlet = Get-Command -Name $Name
        $page = Read-HelpPage -Path "$pages/$Name.md"
        $help = Get-Help -Name $Name -Full
    }

    It 'has the name of its cmdlet' { $page.Name | Should -BeExactly $Name }

    It 'has the parameter sets of its cmdlet' {
        $onPage = foreach ($syntax in $page.Syntax) { "$($syntax.Set): $($syntax.Text -replace '\s+', ' ')" }
        $inCode = foreach ($set in $cmdlet.ParameterSets) { "$($set.Name): $Name $set" }
        $onPage | Should -Be $inCode
        if ($cmdlet.DefaultParameterSet) { ($page.Syntax | Where-Object IsDefault).Set | Should -Be $cmdlet.DefaultParameterSet }
    }

    It 'says of each parameter what is so' {
        $differences = Compare-Object -ReferenceObject @(Get-Fact $cmdlet) -DifferenceObject @(Get-PageFact $page)
        $differences | ForEach-Object { "$(if ($_.SideIndicator -eq '<=') { 'The code' } else { 'The page' }) has $($_.InputObject)" } | Should -BeNullOrEmpty
    }

    It 'names what the cmdlet writes' {
        $onPage = @($page.Outputs.Type | Where-Object { $_ -ne 'None' })
        # Numbers of all types are one entry.
        $inCode = @($cmdlet.OutputType | ForEach-Object { if ($_.Type.IsPrimitive -or $_.Type -eq [Half]) { 'System.ValueType' } else { $_.Type.FullName } } | Select-Object -Unique)
        Compare-Object -ReferenceObject $inCode -DifferenceObject $onPage | Should -BeNullOrEmpty
    }

    It 'names errors by ids that there are' {
        $ids = $page.Notes -split "`n" | Where-Object { $_ -cmatch '^- ([A-Z]\w+(, [A-Z]\w+)*): ' } | ForEach-Object { $Matches[1] -split ', ' }
        $ids | Should -Not -BeNullOrEmpty
        $ids | Where-Object { $_ -notin [enum]::GetNames([MmapSnapshot.SnapshotError]) } | Should -BeNullOrEmpty
    }

    It 'has three examples or more, introduced, with what they print, that fit into a terminal of 80 columns' {
        $page.Examples.Count | Should -BeGreaterOrEqual 3
        foreach ($example in $page.Examples) {
            $example.Introduction | Should -Not -BeNullOrEmpty -Because $example.Title
            $example.Code.Language | Should -Contain 'output' -Because $example.Title
            "-------- $($example.Title) --------".Length | Should -BeLessOrEqual 75
        }
        $page.Examples.Code.Text -split "`n" | Where-Object Length -GT 75 | Should -BeNullOrEmpty
    }

    It 'is what Get-Help shows' {
        $page.Synopsis | Should -Not -BeNullOrEmpty
        $help.Synopsis | Should -Be $page.Synopsis
        ($help.description.Text -join "`n") -replace '\n+', "`n" | Should -Be ($page.Description -join "`n")
        @($help.examples.example).Count | Should -Be $page.Examples.Count
        foreach ($parameter in $cmdlet.Parameters.Keys | Where-Object { $_ -notin [System.Management.Automation.PSCmdlet]::CommonParameters }) {
            ($help.parameters.parameter | Where-Object Name -EQ $parameter).description.Text | Should -Not -BeNullOrEmpty -Because "-$parameter has to be described"
        }
        $online = @(if ((Get-Module -Name MmapSnapshot).ProjectUri) { 'Online Version:' })
        $help.relatedLinks.navigationLink.linkText | Should -Be ($online + $page.Links)
    }
}

Describe 'The topic <Topic>' -ForEach $topics {
    It 'is found by Get-Help, with its synopsis' {
        $found = Get-Help -Name $Topic
        "$found" | Should -BeExactly (Get-Content -LiteralPath $Path -Raw)
        (Get-Help -Name 'about_MmapSnap*' | Where-Object Name -EQ $Topic).Synopsis | Should -Not -BeNullOrEmpty
    }

    It 'fits into a terminal of 80 columns' {
        Get-Content -LiteralPath $Path | Where-Object Length -GT 80 | Should -BeNullOrEmpty
    }

    It 'leads to the other topics' {
        $others = Get-ChildItem -LiteralPath (Split-Path $Path) -Filter *.help.txt | ForEach-Object { $_.Name -replace '\.help\.txt$' } | Where-Object { $_ -ne $Topic }
        foreach ($other in $others) { (Get-Content -LiteralPath $Path -Raw) -split 'SEE ALSO' | Select-Object -Last 1 | Should -Match "(?m)^    $other$" }
    }
}

Describe 'about_MmapSnapshot' {
    It 'lists the cmdlets' {
        $text = Get-Help -Name about_MmapSnapshot | Out-String
        [regex]::Matches($text, '(?m)^    (\w+-\w+)  +\w').ForEach({ $_.Groups[1].Value }) | Sort-Object | Should -Be ((Get-Command -Module MmapSnapshot -CommandType Cmdlet).Name | Sort-Object)
    }
}

Describe 'about_MmapSnapshot_Errors' {
    It 'lists the error ids, with their categories' {
        $text = Get-Help -Name about_MmapSnapshot_Errors | Out-String
        $listed = [regex]::Matches($text, '(?m)^    (\w+) \((\w+)\)\r?$').ForEach({ "$($_.Groups[1].Value) $($_.Groups[2].Value)" })
        $categoryOf = [MmapSnapshot.OpenMmapSnapshotCommand].Assembly.GetType('MmapSnapshot.ErrorFactory').GetMethod('CategoryOf', [System.Reflection.BindingFlags]'NonPublic, Static')
        $inCode = foreach ($id in [enum]::GetValues([MmapSnapshot.SnapshotError])) { "$id $($categoryOf.Invoke($null, [object[]]@($id)))" }
        $listed | Sort-Object | Should -Be ($inCode | Sort-Object)
    }
}

Describe 'The examples print what the help says' {
    BeforeAll {
        $obstacle = Get-ExampleObstacle
        $ran = @{}
        if (-not $obstacle) {
            $all = @(Get-Example)
            Invoke-Example -Example $all -Module $env:MMAPSNAPSHOT_MODULE
            foreach ($example in $all) { $ran["$($example.Path):$($example.Line)"] = $example }
        }
    }

    It '<File>: <Title>' -ForEach $examples {
        Skip-When $obstacle
        $example = $ran[$Key]
        foreach ($step in $example.Steps) { $step.Actual | Should -BeExactly $step.Expected -Because "this is what it prints at line $($step.First + 1) (./build.ps1 -Task Help writes it down)" }
    }
}

# A file name can hold escape sequences. They are data in properties, and never reach a terminal as they are.

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"

    # A title, a color, a line break, a bell, an 8-bit sequence, and text from right to left.
    $name = "a`e]0;title`a`e[31m`n`b$([char]0x9B)2J$([char]0x202E).bin"
    $shown = 'a\x1B]0;title\x07\x1B[31m\x0A\x08\x9B2J\u202E.bin'

    function Assert-Safe($Text) {
        $all = $Text | Out-String -Width 2000
        # PowerShell's own colors are no finding.
        $plain = $all -replace "`e\[[0-9;]*m"
        $plain | Should -Not -Match "[`a`b`e$([char]0x9B)$([char]0x202E)]"
        $all | Should -Not -Match "`e\[31m`n"
        $plain.Replace("`n", '') | Should -BeLike "*$([WildcardPattern]::Escape($shown))*"
    }
}

Describe 'A file name with control characters' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/$name" -Text 'abc'
        $snapshot = Open-MmapSnapshot -LiteralPath $file
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'stays as it is in properties' {
        $snapshot.Path | Should -BeExactly $file
        Set-SnapshotBytes $snapshot 0 'FF'
        (Compare-Snapshot $snapshot).Path | Should -BeExactly $file
        (Save-Snapshot $snapshot -PassThru).Path | Should -BeExactly $file
        (Get-ReflinkSupport -LiteralPath $file).Path | Should -BeExactly $file
    }

    It 'is escaped in <_>' -ForEach @(
        { $snapshot | Format-Table }
        { $snapshot | Format-List }
        { "$snapshot" }
        { Get-ReflinkSupport -LiteralPath $file | Format-Table }
        { Get-ReflinkSupport -LiteralPath $file | Format-List }
        { Set-SnapshotBytes $snapshot 0 'FF'; Save-Snapshot $snapshot -PassThru | Format-Table }
        { Set-SnapshotBytes $snapshot 0 'FF'; Save-Snapshot $snapshot -PassThru | Format-List }
        { Set-SnapshotBytes $snapshot 0 'FF'; Compare-Snapshot $snapshot | Format-List }
        { Find-SnapshotBytes $snapshot -Text abc | Format-List }
        { Find-SnapshotBytes $snapshot -Text abc | Format-Table }
        { Get-Item -LiteralPath $file | Format-SnapshotBytes }
        { Find-SnapshotBytes $snapshot -Text abc -ExpectCount 2 -ErrorAction Continue 2>&1 }
        { Redo-SnapshotBytes $snapshot 3>&1 }
        { Get-SnapshotHash $snapshot }
        { Open-MmapSnapshot -LiteralPath $file -Verbose 4>&1 | Select-Object -First 1 }
        { Set-SnapshotBytes $snapshot 0 'FF'; Save-Snapshot $snapshot -Verbose 4>&1 }
        { Set-SnapshotBytes $snapshot 0 'FF' -Verbose 4>&1 }
        { Undo-SnapshotBytes $snapshot -Last 2 -Verbose 4>&1 }
        { Resize-Snapshot $snapshot 9 -Verbose 4>&1 }
        { Add-SnapshotBytes $snapshot 'AA' -Verbose 4>&1 }
        { Remove-SnapshotBytes $snapshot 0 1 -Verbose 4>&1 }
        { @{ Offset = 0; Length = 1 }, @{ Offset = 9 } | Remove-SnapshotBytes $snapshot -ErrorAction SilentlyContinue 3>&1 }
        { Set-SnapshotBytes $snapshot 0 'FF'; Close-MmapSnapshot $snapshot -Confirm:$false 3>&1 }
        { "Offset,After`n0,61`n99,61" | ConvertFrom-Csv | Set-SnapshotBytes $snapshot -ErrorAction SilentlyContinue 3>&1 }
        { New-MmapSnapshot "$file.new" -Verbose 4>&1 | Select-Object -First 1 }
        { [System.Management.Automation.CommandCompletion]::CompleteInput("Save-Snapshot $($snapshot.Id)", 16, $null).CompletionMatches | ForEach-Object ToolTip }
        { [System.Management.Automation.CommandCompletion]::CompleteInput("Save-Snapshot $($snapshot.Id)", 16, $null).CompletionMatches | ForEach-Object ListItemText }
        { (Get-ErrorOf { [System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize($snapshot)) | Save-Snapshot }).Exception.Message }
    ) {
        Assert-Safe (. $_)
    }

    It 'is escaped in the error of <_>, in each view' -ForEach @(
        { Set-SnapshotBytes $snapshot 99 'FF' }
        { Open-MmapSnapshot -LiteralPath "$file.none" }
        { Open-MmapSnapshot "$file.none*" }
        { Save-Snapshot $snapshot -Destination $file }
        { New-MmapSnapshot $file }
        { Get-MmapSnapshot "$file.none" }
        { Get-ReflinkSupport -LiteralPath "$file.none" }
        { Compare-Snapshot $snapshot -With "$file.none" }
    ) {
        $record = Get-ErrorOf $_
        foreach ($view in 'ConciseView', 'NormalView', 'CategoryView') {
            $ErrorView = $view
            # The script's own line is PowerShell's to show.
            $text = ($record.Exception.Message, "$($record.CategoryInfo)") -join "`n"
            Assert-Safe $text
        }
    }

    It 'is escaped in a progress bar' {
        $many = New-SparseFile "$folder/big$name" -Length 1TB
        $big = Open-MmapSnapshot -LiteralPath $many
        Set-SnapshotBytes $big 0 -Fill 1 -Count 1TB
        $pipeline = Start-Pipeline 'Find-SnapshotBytes $big FF' -Variables @{ big = $big }
        while ($pipeline.InvocationStateInfo.State -eq 'Running' -and $pipeline.Streams.Progress.Count -eq 0) { Start-Sleep -Milliseconds 5 }
        $activity = $pipeline.Streams.Progress[0].Activity
        $pipeline.Stop()
        $pipeline.Runspace.Dispose()
        Close-MmapSnapshot $big -Force
        Assert-Safe $activity
    }

    It 'is escaped in the warning at the end of a session' {
        $lines = Invoke-FreshPowerShell -Arguments $file -WithPrinted { Set-SnapshotBytes (Open-MmapSnapshot -LiteralPath $args[0]) 0 'FF' }
        Assert-Safe ($lines | Where-Object { $_.PSObject.Properties['Printed'] } | ForEach-Object Printed)
    }

    It 'has a value that cannot be read quoted in the same way' {
        (Get-ErrorOf { Set-SnapshotBytes $snapshot 0 "4`e[31m" }).Exception.Message | Should -Not -Match "`e"
        (Get-ErrorOf { [pscustomobject]@{ Offset = "`e[31m"; After = '90' } | Set-SnapshotBytes $snapshot }).Exception.Message | Should -Not -Match "`e"
        (Get-ErrorOf { Find-SnapshotBytes $snapshot "4`e[31m" }).Exception.Message | Should -Not -Match "`e"
        (Get-ErrorOf { Set-SnapshotBytes $snapshot 0 -Text a -Encoding "`e[31m" }).Exception.Message | Should -Not -Match "`e"
    }
}

Describe 'Bytes with escape sequences' {
    It 'are shown as dots and digits, and are data with -AsText' {
        $folder = New-Workspace
        $snapshot = Open-MmapSnapshot (New-TestFile "$folder/a.bin" -Text "abc`e[31mdef")
        foreach ($view in (Find-SnapshotBytes $snapshot -Text "c`e[3" | Out-String), (Format-SnapshotBytes $snapshot | Out-String)) {
            $view -replace "`e\[[0-9;]*m" | Should -Not -Match "`e"
        }
        Get-SnapshotBytes $snapshot -AsText | Should -BeExactly "abc`e[31mdef"
        Remove-Workspace $folder
    }
}

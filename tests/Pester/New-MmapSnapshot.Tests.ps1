Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'New-MmapSnapshot' {
    BeforeEach {
        $folder = New-Workspace
        $file = "$folder/new.bin"
        Push-Location -LiteralPath $folder
    }

    AfterEach {
        Pop-Location
        Remove-Workspace $folder
    }

    Context 'what it does' {
        It 'makes an empty snapshot, and no file' {
            $snapshot = New-MmapSnapshot -Path $file
            $snapshot | Should -BeOfType ([MmapSnapshot.Snapshot])
            $snapshot.Path | Should -BeExactly $file
            $snapshot.Length | Should -Be 0
            $snapshot.IsModified | Should -BeTrue
            Get-ChildItem -LiteralPath $folder -Force | Should -BeNullOrEmpty
        }

        It 'makes a snapshot of zeros, path and length by position, the length written as <_>' -ForEach 16, '16', 0x10, '0x10' {
            $snapshot = New-MmapSnapshot $file $_
            Get-SnapshotHex $snapshot | Should -BeExactly ((@('00') * 16) -join ' ')
        }

        It 'gives the file the mode <Mode>, which is read as <Octal>' -ForEach @(
            @{ Mode = 0600; Octal = '600' }
            @{ Mode = 640; Octal = '640' }
            @{ Mode = '0444'; Octal = '444' }
            @{ Mode = '7'; Octal = '7' }
            @{ Mode = 0; Octal = '0' }
            @{ Mode = 4755; Octal = '4755' }
            @{ Mode = [System.IO.UnixFileMode]'UserRead, GroupRead'; Octal = '440' }
        ) {
            Save-Snapshot (New-MmapSnapshot $file -Mode $Mode) -Close
            Invoke-Shell 'stat -c %a "$1"' $file | Should -BeExactly $Octal
        }

        It 'takes the mode 0600 as it is typed' {
            Save-Snapshot (New-MmapSnapshot $file -Mode 0600) -Close
            Invoke-Shell 'stat -c %a "$1"' $file | Should -BeExactly '600'
        }

        It 'takes no space for zeros' {
            $snapshot = New-MmapSnapshot $file 1TB
            Set-SnapshotBytes $snapshot 512GB 'AA'
            Save-Snapshot $snapshot -NoFlush -Close
            (Get-Item -LiteralPath $file).Length | Should -Be 1TB
            [long](Invoke-Shell 'stat -c %b "$1"' $file) * 512 | Should -BeLessThan 1MB
        }

        It 'takes a relative path, and one with brackets' {
            (New-MmapSnapshot new.bin).Path | Should -BeExactly $file
            (New-MmapSnapshot '[n].bin').Path | Should -BeExactly "$folder/[n].bin"
        }

        It 'takes a path through a linked folder, and is saved there' {
            [void](New-Item -ItemType Directory -Path real)
            [void](New-Item -ItemType SymbolicLink -Path link -Target real)
            $snapshot = New-MmapSnapshot link/new.bin 3
            $snapshot.Path | Should -BeExactly "$folder/real/new.bin"
            Save-Snapshot $snapshot -Close
            Get-FileHex "$folder/real/new.bin" | Should -BeExactly '00 00 00'
        }

        It 'is found by Get-MmapSnapshot, even if nobody refers to it' {
            & { [void](New-MmapSnapshot $file 3) }
            Invoke-GarbageCollection
            (Get-MmapSnapshot $file).Length | Should -Be 3
        }

        It 'takes paths from the pipeline, and the property Path' {
            @('a', 'b' | New-MmapSnapshot -Length 1).Path | Should -Be "$folder/a", "$folder/b"
            @([pscustomobject]@{ Path = 'c' } | New-MmapSnapshot).Path | Should -Be "$folder/c"
        }

        It 'makes nothing with -WhatIf' {
            New-MmapSnapshot $file 1 -WhatIf | Should -BeNullOrEmpty
            Get-MmapSnapshot "$folder/*" | Should -BeNullOrEmpty
        }

        It 'says with -Verbose what it makes' {
            "$(New-MmapSnapshot $file 1 -Verbose 4>&1)" | Should -BeLike '*new file of 1 byte"*'
        }
    }

    Context '-Force' {
        It 'begins again with a file of <Old> bytes, for <New>, as one change of it' -ForEach @(
            @{ Old = 4; New = 2 }
            @{ Old = 4; New = 4 }
            @{ Old = 4; New = 6 }
            @{ Old = 4; New = 0 }
            @{ Old = 0; New = 2 }
        ) {
            [System.IO.File]::WriteAllBytes($file, [byte[]]::new($Old))
            if ($Old) { [System.IO.File]::WriteAllText($file, 'abcd') }
            chmod 640 $file
            $before = Get-FileHex $file
            $zeros = (@('00') * $New) -join ' '
            $snapshot = New-MmapSnapshot $file $New -Force
            Get-SnapshotHex $snapshot | Should -BeExactly $zeros
            Get-FileHex $file | Should -BeExactly $before
            Undo-SnapshotBytes $snapshot
            Get-SnapshotHex $snapshot | Should -BeExactly $before
            $snapshot.IsModified | Should -BeFalse
            Redo-SnapshotBytes $snapshot
            Save-Snapshot $snapshot -Close
            Get-FileHex $file | Should -BeExactly $zeros
            Invoke-Shell 'stat -c %a "$1"' $file | Should -BeExactly '640'
        }

        It 'makes a new file where there is none' {
            New-MmapSnapshot $file 4 -Force -Mode 0600 | Save-Snapshot -Close
            Invoke-Shell 'stat -c "%a %s" "$1"' $file | Should -BeExactly '600 4'
        }

        It 'does not go with -Mode where there is a file' {
            Set-Content -LiteralPath $file -Value x
            Assert-SnapshotError { New-MmapSnapshot $file -Force -Mode 0600 } -Id NotSupported -Cmdlet New-MmapSnapshot -Says $file, '-Mode'
            Get-MmapSnapshot | Should -BeNullOrEmpty
        }

        It 'refuses a directory' {
            Assert-SnapshotError { New-MmapSnapshot $folder -Force } -Id NotARegularFile -Cmdlet New-MmapSnapshot -Says $folder
        }
    }

    Context 'what becomes of it' {
        It 'has all its bytes to compare and to show' {
            $snapshot = New-MmapSnapshot $file 32
            Set-SnapshotBytes $snapshot 4 -Text 'abc'
            Compare-Snapshot $snapshot | ForEach-Object After | Should -BeExactly '61 62 63'
            (Format-SnapshotBytes $snapshot)[1] -replace "`e\[[\d;]*m" | Should -BeLike '*|....abc.........|'
        }

        It 'can be written to, resized and undone before it is there, and stays modified' {
            $snapshot = New-MmapSnapshot $file 4
            Set-SnapshotBytes $snapshot 0 'AA'
            Resize-Snapshot $snapshot 8
            Undo-SnapshotBytes $snapshot -All
            $snapshot.Length | Should -Be 4
            Get-SnapshotHex $snapshot | Should -BeExactly '00 00 00 00'
            $snapshot.IsModified | Should -BeTrue
        }

        It 'goes on as the snapshot of the file it has become' {
            $snapshot = New-MmapSnapshot $file 2
            Save-Snapshot $snapshot
            $snapshot.IsModified | Should -BeFalse
            Set-SnapshotBytes $snapshot 0 'AA BB'
            Save-Snapshot $snapshot -Close
            Get-FileHex $file | Should -BeExactly 'AA BB'
        }

        It 'warns when it is closed unsaved, and leaves nothing' {
            $snapshot = New-MmapSnapshot $file 1
            "$(Close-MmapSnapshot $snapshot 3>&1)" | Should -BeLike "*$file*unsaved*"
            Get-ChildItem -LiteralPath $folder -Force | Should -BeNullOrEmpty
        }

        It 'does not replace a file that somebody has made meanwhile, unless -Force says so' {
            $snapshot = New-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 -Text 'mine' -NewLength 4
            [void](New-TestFile $file -Text 'theirs')
            Assert-SnapshotError { Save-Snapshot $snapshot } -Id SnapshotConflict -Cmdlet Save-Snapshot -Target $snapshot -Says $file
            Get-Content -LiteralPath $file | Should -BeExactly 'theirs'
            Save-Snapshot $snapshot -Force -WarningVariable warnings -WarningAction SilentlyContinue
            Get-Content -LiteralPath $file | Should -BeExactly 'mine'
            "$warnings" | Should -BeLike "*$file*overwritten*"
        }

        It 'can be saved elsewhere, and is then still not there' {
            $snapshot = New-MmapSnapshot $file 3
            Save-Snapshot $snapshot -Destination "$folder/other"
            (Get-Item -LiteralPath "$folder/other").Length | Should -Be 3
            Test-Path -LiteralPath $file | Should -BeFalse
            $snapshot.IsModified | Should -BeTrue
        }

        It 'does not save into a folder that is gone' {
            [void](New-Item -ItemType Directory -Path gone)
            $snapshot = New-MmapSnapshot gone/new 1
            Remove-Item -LiteralPath gone
            $problem = @(Get-ErrorOf { Save-Snapshot $snapshot })
            $problem.Count | Should -Be 1
            $problem[0].FullyQualifiedErrorId | Should -BeIn 'SnapshotConflict,MmapSnapshot.SaveSnapshotCommand', 'FileNotFound,MmapSnapshot.SaveSnapshotCommand'
        }
    }

    Context 'what it refuses' {
        It 'refuses a path that exists: <What>' -ForEach @(
            @{ What = 'a file'; Make = 'printf x > "$1"'; Id = 'DestinationExists' }
            @{ What = 'a folder'; Make = 'mkdir "$1"'; Id = 'NotARegularFile' }
            @{ What = 'a FIFO'; Make = 'mkfifo "$1"'; Id = 'NotARegularFile' }
            @{ What = 'a link to a file'; Make = 'printf x > "$1.target"; ln -s "$1.target" "$1"'; Id = 'DestinationExists' }
            @{ What = 'a link that leads nowhere'; Make = 'ln -s nowhere "$1"'; Id = 'FileNotFound' }
        ) {
            Invoke-Shell $Make $file
            Assert-SnapshotError { New-MmapSnapshot $file } -Id $Id -Cmdlet New-MmapSnapshot -Target $file -Says $file
            Get-MmapSnapshot "$folder/*" | Should -BeNullOrEmpty
            @(Get-DescriptorInto $folder) | Should -BeNullOrEmpty
        }

        It 'refuses a folder that does not exist, and makes the others' {
            $made = @(New-MmapSnapshot missing/new, new.bin -ErrorAction SilentlyContinue -ErrorVariable problems)
            $made.Path | Should -Be $file
            $problems.FullyQualifiedErrorId | Should -Be 'FileNotFound,MmapSnapshot.NewMmapSnapshotCommand'
            $problems[0].TargetObject | Should -BeExactly 'missing/new'
        }

        It 'refuses a length of <Length>' -ForEach @(
            @{ Length = -1; Id = 'OutOfRange' }
            @{ Length = [long]::MaxValue; Id = 'TooLarge' }
        ) {
            Assert-SnapshotError { New-MmapSnapshot $file $Length } -Id $Id -Cmdlet New-MmapSnapshot -Target $file -Says $file
            @(Get-DescriptorInto $folder) | Should -BeNullOrEmpty
        }

        It 'refuses a length that is no number' {
            Assert-BindingError { New-MmapSnapshot $file ten } -Parameter Length
        }

        It 'refuses the mode <_>' -ForEach 888, '0x180', 'rw-------', -1, 10000, '', 600.5, $true {
            Assert-BindingError { New-MmapSnapshot $file -Mode $_ } -Parameter Mode
        }

        It 'refuses a mode in hexadecimal digits as it is typed' {
            Assert-BindingError { New-MmapSnapshot $file -Mode 0x180 } -Parameter Mode
        }

        It 'refuses another provider' {
            Assert-SnapshotError { New-MmapSnapshot Env:NEW } -Id NotSupported -Cmdlet New-MmapSnapshot -Target 'Env:NEW'
        }

        It 'refuses an empty path' {
            Assert-SnapshotError { New-MmapSnapshot '' } -Id ParameterArgumentValidationError -Cmdlet New-MmapSnapshot
        }

        It 'refuses a folder that may not be written to' {
            Skip-When (Get-NobodyObstacle)
            Invoke-Shell 'mkdir -m 755 "$1/closed"' $folder
            $problems = @(Invoke-FreshPowerShell -As Nobody -Arguments "$folder/closed/new" { New-MmapSnapshot $args[0] 1 })
            $problems.Count | Should -Be 1
            $problems[0].ErrorId | Should -BeExactly 'AccessDenied,MmapSnapshot.NewMmapSnapshotCommand'
            $problems[0].Message | Should -BeLike '*another directory.'
        }

        It 'can be caught with -ErrorAction Stop' {
            { New-MmapSnapshot missing/new -ErrorAction Stop } | Should -Throw -ErrorId 'FileNotFound,MmapSnapshot.NewMmapSnapshotCommand'
        }
    }
}

Describe 'A new file on <Label>' -ForEach (Get-TestFileSystem) {
    Context 'of a snapshot' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It 'appears whole when it is saved, with the rights that the umask gives' {
            $snapshot = New-MmapSnapshot "$folder/new" 100000
            Set-SnapshotBytes $snapshot 99997 -Text 'end'
            Get-ChildItem -LiteralPath $folder -Force | Should -BeNullOrEmpty
            Save-Snapshot $snapshot -Close
            (Get-Item -LiteralPath "$folder/new").Length | Should -Be 100000
            Get-FileHex "$folder/new" 99996 4 | Should -BeExactly '00 65 6E 64'
            Invoke-Shell 'touch "$1/usual"' $folder
            Invoke-Shell 'stat -c "%a %U:%G" "$1"' "$folder/new" | Should -BeExactly (Invoke-Shell 'stat -c "%a %U:%G" "$1"' "$folder/usual")
        }
    }
}

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'Save-Snapshot' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $original = Get-FileHex $file
        $snapshot = Open-MmapSnapshot $file
        Push-Location -LiteralPath $folder
    }

    AfterEach {
        Pop-Location
        Remove-Workspace $folder
    }

    Context 'what it does' {
        It 'puts the bytes into the file' {
            Set-SnapshotBytes $snapshot 16 'AA BB'
            Save-Snapshot -Snapshot $snapshot
            Get-FileHex $file 15 4 | Should -BeExactly '0F AA BB 12'
            (Get-Item -LiteralPath $file).Length | Should -Be 256
        }

        It 'leaves the snapshot open and unmodified' {
            Set-SnapshotBytes $snapshot 16 'AA BB'
            Save-Snapshot $snapshot
            $snapshot.IsClosed | Should -BeFalse
            $snapshot.IsModified | Should -BeFalse
            $snapshot.ModifiedBytes | Should -Be 0
            Get-SnapshotHex $snapshot 16 2 | Should -BeExactly 'AA BB'
        }

        It 'closes the snapshot with -Close' {
            Set-SnapshotBytes $snapshot 16 'AA BB'
            Save-Snapshot $snapshot -Close
            $snapshot.IsClosed | Should -BeTrue
            Get-FileHex $file 16 2 | Should -BeExactly 'AA BB'
            @(Get-DescriptorInto $folder) | Should -BeNullOrEmpty
        }

        It 'closes a snapshot without changes with -Close' {
            Save-Snapshot $snapshot -Close
            $snapshot.IsClosed | Should -BeTrue
            Get-FileHex $file | Should -BeExactly $original
        }

        It 'gives the file a new length' -ForEach 3, 0, 300 {
            Resize-Snapshot $snapshot $_
            Save-Snapshot $snapshot
            (Get-Item -LiteralPath $file).Length | Should -Be $_
        }

        It 'returns nothing without -PassThru' {
            Set-SnapshotBytes $snapshot 0 'FF'
            Save-Snapshot $snapshot | Should -BeNullOrEmpty
        }

        It 'returns with -PassThru what it did' {
            Set-SnapshotBytes $snapshot 0 'FF FE'
            Resize-Snapshot $snapshot 300
            $result = Save-Snapshot $snapshot -PassThru
            $result.GetType().FullName | Should -BeExactly 'MmapSnapshot.CommitResult'
            $result.Path | Should -BeExactly $file
            $result.Method | Should -BeIn 'Exchange', 'Replace'
            $result.Length | Should -Be 300
            $result.ModifiedBytes | Should -Be 46
            $result.Flushed | Should -BeTrue
            $result.Elapsed | Should -BeGreaterThan ([timespan]::Zero)
            $result.Override | Should -BeNullOrEmpty
        }

        It 'writes nothing when nothing was modified' {
            $before = Invoke-Shell 'stat -c "%i %y %z" "$1"' $file
            (Save-Snapshot $snapshot -PassThru).Method | Should -Be 'None'
            Invoke-Shell 'stat -c "%i %y %z" "$1"' $file | Should -Be $before
        }

        It 'tells with -Verbose that there was nothing to do' {
            "$(Save-Snapshot $snapshot -Verbose 4>&1)" | Should -BeLike '*, method None, because the file has these bytes already; *'
        }

        It 'tells with -Verbose what it did' {
            Set-SnapshotBytes $snapshot 0 'FF'
            "$(Save-Snapshot $snapshot -Verbose 4>&1)" | Should -BeLike "*Saved '$file': 256 bytes*"
        }

        It 'leaves no other name in the folder' {
            Set-SnapshotBytes $snapshot 0 'FF'
            Save-Snapshot $snapshot
            @(Get-ChildItem -LiteralPath $folder -Force).Name | Should -Be 'a.bin'
        }
    }

    Context '-WhatIf' {
        It 'touches nothing' {
            Set-SnapshotBytes $snapshot 0 'FF'
            Save-Snapshot $snapshot -WhatIf -PassThru | Should -BeNullOrEmpty
            Get-FileHex $file | Should -BeExactly $original
            $snapshot.IsModified | Should -BeTrue
        }

        It 'does not close with -Close' {
            Save-Snapshot $snapshot -Close -WhatIf
            $snapshot.IsClosed | Should -BeFalse
        }

        It 'makes no -Destination' {
            Save-Snapshot $snapshot -Destination "$folder/new.bin" -WhatIf
            Test-Path -LiteralPath "$folder/new.bin" | Should -BeFalse
        }

        It 'overwrites no -Destination with -Force' {
            $other = New-TestFile "$folder/b.bin" -Text 'other'
            Save-Snapshot $snapshot -Destination $other -Force -WhatIf
            [System.IO.File]::ReadAllText($other) | Should -BeExactly 'other'
        }
    }

    Context '-Confirm' {
        It 'asks first, and saves nothing where nobody can answer' {
            Set-SnapshotBytes $snapshot 0 'FF'
            # A runspace without a window.
            $pipeline = Start-Pipeline 'Save-Snapshot $snapshot -Confirm' -Variables @{ snapshot = $snapshot }
            while ($pipeline.InvocationStateInfo.State -eq 'Running') { [System.Threading.Thread]::Sleep(1) }
            $pipeline.InvocationStateInfo.State -eq 'Failed' -or $pipeline.HadErrors | Should -BeTrue
            $pipeline.Runspace.Dispose()
            Get-FileHex $file | Should -BeExactly $original
            $snapshot.IsModified | Should -BeTrue
        }
    }

    Context '-Method' {
        It 'gives the name to a new file with Replace' {
            $before = Invoke-Shell 'stat -c %i "$1"' $file
            Set-SnapshotBytes $snapshot 0 'FF'
            (Save-Snapshot $snapshot -Method Replace -PassThru).Method | Should -Be 'Replace'
            Invoke-Shell 'stat -c %i "$1"' $file | Should -Not -Be $before
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 01'
        }

        It 'writes into the same file with InPlace' {
            $before = Invoke-Shell 'stat -c %i "$1"' $file
            Set-SnapshotBytes $snapshot 0 'FF'
            Resize-Snapshot $snapshot 200
            (Save-Snapshot $snapshot -Method InPlace -PassThru).Method | Should -Be 'InPlace'
            Invoke-Shell 'stat -c %i "$1"' $file | Should -Be $before
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 01'
            (Get-Item -LiteralPath $file).Length | Should -Be 200
        }

        It 'says of InPlace whether it was recoverable and atomic for readers' {
            Set-SnapshotBytes $snapshot 0 'FF'
            $result = Save-Snapshot $snapshot -Method InPlace -PassThru
            $result.Recoverable, $result.AtomicForReaders | Should -Be $true, $true
            Set-SnapshotBytes $snapshot 0 'FE'
            $reader = [System.IO.File]::OpenRead($file)
            try {
                $result = Save-Snapshot $snapshot -Method InPlace -NoJournal -PassThru
            } finally {
                $reader.Dispose()
            }
            $result.Recoverable, $result.AtomicForReaders | Should -Be $false, $false
        }

        It 'writes into a file with hard links with -AllowInPlace, and says why' {
            Invoke-Shell 'ln "$1" "$1.link"' $file
            $linked = Open-MmapSnapshot $file
            Set-SnapshotBytes $linked 0 'FF'
            $result = Save-Snapshot $linked -Method Replace -AllowInPlace -PassThru
            $result.Method | Should -Be 'InPlace'
            $result.Reason | Should -BeLike '*2 names (hard links)*'
            Get-FileHex "$file.link" 0 1 | Should -BeExactly 'FF'
        }

        It 'refuses None, which is a result and no method' {
            Assert-SnapshotError { Save-Snapshot $snapshot -Method None } -Id ParameterArgumentValidationError -Cmdlet Save-Snapshot
        }

        It 'refuses a method that does not exist' {
            Assert-SnapshotError { Save-Snapshot $snapshot -Method Bogus } -Id CannotConvertArgumentNoMessage -Cmdlet Save-Snapshot
        }

        It 'refuses InPlace together with -Destination' {
            Assert-SnapshotError { Save-Snapshot $snapshot -Method InPlace -Destination "$folder/new.bin" } -Id NotSupported -Cmdlet Save-Snapshot -Target $snapshot -Says InPlace, 'Leave -Method out'
            Test-Path -LiteralPath "$folder/new.bin" | Should -BeFalse
        }

        It 'completes the methods' {
            (TabExpansion2 -inputScript 'Save-Snapshot $s -Method ').CompletionMatches.CompletionText | Sort-Object | Should -Be 'Auto', 'Exchange', 'InPlace', 'Replace'
        }
    }

    Context '-Backup' {
        It 'keeps the old file under a suffix, of each of several files' {
            $other = New-TestFile "$folder/b.bin"
            $second = Open-MmapSnapshot $other
            $snapshot, $second | ForEach-Object { Set-SnapshotBytes $_ 0 'FF' }
            $results = $snapshot, $second | Save-Snapshot -Backup '~' -PassThru
            $results.BackupPath | Should -Be "$file~", "$other~"
            foreach ($path in $file, $other) {
                Get-FileHex "$path~" | Should -BeExactly $original
                Get-FileHex $path 0 1 | Should -BeExactly 'FF'
            }
        }

        It 'keeps it under a path, relative to the location of the shell' {
            [void][System.IO.Directory]::CreateDirectory("$folder/kept")
            Set-SnapshotBytes $snapshot 0 'FF'
            (Save-Snapshot $snapshot -Backup ./kept/old.bin -PassThru).BackupPath | Should -BeExactly "$folder/kept/old.bin"
            Get-FileHex "$folder/kept/old.bin" | Should -BeExactly $original
        }

        It 'refuses an existing backup, with -Force too' {
            $backup = New-TestFile "$folder/a.bin~" -Text 'mine'
            Set-SnapshotBytes $snapshot 0 'FF'
            foreach ($force in $false, $true) {
                $expected = @{ Id = 'DestinationExists'; Cmdlet = 'Save-Snapshot'; Target = $snapshot; Says = $backup }
                Assert-SnapshotError { Save-Snapshot $snapshot -Backup '~' -Force:$force } @expected
            }
            Get-FileHex $file | Should -BeExactly $original
            [System.IO.File]::ReadAllText($backup) | Should -BeExactly 'mine'
        }

        It 'makes none with -WhatIf, and none if nothing is replaced' {
            Set-SnapshotBytes $snapshot 0 'FF'
            Save-Snapshot $snapshot -Backup '~' -WhatIf
            (Save-Snapshot $snapshot -Backup '~' -Destination "$folder/new.bin" -PassThru).BackupPath | Should -BeNullOrEmpty
            @(Get-ChildItem -LiteralPath $folder -Force).Name | Sort-Object | Should -Be 'a.bin', 'new.bin'
        }

        It 'reports the backup with -Verbose' {
            Set-SnapshotBytes $snapshot 0 'FF'
            "$(Save-Snapshot $snapshot -Backup '~' -Verbose 4>&1)" | Should -BeLike "*The old file is '$file~'.*"
        }
    }

    Context '-NoFlush' {
        It 'says that nothing was flushed' {
            Set-SnapshotBytes $snapshot 0 'FF'
            (Save-Snapshot $snapshot -NoFlush -PassThru).Flushed | Should -BeFalse
            Get-FileHex $file 0 1 | Should -BeExactly 'FF'
        }
    }

    Context '-AllOrNone' {
        BeforeEach {
            $paths = foreach ($name in 'b', 'c') { New-TestFile "$folder/$name.bin" }
            $group = @($snapshot) + @($paths | Open-MmapSnapshot)
            $group | Set-SnapshotBytes -Offset 0 -Bytes 0xFF
        }

        It 'saves all, and returns with -PassThru a result for each' {
            $results = $group | Save-Snapshot -AllOrNone -PassThru
            $results.Path | Should -Be $group.Path
            $results.Method | Should -Be 'Replace', 'Replace', 'Replace'
            $group.IsModified | Should -Be $false, $false, $false
            foreach ($path in $group.Path) { Get-FileHex $path 0 2 | Should -BeExactly 'FF 01' }
            @(Get-ChildItem -LiteralPath $folder -Force -Name) | Should -Be 'a.bin', 'b.bin', 'c.bin'
        }

        It 'takes them as an argument, and closes with -Close' {
            Save-Snapshot $group -AllOrNone -Close | Should -BeNullOrEmpty
            $group.IsClosed | Should -Be $true, $true, $true
        }

        It 'saves none if one cannot be saved, and names it' {
            Add-Content -LiteralPath $paths[1] -Value 'theirs' -NoNewline
            $expected = @{ Id = 'SnapshotConflict'; Cmdlet = 'Save-Snapshot'; Target = $group[2]; Says = 'No file was changed' }
            Assert-SnapshotError { $group | Save-Snapshot -AllOrNone } @expected
            Get-FileHex $file | Should -BeExactly $original
            $group.IsModified | Should -Be $true, $true, $true
            @(Get-ChildItem -LiteralPath $folder -Force -Name) | Should -Be 'a.bin', 'b.bin', 'c.bin'
        }

        It 'saves none if one is closed or read-only' {
            Close-MmapSnapshot $group[1] -Force
            $attempt = { $group | Save-Snapshot -AllOrNone }
            Assert-SnapshotError $attempt -Id SnapshotClosed -Cmdlet Save-Snapshot -Target $group[1] -Says 'closed'
            $reader = Open-MmapSnapshot $paths[0] -ReadOnly
            $attempt = { $group[0], $reader | Save-Snapshot -AllOrNone }
            Assert-SnapshotError $attempt -Id ReadOnlySnapshot -Cmdlet Save-Snapshot -Target $reader -Says 'read-only'
            Get-FileHex $file | Should -BeExactly $original
        }

        It 'says with -WhatIf what it would save, and asks once' {
            $printed = Invoke-FreshPowerShell -Arguments $folder -WithPrinted {
                Open-MmapSnapshot "$args/*.bin" | Save-Snapshot -AllOrNone -WhatIf
            }
            $said = @($printed.Printed | Where-Object { $_ -match 'What if' })
            $said.Count | Should -Be 1
            "$($printed.Printed)" | Should -Match '3 files'
            $group | Save-Snapshot -AllOrNone -WhatIf
            Get-FileHex $file | Should -BeExactly $original
        }

        It 'does not go with <_.Keys>' -ForEach @(
            @{ Destination = '/tmp' }
            @{ Backup = '~' }
            @{ AllowInPlace = $true }
            @{ NoJournal = $true }
            @{ Method = 'InPlace' }
            @{ Method = 'Exchange' }
        ) {
            $arguments = $_
            { $group | Save-Snapshot -AllOrNone @arguments } | Should -Throw -ErrorId 'AmbiguousParameterSet,*'
            Get-FileHex $file | Should -BeExactly $original
        }

        It 'does nothing with nothing' {
            @() | Save-Snapshot -AllOrNone -PassThru | Should -BeNullOrEmpty
        }

        It 'refuses two snapshots of one file' {
            $again = Open-MmapSnapshot $file
            $attempt = { $group, $again | Save-Snapshot -AllOrNone }
            Assert-SnapshotError $attempt -Id DuplicateTarget -Cmdlet Save-Snapshot -Target $snapshot -Says 'Save one of them'
        }

        It 'saves over another process''s change with -Force, and warns' {
            Set-Content -LiteralPath $paths[1] -Value 'theirs'
            $results = $group | Save-Snapshot -AllOrNone -Force -PassThru -WarningVariable warnings -WarningAction SilentlyContinue
            $results[2].Override | Should -Match 'length changed'
            "$warnings" | Should -Match 'overwritten because of -Force'
            Get-FileHex $paths[1] 0 2 | Should -BeExactly 'FF 01'
        }
    }

    Context '-Destination' {
        It 'makes another file and leaves the snapshot''s own' {
            Set-SnapshotBytes $snapshot 0 'FF'
            $result = Save-Snapshot $snapshot -Destination "$folder/new.bin" -PassThru
            $result.Path | Should -BeExactly "$folder/new.bin"
            Get-FileHex "$folder/new.bin" 0 2 | Should -BeExactly 'FF 01'
            Get-FileHex $file | Should -BeExactly $original
        }

        It 'leaves the snapshot modified: its own file has not got the changes' {
            Set-SnapshotBytes $snapshot 0 'FF'
            Save-Snapshot $snapshot -Destination "$folder/new.bin"
            $snapshot.IsModified | Should -BeTrue
            Save-Snapshot $snapshot
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 01'
        }

        It 'resolves a relative path against the location of PowerShell' {
            Save-Snapshot $snapshot -Destination new.bin
            Get-FileHex "$folder/new.bin" | Should -BeExactly $original
        }

        It 'takes brackets in the path for themselves' {
            Save-Snapshot $snapshot -Destination "$folder/[a].bin"
            Get-FileHex "$folder/[a].bin" | Should -BeExactly $original
        }

        It 'makes a copy of a snapshot without changes' {
            (Save-Snapshot $snapshot -Destination "$folder/new.bin" -PassThru).Method | Should -Not -Be 'None'
            Get-FileHex "$folder/new.bin" | Should -BeExactly $original
        }

        It 'saves a read-only snapshot' {
            Save-Snapshot (Open-MmapSnapshot $file -ReadOnly) -Destination "$folder/new.bin"
            Get-FileHex "$folder/new.bin" | Should -BeExactly $original
        }

        It 'closes with -Close' {
            Save-Snapshot $snapshot -Destination "$folder/new.bin" -Close
            $snapshot.IsClosed | Should -BeTrue
        }

        It 'gives the new file the rights of the snapshot''s own' {
            Invoke-Shell 'chmod 750 "$1"' $file
            Save-Snapshot (Open-MmapSnapshot $file) -Destination "$folder/new.bin"
            Invoke-Shell 'stat -c %a "$1"' "$folder/new.bin" | Should -BeExactly '750'
        }

        It 'refuses a file that exists' {
            $other = New-TestFile "$folder/b.bin" -Text 'other'
            Assert-SnapshotError { Save-Snapshot $snapshot -Destination $other } -Id DestinationExists -Cmdlet Save-Snapshot -Target $snapshot -Says $other, '-Force'
            [System.IO.File]::ReadAllText($other) | Should -BeExactly 'other'
        }

        It 'does not replace a write-protected file of ones own without -Force' {
            Skip-When (Get-NobodyObstacle)
            $golden = New-TestFile "$folder/golden.bin"
            Invoke-Shell 'chown 65534:65534 "$1"; chmod 444 "$1"' $golden
            $answer = Invoke-FreshPowerShell -As Nobody -Arguments $golden {
                $snapshot = Open-MmapSnapshot $args[0]
                Set-SnapshotBytes $snapshot 0 'FF'
                Save-Snapshot $snapshot -ErrorAction SilentlyContinue -ErrorVariable problems
                $problems[0].FullyQualifiedErrorId
                "$($problems[0])"
                Save-Snapshot $snapshot -Force -Close
            }
            $answer[0] | Should -BeExactly 'AccessDenied,MmapSnapshot.SaveSnapshotCommand'
            $answer[1] | Should -BeLike '*EACCES: *-Force*'
            Get-FileHex $golden 0 1 | Should -BeExactly 'FF'
            Invoke-Shell 'stat -c "%a %u" "$1"' $golden | Should -BeExactly '444 65534'
        }

        It 'overwrites a file that exists with -Force, keeps its rights, and says so' {
            $other = New-TestFile "$folder/b.bin" -Text 'other'
            Invoke-Shell 'chmod 604 "$1"' $other
            $warnings = @(Save-Snapshot $snapshot -Destination $other -Force 3>&1)
            "$warnings" | Should -BeLike "*$other*"
            Get-FileHex $other | Should -BeExactly $original
            Invoke-Shell 'stat -c %a "$1"' $other | Should -BeExactly '604'
        }

        It 'refuses the snapshot''s own file without -Force' {
            Set-SnapshotBytes $snapshot 0 'FF'
            Assert-SnapshotError { Save-Snapshot $snapshot -Destination $file } -Id DestinationExists -Cmdlet Save-Snapshot -Target $snapshot -Says $file
            Get-FileHex $file | Should -BeExactly $original
        }

        It 'saves to the snapshot''s own file with -Force, as without -Destination' {
            Set-SnapshotBytes $snapshot 0 'FF'
            Save-Snapshot $snapshot -Destination $file -Force
            $snapshot.IsModified | Should -BeFalse
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 01'
        }

        It 'writes the file that a symbolic link leads to, with -Force' {
            $other = New-TestFile "$folder/b.bin" -Text 'other'
            [void](New-Item -ItemType SymbolicLink -Path "$folder/link" -Target $other)
            Save-Snapshot $snapshot -Destination "$folder/link" -Force -WarningAction SilentlyContinue
            (Get-Item -LiteralPath "$folder/link").LinkTarget | Should -BeExactly $other
            Get-FileHex $other | Should -BeExactly $original
        }

        It 'refuses a link that leads nowhere' {
            [void](New-Item -ItemType SymbolicLink -Path "$folder/link" -Target "$folder/missing")
            Assert-SnapshotError { Save-Snapshot $snapshot -Destination "$folder/link" } -Id FileNotFound -Cmdlet Save-Snapshot -Target $snapshot -Says "$folder/link"
            Test-Path -LiteralPath "$folder/missing" | Should -BeFalse
        }

        It 'refuses something that is neither a file nor a directory' {
            Invoke-Shell 'mkfifo "$1/fifo"' $folder
            $write = { Save-Snapshot $snapshot -Destination "$folder/fifo" -Force }
            Assert-SnapshotError $write -Id NotARegularFile -Cmdlet Save-Snapshot -Target $snapshot -Says "$folder/fifo"
        }

        It 'is the second argument' {
            Save-Snapshot $snapshot "$folder/new.bin"
            Get-FileHex "$folder/new.bin" | Should -BeExactly (Get-SnapshotHex $snapshot)
        }

        It 'takes each file by its name, where it is a directory' {
            $null = New-Item -ItemType Directory -Path "$folder/out"
            $second = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
            $results = $snapshot, $second | Save-Snapshot -Destination "$folder/out" -PassThru
            $results.Path | Should -Be "$folder/out/a.bin", "$folder/out/b.bin"
            Get-FileHex "$folder/out/a.bin" | Should -BeExactly (Get-SnapshotHex $snapshot)
        }

        It 'refuses several snapshots for one file, and saves the others' {
            $null = New-Item -ItemType Directory -Path "$folder/out", "$folder/in"
            $second = Open-MmapSnapshot (New-TestFile "$folder/in/a.bin")
            $third = Open-MmapSnapshot (New-TestFile "$folder/c.bin")
            $snapshot, $second, $third, $third | Save-Snapshot -Destination "$folder/out" -ErrorAction SilentlyContinue -ErrorVariable problems
            $problems.FullyQualifiedErrorId | Should -Be 'DuplicateTarget,MmapSnapshot.SaveSnapshotCommand'
            "$problems" | Should -BeLike "*'$folder/out/a.bin'*2 snapshots*'$file'*'$folder/in/a.bin'*"
            (Get-ChildItem -LiteralPath "$folder/out" -Force).Name | Should -Be 'c.bin'
        }

        It 'saves nothing before all input has come' {
            $stop = { $snapshot; throw 'no more' }
            { & $stop | Save-Snapshot -Destination "$folder/new.bin" } | Should -Throw 'no more'
            "$folder/new.bin" | Should -Not -Exist
        }

        It 'refuses a path in a folder that does not exist' {
            Assert-SnapshotError { Save-Snapshot $snapshot -Destination "$folder/missing/new.bin" } -Id FileNotFound -Cmdlet Save-Snapshot -Target $snapshot -Says "$folder/missing", 'ENOENT'
        }

        It 'refuses a name that is too long' {
            Assert-SnapshotError { Save-Snapshot $snapshot -Destination ("$folder/" + 'n' * 256) } -Id FileNotFound -Cmdlet Save-Snapshot -Target $snapshot -Says 'ENAMETOOLONG'
        }

        It 'refuses the path of another provider' {
            Assert-SnapshotError { Save-Snapshot $snapshot -Destination Env:x } -Id NotSupported -Cmdlet Save-Snapshot -Target $snapshot -Says 'Environment'
        }

        It 'refuses an empty path' {
            Assert-SnapshotError { Save-Snapshot $snapshot -Destination '' } -Id ParameterArgumentValidationError -Cmdlet Save-Snapshot
        }
    }

    Context 'the pipeline' {
        It 'takes snapshots from the pipeline' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
            $snapshot, $other | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot
            $file, "$folder/b.bin" | ForEach-Object { Get-FileHex $_ 0 1 } | Should -Be 'FF', 'FF'
        }

        It 'takes several snapshots as an argument' {
            $other = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
            @(Save-Snapshot $snapshot, $other -PassThru).Count | Should -Be 2
        }

        It 'goes on after a snapshot that it cannot save' {
            $readOnly = Open-MmapSnapshot $file -ReadOnly
            Set-SnapshotBytes $snapshot 0 'FF'
            $readOnly, $snapshot | Save-Snapshot -ErrorAction SilentlyContinue -ErrorVariable problems
            $problems.FullyQualifiedErrorId | Should -Be 'ReadOnlySnapshot,MmapSnapshot.SaveSnapshotCommand'
            Get-FileHex $file 0 1 | Should -BeExactly 'FF'
        }
    }

    Context 'what it refuses' {
        It 'refuses a closed snapshot' {
            Close-MmapSnapshot $snapshot
            Assert-SnapshotError { Save-Snapshot $snapshot } -Id SnapshotClosed -Cmdlet Save-Snapshot -Target $snapshot -Says $file
        }

        It 'refuses a read-only snapshot' {
            $readOnly = Open-MmapSnapshot $file -ReadOnly
            Assert-SnapshotError { Save-Snapshot $readOnly -Close } -Id ReadOnlySnapshot -Cmdlet Save-Snapshot -Target $readOnly -Says $file, '-Destination'
            $readOnly.IsClosed | Should -BeFalse
        }

        It 'keeps the snapshot open, with its bytes, when the save is refused' {
            Set-SnapshotBytes $snapshot 0 'FF'
            [System.IO.File]::WriteAllText($file, 'changed by somebody else')
            Assert-SnapshotError { Save-Snapshot $snapshot -Close } -Id SnapshotConflict -Cmdlet Save-Snapshot -Target $snapshot -Says $file, '-Force'
            $snapshot.IsClosed | Should -BeFalse
            $snapshot.IsModified | Should -BeTrue
            Get-SnapshotHex $snapshot 0 2 | Should -BeExactly 'FF 01'
            [System.IO.File]::ReadAllText($file) | Should -BeExactly 'changed by somebody else'
        }

        It 'overwrites somebody else''s change with -Force, and warns of it' {
            Set-SnapshotBytes $snapshot 0 'FF'
            [System.IO.File]::WriteAllText($file, 'changed by somebody else')
            $warnings = @(Save-Snapshot $snapshot -Force 3>&1)
            "$warnings" | Should -BeLike "*$file*-Force*"
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 01'
        }

        It 'does not warn with -Force when there was nothing to override' {
            Set-SnapshotBytes $snapshot 0 'FF'
            @(Save-Snapshot $snapshot -Force 3>&1).Count | Should -Be 0
        }

        It 'can be caught with -ErrorAction Stop' {
            Close-MmapSnapshot $snapshot
            { Save-Snapshot $snapshot -ErrorAction Stop } | Should -Throw -ErrorId 'SnapshotClosed,MmapSnapshot.SaveSnapshotCommand'
        }
    }

    It 'has help that names its parameters' {
        Get-Help -Name Save-Snapshot | Out-String | Should -BeLike '*-Destination*-Close*'
    }
}

Describe 'Save-Snapshot on <Label>' -ForEach (Get-TestFileSystem) {
    Context 'to other places' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
            $file = New-TestFile "$folder/a.bin"
            $snapshot = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 'FF'
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It 'saves to another filesystem' {
            $elsewhere = New-Workspace
            try {
                Save-Snapshot $snapshot -Destination "$elsewhere/new.bin"
                Get-FileHex "$elsewhere/new.bin" 0 2 | Should -BeExactly 'FF 01'
                (Get-Item -LiteralPath "$elsewhere/new.bin").Length | Should -Be 256
            } finally {
                Remove-Workspace $elsewhere
            }
        }

        It 'saves here what was opened on another filesystem' {
            $elsewhere = New-Workspace
            try {
                $foreign = Open-MmapSnapshot (New-TestFile "$elsewhere/b.bin" -Text 'from elsewhere')
                Save-Snapshot $foreign -Destination "$folder/new.bin" -Close
                [System.IO.File]::ReadAllText("$folder/new.bin") | Should -BeExactly 'from elsewhere'
            } finally {
                Remove-Workspace $elsewhere
            }
        }

        It 'tells with -Verbose by which method and why, and with -Debug of another backing' {
            # Before version 7.6 PowerShell asks at each ShouldProcess and at each verbose message with -Debug, unless told not to.
            $quiet = @{ Debug = $true; Confirm = $false }
            $messages = @(Save-Snapshot $snapshot -Verbose @quiet 4>&1 5>&1 | ForEach-Object { "$_" })
            $saved = $messages -like 'Saved *'
            if ($Name -eq 'xfs-exchange') {
                $saved | Should -BeLike '*, method Exchange, because the filesystem exchanges the contents of files; *'
            } else {
                $saved | Should -BeLike '*, method Replace, because the filesystem does not exchange the contents of files, *; *'
            }
            @($messages -like "*'$file' is now *").Count | Should -Be 0
            if ($Reflink) { return }
            Set-SnapshotBytes $snapshot 0 'EE'
            $reader = [System.IO.File]::OpenRead($file) # or the file is written to without a copy
            try {
                $messages = @(Save-Snapshot $snapshot -Method InPlace -Verbose @quiet 4>$null 5>&1)
            } finally {
                $reader.Dispose()
            }
            $messages | Should -BeLike "*'$file' is now Copy in $folder, because *a save *required it*"
        }

        It 'gives -Method Exchange, or says that it cannot be had' {
            $before = Invoke-Shell 'stat -c %i "$1"' $file
            if ($Name -eq 'xfs-exchange') {
                (Save-Snapshot $snapshot -Method Exchange -PassThru).Method | Should -Be 'Exchange'
                Get-FileHex $file 0 2 | Should -BeExactly 'FF 01'
            } else {
                Assert-SnapshotError { Save-Snapshot $snapshot -Method Exchange } -Id NotSupported -Cmdlet Save-Snapshot -Target $snapshot -Says $file, 'Replace'
                Get-FileHex $file 0 2 | Should -BeExactly '00 01'
            }
            Invoke-Shell 'stat -c %i "$1"' $file | Should -Be $before
        }

        It 'saves by each method, one after the other' {
            $value = 1
            foreach ($method in 'Auto', 'InPlace', 'Replace', 'InPlace', 'Auto') {
                Set-SnapshotBytes $snapshot 1 -Bytes $value
                Save-Snapshot $snapshot -Method $method
                (Get-SnapshotBytes $snapshot 1 1)[0] | Should -Be $value
                [System.IO.File]::ReadAllBytes($file)[1] | Should -Be $value
                $value++
            }
        }
    }
}

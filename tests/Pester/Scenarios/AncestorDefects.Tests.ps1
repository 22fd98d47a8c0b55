# What the crate gets wrong, measured with its own code; the numbers are the rows of the design's table of its defects. The
# other rows (a kill or a crash in the middle, syncing, the order of two system calls) are tested below the cmdlets.

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"

    $needsRoot = Get-Obstacle -Root
    $needsTools = Get-Obstacle -Root -Program setfattr, getfattr, setfacl, getfacl, setcap, getcap
    $needsNobody = Get-NobodyObstacle

    # All that a file has besides its bytes, in words.
    function Get-Metadata([string] $Path) {
        (Invoke-Shell 'stat -c "%a %u:%g" "$1"; getfattr --absolute-names -d -m - -e hex "$1"; getfacl -cn --absolute-names "$1"; getcap "$1"' $Path) -join "`n"
    }

    # Takes all the space that a filesystem has, quickly, and gives it back when the folder is removed.
    function Use-AllSpace([string] $Folder) {
        Invoke-Shell @'
i=0
for size in 256M 64M 16M 4M 1M 256K 64K 16K 4K; do
    while fallocate -l $size "$1/filler-$((i++))" 2>/dev/null; do :; done
done
dd if=/dev/zero of="$1/filler-last" bs=4K 2>/dev/null || true
sync -f "$1" 2>/dev/null || true
'@ $Folder
    }
}

Describe 'The ancestor''s defects on <Label>' -ForEach (Get-TestFileSystem) {
    Context 'mended' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
            $file = New-TestFile "$folder/a.bin" -Bytes ([byte[]](, 0x41 * 8192))
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It '2: a file shrunk from 8192 to <Length> bytes has that length after a commit by <Method>' -ForEach @(
            foreach ($method in 'Auto', 'Replace', 'InPlace') {
                foreach ($length in 4096, 5000, 1, 0) { @{ Method = $method; Length = $length } }
            }
        ) {
            Open-MmapSnapshot $file | Resize-Snapshot -Length $Length -PassThru | Save-Snapshot -Method $Method
            Get-FileHex $file | Should -BeExactly (ConvertTo-HexText ([byte[]](, 0x41 * $Length)))
        }

        It '3: owner, mode, attributes, ACL and capabilities are carried over by <_>' -ForEach 'Auto', 'Replace' {
            Skip-When $needsTools
            Invoke-Shell 'chown 1000:1001 "$1"; chmod 4751 "$1"; setfattr -n user.note -v kept "$1"; setfattr -n trusted.note -v kept "$1"; setfacl -m u:1234:r-x,g:1235:rw- "$1"; setcap cap_net_raw=ep "$1"' $file
            $before = Get-Metadata $file
            $before | Should -BeLike '4*1000:1001*user.note*cap_net_raw*'
            Open-MmapSnapshot $file | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot -Method $_
            Get-Metadata $file | Should -BeExactly $before
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 41'
        }

        It '3: a plain mode is carried over: <_>' -ForEach '600', '444', '755', '2755', '1644', '000' {
            Skip-When $needsRoot
            Invoke-Shell 'chmod "$2" "$1"' $file $_
            Open-MmapSnapshot $file | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot
            [int](Invoke-Shell 'stat -c %a "$1"' $file) | Should -Be ([int]$_)
        }

        It '4: an in-place commit leaves capabilities and setuid' {
            Skip-When $needsTools
            Invoke-Shell 'chown 1000:1001 "$1"; chmod 6755 "$1"; setcap cap_net_raw=ep "$1"' $file
            $before = Get-Metadata $file
            Open-MmapSnapshot $file | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot -Method InPlace
            Get-Metadata $file | Should -BeExactly $before
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 41'
        }

        It '4: an in-place commit by a user without privileges leaves setuid and setgid' {
            Skip-When $needsNobody
            Invoke-Shell 'chown 65534:65534 "$1"; chmod 6755 "$1"' $file
            Invoke-FreshPowerShell -As Nobody -Arguments $file {
                Open-MmapSnapshot $args[0] | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot -Method InPlace
            } | Should -BeNullOrEmpty
            Invoke-Shell 'stat -c %a "$1"' $file | Should -BeExactly '6755'
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 41'
        }

        It '5: a bare relative path works' {
            Push-Location -LiteralPath $folder
            try {
                Open-MmapSnapshot a.bin | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot -Close
                Get-FileHex $file 0 2 | Should -BeExactly 'FF 41'
            } finally {
                Pop-Location
            }
        }

        It '6: a symbolic link stays one, and its target is committed, by <_>' -ForEach 'Auto', 'Replace', 'InPlace' {
            [void](New-Item -ItemType Directory -Path "$folder/links")
            Invoke-Shell 'ln -s ../a.bin "$1/links/link"' $folder
            Open-MmapSnapshot "$folder/links/link" | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot -Method $_
            Invoke-Shell 'readlink "$1"' "$folder/links/link" | Should -BeExactly '../a.bin'
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 41'
            @(Get-ChildItem -LiteralPath "$folder/links" -Force).Count | Should -Be 1
        }

        It '7: hard links are not broken silently, and the error names the ways out' {
            Invoke-Shell 'ln "$1" "$2"' $file "$folder/other"
            $snapshot = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 'FF'
            Assert-SnapshotError { Save-Snapshot $snapshot -Method Replace } -Id HardLinked -Cmdlet Save-Snapshot -Target $snapshot -Says $file, '2 names', '-Method InPlace', '-BreakHardLink'
            Get-FileHex $file 0 2 | Should -BeExactly '41 41'
            Invoke-Shell 'stat -c %h "$1"' $file | Should -Be 2
        }

        It '7: InPlace keeps hard links together' {
            Invoke-Shell 'ln "$1" "$2"' $file "$folder/other"
            Open-MmapSnapshot $file | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot -Method InPlace
            Get-FileHex "$folder/other" 0 2 | Should -BeExactly 'FF 41'
            Invoke-Shell 'stat -c %h "$1"' $file | Should -Be 2
        }

        It '7: -BreakHardLink leaves the other name with the old bytes' {
            Invoke-Shell 'ln "$1" "$2"' $file "$folder/other"
            Open-MmapSnapshot $file | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot -Method Replace -BreakHardLink
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 41'
            Get-FileHex "$folder/other" 0 2 | Should -BeExactly '41 41'
        }

        # The writer puts the same number at the start and then at the end, over and over; in bursts, as without pauses there
        # would be no quiet instant to copy.
        It '8: a snapshot under a writer <How> is of one instant, or there is none' -ForEach @(
            @{
                How    = 'with write(2)'
                Script = {
                    $stream = [System.IO.FileStream]::new($file, 'Open', 'Write', 'ReadWrite', 0)
                    while (-not $control.Stop) {
                        $number = [System.BitConverter]::GetBytes([long]$control.Rounds + 1)
                        $stream.Position = 0
                        $stream.Write($number, 0, 8)
                        $stream.Position = 4MB - 8
                        $stream.Write($number, 0, 8)
                        $control.Rounds++
                        if ($control.Rounds % 256 -eq 0) { [System.Threading.Thread]::Sleep(4) }
                    }
                    $stream.Dispose()
                }
            }
            @{
                How    = 'through a mapping'
                Script = {
                    $mapping = [System.IO.MemoryMappedFiles.MemoryMappedFile]::CreateFromFile($file, 'Open')
                    $view = $mapping.CreateViewAccessor()
                    while (-not $control.Stop) {
                        $number = [long]$control.Rounds + 1
                        $view.Write(0, $number)
                        $view.Write(4MB - 8, $number)
                        $control.Rounds++
                        if ($control.Rounds % 256 -eq 0) { [System.Threading.Thread]::Sleep(4) }
                    }
                    $view.Dispose()
                    $mapping.Dispose()
                }
            }
        ) {
            Invoke-Shell 'truncate -s 4M "$1"' $file
            $control = [hashtable]::Synchronized(@{ Stop = $false; Rounds = 0 })
            $writer = Start-Pipeline $Script -Variables @{ file = $file; control = $control }
            try {
                while ($control.Rounds -eq 0 -and $writer.InvocationStateInfo.State -eq 'Running') { [System.Threading.Thread]::Sleep(1) }
                # A clone is of one instant by itself; with a copy it takes some luck to be torn.
                foreach ($attempt in 1..($Reflink ? 5 : 20)) {
                    $snapshot = Open-MmapSnapshot $file -ErrorAction SilentlyContinue -ErrorVariable problems
                    if ($problems.Count -gt 0) {
                        $problems.FullyQualifiedErrorId | Should -Be 'SourceChanging,MmapSnapshot.OpenMmapSnapshotCommand'
                        continue
                    }
                    $first = [System.BitConverter]::ToInt64((Get-SnapshotBytes $snapshot 0 8), 0)
                    $last = [System.BitConverter]::ToInt64((Get-SnapshotBytes $snapshot (4MB - 8) 8), 0)
                    # Between the two writes the first is one ahead.
                    $last | Should -BeIn $first, ($first - 1)
                    Close-MmapSnapshot $snapshot
                }
            } finally {
                $control.Stop = $true
                while ($writer.InvocationStateInfo.State -eq 'Running') { [System.Threading.Thread]::Sleep(1) }
                $writer.Runspace.Dispose()
            }
            $writer.InvocationStateInfo.State | Should -Be 'Completed'
        }

        It '9: another writer''s change is a conflict, not overwritten, by <_>' -ForEach 'Auto', 'Replace', 'InPlace' {
            $snapshot = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 'FF'
            Invoke-Shell 'printf X | dd of="$1" bs=1 seek=100 conv=notrunc status=none' $file
            $changed = Get-FileHex $file
            $method = $_
            Assert-SnapshotError { Save-Snapshot $snapshot -Method $method } -Id SnapshotConflict -Cmdlet Save-Snapshot -Target $snapshot -Says $file, '-Force', '-Destination'
            Get-FileHex $file | Should -BeExactly $changed
            $snapshot.IsModified | Should -BeTrue
        }

        It '9: a change between two commits is a conflict' {
            $snapshot = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 'FF'
            Save-Snapshot $snapshot
            Invoke-Shell 'printf X | dd of="$1" bs=1 seek=100 conv=notrunc status=none' $file
            Set-SnapshotBytes $snapshot 1 'FF'
            Assert-SnapshotError { Save-Snapshot $snapshot } -Id SnapshotConflict -Cmdlet Save-Snapshot -Target $snapshot
        }

        It '9: a change of the mode alone is a conflict too: it would be lost' {
            $snapshot = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 'FF'
            Invoke-Shell 'chmod 711 "$1"' $file
            Assert-SnapshotError { Save-Snapshot $snapshot } -Id SnapshotConflict -Cmdlet Save-Snapshot -Target $snapshot
            Invoke-Shell 'stat -c %a "$1"' $file | Should -BeExactly '711'
        }

        It '9: of two snapshots of one file only the first is saved' {
            $first, $second = Open-MmapSnapshot $file, $file
            Set-SnapshotBytes $first 0 'AA'
            Set-SnapshotBytes $second 1 'BB'
            Save-Snapshot $first
            Assert-SnapshotError { Save-Snapshot $second } -Id SnapshotConflict -Cmdlet Save-Snapshot -Target $second
            Get-FileHex $file 0 2 | Should -BeExactly 'AA 41'
        }

        It '10: a file that was <What> meanwhile is a conflict, by <Method>' -ForEach @(
            foreach ($method in 'Auto', 'Replace', 'InPlace') {
                @{ Method = $method; What = 'replaced'; Script = 'echo other > "$1.new"; mv "$1.new" "$1"' }
                @{ Method = $method; What = 'replaced by a copy of itself'; Script = 'cp -p "$1" "$1.new"; mv "$1.new" "$1"' }
                @{ Method = $method; What = 'replaced by a symbolic link'; Script = 'mv "$1" "$1.old"; ln -s a.bin.old "$1"' }
                @{ Method = $method; What = 'replaced by a folder'; Script = 'rm "$1"; mkdir "$1"' }
                @{ Method = $method; What = 'deleted'; Script = 'rm "$1"' }
            }
        ) {
            $snapshot = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 'FF'
            Invoke-Shell $Script $file
            $before = Invoke-Shell 'ls -liA "$1"' $folder
            Assert-SnapshotError { Save-Snapshot $snapshot -Method $Method } -Id SnapshotConflict -Cmdlet Save-Snapshot -Target $snapshot -Says $file
            Invoke-Shell 'ls -liA "$1"' $folder | Should -Be $before
        }

        It '10: a folder that was moved meanwhile is a conflict' {
            [void](New-Item -ItemType Directory -Path "$folder/sub")
            $inside = New-TestFile "$folder/sub/b.bin"
            $snapshot = Open-MmapSnapshot $inside
            Set-SnapshotBytes $snapshot 0 'FF'
            Rename-Item -LiteralPath "$folder/sub" -NewName moved
            Assert-SnapshotError { Save-Snapshot $snapshot } -Id SnapshotConflict -Cmdlet Save-Snapshot -Target $snapshot -Says 'directory'
            Get-FileHex "$folder/moved/b.bin" 0 1 | Should -BeExactly '00'
            Close-MmapSnapshot $snapshot -Force
        }

        It '10: a file that was deleted is made again with -Force' {
            $snapshot = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 'FF'
            Remove-Item -LiteralPath $file
            Save-Snapshot $snapshot -Force -WarningAction SilentlyContinue
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 41'
        }

        It '10: a file that was deleted cannot be written in place, and the error does not advise the -Force that was given' {
            $snapshot = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 'FF'
            Remove-Item -LiteralPath $file
            $record = Assert-SnapshotError { Save-Snapshot $snapshot -Method InPlace -Force } -Id SnapshotConflict -Cmdlet Save-Snapshot -Target $snapshot -Says $file, 'deleted' -PassThru
            "$record" | Should -Not -BeLike '*-Force*'
            Test-Path -LiteralPath $file | Should -BeFalse
        }

        It '11: a full disk is an error of the save, the process lives, and the snapshot has its bytes' {
            $sparse = New-SparseFile "$folder/sparse" -Length 16MB
            $snapshot = Open-MmapSnapshot $sparse
            $noise = [byte[]]::new(8MB)
            [System.Random]::new(1).NextBytes($noise)
            [void](New-Item -ItemType Directory -Path "$folder/full")
            try {
                Use-AllSpace "$folder/full"
                Set-SnapshotBytes $snapshot 4MB -Bytes $noise # stays in memory
                Assert-SnapshotError { Save-Snapshot $snapshot } -Id NoSpace -Cmdlet Save-Snapshot -Target $snapshot -Says $sparse, 'ENOSPC'
                $snapshot.IsModified | Should -BeTrue
            } finally {
                Remove-Item -LiteralPath "$folder/full" -Recurse
            }
            # btrfs gives deleted space back with the next transaction.
            Invoke-Shell 'sync -f "$1"' $folder
            Save-Snapshot $snapshot -Close
            Get-FileHex $sparse (4MB - 1) 3 | Should -BeExactly ('00 ' + (ConvertTo-HexText $noise[0, 1]))
        }

        It '12: a running executable is patched, and what runs keeps its own' {
            $program = "$folder/sleep"
            Copy-Item -LiteralPath (Get-Command -Name sleep -CommandType Application | Select-Object -First 1).Source -Destination $program
            $running = Start-Process -FilePath $program -ArgumentList 60 -PassThru
            try {
                $original = Get-FileHex $program 0 16
                $snapshot = Open-MmapSnapshot $program
                # Padding within the ELF header, which nobody reads (man 5 elf).
                Set-SnapshotBytes $snapshot 9 -Text 'PATCHED'
                Save-Snapshot $snapshot -Close
                $running.HasExited | Should -BeFalse
                Get-FileHex "/proc/$($running.Id)/exe" 0 16 | Should -BeExactly $original
                Get-FileHex $program 9 7 | Should -BeExactly (ConvertTo-HexText ([System.Text.Encoding]::ASCII.GetBytes('PATCHED')))
                & $program 0
                $LASTEXITCODE | Should -Be 0
            } finally {
                $running.Kill()
                $running.WaitForExit()
            }
        }

        It '12: writing into a running executable in place is refused, and the error names the way out' {
            $program = "$folder/sleep"
            Copy-Item -LiteralPath (Get-Command -Name sleep -CommandType Application | Select-Object -First 1).Source -Destination $program
            $running = Start-Process -FilePath $program -ArgumentList 60 -PassThru
            try {
                $snapshot = Open-MmapSnapshot $program
                Set-SnapshotBytes $snapshot 9 -Text 'PATCHED'
                Assert-SnapshotError { Save-Snapshot $snapshot -Method InPlace } -Id NotSupported -Cmdlet Save-Snapshot -Target $snapshot -Says $program, 'ETXTBSY', '-Method Replace'
            } finally {
                $running.Kill()
                $running.WaitForExit()
            }
        }

        It '13: a read-only snapshot needs no folder that one may write to' {
            Skip-When $needsNobody
            Invoke-Shell 'chmod 755 "$1"; chmod 644 "$2"' $folder $file
            $answer = @(Invoke-FreshPowerShell -As Nobody -Arguments $file {
                $snapshot = Open-MmapSnapshot $args[0] -ReadOnly
                $snapshot.Length
                (Get-SnapshotBytes $snapshot 8191 1)[0]
            })
            $answer | Should -Be 8192, 0x41
        }

        It '15: children inherit none of a snapshot''s descriptors' {
            $snapshot = Open-MmapSnapshot $file
            Set-SnapshotBytes $snapshot 0 'FF'
            @(Get-DescriptorInto $folder).Count | Should -BeGreaterThan 0
            Invoke-Shell 'ls -l /proc/self/fd' | Where-Object { "$_".Contains($folder) } | Should -BeNullOrEmpty
            Save-Snapshot $snapshot
            Invoke-Shell 'ls -l /proc/self/fd' | Where-Object { "$_".Contains($folder) } | Should -BeNullOrEmpty
        }

        It '18: a save whose rename fails leaves no temporary name' {
            Skip-When $needsRoot
            # A file that is a mount point cannot be replaced: the rename, the very last step, says EBUSY.
            $mounted = New-TestFile "$folder/mounted"
            Invoke-Shell 'mount --bind "$1" "$2"' $file $mounted
            try {
                $snapshot = Open-MmapSnapshot $mounted
                Set-SnapshotBytes $snapshot 0 'FF'
                Assert-SnapshotError { Save-Snapshot $snapshot -Method Replace } -Id NotSupported -Cmdlet Save-Snapshot -Target $snapshot -Says $mounted, 'EBUSY', '-Method InPlace'
                @(Get-ChildItem -LiteralPath $folder -Force).Name | Sort-Object | Should -Be 'a.bin', 'mounted'
                Get-FileHex $mounted 0 2 | Should -BeExactly '41 41'
                Save-Snapshot $snapshot -Method InPlace
                Get-FileHex $mounted 0 2 | Should -BeExactly 'FF 41'
                Close-MmapSnapshot $snapshot
            } finally {
                Invoke-Shell 'umount "$1"' $mounted
            }
        }

        It '20: a FIFO is refused, and not waited for' {
            Invoke-Shell 'mkfifo "$1"' "$folder/fifo"
            $shell = Start-Pipeline -Variables @{ fifo = "$folder/fifo" } 'Open-MmapSnapshot $fifo'
            $patience = [System.Diagnostics.Stopwatch]::StartNew()
            while ($shell.InvocationStateInfo.State -eq 'Running' -and $patience.Elapsed.TotalSeconds -lt 10) { [System.Threading.Thread]::Sleep(1) }
            $shell.InvocationStateInfo.State | Should -Be 'Completed'
            $shell.Streams.Error[0].FullyQualifiedErrorId | Should -BeExactly 'NotARegularFile,MmapSnapshot.OpenMmapSnapshotCommand'
            "$($shell.Streams.Error[0])" | Should -BeLike "*$folder/fifo*FIFO*"
            $shell.Runspace.Dispose()
        }
    }
}

# Where a save of an open snapshot takes a second copy of the data.
Describe 'The ancestor''s defects where nothing is cloned: <Label>' -ForEach (Get-TestFileSystem ext4, tmpfs, overlay-ext4) {
    Context 'mended' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It '11: a save that the disk has no room for leaves the old file, and the snapshot its bytes' {
            $large = New-TestFile "$folder/large" -Bytes ([byte[]]::new(8MB))
            $snapshot = Open-MmapSnapshot $large -Backing Copy
            Set-SnapshotBytes $snapshot 0 -Fill 'EE' -Count 8MB
            [void](New-Item -ItemType Directory -Path "$folder/full")
            try {
                Use-AllSpace "$folder/full"
                Assert-SnapshotError { Save-Snapshot $snapshot } -Id NoSpace -Cmdlet Save-Snapshot -Target $snapshot -Says $large, 'ENOSPC'
            } finally {
                Remove-Item -LiteralPath "$folder/full" -Recurse
            }
            Get-FileHex $large 0 2 | Should -BeExactly '00 00'
            $snapshot.IsModified | Should -BeTrue
            Save-Snapshot $snapshot
            Get-FileHex $large (8MB - 2) | Should -BeExactly 'EE EE'
        }
    }
}

Describe 'The ancestor''s defects on <Label> alone' -ForEach (Get-TestFileSystem btrfs) {
    Context 'mended' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It '14: a NOCOW file is cloned, committed by <_>, and stays NOCOW' -ForEach 'Replace', 'InPlace' {
            $file = "$folder/nocow"
            Invoke-Shell 'touch "$1"; chattr +C "$1"; head -c 100000 /dev/urandom > "$1"' $file
            $snapshot = Open-MmapSnapshot $file
            $snapshot.Backing | Should -Be 'Reflink'
            Get-SnapshotHex $snapshot | Should -BeExactly (Get-FileHex $file)
            Set-SnapshotBytes $snapshot 0 'AA BB CC DD'
            Save-Snapshot $snapshot -Method $_ -Close
            Get-FileHex $file 0 4 | Should -BeExactly 'AA BB CC DD'
            (Invoke-Shell 'lsattr "$1"' $file).Split(' ')[0] | Should -BeLike '*C*'
        }
    }
}

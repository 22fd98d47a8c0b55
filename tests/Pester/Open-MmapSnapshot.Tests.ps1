Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'Open-MmapSnapshot' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        Push-Location -LiteralPath $folder
    }

    AfterEach {
        Pop-Location
        Remove-Workspace $folder
    }

    Context 'what it returns' {
        It 'returns a snapshot that says what it is of' {
            $before = [DateTimeOffset]::Now
            $snapshot = Open-MmapSnapshot -Path $file
            $snapshot.GetType().FullName | Should -BeExactly 'MmapSnapshot.Snapshot'
            $snapshot.Path | Should -BeExactly $file
            $snapshot.Length | Should -Be 256
            $snapshot.IsReadOnly | Should -BeFalse
            $snapshot.IsModified | Should -BeFalse
            $snapshot.ModifiedBytes | Should -Be 0
            $snapshot.IsClosed | Should -BeFalse
            $snapshot.Backing | Should -BeIn 'Reflink', 'Lease', 'Copy'
            $snapshot.OpenedAt | Should -BeGreaterOrEqual $before
            $snapshot.OpenedAt | Should -BeLessOrEqual ([DateTimeOffset]::Now)
        }

        It 'gives each snapshot an id of its own, in the order they are opened' {
            $first, $second = Open-MmapSnapshot -Path $file, $file
            $second.Id | Should -BeGreaterThan $first.Id
        }

        It 'holds the bytes of the file' {
            Get-SnapshotHex (Open-MmapSnapshot $file) | Should -BeExactly (Get-FileHex $file)
        }

        It 'offers a stream that Get-FileHash takes' {
            $stream = (Open-MmapSnapshot $file).AsStream()
            (Get-FileHash -InputStream $stream).Hash | Should -BeExactly (Get-FileHash -LiteralPath $file).Hash
            $stream.Dispose()
        }

        It 'opens an empty file' {
            $empty = New-TestFile "$folder/empty" -Bytes @()
            $snapshot = Open-MmapSnapshot $empty
            $snapshot.Length | Should -Be 0
            (Get-SnapshotBytes $snapshot).Length | Should -Be 0
        }

        It 'opens the same file twice, each in private' {
            $first, $second = Open-MmapSnapshot $file, $file
            Set-SnapshotBytes $first 0 'FF'
            Get-SnapshotHex $second 0 1 | Should -BeExactly '00'
        }

        It 'tells with -Verbose what it opened, how and why' {
            $messages = @(Open-MmapSnapshot $file -Verbose 4>&1 | Where-Object { $_ -is [System.Management.Automation.VerboseRecord] })
            $messages.Count | Should -Be 1
            "$messages" | Should -BeLike "Opened '$file': 256 bytes, * in $folder, because *."
        }

        It 'tells with -Verbose of a backing that was asked for' {
            (Open-MmapSnapshot $file -Backing Copy -Verbose 4>&1)[0] | Should -BeLike '*Copy in *, because it was asked for.'
        }
    }

    Context 'which files it finds' {
        It 'takes a path by position' {
            (Open-MmapSnapshot $file).Path | Should -BeExactly $file
        }

        It 'resolves wildcards in -Path' {
            $other = New-TestFile "$folder/b.bin"
            [void](New-TestFile "$folder/c.txt")
            @(Open-MmapSnapshot "$folder/*.bin").Path | Should -Be @($file, $other)
        }

        It 'takes brackets in -Path for a wildcard' {
            [void](New-TestFile "$folder/[a].bin")
            (Open-MmapSnapshot -Path "$folder/[a].bin").Path | Should -BeExactly $file
        }

        It 'takes escaped brackets in -Path for themselves' {
            $bracketed = New-TestFile "$folder/[a].bin"
            (Open-MmapSnapshot -Path "$folder/``[a``].bin").Path | Should -BeExactly $bracketed
        }

        It 'takes brackets in -LiteralPath for themselves' {
            $bracketed = New-TestFile "$folder/[a].bin"
            (Open-MmapSnapshot -LiteralPath "$folder/[a].bin").Path | Should -BeExactly $bracketed
        }

        It 'takes a bracket in -Path that is not closed for itself' {
            [void](New-TestFile "$folder/a[b.bin")
            (Open-MmapSnapshot -Path "$folder/a[b.bin").Length | Should -Be 256
            Assert-SnapshotError { Open-MmapSnapshot -Path "$folder/none[b.bin" } -Id FileNotFound -Cmdlet Open-MmapSnapshot -Target "$folder/none[b.bin"
        }

        It 'takes -Path without wildcards as quickly as -LiteralPath' {
            # Medians, interleaved. Resolving wildcards takes several times as long as opening does.
            $ratio = foreach ($attempt in 1..3) {
                $times = @{ Path = [System.Collections.Generic.List[double]]::new(); LiteralPath = [System.Collections.Generic.List[double]]::new() }
                foreach ($round in 1..150) {
                    foreach ($name in 'Path', 'LiteralPath') {
                        $argument = @{ $name = $file }
                        $clock = [System.Diagnostics.Stopwatch]::StartNew()
                        $snapshot = Open-MmapSnapshot @argument
                        $times[$name].Add($clock.Elapsed.TotalMilliseconds)
                        $snapshot.Dispose()
                    }
                }
                $times.Values.ForEach({ $_.Sort() })
                $times['Path'][75] / $times['LiteralPath'][75]
            }
            ($ratio | Measure-Object -Minimum).Minimum | Should -BeLessThan 1.4
        }

        It 'takes -LiteralPath by its alias <_>' -ForEach 'PSPath', 'LP' {
            $arguments = @{ $_ = $file }
            (Open-MmapSnapshot @arguments).Path | Should -BeExactly $file
        }

        It 'takes what Get-ChildItem sends, brackets included' {
            $bracketed = New-TestFile "$folder/[a].bin"
            @(Get-ChildItem -LiteralPath $folder | Open-MmapSnapshot).Path | Sort-Object | Should -Be @($bracketed, $file | Sort-Object)
        }

        It 'takes what Get-Item sends' {
            (Get-Item -LiteralPath $file | Open-MmapSnapshot).Path | Should -BeExactly $file
        }

        It 'takes strings from the pipeline, with wildcards' {
            ('*.bin' | Open-MmapSnapshot).Path | Should -BeExactly $file
        }

        It 'takes the property <_> of what is piped to it' -ForEach 'Path', 'LiteralPath', 'PSPath', 'LP' {
            $row = [pscustomobject]@{ $_ = $file }
            ($row | Open-MmapSnapshot).Path | Should -BeExactly $file
        }

        It 'resolves a relative <_> against the location of PowerShell, not the folder of the process' -ForEach 'Path', 'LiteralPath' {
            $process = [System.IO.Directory]::GetCurrentDirectory()
            $elsewhere = New-Workspace
            try {
                [void](New-TestFile "$elsewhere/a.bin" -Bytes 1)
                [System.IO.Directory]::SetCurrentDirectory($elsewhere)
                $arguments = @{ $_ = 'a.bin' }
                (Open-MmapSnapshot @arguments).Path | Should -BeExactly $file
            } finally {
                [System.IO.Directory]::SetCurrentDirectory($process)
                Remove-Workspace $elsewhere
            }
        }

        It 'resolves .. and . in a path' {
            (Open-MmapSnapshot -LiteralPath './nothing/../a.bin').Path | Should -BeExactly $file
        }

        It 'finds a file through a PowerShell drive' {
            [void](New-PSDrive -Name PesterDrive -PSProvider FileSystem -Root $folder)
            try {
                (Open-MmapSnapshot PesterDrive:/a.bin).Path | Should -BeExactly $file
                (Open-MmapSnapshot -LiteralPath PesterDrive:/a.bin).Path | Should -BeExactly $file
            } finally {
                Remove-PSDrive -Name PesterDrive
            }
        }

        It 'finds a file with its provider named' {
            (Open-MmapSnapshot -LiteralPath "Microsoft.PowerShell.Core\FileSystem::$file").Path | Should -BeExactly $file
        }

        It 'opens a file named <Name>' -ForEach @(
            @{ Name = '.hidden' }
            @{ Name = 'with space' }
            @{ Name = "with'quote" }
            @{ Name = '日本語.bin' }
            @{ Name = '-leading-dash' }
            @{ Name = 'dollar$(x)' }
        ) {
            $strange = New-TestFile "$folder/$Name"
            (Open-MmapSnapshot $Name).Path | Should -BeExactly $strange
        }

        It 'follows a symbolic link to the file it leads to' {
            [void](New-Item -ItemType SymbolicLink -Path "$folder/link" -Target $file)
            (Open-MmapSnapshot "$folder/link").Path | Should -BeExactly $file
        }
    }

    Context 'how it opens them' {
        It 'refuses changes to a -ReadOnly snapshot' {
            $snapshot = Open-MmapSnapshot $file -ReadOnly
            $snapshot.IsReadOnly | Should -BeTrue
            Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 'FF' } -Id ReadOnlySnapshot -Cmdlet Set-SnapshotBytes -Target $snapshot -Says $file
        }

        It 'copies with -Backing Copy, beside the file' {
            $snapshot = Open-MmapSnapshot $file -Backing Copy
            $snapshot.Backing | Should -Be 'Copy'
            $snapshot.BackingLocation | Should -BeExactly $folder
            Get-SnapshotHex $snapshot | Should -BeExactly (Get-FileHex $file)
        }

        It 'keeps the private bytes in -ScratchPath' {
            $scratch = New-Workspace
            try {
                $snapshot = Open-MmapSnapshot $file -ScratchPath $scratch
                $snapshot.BackingLocation | Should -BeExactly $scratch
                @(Get-DescriptorInto $scratch).Count | Should -Be 1
                Close-MmapSnapshot $snapshot
            } finally {
                Remove-Workspace $scratch
            }
        }

        It 'resolves a relative -ScratchPath against the location of PowerShell' {
            [void](New-Item -ItemType Directory -Path "$folder/scratch")
            (Open-MmapSnapshot $file -ScratchPath scratch).BackingLocation | Should -BeExactly "$folder/scratch"
        }

        It 'gives the private bytes no name' {
            [void](Open-MmapSnapshot $file -Backing Copy)
            @(Get-ChildItem -LiteralPath $folder -Force).Name | Should -Be 'a.bin'
        }
    }

    Context 'several at once' {
        It 'goes on after a file that it cannot open' {
            $other = New-TestFile "$folder/b.bin"
            $opened = @(Open-MmapSnapshot $file, "$folder/missing", $folder, $other -ErrorAction SilentlyContinue -ErrorVariable problems)
            $opened.Path | Should -Be @($file, $other)
            $problems.FullyQualifiedErrorId | Should -Be @('FileNotFound,MmapSnapshot.OpenMmapSnapshotCommand', 'NotARegularFile,MmapSnapshot.OpenMmapSnapshotCommand')
        }

        It 'goes on after a path in the pipeline that it cannot open' {
            $opened = @("$folder/missing", $file | Open-MmapSnapshot -ErrorAction SilentlyContinue)
            $opened.Path | Should -BeExactly $file
        }

        It 'opens no more than the rest of the pipeline asks for' {
            [void](New-TestFile "$folder/b.bin")
            [void](Get-ChildItem -LiteralPath $folder | Open-MmapSnapshot | Select-Object -First 1)
            @(Get-MmapSnapshot "$folder/*").Count | Should -Be 1
        }
    }

    Context '-Consistent' {
        It 'opens all files, of several kinds of input, in their order' {
            $second = New-TestFile "$folder/b.bin"
            (Open-MmapSnapshot $second, $file -Consistent).Path | Should -Be $second, $file
            (Get-ChildItem -LiteralPath $folder -Filter *.bin | Open-MmapSnapshot -Consistent -ReadOnly).Path | Should -Be $file, $second
            (Open-MmapSnapshot "$folder/*.bin" -Consistent).Path | Should -Be $file, $second
            @(Get-MmapSnapshot).Count | Should -Be 6
        }

        It 'opens none if one of them <What>' -ForEach @(
            @{ What = 'is not there'; Name = 'none' }
            @{ What = 'matches nothing'; Name = 'x*' }
            @{ What = 'is a directory'; Name = '' }
        ) {
            $opened = Open-MmapSnapshot $file, "$folder/$Name" -Consistent -ErrorAction SilentlyContinue -ErrorVariable problems
            $opened | Should -BeNullOrEmpty
            $problems.Count | Should -Be 1
            "$problems" | Should -BeLike "*$folder/$Name*"
            Get-MmapSnapshot | Should -BeNullOrEmpty
        }

        It 'opens nothing of no input' {
            @() | Open-MmapSnapshot -Consistent | Should -BeNullOrEmpty
        }
    }

    Context 'what it refuses' {
        It 'refuses a file that does not exist, named by -<_>' -ForEach 'Path', 'LiteralPath' {
            $arguments = @{ $_ = "$folder/missing" }
            Assert-SnapshotError { Open-MmapSnapshot @arguments } -Id FileNotFound -Cmdlet Open-MmapSnapshot -Target "$folder/missing" -Says "$folder/missing"
        }

        It 'refuses wildcards that match nothing' {
            Assert-SnapshotError { Open-MmapSnapshot "$folder/*.none" } -Id FileNotFound -Cmdlet Open-MmapSnapshot -Target "$folder/*.none" -Says "$folder/*.none"
        }

        It 'refuses a folder' {
            Assert-SnapshotError { Open-MmapSnapshot $folder } -Id NotARegularFile -Cmdlet Open-MmapSnapshot -Target $folder -Says $folder, 'directory'
        }

        It 'refuses a device' {
            Assert-SnapshotError { Open-MmapSnapshot /dev/null } -Id NotARegularFile -Cmdlet Open-MmapSnapshot -Target '/dev/null' -Says 'device'
        }

        It 'refuses a socket' {
            $socket = [System.Net.Sockets.Socket]::new('Unix', 'Stream', 'Unspecified')
            $socket.Bind([System.Net.Sockets.UnixDomainSocketEndPoint]::new("$folder/socket"))
            try {
                Assert-SnapshotError { Open-MmapSnapshot "$folder/socket" } -Id NotARegularFile -Cmdlet Open-MmapSnapshot -Target "$folder/socket" -Says 'socket'
            } finally {
                $socket.Dispose()
            }
        }

        It 'refuses a link that leads nowhere' {
            [void](New-Item -ItemType SymbolicLink -Path "$folder/link" -Target "$folder/missing")
            Assert-SnapshotError { Open-MmapSnapshot "$folder/link" } -Id FileNotFound -Cmdlet Open-MmapSnapshot -Target "$folder/link" -Says "$folder/link"
        }

        It 'refuses links that lead in a circle' {
            Invoke-Shell 'ln -s two "$1/one"; ln -s one "$1/two"' $folder
            Assert-SnapshotError { Open-MmapSnapshot -LiteralPath "$folder/one" } -Id FileNotFound -Cmdlet Open-MmapSnapshot -Target "$folder/one" -Says 'ELOOP'
        }

        It 'refuses a file used as a folder' {
            Assert-SnapshotError { Open-MmapSnapshot -LiteralPath "$file/x" } -Id FileNotFound -Cmdlet Open-MmapSnapshot -Target "$file/x" -Says 'ENOTDIR'
        }

        It 'refuses a name that is too long' {
            $long = "$folder/" + 'n' * 256
            Assert-SnapshotError { Open-MmapSnapshot -LiteralPath $long } -Id FileNotFound -Cmdlet Open-MmapSnapshot -Target $long -Says 'ENAMETOOLONG'
        }

        It 'refuses the path of another provider, named by -<_>' -ForEach 'Path', 'LiteralPath' {
            $arguments = @{ $_ = 'Env:PATH' }
            Assert-SnapshotError { Open-MmapSnapshot @arguments } -Id NotSupported -Cmdlet Open-MmapSnapshot -Target 'Env:PATH' -Says 'Environment'
        }

        It 'refuses a drive that does not exist, named by -<_>' -ForEach 'Path', 'LiteralPath' {
            $arguments = @{ $_ = 'nodrive:/a.bin' }
            Assert-SnapshotError { Open-MmapSnapshot @arguments } -Id FileNotFound -Cmdlet Open-MmapSnapshot -Target 'nodrive:/a.bin' -Says 'nodrive'
        }

        It 'refuses a -ScratchPath that does not exist' {
            Assert-SnapshotError { Open-MmapSnapshot $file -ScratchPath "$folder/missing" } -Id FileNotFound -Cmdlet Open-MmapSnapshot -Says "$folder/missing", 'ENOENT'
        }

        It 'refuses a -ScratchPath that is a file' {
            Assert-SnapshotError { Open-MmapSnapshot $file -ScratchPath $file } -Id FileNotFound -Cmdlet Open-MmapSnapshot -Says $file, 'ENOTDIR'
        }

        It 'refuses a -ScratchPath of another provider' {
            Assert-SnapshotError { Open-MmapSnapshot $file -ScratchPath Env:x } -Id NotSupported -Cmdlet Open-MmapSnapshot -Target 'Env:x'
        }

        It 'refuses <What> for a path before anything is opened' -ForEach @(
            @{ What = 'an empty string'; Value = '' }
            @{ What = 'null'; Value = $null }
            @{ What = 'an array with an empty string'; Value = @('a.bin', '') }
        ) {
            Assert-SnapshotError { Open-MmapSnapshot -Path $Value } -Id ParameterArgumentValidationError -Cmdlet Open-MmapSnapshot
            Get-MmapSnapshot "$folder/*" | Should -BeNullOrEmpty
        }

        It 'refuses a backing that does not exist' {
            Assert-SnapshotError { Open-MmapSnapshot $file -Backing Bogus } -Id CannotConvertArgumentNoMessage -Cmdlet Open-MmapSnapshot -Says 'Reflink', 'Copy'
        }

        It 'leaves no snapshot open when it refuses' {
            [void](Get-ErrorOf { Open-MmapSnapshot "$folder/missing", $folder, $file -ScratchPath "$folder/missing" })
            Get-MmapSnapshot "$folder/*" | Should -BeNullOrEmpty
            @(Get-DescriptorInto $folder) | Should -BeNullOrEmpty
        }

        It 'can be caught with -ErrorAction Stop' {
            $caught = try { Open-MmapSnapshot "$folder/missing" -ErrorAction Stop } catch [MmapSnapshot.SnapshotException] { $_.Exception }
            $caught.Error | Should -Be 'FileNotFound'
            $caught.Path | Should -BeExactly "$folder/missing"
        }
    }

    Context 'help and completion' {
        It 'completes the backings' {
            (TabExpansion2 -inputScript 'Open-MmapSnapshot x -Backing ').CompletionMatches.CompletionText | Sort-Object | Should -Be 'Auto', 'Copy', 'Immutable', 'Lease', 'Reflink'
        }

        It 'completes file names' {
            (TabExpansion2 -inputScript 'Open-MmapSnapshot a.').CompletionMatches.CompletionText | Should -Be './a.bin'
        }

        It 'has help that names its parameters' {
            Get-Help -Name Open-MmapSnapshot | Out-String | Should -BeLike '*-LiteralPath*-ScratchPath*'
        }
    }
}

Describe 'Open-MmapSnapshot on <Label>' -ForEach (Get-TestFileSystem) {
    Context 'the backing' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
            $file = New-TestFile "$folder/a.bin" -Bytes ([byte[]]::new(10000))
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It 'clones where the filesystem can, and takes a lease where it cannot' {
            (Open-MmapSnapshot $file).Backing | Should -Be $(if ($Reflink) { 'Reflink' } else { 'Lease' })
        }

        It 'tells with -Verbose why' {
            $noClone = if ($Name -in 'ext4', 'tmpfs') { 'the filesystem has no reflinks' } else { 'it cannot be cloned (EOPNOTSUPP: Operation not supported)' }
            $because = if ($Reflink) { 'the filesystem clones' } else { "$noClone, and no process has it open for writing" }
            "$((Open-MmapSnapshot $file -Verbose 4>&1)[0])" | Should -BeLike "*because $because."
            if ($Reflink) { return }
            "$((Open-MmapSnapshot $file -MaxWriterDelay 0 -Verbose 4>&1)[0])" | Should -BeLike "*Copy in $folder, because $noClone, and there is no lease: *0 s are allowed."
            $writer = [System.IO.File]::Open($file, 'Open', 'Write', 'ReadWrite')
            try {
                "$((Open-MmapSnapshot $file -Verbose 4>&1)[0])" | Should -BeLike '*there is no lease: another process has it open for writing.'
            } finally {
                $writer.Dispose()
            }
        }

        It 'gives -Backing Reflink, or says that it cannot be had' {
            if ($Reflink) {
                (Open-MmapSnapshot $file -Backing Reflink).Backing | Should -Be 'Reflink'
            } else {
                Assert-SnapshotError { Open-MmapSnapshot $file -Backing Reflink } -Id NotSupported -Cmdlet Open-MmapSnapshot -Target $file -Says $file, 'EOPNOTSUPP', 'Copy'
            }
        }

        It 'gives -Backing Copy' {
            (Open-MmapSnapshot $file -Backing Copy).Backing | Should -Be 'Copy'
        }

        It 'takes a number for -MaxWriterDelay as seconds, and copies at once what would take longer' {
            if ($Reflink) { return }
            [System.IO.File]::WriteAllBytes("$folder/mib", [byte[]]::new(1MB))
            (Open-MmapSnapshot "$folder/mib" -MaxWriterDelay 0).Backing | Should -Be 'Copy'
            (Open-MmapSnapshot "$folder/mib" -MaxWriterDelay 5).Backing | Should -Be 'Lease'
            (Open-MmapSnapshot "$folder/mib" -MaxWriterDelay 0:0:5).Backing | Should -Be 'Lease'
        }

        It 'opens a sparse file of 5 GiB without filling its holes' {
            $large = New-SparseFile "$folder/large" -Length 5GB
            (Open-MmapSnapshot $large -Backing Copy).Length | Should -Be 5GB
        }
    }
}

Describe 'Open-MmapSnapshot of a file that cannot be saved' {
    It 'opens <_>, and says why a change is refused' -ForEach '/proc/sys/kernel/osrelease', '/proc/uptime' {
        $snapshot = Open-MmapSnapshot $_
        $snapshot.IsReadOnly | Should -BeTrue
        if ($_ -like '*osrelease') { Get-SnapshotBytes $snapshot -AsText | Should -BeExactly "$(uname -r)`n" }
        Assert-SnapshotError { Set-SnapshotBytes $snapshot 0 -Text x } -Id ReadOnlySnapshot -Cmdlet Set-SnapshotBytes -Target $snapshot -Says $_, 'proc', '-Destination'
        Close-MmapSnapshot $snapshot
    }

    It 'opens a program that runs on after it was deleted, and saves it elsewhere' {
        $folder = New-Workspace
        Copy-Item -LiteralPath /bin/sleep -Destination "$folder/program"
        $program = Start-Process "$folder/program" -ArgumentList 60 -PassThru
        try {
            Remove-Item -LiteralPath "$folder/program"
            $snapshot = Open-MmapSnapshot "/proc/$($program.Id)/exe"
            $snapshot.IsReadOnly | Should -BeTrue
            Assert-SnapshotError { Save-Snapshot $snapshot } -Id ReadOnlySnapshot -Cmdlet Save-Snapshot -Target $snapshot -Says 'deleted', '-Destination'
            Save-Snapshot $snapshot -Destination "$folder/program" -Close
            (Get-FileHash -LiteralPath "$folder/program").Hash | Should -BeExactly (Get-FileHash -LiteralPath /bin/sleep).Hash
        } finally {
            $program.Kill()
            Remove-Workspace $folder
        }
    }
}

# Every error id that a cmdlet can give: id, category, target, and a message that names the file and the kernel's errno.

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
    $needsRoot = Get-Obstacle -Root
    $needsImage = Get-Obstacle -Root -Program mkfs.ext4, xfs_io
    $needsNobody = (Get-NobodyObstacle) ?? (Get-Obstacle -Program setcap)
    $seen = [System.Collections.Generic.HashSet[string]]::new()

    # As Assert-SnapshotError, for an error that the kernel is behind: the message and the exception name its errno.
    function Assert-KernelError([scriptblock] $Script, [string] $Id, [string] $Cmdlet, $Target, [string] $Path, [string] $Errno, [int] $Number) {
        $record = Assert-SnapshotError $Script -Id $Id -Cmdlet $Cmdlet -Target $Target -Says $Path, "${Errno}: " -PassThru
        $record.Exception.ErrorNumber | Should -Be $Number
        Confirm-Exception $record $Id
    }

    function Assert-Error([scriptblock] $Script, [string] $Id, [string] $Cmdlet, $Target, [string] $Path) {
        $record = Assert-SnapshotError $Script -Id $Id -Cmdlet $Cmdlet -Target $Target -Says @($Path | Where-Object { $_ }) -PassThru
        $record.Exception.ErrorNumber | Should -Be 0
        Confirm-Exception $record $Id
    }

    function Confirm-Exception($Record, [string] $Id) {
        $Record.Exception | Should -BeOfType ([MmapSnapshot.SnapshotException])
        $Record.Exception.Error | Should -Be $Id
        # A sentence.
        "$Record" | Should -BeLike '*.'
        [void]$seen.Add($Id)
    }
}

Describe 'The error id' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        $original = Get-FileHex $file
        $snapshot = Open-MmapSnapshot $file
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'FileNotFound: there is no such file' {
        Assert-KernelError { Open-MmapSnapshot -LiteralPath "$folder/missing" } FileNotFound Open-MmapSnapshot "$folder/missing" "$folder/missing" ENOENT 2
    }

    It 'FileNotFound: wildcards match nothing' {
        Assert-Error { Open-MmapSnapshot "$folder/*.none" } FileNotFound Open-MmapSnapshot "$folder/*.none" "$folder/*.none"
    }

    It 'FileNotFound: the folder of a destination is missing' {
        Assert-KernelError { Save-Snapshot $snapshot -Destination "$folder/missing/new" } FileNotFound Save-Snapshot $snapshot "$folder/missing" ENOENT 2
    }

    It 'NotARegularFile: it is a folder' {
        Assert-Error { Open-MmapSnapshot $folder } NotARegularFile Open-MmapSnapshot $folder $folder
    }

    It 'AccessDenied: the file is immutable' {
        Skip-When $needsRoot
        Set-SnapshotBytes $snapshot 0 'FF'
        Invoke-Shell 'chattr +i "$1"' $file
        try {
            # Opened when it already was: otherwise the flag is a conflict.
            $immutable = Open-MmapSnapshot $file
            Set-SnapshotBytes $immutable 0 'FF'
            Assert-KernelError { Save-Snapshot $immutable -Method Replace } AccessDenied Save-Snapshot $immutable $file EPERM 1
        } finally {
            Invoke-Shell 'chattr -i "$1"' $file
        }
        Get-FileHex $file | Should -BeExactly $original
    }

    It 'AccessDenied: the filesystem is mounted read-only' {
        Skip-When $needsRoot
        Invoke-Shell 'mkdir "$1/ro"; mount -t tmpfs -o size=1m tmpfs "$1/ro"; echo text > "$1/ro/f"; mount -o remount,ro "$1/ro"' $folder
        try {
            $readOnly = Open-MmapSnapshot "$folder/ro/f"
            Set-SnapshotBytes $readOnly 0 'FF'
            Assert-KernelError { Save-Snapshot $readOnly } AccessDenied Save-Snapshot $readOnly "$folder/ro/f" EROFS 30
            Close-MmapSnapshot $readOnly -Force
        } finally {
            Invoke-Shell 'umount "$1/ro"' $folder
        }
    }

    It 'SourceChanging: the file is written to all the time while it is copied' {
        $busy = New-TestFile "$folder/busy" -Bytes ([byte[]]::new(32MB))
        $control = [hashtable]::Synchronized(@{ Stop = $false; Rounds = 0 })
        $writer = Start-Pipeline -Variables @{ busy = $busy; control = $control } {
            $stream = [System.IO.FileStream]::new($busy, 'Open', 'Write', 'ReadWrite', 0)
            while (-not $control.Stop) {
                $stream.Position = $control.Rounds++ % 32MB
                $stream.WriteByte($control.Rounds % 251)
            }
            $stream.Dispose()
        }
        try {
            while ($control.Rounds -eq 0) { [System.Threading.Thread]::Sleep(1) }
            Assert-Error { Open-MmapSnapshot $busy -Backing Copy } SourceChanging Open-MmapSnapshot $busy $busy
        } finally {
            $control.Stop = $true
            while ($writer.InvocationStateInfo.State -eq 'Running') { [System.Threading.Thread]::Sleep(1) }
            $writer.Runspace.Dispose()
        }
        @(Get-DescriptorInto $folder).Count | Should -Be 2 -Because 'only those of the other snapshot are left'
    }

    It 'TooLarge: more bytes than one array holds' {
        $large = Open-MmapSnapshot (New-SparseFile "$folder/large" -Length 3GB)
        Assert-Error { Get-SnapshotBytes $large } TooLarge Get-SnapshotBytes $large "$folder/large"
    }

    It 'TooLarge: beyond 1 EiB' {
        Assert-Error { Resize-Snapshot $snapshot 1025PB } TooLarge Resize-Snapshot $snapshot $file
        $snapshot.Length | Should -Be 256
    }

    It 'SnapshotClosed: it was closed' {
        Close-MmapSnapshot $snapshot
        Assert-Error { Get-SnapshotBytes $snapshot } SnapshotClosed Get-SnapshotBytes $snapshot $file
    }

    It 'SnapshotClosed: no open snapshot has that id' {
        Assert-Error { Get-MmapSnapshot -Id 2147483647 } SnapshotClosed Get-MmapSnapshot 2147483647 ''
    }

    It 'ReadOnlySnapshot' {
        $readOnly = Open-MmapSnapshot $file -ReadOnly
        Assert-Error { Resize-Snapshot $readOnly 1 } ReadOnlySnapshot Resize-Snapshot $readOnly $file
    }

    It 'OutOfRange' {
        Assert-Error { Set-SnapshotBytes $snapshot 256 'FF' } OutOfRange Set-SnapshotBytes $snapshot $file
    }

    It 'InvalidBytes' {
        Assert-Error { Set-SnapshotBytes $snapshot 0 'xx' } InvalidBytes Set-SnapshotBytes $snapshot ''
    }

    It 'ExpectationFailed' {
        Assert-Error { Set-SnapshotBytes $snapshot 0 'FF' -Expect 'FF' } ExpectationFailed Set-SnapshotBytes $snapshot $file
    }

    It 'SnapshotLost: this process was stopped while somebody wrote to the file' {
        Skip-When $needsRoot
        $leased = Open-MmapSnapshot $file -Backing Lease
        $setting = '/proc/sys/fs/lease-break-time'
        $before = [System.IO.File]::ReadAllText($setting)
        try {
            [System.IO.File]::WriteAllText($setting, '1')
            Invoke-Shell 'kill -STOP "$1"; echo new > "$2" || failed=1; kill -CONT "$1"; [ ! "$failed" ]' $PID $file
        } finally {
            [System.IO.File]::WriteAllText($setting, $before)
        }
        Assert-Error { Get-SnapshotBytes $leased 0 1 } SnapshotLost Get-SnapshotBytes $leased $file
        Assert-Error { Set-SnapshotBytes $leased 0 'FF' } SnapshotLost Set-SnapshotBytes $leased $file
        Assert-Error { Save-Snapshot $leased } SnapshotLost Save-Snapshot $leased $file
        Close-MmapSnapshot $leased
    }

    It 'InvalidPatch: a row of a patch was cut off' {
        Assert-Error { "Offset,Before,After`n0,00,AA`n1,01" | ConvertFrom-Csv | Set-SnapshotBytes $snapshot -WarningAction SilentlyContinue } InvalidPatch Set-SnapshotBytes $snapshot 'Row 2'
        $snapshot.IsModified | Should -BeFalse
    }

    It 'OverlappingChanges: two rows write the same byte' {
        $rows = "Offset,After`n0,AA BB`n1,CC" | ConvertFrom-Csv
        $write = { $rows | Set-SnapshotBytes $snapshot -WarningAction SilentlyContinue }
        Assert-Error $write OverlappingChanges Set-SnapshotBytes $snapshot $file
        $snapshot.IsModified | Should -BeFalse
    }

    It 'DuplicateTarget: two snapshots are saved as one file' {
        $write = { $snapshot, (Open-MmapSnapshot $file -ReadOnly) | Save-Snapshot -Destination "$folder/one" }
        $record = Assert-SnapshotError $write -Id DuplicateTarget -Cmdlet Save-Snapshot -Says $file, "$folder/one" -PassThru
        Confirm-Exception $record DuplicateTarget
        "$folder/one" | Should -Not -Exist
    }

    It 'LengthMismatch: a match is replaced by fewer bytes' {
        $write = { Find-SnapshotBytes $snapshot '10 11' | Set-SnapshotBytes -Bytes 'AA' }
        Assert-Error $write LengthMismatch Set-SnapshotBytes $snapshot $file
        $snapshot.IsModified | Should -BeFalse
    }

    It 'NoSpace: the disk is full' {
        Skip-When $needsRoot
        Invoke-Shell 'mkdir "$1/small"; mount -t tmpfs -o size=1m tmpfs "$1/small"; truncate -s 4M "$1/small/f"' $folder
        try {
            $full = Open-MmapSnapshot "$folder/small/f"
            Set-SnapshotBytes $full 0 -Fill 1 -Count 2MB
            Assert-KernelError { Save-Snapshot $full } NoSpace Save-Snapshot $full "$folder/small/f" ENOSPC 28
            $full.IsModified | Should -BeTrue
            Close-MmapSnapshot $full -Force
        } finally {
            Invoke-Shell 'umount "$1/small"' $folder
        }
    }

    # Regular files, as /proc goes, whose first page is not mapped.
    It 'ReadFailed: the kernel cannot read the file' {
        $path = "/proc/$PID/mem"
        Assert-KernelError { Open-MmapSnapshot -LiteralPath $path } ReadFailed Open-MmapSnapshot $path $path EIO 5
    }

    It 'WriteFailed and ReadFailed: the filesystem was shut down' {
        Skip-When $needsImage
        Invoke-Shell 'truncate -s 16M "$1/image"; mkfs.ext4 -q "$1/image"; mkdir "$1/disk"; mount -o loop "$1/image" "$1/disk"; echo text > "$1/disk/f"' $folder
        try {
            $lost = Open-MmapSnapshot "$folder/disk/f"
            Set-SnapshotBytes $lost 0 'FF'
            Invoke-Shell 'xfs_io -x -c "shutdown -f" "$1/disk" 2>&1' $folder
            Assert-KernelError { Save-Snapshot $lost } WriteFailed Save-Snapshot $lost "$folder/disk/f" EIO 5
            Assert-KernelError { Get-SnapshotBytes $lost } ReadFailed Get-SnapshotBytes $lost "$folder/disk/f" EIO 5
            $lost.Length | Should -Be 5
            $lost.IsModified | Should -BeTrue
            Close-MmapSnapshot $lost -Force
        } finally {
            Invoke-Shell 'umount "$1/disk"' $folder
        }
    }

    It 'SnapshotConflict' {
        Set-SnapshotBytes $snapshot 0 'FF'
        [System.IO.File]::AppendAllText($file, 'more')
        Assert-Error { Save-Snapshot $snapshot } SnapshotConflict Save-Snapshot $snapshot $file
    }

    It 'SnapshotConflict: another process has the file open for writing' {
        Set-SnapshotBytes $snapshot 0 'FF'
        $writer = [System.IO.FileStream]::new($file, 'Open', 'Write', 'ReadWrite')
        try {
            Assert-Error { Save-Snapshot $snapshot -Method Replace } SnapshotConflict Save-Snapshot $snapshot $file
        } finally {
            $writer.Dispose()
        }
        Save-Snapshot $snapshot
        Get-FileHex $file 0 1 | Should -BeExactly 'FF'
    }

    It 'SaveInProgress: another saver holds the marker' {
        Set-SnapshotBytes $snapshot 0 'FF'
        $marker = "$folder/.a.bin.mmap-snapshot"
        $held = [System.IO.FileStream]::new($marker, 'CreateNew', 'ReadWrite', 'ReadWrite, Delete')
        Add-Type -Namespace MmapSnapshotTests -Name Lock -MemberDefinition '[DllImport("libc")] public static extern int fcntl(Microsoft.Win32.SafeHandles.SafeFileHandle file, int command, byte[] range);'
        try {
            $range = [byte[]]::new(32)
            $range[0] = 1 # F_WRLCK
            [MmapSnapshotTests.Lock]::fcntl($held.SafeFileHandle, 37, $range) | Should -Be 0 # F_OFD_SETLK
            Assert-Error { Save-Snapshot $snapshot } SaveInProgress Save-Snapshot $snapshot $marker
            Get-FileHex $file | Should -BeExactly $original
        } finally {
            [System.IO.File]::Delete($marker)
            $held.Dispose()
        }
        Save-Snapshot $snapshot
        Get-FileHex $file 0 1 | Should -BeExactly 'FF'
    }

    It 'JournalConflict: another program has written to the file after a save in place was interrupted' {
        [void](New-InterruptedSave $file)
        [System.IO.File]::WriteAllBytes($file, [byte[]]@(0x5A) * 256)
        Assert-Error { Open-MmapSnapshot $file } JournalConflict Open-MmapSnapshot $file $file
        Assert-Error { Save-Snapshot $snapshot -Force } JournalConflict Save-Snapshot $snapshot $file
        (Repair-MmapSnapshot $file -Force).Action | Should -Be 'Remove'
        Get-FileHex $file 0 1 | Should -BeExactly '5A'
    }

    It 'JournalInvalid: the journal is damaged' {
        $journal = "$folder/.a.bin.mmap-snapshot-journal"
        [System.IO.File]::WriteAllText($journal, 'no journal')
        Assert-Error { Open-MmapSnapshot $file } JournalInvalid Open-MmapSnapshot $file $journal
        (Repair-MmapSnapshot $file -Force).Action | Should -Be 'Remove'
        Get-FileHex $file | Should -BeExactly $original
    }

    It 'TooManyOpenFiles: snapshots that are referred to; others make room' {
        Skip-When (Get-Obstacle -Program prlimit)
        $forgotten, $answer, $length = Invoke-FreshPowerShell -Arguments $folder {
            prlimit --pid $PID --nofile=400:400
            $place = $args[0]
            $files = 1..400 | ForEach-Object { "$place/f$_" }
            foreach ($one in $files) { [System.IO.File]::WriteAllText($one, 'x') }
            @(Open-MmapSnapshot -LiteralPath $files | ForEach-Object Length).Count
            $problems = $null
            $kept = Open-MmapSnapshot -LiteralPath $files -ErrorAction SilentlyContinue -ErrorVariable problems
            [pscustomobject]@{
                Id = $problems[0].FullyQualifiedErrorId; Category = "$($problems[0].CategoryInfo.Category)"; Message = "$($problems[0])"
                Errno = $problems[0].Exception.ErrorNumber; Kept = $kept.Count; All = $kept.Count + $problems.Count
            }
            Close-MmapSnapshot $kept
            (Get-SnapshotBytes $files[-1]).Length
        }
        $forgotten | Should -Be 400
        $answer.Id | Should -BeExactly 'TooManyOpenFiles,MmapSnapshot.OpenMmapSnapshotCommand'
        $answer.Category | Should -BeExactly 'LimitsExceeded'
        $answer.Errno | Should -Be 24
        $answer.Kept | Should -BeGreaterThan 50
        $answer.All | Should -Be 400
        $answer.Message | Should -BeLike "*$folder/f*EMFILE: *-CloseUnmatched*ulimit -n*."
        $length | Should -Be 1
        [void]$seen.Add('TooManyOpenFiles')
    }

    It 'UntrustedLink: the link of another user leads to a file of root' {
        Skip-When $needsRoot
        $shared = "$folder/shared"
        $link = "$shared/link"
        Invoke-Shell 'mkdir "$1"; ln -s ../a.bin "$2"; chown -h 1000:1000 "$2"; chmod 1777 "$1"' $shared $link
        Assert-Error { Open-MmapSnapshot $link } UntrustedLink Open-MmapSnapshot $link $file
        Assert-Error { New-MmapSnapshot $link } UntrustedLink New-MmapSnapshot $link $file
        Assert-Error { Save-Snapshot $snapshot -Destination $link -Force } UntrustedLink Save-Snapshot $snapshot $link
        Get-FileHex $file | Should -BeExactly $original
        Open-MmapSnapshot $link -ReadOnly | Close-MmapSnapshot
    }

    It 'HardLinked' {
        Invoke-Shell 'ln "$1" "$1.link"' $file
        $linked = Open-MmapSnapshot $file
        Set-SnapshotBytes $linked 0 'FF'
        Assert-Error { Save-Snapshot $linked -Method Replace } HardLinked Save-Snapshot $linked $file
    }

    It '<Id>' -ForEach @(
        @{ Id = 'OwnerNotPreservable'; Script = 'chown 1000:1000 "$1"; chmod 666 "$1"' }
        @{ Id = 'AttributesNotPreservable'; Script = 'chown 65534:65534 "$1"; setcap cap_net_raw=ep "$1"' }
    ) {
        Skip-When $needsNobody
        Invoke-Shell $Script $file
        $answer = Invoke-FreshPowerShell -As Nobody -Arguments $file {
            $snapshot = Open-MmapSnapshot $args[0]
            Set-SnapshotBytes $snapshot 0 'FF'
            try {
                Save-Snapshot $snapshot -Method Replace -ErrorAction Stop
            } catch {
                [pscustomobject]@{
                    Id       = $_.FullyQualifiedErrorId
                    Category = "$($_.CategoryInfo.Category)"
                    Message  = "$_"
                    Target   = [object]::ReferenceEquals($_.TargetObject, $snapshot)
                    Errno    = $_.Exception.ErrorNumber
                }
            }
        }
        $answer.Id | Should -BeExactly "$Id,MmapSnapshot.SaveSnapshotCommand"
        $answer.Category | Should -BeExactly 'PermissionDenied'
        $answer.Target | Should -BeTrue
        $answer.Errno | Should -Be 1
        $answer.Message | Should -BeLike "*$file*EPERM: *."
        [void]$seen.Add($Id)
    }

    It 'DestinationExists' {
        $other = New-TestFile "$folder/b.bin"
        Assert-Error { Save-Snapshot $snapshot -Destination $other } DestinationExists Save-Snapshot $snapshot $other
    }

    It 'NotSupported: another provider' {
        Assert-Error { Open-MmapSnapshot Env:PATH } NotSupported Open-MmapSnapshot 'Env:PATH' 'Env:PATH'
    }

    It 'NotSupported: the file is a mount point' {
        Skip-When $needsRoot
        $mounted = New-TestFile "$folder/mounted"
        Invoke-Shell 'mount --bind "$1" "$2"' $file $mounted
        try {
            $bound = Open-MmapSnapshot $mounted
            Set-SnapshotBytes $bound 0 'FF'
            Assert-KernelError { Save-Snapshot $bound -Method Replace } NotSupported Save-Snapshot $bound $mounted EBUSY 16
            Close-MmapSnapshot $bound -Force
        } finally {
            Invoke-Shell 'umount "$1"' $mounted
        }
    }

    It 'has remedies that name cmdlets and parameters which exist, in one sentence' {
        $type = [MmapSnapshot.SnapshotCmdlet].Assembly.GetType('MmapSnapshot.RemedyText')
        $of = $type.GetMethod('Of', [System.Reflection.BindingFlags]'Static, NonPublic')
        $commands = Get-Command -Module MmapSnapshot -CommandType Cmdlet
        $parameters = $commands.ForEach({ $_.Parameters.Keys })
        $errors = @($null) + [System.Enum]::GetValues([MmapSnapshot.SnapshotError])
        foreach ($remedy in [System.Enum]::GetValues([MmapSnapshot.SnapshotRemedy])) {
            foreach ($id in $errors) {
                $sentence = $of.Invoke($null, @([MmapSnapshot.SnapshotRemedy[]]$remedy, $id))
                $sentence | Should -MatchExactly '^[A-Z].*[^.]\.$' -Because $remedy
                foreach ($match in [regex]::Matches($sentence, '\b[A-Z][a-z]+-[A-Z]\w+')) { $match.Value | Should -BeIn $commands.Name }
                foreach ($match in [regex]::Matches($sentence, '(?<=[ (]-)[A-Z]\w+')) { $match.Value | Should -BeIn $parameters }
            }
        }
    }

    # Looks back on all the tests above: it fails when it is run without them.
    It 'is of every kind there is, each of them met above' {
        Skip-When $needsImage
        Skip-When $needsNobody
        [MmapSnapshot.SnapshotError].GetEnumNames() | Where-Object { -not $seen.Contains($_) } | Should -BeNullOrEmpty
    }
}

# As a user without privileges.

Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    $obstacle = Get-NobodyObstacle
    $because = if ($obstacle) { " ($obstacle)" } else { '' }
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
}

Describe 'A user without privileges<_>' -ForEach $because {
    Context 'in the temporary folder' -Skip:([bool]$obstacle) {
        BeforeEach {
            $folder = New-Workspace
            $file = New-TestFile "$folder/a.bin"
            $original = Get-FileHex $file
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It 'opens, patches and saves a file of its own' {
            Invoke-Shell 'chown 65534:65534 "$1"; chmod 640 "$1"' $file
            $result = Invoke-FreshPowerShell -As Nobody -Arguments $file {
                Open-MmapSnapshot $args[0] | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot -Close -PassThru
            }
            $result.Path | Should -BeExactly $file
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 01'
            Invoke-Shell 'stat -c "%a %u:%g" "$1"' $file | Should -BeExactly '640 65534:65534'
        }

        It 'reads the file of another user in a folder it cannot write to, but is refused to save it' {
            Invoke-Shell 'chmod 755 "$1"; chmod 644 "$2"' $folder $file
            $answer = @(Invoke-FreshPowerShell -As Nobody -Arguments $file {
                $snapshot = Open-MmapSnapshot $args[0]
                $snapshot.BackingLocation
                Set-SnapshotBytes $snapshot 0 'FF'
                (Get-SnapshotBytes $snapshot 0 1)[0]
                Save-Snapshot $snapshot
                Save-Snapshot $snapshot -Method InPlace
                $snapshot.IsModified
            })
            $answer[0] | Should -Not -Be $folder
            $answer[1] | Should -Be 255
            foreach ($problem in $answer[2, 3]) {
                $problem.ErrorId | Should -BeExactly 'AccessDenied,MmapSnapshot.SaveSnapshotCommand'
                $problem.Category | Should -BeExactly 'PermissionDenied'
                $problem.Message | Should -BeLike "*$file*EACCES*"
            }
            $answer[2].Message | Should -BeLike '*-Destination*'
            $answer[4] | Should -BeTrue
            Get-FileHex $file | Should -BeExactly $original
        }

        It 'saves such a snapshot to a place of its own' {
            Invoke-Shell 'mkdir "$1/sub"; cp "$2" "$1/sub/b.bin"; chmod 755 "$1/sub"' $folder $file
            Invoke-FreshPowerShell -As Nobody -Arguments "$folder/sub/b.bin", "$folder/mine.bin" {
                Open-MmapSnapshot $args[0] | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot -Destination $args[1]
            } | Should -BeNullOrEmpty
            Get-FileHex "$folder/mine.bin" 0 2 | Should -BeExactly 'FF 01'
            Invoke-Shell 'stat -c %u "$1"' "$folder/mine.bin" | Should -BeExactly '65534'
        }

        It 'is told that the owner cannot be kept, and what can be done, when the file is another user''s' {
            Invoke-Shell 'chown 1000:1000 "$1"; chmod 666 "$1"' $file
            $answer = @(Invoke-FreshPowerShell -As Nobody -Arguments $file {
                $snapshot = Open-MmapSnapshot $args[0]
                Set-SnapshotBytes $snapshot 0 'FF'
                Save-Snapshot $snapshot -Method Replace
                $snapshot.IsModified
                Save-Snapshot $snapshot -Method InPlace
                $snapshot.IsModified
            })
            $answer[0].ErrorId | Should -BeExactly 'OwnerNotPreservable,MmapSnapshot.SaveSnapshotCommand'
            $answer[0].Category | Should -BeExactly 'PermissionDenied'
            $answer[0].Message | Should -BeLike "*$file*1000*-Method InPlace*"
            $answer[1, 2] | Should -Be $true, $false
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 01'
            Invoke-Shell 'stat -c "%a %u:%g" "$1"' $file | Should -BeExactly '666 1000:1000'
        }

        It 'is told that a group it is not in cannot be kept' {
            Invoke-Shell 'chown 65534:1000 "$1"; chmod 664 "$1"' $file
            $answer = @(Invoke-FreshPowerShell -As Nobody -Arguments $file {
                Open-MmapSnapshot $args[0] | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot -Method Replace
            })
            $answer[0].ErrorId | Should -BeExactly 'OwnerNotPreservable,MmapSnapshot.SaveSnapshotCommand'
            Get-FileHex $file | Should -BeExactly $original
        }

        It 'is told that capabilities cannot be kept' {
            Skip-When (Get-Obstacle -Program setcap)
            Invoke-Shell 'chown 65534:65534 "$1"; setcap cap_net_raw=ep "$1"' $file
            $answer = @(Invoke-FreshPowerShell -As Nobody -Arguments $file {
                Open-MmapSnapshot $args[0] | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot
            })
            $answer[0].ErrorId | Should -BeExactly 'AttributesNotPreservable,MmapSnapshot.SaveSnapshotCommand'
            $answer[0].Category | Should -BeExactly 'PermissionDenied'
            $answer[0].Message | Should -BeLike "*security.capability*$file*EPERM*"
            Get-FileHex $file | Should -BeExactly $original
            (Invoke-Shell 'getcap "$1"' $file) | Should -BeLike '*cap_net_raw*'
        }

        It 'is refused a file that it may not read, by -<_>' -ForEach 'Path', 'LiteralPath' {
            Invoke-Shell 'chmod 600 "$1"' $file
            $answer = @(Invoke-FreshPowerShell -As Nobody -Arguments $file, $_ {
                $arguments = @{ $args[1] = $args[0] }
                Open-MmapSnapshot @arguments
            })
            $answer[0].ErrorId | Should -BeExactly 'AccessDenied,MmapSnapshot.OpenMmapSnapshotCommand'
            $answer[0].Category | Should -BeExactly 'PermissionDenied'
            $answer[0].Message | Should -BeLike "*$file*EACCES*"
        }

        It 'is told that access is denied, not that there is no file, in a folder it may not enter, by -<_>' -ForEach 'Path', 'LiteralPath' {
            Invoke-Shell 'chmod 700 "$1"' $folder
            $answer = @(Invoke-FreshPowerShell -As Nobody -Arguments $file, $_ {
                $arguments = @{ $args[1] = $args[0] }
                Open-MmapSnapshot @arguments
            })
            $answer[0].ErrorId | Should -BeExactly 'AccessDenied,MmapSnapshot.OpenMmapSnapshotCommand'
        }

        It 'opens a file by name in a folder that it may enter but not list' {
            Invoke-Shell 'chmod 711 "$1"' $folder
            $answer = @(Invoke-FreshPowerShell -As Nobody -Arguments $file {
                (Open-MmapSnapshot -LiteralPath $args[0]).Length
                (Open-MmapSnapshot -Path $args[0]).Length
            })
            $answer | Should -Be 256, 256
        }

        It 'is refused a destination in a folder that it cannot write to' {
            [void](New-Item -ItemType Directory -Path "$folder/closed")
            Invoke-Shell 'chmod 755 "$1"' "$folder/closed"
            $answer = @(Invoke-FreshPowerShell -As Nobody -Arguments $file, "$folder/closed/new.bin" {
                Open-MmapSnapshot $args[0] | Save-Snapshot -Destination $args[1]
            })
            $answer[0].ErrorId | Should -BeExactly 'AccessDenied,MmapSnapshot.SaveSnapshotCommand'
            $answer[0].Message | Should -BeLike "*$folder/closed*EACCES*"
        }

        It 'is refused a -ScratchPath that it cannot write to' {
            [void](New-Item -ItemType Directory -Path "$folder/closed")
            Invoke-Shell 'chmod 755 "$1"' "$folder/closed"
            $answer = @(Invoke-FreshPowerShell -As Nobody -Arguments $file, "$folder/closed" {
                Open-MmapSnapshot $args[0] -ScratchPath $args[1]
            })
            $answer[0].ErrorId | Should -BeExactly 'AccessDenied,MmapSnapshot.OpenMmapSnapshotCommand'
            $answer[0].Message | Should -BeLike "*$folder/closed*EACCES*"
        }

        It 'learns what a folder that it cannot write to can do, and why not more' {
            Invoke-Shell 'chmod 755 "$1"' $folder
            $found = Invoke-FreshPowerShell -As Nobody -Arguments $folder { Get-ReflinkSupport $args[0] }
            $found.TmpFile | Should -BeFalse
            $found.Reflink | Should -BeFalse
            $found.Reason | Should -BeLike "*$folder*EACCES*"
        }
    }
}

Describe 'A user without privileges on <Label>' -ForEach (Get-TestFileSystem) {
    Context 'with a file of its own' -Skip:(-not $Mounted -or [bool]$obstacle) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
            $file = New-TestFile "$folder/a.bin"
            Invoke-Shell 'chown 65534:65534 "$1"; chmod 4711 "$1"' $file
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It 'clones it or takes a lease on it, patches it and saves it, setuid and all' {
            $answer = @(Invoke-FreshPowerShell -As Nobody -Arguments $file {
                $snapshot = Open-MmapSnapshot $args[0]
                "$($snapshot.Backing)"
                Set-SnapshotBytes $snapshot 0 'FF'
                Save-Snapshot $snapshot -Close
            })
            $answer | Should -Be $(if ($Reflink) { 'Reflink' } else { 'Lease' })
            Get-FileHex $file 0 2 | Should -BeExactly 'FF 01'
            Invoke-Shell 'stat -c "%a %u:%g" "$1"' $file | Should -BeExactly '4711 65534:65534'
        }
    }
}

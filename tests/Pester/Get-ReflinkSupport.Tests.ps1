Set-StrictMode -Version 3

BeforeDiscovery {
    Import-Module -Name "$PSScriptRoot/Support.psm1"
    $support = @(
        @{ Of = 'xfs'; FileSystem = 'xfs'; Reflinks = $true; Exchanges = $false }
        @{ Of = 'xfs-exchange'; FileSystem = 'xfs'; Reflinks = $true; Exchanges = $true }
        @{ Of = 'btrfs'; FileSystem = 'btrfs'; Reflinks = $true; Exchanges = $false }
        @{ Of = 'ext4'; FileSystem = 'ext4'; Reflinks = $false; Exchanges = $false }
        @{ Of = 'tmpfs'; FileSystem = 'tmpfs'; Reflinks = $false; Exchanges = $false }
        @{ Of = 'overlay-ext4'; FileSystem = 'overlay'; Reflinks = $false; Exchanges = $false }
        @{ Of = 'overlay-xfs'; FileSystem = 'overlay'; Reflinks = $true; Exchanges = $false }
    ) | ForEach-Object { $_ + (Get-TestFileSystem $_.Of) }
}

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'Get-ReflinkSupport on <Label>' -ForEach $support {
    Context 'what it tells' -Skip:(-not $Mounted) {
        BeforeEach {
            $folder = New-Workspace -On $Mount
            $file = New-TestFile "$folder/a.bin" -Bytes ([byte[]]::new(5000))
        }

        AfterEach {
            Remove-Workspace $folder
        }

        It 'tells what <_> can do' -ForEach 'a folder', 'a file' {
            $path = if ($_ -eq 'a folder') { $folder } else { $file }
            $found = Get-ReflinkSupport $path
            $found.GetType().FullName | Should -BeExactly 'MmapSnapshot.ReflinkSupport'
            $found.Path | Should -BeExactly $path
            $found.FileSystem | Should -BeExactly $FileSystem
            $found.MountPoint | Should -BeExactly $Mount
            $found.Reflink | Should -Be $Reflinks
            $found.ExchangeRange | Should -Be $Exchanges
            $found.TmpFile | Should -BeTrue
            $found.Lease | Should -BeTrue
            $found.OpenCost | Should -BeExactly $(if ($Reflinks) { 'O(extents)' } else { 'O(1)' })
            $found.CommitCost | Should -BeExactly $(if ($Reflinks) { 'O(extents)' } else { 'O(data)' })
        }

        It 'gives the reason where a snapshot is a copy, and none where it is a clone' {
            $reason = (Get-ReflinkSupport $folder).Reason
            if ($Reflinks) { $reason | Should -BeNullOrEmpty } else { $reason | Should -BeLike '*EOPNOTSUPP*copy*' }
        }

        It 'agrees with what Open-MmapSnapshot does' {
            (Open-MmapSnapshot $file).Backing -eq 'Reflink' | Should -Be (Get-ReflinkSupport $file).Reflink
        }

        It 'agrees with what Save-Snapshot does' {
            $result = Open-MmapSnapshot $file | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot -PassThru
            $result.Method -eq 'Exchange' | Should -Be (Get-ReflinkSupport $file).ExchangeRange
        }

        It 'tells about an empty file' {
            $empty = New-TestFile "$folder/empty" -Bytes @()
            (Get-ReflinkSupport $empty).Reflink | Should -Be $Reflinks
        }

        It 'leaves the folder and the file as they are' {
            $before = Invoke-Shell 'stat -c "%Y %Z %i %s" "$1" "$2"; ls -A "$1"' $folder $file
            [void](Get-ReflinkSupport $folder, $file)
            Invoke-Shell 'stat -c "%Y %Z %i %s" "$1" "$2"; ls -A "$1"' $folder $file | Should -Be $before
            @(Get-DescriptorInto $folder) | Should -BeNullOrEmpty
        }
    }
}

Describe 'Get-ReflinkSupport' {
    BeforeEach {
        $folder = New-Workspace
        $file = New-TestFile "$folder/a.bin"
        Push-Location -LiteralPath $folder
    }

    AfterEach {
        Pop-Location
        Remove-Workspace $folder
    }

    Context 'the paths' {
        It 'tells about the current location without a path' {
            (Get-ReflinkSupport).Path | Should -BeExactly $folder
        }

        It 'takes a relative path against the location of PowerShell' {
            (Get-ReflinkSupport a.bin).Path | Should -BeExactly $file
        }

        It 'resolves wildcards' {
            [void](New-TestFile "$folder/b.bin")
            @(Get-ReflinkSupport *.bin).Path | Should -Be "$folder/a.bin", "$folder/b.bin"
        }

        It 'takes brackets in -LiteralPath for themselves' {
            $bracketed = New-TestFile "$folder/[a].bin"
            (Get-ReflinkSupport -LiteralPath '[a].bin').Path | Should -BeExactly $bracketed
        }

        It 'takes what Get-ChildItem sends, brackets included' {
            [void](New-TestFile "$folder/[a].bin")
            [void](New-Item -ItemType Directory -Path "$folder/sub")
            @(Get-ChildItem -LiteralPath $folder | Get-ReflinkSupport).Path | Sort-Object | Should -Be @("$folder/[a].bin", $file, "$folder/sub" | Sort-Object)
        }

        It 'takes strings from the pipeline' {
            ('a.bin' | Get-ReflinkSupport).Path | Should -BeExactly $file
        }

        It 'resolves a symbolic link' {
            [void](New-Item -ItemType SymbolicLink -Path "$folder/link" -Target $file)
            (Get-ReflinkSupport "$folder/link").Path | Should -BeExactly $file
        }

        It 'changes nothing on a second question' {
            Get-ReflinkSupport $file | Should -Be (Get-ReflinkSupport $file)
        }
    }

    Context 'what it refuses' {
        It 'refuses a path that does not exist, named by -<_>' -ForEach 'Path', 'LiteralPath' {
            $arguments = @{ $_ = "$folder/missing" }
            Assert-SnapshotError { Get-ReflinkSupport @arguments } -Id FileNotFound -Cmdlet Get-ReflinkSupport -Target "$folder/missing" -Says "$folder/missing"
        }

        It 'refuses wildcards that match nothing' {
            Assert-SnapshotError { Get-ReflinkSupport "$folder/*.none" } -Id FileNotFound -Cmdlet Get-ReflinkSupport -Target "$folder/*.none"
        }

        It 'refuses a device' {
            Assert-SnapshotError { Get-ReflinkSupport /dev/null } -Id NotARegularFile -Cmdlet Get-ReflinkSupport -Target '/dev/null'
        }

        It 'refuses the path of another provider' {
            Assert-SnapshotError { Get-ReflinkSupport Env:PATH } -Id NotSupported -Cmdlet Get-ReflinkSupport -Target 'Env:PATH'
        }

        It 'goes on after a path that it cannot tell about' {
            $found = @("$folder/missing", $file | Get-ReflinkSupport -ErrorAction SilentlyContinue)
            $found.Path | Should -BeExactly $file
        }

        It 'can be caught with -ErrorAction Stop' {
            { Get-ReflinkSupport "$folder/missing" -ErrorAction Stop } | Should -Throw -ErrorId 'FileNotFound,MmapSnapshot.GetReflinkSupportCommand'
        }
    }

    It 'has help that names its parameters' {
        Get-Help -Name Get-ReflinkSupport | Out-String | Should -BeLike '*-Path*-LiteralPath*'
    }
}

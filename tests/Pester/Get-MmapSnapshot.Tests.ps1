Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
}

Describe 'Get-MmapSnapshot' {
    BeforeEach {
        $folder = New-Workspace
        $first = Open-MmapSnapshot (New-TestFile "$folder/a.bin")
        $second = Open-MmapSnapshot (New-TestFile "$folder/b.bin")
        Push-Location -LiteralPath $folder
    }

    AfterEach {
        Pop-Location
        $first = $second = $null
        Remove-Workspace $folder
    }

    Context 'what it finds' {
        It 'gets the open snapshots in the order they were opened' {
            @(Get-MmapSnapshot | Where-Object Path -Like "$folder/*").Id | Should -Be @($first.Id, $second.Id)
        }

        It 'gets the very objects that were opened' {
            [object]::ReferenceEquals((Get-MmapSnapshot -Id $first.Id), $first) | Should -BeTrue
        }

        It 'does not get a closed snapshot' {
            Close-MmapSnapshot $first
            @(Get-MmapSnapshot "$folder/*").Id | Should -Be $second.Id
        }

        It 'gets snapshots by several ids, in the order asked for' {
            @(Get-MmapSnapshot -Id $second.Id, $first.Id).Id | Should -Be @($second.Id, $first.Id)
        }

        It 'takes the property Id of what is piped to it' {
            @([pscustomobject]@{ Id = $second.Id }, [pscustomobject]@{ Id = $first.Id } | Get-MmapSnapshot).Id | Should -Be @($second.Id, $first.Id)
        }

        It 'finds the snapshot that a serialized one stands for' {
            $plain = [System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize($first))
            [object]::ReferenceEquals(($plain | Get-MmapSnapshot), $first) | Should -BeTrue
        }

        It 'gets the snapshots of a file' {
            $again = Open-MmapSnapshot "$folder/a.bin"
            @(Get-MmapSnapshot "$folder/a.bin").Id | Should -Be @($first.Id, $again.Id)
        }

        It 'takes a relative path against the location of PowerShell' {
            (Get-MmapSnapshot a.bin).Id | Should -Be $first.Id
            (Get-MmapSnapshot ./sub/../a.bin).Id | Should -Be $first.Id
        }

        It 'takes several paths' {
            @(Get-MmapSnapshot b.bin, a.bin).Id | Should -Be @($second.Id, $first.Id)
        }

        It 'matches wildcards against the full paths' {
            @(Get-MmapSnapshot *.bin).Id | Should -Be @($first.Id, $second.Id)
            (Get-MmapSnapshot "$folder/[b].bin").Id | Should -Be $second.Id
        }

        It 'gets nothing, and no error, for wildcards that match nothing' {
            Get-MmapSnapshot "$folder/*.none" | Should -BeNullOrEmpty
        }

        It 'finds a snapshot by a path with brackets' {
            $bracketed = Open-MmapSnapshot -LiteralPath (New-TestFile "$folder/[a].bin")
            (Get-MmapSnapshot -Path $bracketed.Path).Id | Should -Contain $bracketed.Id
        }

        It 'matches a relative wildcard in a folder with brackets in its name' {
            [void](New-Item -ItemType Directory -Path "$folder/d[1]")
            $inside = Open-MmapSnapshot -LiteralPath (New-TestFile "$folder/d[1]/x.bin")
            Set-Location -LiteralPath "$folder/d[1]"
            (Get-MmapSnapshot *.bin).Id | Should -Be $inside.Id
        }

        It 'matches a wildcard in a folder with a backtick in its name' {
            [void][System.IO.Directory]::CreateDirectory("$folder/a``b")
            $snapshot = Open-MmapSnapshot -LiteralPath (New-TestFile "$folder/a``b/c.bin")
            Set-Location -LiteralPath "$folder/a``b"
            foreach ($path in '*.bin', '?.bin', './*', "$folder/a``b/*") { @(Get-MmapSnapshot $path).Id | Should -Be $snapshot.Id }
            Set-Location -LiteralPath $folder
        }

        It 'finds a snapshot of a file with a bracket that is not closed in its name' {
            $snapshot = Open-MmapSnapshot -LiteralPath (New-TestFile "$folder/a[b.bin")
            @(Get-MmapSnapshot "$folder/a[b.bin").Id | Should -Be $snapshot.Id
            Assert-SnapshotError { Get-MmapSnapshot "$folder/none[b.bin" } -Id SnapshotClosed -Cmdlet Get-MmapSnapshot
        }

        It 'finds a snapshot by the symbolic link it was opened through' {
            [void](New-Item -ItemType SymbolicLink -Path "$folder/link" -Target "$folder/a.bin")
            $linked = Open-MmapSnapshot "$folder/link"
            (Get-MmapSnapshot "$folder/link").Id | Should -Contain $linked.Id
        }

        It 'finds a snapshot through a linked folder, by <What>' -ForEach @(
            @{ What = 'its full path'; Path = { "$folder/link/c.bin" } }
            @{ What = 'a relative path'; Path = { 'link/c.bin' } }
            @{ What = 'a full wildcard'; Path = { "$folder/link/*.bin" } }
            @{ What = 'a relative wildcard'; Path = { 'link/*.bin' } }
            @{ What = 'a link to a link'; Path = { 'second/c.bin' } }
            @{ What = 'a linked name in it'; Path = { 'link/d.bin' } }
        ) {
            Invoke-Shell 'cd "$1"; mkdir real; printf abc > real/c.bin; ln -s real link; ln -s "$1/sub/../link" second; mkdir sub; ln -s ../real/c.bin real/d.bin' $folder
            $third = Open-MmapSnapshot link/c.bin
            (Get-MmapSnapshot (& $Path)).Id | Should -Be $third.Id
        }

        It 'finds snapshots while the location of PowerShell is a linked folder' {
            Invoke-Shell 'mkdir "$1/real"; printf abc > "$1/real/c.bin"; ln -s real "$1/li[n]k"' $folder
            Set-Location -LiteralPath "$folder/li[n]k"
            $third = Open-MmapSnapshot c.bin
            (Get-MmapSnapshot c.bin).Id | Should -Be $third.Id
            (Get-MmapSnapshot *.bin).Id | Should -Be $third.Id
        }

        It 'refuses a path of links that lead in a circle' {
            Invoke-Shell 'ln -s y "$1/x"; ln -s x "$1/y"' $folder
            Assert-SnapshotError { Get-MmapSnapshot "$folder/x/a.bin" } -Id SnapshotClosed -Cmdlet Get-MmapSnapshot
        }

        It 'still finds the snapshot of a file that was deleted' {
            Remove-Item -LiteralPath "$folder/a.bin"
            (Get-MmapSnapshot "$folder/a.bin").Id | Should -Be $first.Id
        }
    }

    Context 'what becomes of forgotten snapshots' {
        It 'forgets an unmodified snapshot that nobody refers to' {
            & { [void](Open-MmapSnapshot (New-TestFile "$folder/forgotten")) }
            Invoke-GarbageCollection
            Get-MmapSnapshot "$folder/forgotten*" | Should -BeNullOrEmpty
        }

        It 'keeps a modified snapshot that nobody refers to' {
            & { Set-SnapshotBytes (Open-MmapSnapshot (New-TestFile "$folder/forgotten")) 0 'FF' }
            Invoke-GarbageCollection
            $kept = Get-MmapSnapshot "$folder/forgotten"
            $kept.IsModified | Should -BeTrue
            Get-SnapshotHex $kept 0 1 | Should -BeExactly 'FF'
        }

        It 'keeps a resized snapshot that nobody refers to' {
            & { Resize-Snapshot (Open-MmapSnapshot (New-TestFile "$folder/forgotten")) 10 }
            Invoke-GarbageCollection
            (Get-MmapSnapshot "$folder/forgotten").Length | Should -Be 10
        }

        It 'forgets it once it is saved' {
            & { Open-MmapSnapshot (New-TestFile "$folder/forgotten") | Set-SnapshotBytes -Offset 0 -Bytes 'FF' -PassThru | Save-Snapshot }
            Invoke-GarbageCollection
            Get-MmapSnapshot "$folder/forgotten*" | Should -BeNullOrEmpty
        }
    }

    Context 'what it refuses' {
        It 'refuses an id that no open snapshot has' {
            Assert-SnapshotError { Get-MmapSnapshot -Id 2147483647 } -Id SnapshotClosed -Cmdlet Get-MmapSnapshot -Target 2147483647 -Says '2147483647'
        }

        It 'refuses the id of a closed snapshot, and gets the others' {
            Close-MmapSnapshot $first
            $found = @(Get-MmapSnapshot -Id $first.Id, $second.Id -ErrorAction SilentlyContinue -ErrorVariable problems)
            $found.Id | Should -Be $second.Id
            $problems.FullyQualifiedErrorId | Should -Be 'SnapshotClosed,MmapSnapshot.GetMmapSnapshotCommand'
        }

        It 'refuses the path of a file that has no open snapshot' {
            Assert-SnapshotError { Get-MmapSnapshot "$folder/missing" } -Id SnapshotClosed -Cmdlet Get-MmapSnapshot -Target "$folder/missing" -Says "$folder/missing"
        }

        It 'refuses the path of another provider' {
            Assert-SnapshotError { Get-MmapSnapshot Env:PATH } -Id NotSupported -Cmdlet Get-MmapSnapshot -Target 'Env:PATH'
        }

        It 'refuses an id that is no number' {
            Assert-SnapshotError { Get-MmapSnapshot -Id x } -Id CannotConvertArgumentNoMessage -Cmdlet Get-MmapSnapshot
        }

        It 'can be caught with -ErrorAction Stop' {
            { Get-MmapSnapshot -Id 2147483647 -ErrorAction Stop } | Should -Throw -ErrorId 'SnapshotClosed,MmapSnapshot.GetMmapSnapshotCommand'
        }
    }

    It 'has help that names its parameters' {
        Get-Help -Name Get-MmapSnapshot | Out-String | Should -BeLike '*-Path*-Id*'
    }
}

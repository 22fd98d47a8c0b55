# Importing where something is in the way: a mount, another module, a limit.

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/../Support.psm1"
    $needsRoot = Get-Obstacle -Root -Program mount, umount
    $staged = Split-Path -Path $env:MMAPSNAPSHOT_MODULE
    $architecture = "linux-$([System.Runtime.InteropServices.RuntimeInformation]::OSArchitecture.ToString().ToLowerInvariant())"
}

Describe 'Import-Module' {
    BeforeEach {
        $folder = New-Workspace
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'says in one sentence that the module lies on a noexec mount' {
        Skip-When $needsRoot
        Invoke-Shell 'mkdir "$1/mount point"; mount -t tmpfs -o noexec,size=64m tmpfs "$1/mount point"; cp -r "$2" "$1/mount point/MmapSnapshot"' $folder $staged
        try {
            $answer = @(Invoke-FreshPowerShell -WithoutModule -Arguments "$folder/mount point/MmapSnapshot" {
                Import-Module -Name "$($args[0])/MmapSnapshot.psd1"
                [bool](Get-Command -Name Open-MmapSnapshot -ErrorAction Ignore)
            })
            $answer[0].Message | Should -BeLike "*MmapSnapshot cannot be imported from '$folder/mount point/MmapSnapshot': the filesystem is mounted noexec,*"
            $answer[0].Message | Should -Not -Match 'DllNotFound|   at '
            $answer[1] | Should -BeFalse
        } finally {
            Invoke-Shell 'umount "$1/mount point"' $folder
        }
    }

    It 'works when another module has loaded its own Mono.Posix <When>' -ForEach @(
        @{ When = 'before'; Script = { Import-Module "$($args[1])/Other/Other.psd1"; Import-Module $args[0] } }
        @{ When = 'after the import'; Script = { Import-Module $args[0]; Import-Module "$($args[1])/Other/Other.psd1" } }
    ) {
        # With no native helper beside it.
        Invoke-Shell 'mkdir "$1/Other"; cp "$2/Mono.Posix.NETStandard.dll" "$1/Other"' $folder "$staged/$architecture"
        Set-Content -LiteralPath "$folder/Other/Other.psd1" -Value "@{ ModuleVersion = '1.0'; RequiredAssemblies = 'Mono.Posix.NETStandard.dll' }"
        $file = New-TestFile "$folder/a.bin"
        $text = "& { $Script } @args; [Mono.Unix.Native.Errno].Assembly.Location; " +
            '$s = Open-MmapSnapshot $args[2]; Set-SnapshotBytes $s 0 FF; (Save-Snapshot $s -Close -PassThru).Length; (Get-ReflinkSupport $args[2]).FileSystem.Length -gt 0'
        $answer = @(Invoke-FreshPowerShell -WithoutModule -Arguments $env:MMAPSNAPSHOT_MODULE, $folder, $file ([scriptblock]::Create($text)))
        $answer[0] | Should -BeExactly "$folder/Other/Mono.Posix.NETStandard.dll"
        $answer[1, 2] | Should -Be 256, $true
        Get-FileHex $file 0 1 | Should -BeExactly 'FF'
    }

    It 'refuses a session that has loaded another version of the engine' {
        $answer = @(Invoke-FreshPowerShell -WithoutModule -Arguments $env:MMAPSNAPSHOT_MODULE, $folder {
            $path = "$($args[1])/MmapSnapshot.Core.dll"
            $source = [Microsoft.CodeAnalysis.CSharp.CSharpSyntaxTree]::ParseText('[assembly: System.Reflection.AssemblyVersion("0.0.9")] public class Foreign { }')
            $options = [Microsoft.CodeAnalysis.CSharp.CSharpCompilationOptions]::new([Microsoft.CodeAnalysis.OutputKind]::DynamicallyLinkedLibrary)
            $reference = [Microsoft.CodeAnalysis.MetadataReference]::CreateFromFile([object].Assembly.Location)
            $compilation = [Microsoft.CodeAnalysis.CSharp.CSharpCompilation]::Create('MmapSnapshot.Core', [Microsoft.CodeAnalysis.SyntaxTree[]]@($source), [Microsoft.CodeAnalysis.MetadataReference[]]@($reference), $options)
            $stream = [System.IO.File]::Create($path)
            [void]$compilation.Emit($stream)
            $stream.Dispose()
            [void][System.Reflection.Assembly]::LoadFrom($path)
            Import-Module $args[0]
        })
        $answer[0].Message | Should -BeLike 'MmapSnapshot needs version * of MmapSnapshot.Core, but this session has loaded version 0.0.9.0. *'
    }
}

Describe 'A limit to the size of files (ulimit -f)' {
    BeforeEach {
        $folder = New-Workspace
    }

    AfterEach {
        Remove-Workspace $folder
    }

    It 'is the error TooLarge, and ends neither the shell nor a snapshot' {
        Skip-When (Get-Obstacle -Program prlimit)
        $file = New-SparseFile "$folder/a.bin" -Length 8MB
        $answer = @(Invoke-FreshPowerShell -Arguments $file {
            $s = Open-MmapSnapshot $args[0]
            Set-SnapshotBytes $s 0 'FF'
            prlimit --pid $PID --fsize=4000000
            $random = [byte[]]::new(6MB)
            [Random]::new(1).NextBytes($random)
            Set-SnapshotBytes $s 1 $random
            Resize-Snapshot $s 9MB
            Save-Snapshot $s
            $n = New-MmapSnapshot "$($args[0]).new"
            Set-SnapshotBytes $n 0 -Fill 1 -Count 5MB -NewLength 5MB
            Save-Snapshot $n
            Close-MmapSnapshot $n -Force
            # A child has the default action.
            (bash -c 'exec 2> /dev/null; head -c 5000000 /dev/zero > "$1"; kill -l $?' bash "$($args[0]).child")
            Get-SnapshotBytes $s 0 1 -AsHex
            [System.Linq.Enumerable]::SequenceEqual([byte[]](Get-SnapshotBytes $s 1 6MB), $random)
        })
        @($answer | Where-Object { $_.PSObject.Properties['ErrorId'] } | ForEach-Object ErrorId) | Should -Be @(
            'TooLarge,MmapSnapshot.SaveSnapshotCommand', 'TooLarge,MmapSnapshot.SaveSnapshotCommand')
        @($answer | Where-Object { -not $_.PSObject.Properties['ErrorId'] }) | Should -Be 'XFSZ', 'FF', $true
    }
}

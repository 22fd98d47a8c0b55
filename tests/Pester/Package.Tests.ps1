# The packages that build.ps1 -Task Package makes, used as their users use them: installed, imported, referenced.

Set-StrictMode -Version 3

BeforeAll {
    Set-StrictMode -Version 3
    $ErrorActionPreference = 'Stop'
    Import-Module -Name "$PSScriptRoot/Support.psm1"
    $staged = Split-Path -Path $env:MMAPSNAPSHOT_MODULE
    $manifest = Import-PowerShellDataFile -LiteralPath $env:MMAPSNAPSHOT_MODULE
    $version = [version]$manifest.ModuleVersion
    $output = [System.IO.Path]::GetFullPath("$staged/../..")
    $modulePackage = "$output/MmapSnapshot.$version.nupkg"
    $enginePackage = "$output/MmapSnapshot.Core.$version.nupkg"
    if (-not (Test-Path -LiteralPath $enginePackage)) { throw 'The packages have not been built: ./build.ps1 -Task Package.' }
    $cannotPack = if (-not (Get-Command -Name Compress-PSResource -ErrorAction Ignore)) { 'needs Compress-PSResource' }

    $folder = New-Workspace
    # A package is a zip file: what is in it, besides what each has to be a package.
    function Expand-Package([string] $Package, [string] $To) {
        [System.IO.Compression.ZipFile]::ExtractToDirectory($Package, $To)
        [xml]$nuspec = Get-Content -LiteralPath (Get-ChildItem -LiteralPath $To -Filter *.nuspec) -Raw
        Remove-Item -LiteralPath "$To/[Content_Types].xml", "$To/_rels", "$To/package", (Get-ChildItem -LiteralPath $To -Filter *.nuspec).FullName -Recurse -Force
        $nuspec.package.metadata
    }
    function Get-RelativeFile([string] $Below) {
        Get-ChildItem -LiteralPath $Below -Recurse -File -Force | ForEach-Object { [System.IO.Path]::GetRelativePath($Below, $_.FullName) } | Sort-Object
    }
    if (-not $cannotPack) { $moduleMetadata = Expand-Package $modulePackage "$folder/module" }
    $engineMetadata = Expand-Package $enginePackage "$folder/engine"

    # The changelog's section for this version or, before its release, what is unreleased.
    $heading = ''
    $sections = @{}
    foreach ($line in [System.IO.File]::ReadAllLines("$PSScriptRoot/../../CHANGELOG.md")) {
        if ($line -match '^## \[(.+)\]') { $heading = $Matches[1]; $sections[$heading] = @() } elseif ($heading) { $sections[$heading] += $line }
    }
    $released = $sections.ContainsKey("$version") ? "$version" : 'Unreleased'
    $releaseNotes = ($sections[$released] -join "`n").Trim()

    # A first patch; answers where the module came from, and with the file afterwards.
    $firstPatch = {
        $file = "$HOME/app.bin"
        [System.IO.File]::WriteAllText($file, 'name=app debug=0 end')
        $snapshot = Open-MmapSnapshot $file
        (Get-Module MmapSnapshot).ModuleBase
        $match = Find-SnapshotBytes $snapshot -Text 'debug=0'
        Set-SnapshotBytes $snapshot ($match.Offset + 6) -Text '1' -Expect '30'
        Save-Snapshot $snapshot -Close
        [System.IO.File]::ReadAllText($file)
    }
    $patched = 'name=app debug=1 end'
}

AfterAll {
    Remove-Item -LiteralPath $folder -Recurse -Force
}

Describe 'The package of the module' {
    BeforeEach {
        Skip-When $cannotPack
    }

    # Module.Tests.ps1 says which files those are.
    It 'holds exactly what is staged, byte for byte' {
        $hashes = foreach ($root in $staged, "$folder/module") {
            , @(Get-RelativeFile $root | ForEach-Object { "$_ $((Get-FileHash -LiteralPath "$root/$_").Hash)" })
        }
        $hashes[1] | Should -Be $hashes[0]
    }

    It 'tells the Gallery what the manifest says' {
        $moduleMetadata.id | Should -BeExactly 'MmapSnapshot'
        $moduleMetadata.version | Should -BeExactly "$version"
        $moduleMetadata.authors | Should -BeExactly $manifest.Author
        $moduleMetadata.description | Should -BeExactly $manifest.Description
        $moduleMetadata.copyright | Should -BeExactly $manifest.Copyright
        $moduleMetadata.projectUrl | Should -BeExactly $manifest.PrivateData.PSData.ProjectUri
        $moduleMetadata.licenseUrl | Should -BeExactly $manifest.PrivateData.PSData.LicenseUri
        -split $moduleMetadata.tags | Should -Be @('PSModule'; $manifest.PrivateData.PSData.Tags)
        $moduleMetadata.releaseNotes.ReplaceLineEndings("`n") | Should -BeExactly $releaseNotes
    }
}

# Module.Tests.ps1 has the engine, of which there is one for each processor.
Describe 'The assembly of the cmdlets' {
    It 'is of no processor' {
        $image = [System.Reflection.PortableExecutable.PEReader]::new([System.IO.File]::OpenRead("$staged/MmapSnapshot.dll"))
        # "I386" with "ILOnly" is how a .NET assembly says "any".
        "$($image.PEHeaders.CoffHeader.Machine), $($image.PEHeaders.CorHeader.Flags)" | Should -BeExactly 'I386, ILOnly'
        $image.Dispose()
    }
}

Describe 'The manifest' {
    It 'has all that the Gallery shows' {
        $shown = Test-ModuleManifest -Path $env:MMAPSNAPSHOT_MODULE
        $shown.Version | Should -Be $version
        $shown.Guid | Should -Not -Be ([guid]::Empty)
        $shown.Author, $shown.Description, $shown.Copyright | Should -Not -BeNullOrEmpty
        $shown.ProjectUri.Scheme, $shown.LicenseUri.Scheme | Should -Be 'https', 'https'
        $shown.Tags | Should -Contain 'Linux'
        $shown.Tags | Should -Contain 'PSEdition_Core'
        # The Gallery cuts them off there.
        $shown.ReleaseNotes.Length | Should -BeLessOrEqual 35000
    }

    It 'has the section of the changelog as its release notes' {
        $releaseNotes | Should -BeLike '*- *'
        $manifest.PrivateData.PSData.ReleaseNotes | Should -BeExactly $releaseNotes
    }
}

Describe 'The package of the engine' {
    BeforeAll {
        $engine = [System.IO.File]::OpenRead("$folder/engine/lib/net8.0/MmapSnapshot.Core.dll")
        $image = [System.Reflection.PortableExecutable.PEReader]::new($engine)
        $embedded = @($image.ReadDebugDirectory() | Where-Object Type -EQ 'EmbeddedPortablePdb')
        if ($embedded.Count -eq 0) { throw 'The engine has no embedded symbols.' }
        $symbols = $image.ReadEmbeddedPortablePdbDebugDirectoryData($embedded[0])
        $reader = $symbols.GetMetadataReader()
    }

    AfterAll {
        $symbols.Dispose()
        $image.Dispose()
    }

    It 'has exactly these files' {
        $expected = 'README.md', 'lib/net8.0/MmapSnapshot.Core.dll', 'lib/net8.0/MmapSnapshot.Core.xml' | Sort-Object
        Get-RelativeFile "$folder/engine" | Should -Be $expected
    }

    It 'tells NuGet what it is' {
        $engineMetadata.id | Should -BeExactly 'MmapSnapshot.Core'
        $engineMetadata.version | Should -BeExactly "$version"
        $engineMetadata.license.InnerText | Should -BeExactly 'Unlicense'
        $engineMetadata.readme | Should -BeExactly 'README.md'
        $engineMetadata.projectUrl | Should -BeExactly $manifest.PrivateData.PSData.ProjectUri
        $engineMetadata.releaseNotes.ReplaceLineEndings("`n") | Should -BeExactly $releaseNotes
        $engineMetadata.dependencies.group.targetFramework | Should -BeExactly 'net8.0'
        $engineMetadata.dependencies.group.dependency | ForEach-Object id | Should -BeExactly 'Mono.Posix.NETStandard'
    }

    It 'has the documentation of its public types' {
        $documented = ([xml](Get-Content -LiteralPath "$folder/engine/lib/net8.0/MmapSnapshot.Core.xml" -Raw)).doc.members.member.name
        foreach ($type in [MmapSnapshot.Snapshot].Assembly.GetExportedTypes()) { $documented | Should -Contain "T:$("$type".Replace('+', '.'))" }
    }

    It 'names no folder of the machine that built it' {
        $paths = @($reader.Documents | ForEach-Object { $reader.GetString($reader.GetDocument($_).Name) })
        $paths | Should -Contain '/_/src/MmapSnapshot.Core/Snapshot.cs'
        $paths | Where-Object { -not $_.StartsWith('/_/') } | Should -BeNullOrEmpty
    }

    It 'leads debuggers to its sources' {
        if (-not (Test-Path -LiteralPath "$PSScriptRoot/../../.git")) { Skip-When 'needs the git repository' }
        # The kind of SourceLink, in the specification of portable PDBs.
        $link = $reader.CustomDebugInformation | ForEach-Object { $reader.GetCustomDebugInformation($_) } |
            Where-Object { $reader.GetGuid($_.Kind) -eq 'CC110556-A091-4D38-9FEC-25AB9A351A6A' } |
            ForEach-Object { [System.Text.Encoding]::UTF8.GetString($reader.GetBlobBytes($_.Value)) }
        $repository = $manifest.PrivateData.PSData.ProjectUri.Replace('https://github.com/', 'https://raw.githubusercontent.com/')
        ($link | ConvertFrom-Json).documents.'/_/*' | Should -Match "^$([regex]::Escape($repository))/[0-9a-f]{40}/\*`$"
        $engineMetadata.repository.url | Should -BeExactly $manifest.PrivateData.PSData.ProjectUri
        $engineMetadata.repository.commit | Should -Match '^[0-9a-f]{40}$'
    }

    It 'can be referenced, and the example of its README does what it says' {
        $project = (New-Item -ItemType Directory -Path "$folder/project").FullName
        [System.IO.File]::ReadAllText("$folder/engine/README.md") -match '(?s)```csharp\n(.+?)```' | Should -BeTrue
        Set-Content -LiteralPath "$project/Program.cs" -Value $Matches[1]
        # From the folder alone, into a cache of its own; the dependency is where the build of the engine has put it.
        $cache = (dotnet msbuild "$PSScriptRoot/../../src/MmapSnapshot.Core" '-getProperty:NuGetPackageRoot').Trim()
        Set-Content -LiteralPath "$project/Example.csproj" -Value @"
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net8.0</TargetFramework>
    <RollForward>Major</RollForward>
    <ImplicitUsings>enable</ImplicitUsings>
    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
    <UseAppHost>false</UseAppHost>
    <RestoreSources>$output</RestoreSources>
    <RestorePackagesPath>$project/packages</RestorePackagesPath>
    <RestoreFallbackFolders>$cache</RestoreFallbackFolders>
    <NuGetAudit>false</NuGetAudit>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="MmapSnapshot.Core" Version="$version" />
  </ItemGroup>
</Project>
"@
        Invoke-Shell 'dotnet build "$1" -o "$1/out" --nologo -v quiet 2>&1' $project
        $file = New-TestFile "$project/app.bin" -Text 'name=app debug=0 end'
        Invoke-Shell 'cd "$1" && dotnet out/Example.dll' $project | Should -Match '^(Replace|Exchange): 1 of 20 bytes$'
        Get-Content -LiteralPath $file -Raw | Should -BeExactly 'name=app debug=1 end'
        "$project/packages/mmapsnapshot.core/$version" | Should -Exist
    }
}

Describe 'The module, installed from a repository' {
    It 'is found by name, does its job in a fresh shell, comes and goes, and can be uninstalled' {
        Skip-When $cannotPack
        $user = (New-Item -ItemType Directory -Path "$folder/user").FullName
        $repository = (New-Item -ItemType Directory -Path "$folder/repository").FullName
        Copy-Item -LiteralPath $modulePackage -Destination $repository

        Invoke-FreshPowerShell -WithoutModule -HomeFolder $user -Arguments $repository {
            Register-PSResourceRepository -Name Local -Uri $args[0] -Trusted
            Install-PSResource -Name MmapSnapshot -Repository Local -Scope CurrentUser
        } | Should -BeNullOrEmpty

        $installed = "$user/.local/share/powershell/Modules/MmapSnapshot/$version"
        Invoke-FreshPowerShell -WithoutModule -HomeFolder $user $firstPatch | Should -Be $installed, $patched

        $answer = Invoke-FreshPowerShell -WithoutModule -HomeFolder $user {
            foreach ($time in 1..3) {
                Import-Module MmapSnapshot
                Import-Module MmapSnapshot -Force
                (Get-ReflinkSupport $HOME).Path
                Remove-Module MmapSnapshot
            }
            Get-Help about_MmapSnapshot_Errors | Out-String | Select-String SnapshotConflict -Quiet
            Uninstall-PSResource -Name MmapSnapshot
            @(Get-Module -ListAvailable MmapSnapshot).Count
        }
        $answer | Should -Be $user, $user, $user, $true, 0
        $installed | Should -Not -Exist
    }
}

Describe 'The module, unpacked by hand' {
    It 'works from a folder of any name that <Who> may only read' -ForEach @(
        @{ Who = 'the user' ; As = '' }
        @{ Who = 'another user'; As = 'Nobody' }
    ) {
        if ($As) { Skip-When (Get-NobodyObstacle) }
        $modules = "$folder/mödule 'path' `$x [1]"
        $base = "$modules/MmapSnapshot/$version"
        if (-not (Test-Path -LiteralPath $base)) {
            if ($cannotPack) { Copy-Item -LiteralPath $staged -Destination $base -Recurse } else { [System.IO.Compression.ZipFile]::ExtractToDirectory($modulePackage, $base) }
            chmod -R 'a=rX' $modules
        }
        Invoke-FreshPowerShell -WithoutModule -ModulePath $modules -As $As $firstPatch | Should -Be $base, $patched
    }
}

Describe 'Two versions of the module, side by side' {
    BeforeAll {
        $next = [version]::new($version.Major, $version.Minor + 1, $version.Build)
        $modules = "$folder/modules"
        [void][System.IO.Directory]::CreateDirectory("$modules/MmapSnapshot")
        foreach ($one in $version, $next) { Copy-Item -LiteralPath $staged -Destination "$modules/MmapSnapshot/$one" -Recurse }

        # The next one is a copy whose manifest and assemblies say so. The version of an assembly follows the first four bytes of the only
        # row of its table Assembly, and is first in a row of AssemblyRef (ECMA-335, II.22.2 and 5). By the Mvid the runtime tells one
        # build from another.
        function Set-AssemblyVersion([string] $Path) {
            $image = [System.Reflection.PortableExecutable.PEReader]::new([System.IO.File]::OpenRead($Path))
            $reader = [System.Reflection.Metadata.PEReaderExtensions]::GetMetadataReader($image)
            $tables = [System.Reflection.Metadata.Ecma335.MetadataReaderExtensions]
            $offsets = @(
                $tables::GetTableMetadataOffset($reader, 'Assembly') + 4
                $row = $tables::GetTableMetadataOffset($reader, 'AssemblyRef')
                foreach ($reference in $reader.AssemblyReferences) {
                    if ($reader.GetString($reader.GetAssemblyReference($reference).Name) -eq 'MmapSnapshot.Core') { $row }
                    $row += $tables::GetTableRowSize($reader, 'AssemblyRef')
                }
            ) | ForEach-Object { $image.PEHeaders.MetadataStartOffset + $_ }
            $mvid = $reader.GetGuid($reader.GetModuleDefinition().Mvid).ToByteArray()
            $image.Dispose()
            $snapshot = Open-MmapSnapshot -LiteralPath $Path
            $was = [byte[]]($version.Major, 0, $version.Minor, 0, $version.Build, 0)
            $is = [byte[]]($next.Major, 0, $next.Minor, 0, $next.Build, 0)
            foreach ($offset in $offsets) { Set-SnapshotBytes $snapshot $offset $is -Expect $was }
            Find-SnapshotBytes $snapshot $mvid -First 1 | Set-SnapshotBytes -Bytes ([guid]::NewGuid().ToByteArray())
            Save-Snapshot $snapshot -Close
        }
        $nextManifest = "$modules/MmapSnapshot/$next/MmapSnapshot.psd1"
        Set-Content -LiteralPath $nextManifest -Value ([System.IO.File]::ReadAllText($nextManifest).Replace("'$version'", "'$next'"))
        Get-ChildItem -LiteralPath "$modules/MmapSnapshot/$next" -Filter 'MmapSnapshot*.dll' -Recurse | ForEach-Object { Set-AssemblyVersion $_.FullName }

        # Which version is there, and whether all of it is of that version and works.
        $check = {
            Get-Module MmapSnapshot | ForEach-Object { "$($_.Version)" }
            $snapshot = Open-MmapSnapshot (New-Item -Path "$HOME/$([guid]::NewGuid())" -Value abc).FullName
            Get-SnapshotBytes $snapshot -AsText
            Close-MmapSnapshot $snapshot
            (Get-Command Open-MmapSnapshot).ImplementingType, $snapshot.GetType() | ForEach-Object { "$($_.Assembly.GetName().Version)" }
        }
    }

    It 'takes the newest, and in that session no other' {
        $answer = Invoke-FreshPowerShell -WithoutModule -ModulePath $modules -Arguments $version, $check {
            $check = [scriptblock]::Create($args[1])
            Import-Module MmapSnapshot
            & $check
            Import-Module MmapSnapshot -RequiredVersion $args[0]
            & $check
            Remove-Module MmapSnapshot
            Import-Module MmapSnapshot -RequiredVersion $args[0]
            Import-Module MmapSnapshot
            & $check
        }
        $all = "$next", 'abc', "$next.0", "$next.0"
        $answer[0..3] | Should -Be $all
        # Before PowerShell 7.5 this is all that .NET says; then it names the assembly first.
        $answer[4].Message | Should -BeLike '*Assembly with same name is already loaded'
        $answer[5..8] | Should -Be $all
        $answer[9].Message | Should -BeExactly $answer[4].Message
        $answer[10..13] | Should -Be $all
    }

    It 'takes the older one if asked to, and in that session no other' {
        $answer = Invoke-FreshPowerShell -WithoutModule -ModulePath $modules -Arguments $version, $check {
            $check = [scriptblock]::Create($args[1])
            Import-Module MmapSnapshot -RequiredVersion $args[0]
            & $check
            Import-Module MmapSnapshot
            & $check
        }
        $all = "$version", 'abc', "$version.0", "$version.0"
        $answer[0..3] | Should -Be $all
        $answer[4].Message | Should -BeLike '*Assembly with same name is already loaded'
        $answer[5..8] | Should -Be $all
    }
}

Describe 'The module, on a system that it does not support' {
    It 'says so in one sentence' {
        $answer = @(Invoke-FreshPowerShell -WithoutModule -ModulePath (Split-Path -Path (Split-Path -Path $staged)) -Arguments $staged {
            # What the module takes for the C library lacks the function that only glibc has: it is the dynamic linker.
            $linker = Get-Content -LiteralPath /proc/self/maps | Where-Object { $_ -match '/ld-linux' } | ForEach-Object { (-split $_)[-1] } | Select-Object -First 1
            $linker = [System.Runtime.InteropServices.NativeLibrary]::Load($linker)
            $assembly = [System.Reflection.Assembly]::LoadFrom("$($args[0])/MmapSnapshot.dll")
            [System.Runtime.InteropServices.NativeLibrary]::SetDllImportResolver($assembly, { $linker })
            Import-Module MmapSnapshot
            Open-MmapSnapshot /dev/null
            @(Get-Module MmapSnapshot).Count
        })
        $answer.Count | Should -Be 3
        $sentence = 'MmapSnapshot runs only on Linux with glibc, on x64 or arm64.'
        $answer[0].Message | Should -BeExactly $sentence
        $answer[0].ErrorId | Should -BeExactly 'System.PlatformNotSupportedException,Microsoft.PowerShell.Commands.ImportModuleCommand'
        $answer[1].Message | Should -BeLike "*$sentence*"
        $answer[1].ErrorId | Should -BeExactly 'CouldNotAutoloadMatchingModule'
        $answer[2] | Should -Be 0
    }

    It 'finds Linux <Linux>, <Architecture>, glibc <Glibc>: <Says>' -ForEach @(
        @{ Says = $null; Linux = $true; Architecture = 'X64'; Glibc = '2.28' }
        @{ Says = $null; Linux = $true; Architecture = 'Arm64'; Glibc = '2.36' }
        @{ Says = $null; Linux = $true; Architecture = 'X64'; Glibc = '2.100' }
        @{ Says = $null; Linux = $true; Architecture = 'X64'; Glibc = '3.0' }
        @{ Says = 'runs only on Linux with glibc'; Linux = $false; Architecture = 'X64'; Glibc = $null }
        @{ Says = 'runs only on Linux with glibc'; Linux = $false; Architecture = 'Arm64'; Glibc = '2.36' }
        @{ Says = 'runs only on Linux with glibc'; Linux = $true; Architecture = 'Arm'; Glibc = '2.36' }
        @{ Says = 'runs only on Linux with glibc'; Linux = $true; Architecture = 'X86'; Glibc = '2.36' }
        @{ Says = 'runs only on Linux with glibc'; Linux = $true; Architecture = 'X64'; Glibc = $null }
        @{ Says = 'needs glibc 2.28 or later, and this system has 2.27'; Linux = $true; Architecture = 'X64'; Glibc = '2.27' }
        @{ Says = 'needs glibc 2.28 or later, and this system has 2.4'; Linux = $true; Architecture = 'Arm64'; Glibc = '2.4' }
    ) {
        $find = [MmapSnapshot.ModuleLifetime].GetMethod('FindObstacle', [System.Reflection.BindingFlags]'NonPublic, Static')
        $obstacle = $find.Invoke($null, [object[]]@($Linux, [System.Runtime.InteropServices.Architecture]$Architecture, $Glibc))
        if ($Says) { $obstacle | Should -BeLike "MmapSnapshot *$Says*." } else { $obstacle | Should -BeNullOrEmpty }
    }
}
